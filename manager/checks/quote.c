/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of a bundle by running it: its libraries in a child, and what a test generation said.
 */
#include <stdio.h>
#include <string.h>

#include "manager/checks/bundle_loading.h"
#include "manager/checks/child.h"
#include "manager/checks/families.h"
#include "manager/checks/relying_party.h"

enum { LOAD_TIMEOUT_MS = 10 * 1000 };

static void check_load(const CheckSubject *subject, CheckResult *result) {
    BundleLoading loading = {subject->bundle, subject->bundle_path};
    ChildAnswer answer;
    if (subject->bundle_path == NULL) {
        check_skip(result, "it is not unpacked");
        return;
    }
    child_run(bundle_loading_try, &loading, LOAD_TIMEOUT_MS, &answer);
    if (answer.verdict == CHILD_ANSWERED && answer.good) {
        check_pass(result, "%s", answer.text);
    } else if (answer.verdict == CHILD_IMPOSSIBLE) {
        check_skip(result, "%s", answer.text);
    } else {
        check_bad(result, "loading its libraries: %s", answer.text);
    }
}

static const json_t *status_of(const CheckSubject *subject) {
    return json_object_get(subject->trial, "status");
}

static const json_t *trial_of(const CheckSubject *subject) {
    return json_object_get(subject->trial, "trial");
}

static const char *kind_of(const CheckSubject *subject) {
    const char *kind = json_string_value(json_object_get(trial_of(subject), "kind"));
    return kind != NULL ? kind : "";
}

static void check_trial(const CheckSubject *subject, CheckResult *result) {
    const char *error = json_string_value(json_object_get(subject->trial, "error"));
    if (error != NULL) {
        check_bad(result, "the test generation failed: %s", error);
    } else if (strcmp(kind_of(subject), "quote") == 0) {
        check_pass(result, "it made a quote, whose signatures were checked");
    } else if (strcmp(kind_of(subject), "probe") == 0) {
        check_note(result, "its library makes no reports itself: a forged one was refused, as is right");
    } else {
        check_bad(result, "the test generation made no quote");
    }
}

static void check_verified(const CheckSubject *subject, CheckResult *result) {
    RelyingParty judgement;
    if (strcmp(kind_of(subject), "quote") != 0) {
        check_skip(result, "the test generation made no quote");
        return;
    }
    relying_party_judge(subject, "standard", &judgement);
    if (judgement.outcome == RELYING_PARTY_UNKNOWN) {
        check_skip(result, "%s", judgement.text);
    } else if (judgement.outcome == RELYING_PARTY_REFUSES) {
        check_bad(result, "whoever gets it refuses it: %s", judgement.text);
    } else if (judgement.revoked) {
        check_bad(result, "whoever gets it refuses it: %s", judgement.problem);
    } else {
        check_pass(result, "certificates, QE report, QE identity and signature lead to the root");
    }
}

static void check_target_info(const CheckSubject *subject, CheckResult *result) {
    char wanted[DIGEST_HEX_SIZE];
    const ManifestFile *qe = manifest_find(subject->bundle, MANIFEST_ROLE_QE3);
    const char *loaded =
        json_string_value(json_object_get(json_object_get(status_of(subject), "qe"), "mrenclave"));
    if (loaded == NULL || qe == NULL || !qe->has_identity) {
        check_skip(result, "%s",
                   loaded == NULL ? "the test generation did not say which QE it has loaded"
                                  : "the manifest does not say which QE it means");
        return;
    }
    digest_format(&qe->mr_enclave, wanted);
    if (strcmp(loaded, wanted) == 0) {
        check_pass(result, "the loaded QE is the bundle's: %.16s", loaded);
    } else {
        check_bad(result, "the loaded QE is %.16s, the bundle's is %.16s", loaded, wanted);
    }
}

static void compare_svn(const CheckSubject *subject, CheckResult *result, const char *member,
                        ManifestRole role) {
    const ManifestFile *file = manifest_find(subject->bundle, role);
    const json_t *loaded = json_object_get(json_object_get(status_of(subject), member), "isv_svn");
    if (!json_is_integer(loaded) || file == NULL || !file->has_identity ||
        strcmp(kind_of(subject), "quote") != 0) {
        check_skip(result, "there is no quote, or no ISVSVN in the manifest to compare it with");
    } else if (json_integer_value(loaded) != file->isv_svn) {
        check_bad(result, "the quote says ISVSVN %lld, the manifest %u", json_integer_value(loaded),
                  file->isv_svn);
    } else {
        check_pass(result, "the quote says ISVSVN %u, as the manifest does", file->isv_svn);
    }
}

static void check_qe_svn(const CheckSubject *subject, CheckResult *result) {
    compare_svn(subject, result, "qe", MANIFEST_ROLE_QE3);
}

static void check_pce_svn(const CheckSubject *subject, CheckResult *result) {
    compare_svn(subject, result, "pce", MANIFEST_ROLE_PCE);
}

static void check_latency(const CheckSubject *subject, CheckResult *result) {
    const json_t *time = json_object_get(trial_of(subject), "microseconds");
    uint64_t most = subject->settings->trial_latency_max_ms;
    if (!json_is_integer(time) || most == 0) {
        check_skip(result, "the trial has no time, or there is no limit");
    } else if ((uint64_t)json_integer_value(time) / 1000 > most) {
        check_bad(result, "the trial quote took %lld ms; more than %llu ms fails a soak",
                  json_integer_value(time) / 1000, (unsigned long long)most);
    } else {
        check_pass(result, "the trial quote took %lld us", json_integer_value(time));
    }
}

static void check_size(const CheckSubject *subject, CheckResult *result) {
    enum { GRAMINE_SIZE = 8192 };
    const json_t *size = json_object_get(status_of(subject), "quote_size");
    if (!json_is_integer(size)) {
        check_skip(result, "the test generation did not say how large its quotes are");
    } else if (json_integer_value(size) > GRAMINE_SIZE) {
        check_bad(result, "its quotes have %lld bytes; applications that offer %d get none",
                  json_integer_value(size), GRAMINE_SIZE);
    } else {
        check_pass(result, "its quotes have %lld bytes", json_integer_value(size));
    }
}

static const Check checks[] = {
    {"quote.load", "the bundle's libraries load and have every function that quoted calls",
     "libraries that hang, crash or write over others' memory when they are loaded",
     "https://github.com/intel/linux-sgx/issues/1022", CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TIME, CHECK_FAIL,
     check_load, "look at libraries.needed and libraries.symbols; make the bundle of one whole release"},
    {"quote.trial", "a test generation makes a quote", "finding out with the first client",
     "https://github.com/gramineproject/gramine/issues/1810", CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL,
     CHECK_FAIL, check_trial, "read the text; 'pswctl explain CODE' explains the code in it"},
    {"quote.verified", "the trial quote verifies to the root with this node's collateral",
     "quotes that only look genuine: of another root, a revoked certificate, or a QE that is not Intel's",
     "https://github.com/openenclave/openenclave/issues/4268",
     CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL | CHECK_NEEDS_LIVE | CHECK_NEEDS_TIME, CHECK_FAIL, check_verified,
     "look at collateral.root and at the provider's certificates; pswctl verify tells more about a quote"},
    {"quote.target-info", "the QE that is loaded is the bundle's",
     "another enclave file that the library finds first",
     "https://github.com/gramineproject/gramine/pull/1881", CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL,
     CHECK_FAIL, check_target_info,
     "look for another libsgx_qe3.signed.so in the loader's path: libraries.leftovers"},
    {"quote.qe-svn", "quotes say the ISVSVN of the bundle's QE",
     "a QE that was exchanged and a key that was not", "https://github.com/gramineproject/gramine/pull/1877",
     CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL, CHECK_FAIL, check_qe_svn,
     "the bundle's manifest and files do not belong together: make it anew"},
    {"quote.pce-svn", "quotes say the ISVSVN of the bundle's PCE", "another PCE that the library finds first",
     "https://github.com/intel/linux-sgx/issues/631", CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL, CHECK_FAIL,
     check_pce_svn, "look for another libsgx_pce.signed.so in the loader's path: libraries.leftovers"},
    {"quote.latency", "a trial quote is as quick as the soak demands",
     "a swap that goes back after its switch",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/345",
     CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL, CHECK_WARN, check_latency,
     "look at the provider (provider.reach), or raise swap.trial_latency_max"},
    {"quote.size", "quotes fit into the buffers that applications offer",
     "Gramine, which offers 8192 bytes and no more",
     "https://github.com/gramineproject/gramine/blob/master/pal/src/host/linux-sgx/host_platform.c",
     CHECK_NEEDS_BUNDLE | CHECK_NEEDS_TRIAL, CHECK_WARN, check_size,
     "use a provider whose certificate chain is shorter"},
};

const CheckFamily family_quote = {"quote", FAMILY(checks)};
