/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of what relying parties will see of this bundle here: by the collateral that the advisor keeps, or
 * that the configuration names.
 */
#include "manager/checks/families.h"
#include "manager/checks/relying_party.h"

static bool judge(const CheckSubject *subject, const char *edition, CheckResult *result,
                  RelyingParty *ret_judgement) {
    relying_party_judge(subject, edition, ret_judgement);
    if (ret_judgement->outcome == RELYING_PARTY_UNKNOWN) {
        check_skip(result, "%s", ret_judgement->text);
    } else if (ret_judgement->outcome == RELYING_PARTY_REFUSES) {
        check_skip(result, "the trial quote does not verify: see quote.verified");
    } else if (ret_judgement->status == TCB_UNKNOWN) {
        check_skip(result, "the collateral says nothing about this kind of platform or QE");
    } else {
        return true;
    }
    return false;
}

static const char *source_of(const RelyingParty *judgement) {
    return judgement->by_quote ? "the trial quote is"
                               : "by its QE's ISVSVN and this node's certificate it is";
}

/* What a relying party refuses whatever its policy is `is_lost`; the rest is a matter of policy and time. */
static void say_status(const RelyingParty *judgement, const char *when, CheckResult *result) {
    const char *status = tcb_status_name(judgement->status);
    bool is_lost = judgement->status == TCB_REVOKED || judgement->status == TCB_NOT_SUPPORTED;
    if (judgement->status == TCB_UP_TO_DATE) {
        check_pass(result, "%s UpToDate%s", source_of(judgement), when);
    } else if (tcb_status_is_current(judgement->status)) {
        check_note(result, "%s %s%s: relying parties have to accept that; no update cures it",
                   source_of(judgement), status, when);
    } else if (is_lost) {
        check_bad(result, "%s %s%s: platform %s, QE %s", source_of(judgement), status, when,
                  tcb_status_name(judgement->platform), tcb_status_name(judgement->qe));
    } else {
        check_warn(result, "%s %s%s: platform %s, QE %s; many relying parties refuse that",
                   source_of(judgement), status, when, tcb_status_name(judgement->platform),
                   tcb_status_name(judgement->qe));
    }
}

static void check_status(const CheckSubject *subject, CheckResult *result) {
    RelyingParty judgement;
    if (!judge(subject, "standard", result, &judgement)) {
        return;
    }
    if (judgement.revoked) {
        check_bad(result, "relying parties refuse it: %s", judgement.problem);
    } else {
        say_status(&judgement, "", result);
    }
}

static void check_early(const CheckSubject *subject, CheckResult *result) {
    RelyingParty judgement;
    if (judge(subject, "early", result, &judgement)) {
        say_status(&judgement, " under Intel's newest data, which becomes the standard", result);
    }
}

static void check_current(const CheckSubject *subject, CheckResult *result) {
    RelyingParty judgement;
    if (!judge(subject, "standard", result, &judgement)) {
        return;
    }
    if (judgement.problem[0] != '\0' && !judgement.revoked) {
        check_bad(result, "%s", judgement.problem);
    } else {
        check_pass(result, "it is good until %s", judgement.expires);
    }
}

enum { NEEDS = CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL | CHECK_NEEDS_LIVE | CHECK_NEEDS_TIME };

static const Check checks[] = {
    {"collateral.status", "relying parties take quotes of this bundle here",
     "quotes that are made without a fault and refused by whoever they are for",
     "https://github.com/intel/linux-sgx/issues/631", NEEDS, CHECK_FAIL, check_status,
     "'pswctl tcb' says what is short: the bundle, the PCK certificate or the microcode"},
    {"collateral.early", "they will still do so under Intel's newest data",
     "a verdict that changes on the day when Intel makes its newest data the standard",
     "https://github.com/near/mpc/issues/4169", NEEDS, CHECK_WARN, check_early,
     "'pswctl tcb' says what is short; update before that day"},
    {"collateral.current", "the collateral has not expired",
     "verdicts that rest on what relying parties no longer use",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/250", NEEDS, CHECK_WARN,
     check_current, "'pswctl tcb' fetches it anew; look at its PROBLEM lines, and at the clock of this node"},
};

const CheckFamily family_collateral = {"collateral", FAMILY(checks)};
