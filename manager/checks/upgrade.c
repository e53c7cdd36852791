/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the step from the serving bundle to another one, and back: what becomes of the attestation key,
 * of the certificates, and of reports that applications made before.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/gate.h"
#include "bundles/version.h"
#include "manager/checks/families.h"

static bool find_both(const CheckSubject *subject, CheckResult *result, ManifestRole role,
                      const ManifestFile **ret_from, const ManifestFile **ret_to) {
    *ret_from = manifest_find(subject->serving, role);
    *ret_to = manifest_find(subject->bundle, role);
    if (*ret_from == NULL || *ret_to == NULL || !(*ret_from)->has_identity || !(*ret_to)->has_identity) {
        check_skip(result, "a manifest does not say which %s it means", manifest_role_name(role));
        return false;
    }
    return true;
}

static void check_downgrade(const CheckSubject *subject, CheckResult *result) {
    char text[GATE_DOWNGRADE_TEXT_MAX];
    gate_describe_downgrade(subject->serving, subject->bundle, text);
    if (text[0] == '\0') {
        check_pass(result, "no ISVSVN goes down");
    } else {
        check_bad(result, "ISVSVN goes down: %s", text);
    }
}

/* A key is certified by a PCE; a certificate of a later TCB than the PCE has is none for it. */
static void check_pce(const CheckSubject *subject, CheckResult *result) {
    const ManifestFile *from = NULL, *to = NULL;
    if (!find_both(subject, result, MANIFEST_ROLE_PCE, &from, &to)) {
        return;
    }
    if (to->isv_svn < from->isv_svn) {
        check_bad(result,
                  "the PCE goes from ISVSVN %u to %u: a cached PCK certificate of the later TCB then ends in "
                  "SGX_QL_KEY_CERTIFCATION_ERROR (0xe018)",
                  from->isv_svn, to->isv_svn);
    } else {
        check_pass(result, "the PCE's ISVSVN does not go down (%u to %u)", from->isv_svn, to->isv_svn);
    }
}

static void check_pce_back(const CheckSubject *subject, CheckResult *result) {
    const ManifestFile *from = NULL, *to = NULL;
    if (!find_both(subject, result, MANIFEST_ROLE_PCE, &from, &to)) {
        return;
    }
    if (to->isv_svn > from->isv_svn) {
        check_bad(
            result,
            "the PCE goes from ISVSVN %u to %u: once certificates of the new TCB are cached, the way back "
            "may need that cache removed",
            from->isv_svn, to->isv_svn);
    } else {
        check_pass(result, "the way back needs no other certificates");
    }
}

static bool is_same_enclave(const ManifestFile *a, const ManifestFile *b) {
    return digest_equal(&a->mr_enclave, &b->mr_enclave);
}

static void check_key(const CheckSubject *subject, CheckResult *result) {
    const ManifestFile *qe_from = NULL, *qe_to = NULL, *pce_from = NULL, *pce_to = NULL;
    if (!find_both(subject, result, MANIFEST_ROLE_QE3, &qe_from, &qe_to) ||
        !find_both(subject, result, MANIFEST_ROLE_PCE, &pce_from, &pce_to)) {
        return;
    }
    if (qe_from->isv_svn != qe_to->isv_svn) {
        check_bad(result,
                  "the QE's ISVSVN changes (%u to %u): another attestation key, certified anew; the way back "
                  "brings the former key again",
                  qe_from->isv_svn, qe_to->isv_svn);
    } else if (!is_same_enclave(pce_from, pce_to)) {
        check_bad(result, "the PCE changes: the attestation key stays and is certified anew");
    } else {
        check_pass(result, "the attestation key stays");
    }
}

static void check_reports(const CheckSubject *subject, CheckResult *result) {
    const ManifestFile *from = NULL, *to = NULL;
    if (!find_both(subject, result, MANIFEST_ROLE_QE3, &from, &to)) {
        return;
    }
    if (is_same_enclave(from, to)) {
        check_pass(result, "the QE's MRENCLAVE stays: reports made before are good");
    } else if (subject->settings->ducks_count == 0) {
        check_bad(
            result,
            "the QE's MRENCLAVE changes and lame_ducks.count is 0: applications that keep target info get "
            "no quotes until they fetch it anew");
    } else {
        check_pass(result, "the QE's MRENCLAVE changes: the former generation stays as a lame duck");
    }
}

static void check_same_svn(const CheckSubject *subject, CheckResult *result) {
    static const ManifestRole roles[] = {MANIFEST_ROLE_QE3, MANIFEST_ROLE_PCE, MANIFEST_ROLE_ID_ENCLAVE};
    const ManifestFile *from = NULL, *to = NULL;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (!find_both(subject, result, roles[i], &from, &to)) {
            return;
        }
        if (from->isv_svn == to->isv_svn && !is_same_enclave(from, to)) {
            check_bad(result, "%s changes and keeps ISVSVN %u: another build of the same security version",
                      manifest_role_name(roles[i]), to->isv_svn);
            return;
        }
    }
    check_pass(result, "every enclave that changes has another ISVSVN");
}

static void check_product(const CheckSubject *subject, CheckResult *result) {
    if (strcmp(subject->serving->name, subject->bundle->name) == 0) {
        check_pass(result, "both bundles are called %.64s", subject->bundle->name);
    } else {
        check_bad(result, "the serving bundle is called %.64s, this one %.64s", subject->serving->name,
                  subject->bundle->name);
    }
}

static void check_platform(const CheckSubject *subject, CheckResult *result) {
    if (subject->serving->simulated == subject->bundle->simulated) {
        check_pass(result, "both are for the same platform");
    } else {
        check_bad(result, "the serving bundle is %s, this one is %s",
                  subject->serving->simulated ? "simulated" : "genuine",
                  subject->bundle->simulated ? "simulated" : "genuine");
    }
}

static void check_version(const CheckSubject *subject, CheckResult *result) {
    const char *from = subject->serving->version, *to = subject->bundle->version;
    if (version_is_valid(from) && version_is_valid(to) && version_compare(to, from) < 0) {
        check_bad(result, "%s is older than %s, which serves", to, from);
    } else {
        check_pass(result, "%s is not older than %s", to, from);
    }
}

enum { NEEDS_BOTH = CHECK_NEEDS_BUNDLE | CHECK_NEEDS_SERVING };

static const Check checks[] = {
    {"upgrade.downgrade", "no ISVSVN goes down", "relying parties that refuse what they accepted yesterday",
     "https://github.com/intel/linux-sgx/issues/631", NEEDS_BOTH, CHECK_WARN, check_downgrade,
     "a swap needs --allow-downgrade for each of them"},
    {"upgrade.pce", "the PCE is not older than the certificates in use",
     "0xe018 on every quote after going down", "https://github.com/intel/linux-sgx/issues/631", NEEDS_BOTH,
     CHECK_WARN, check_pce,
     "remove the provider's cache of certificates (provider.cache says where) before the swap"},
    {"upgrade.pce-back", "the way back needs no other certificates", "0xe018 after a rollback",
     "https://github.com/intel/linux-sgx/issues/631", NEEDS_BOTH, CHECK_INFO, check_pce_back,
     "should a rollback end in 0xe018, remove the provider's cache"},
    {"upgrade.key", "what becomes of the attestation key",
     "verifiers that pin a key, and the time of a certification", "https://github.com/intel/ehsm/pull/108",
     NEEDS_BOTH, CHECK_INFO, check_key, "nothing to do: the warm-up certifies it"},
    {"upgrade.reports", "applications that keep target info are served",
     "AESM 47 for reports made before the swap", "https://github.com/gramineproject/gramine/pull/1881",
     NEEDS_BOTH, CHECK_WARN, check_reports, "set lame_ducks.count to 1 or more"},
    {"upgrade.same-svn", "an enclave that changes has another ISVSVN",
     "two builds that one ISVSVN cannot tell apart",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/releases", NEEDS_BOTH, CHECK_INFO,
     check_same_svn, "nothing to do where relying parties look at MRSIGNER and ISVSVN"},
    {"upgrade.product", "the bundle is of the same name as the serving one",
     "swapping to something else by mistake", "https://github.com/intel/linux-sgx/blob/master/README.md",
     NEEDS_BOTH, CHECK_WARN, check_product, "make sure that this is the bundle you mean"},
    {"upgrade.platform", "both bundles are for the same platform",
     "a node that leaves hardware for the simulation unnoticed",
     "https://github.com/intel/linux-sgx/blob/master/README.md", NEEDS_BOTH, CHECK_WARN, check_platform,
     "make sure that this is the bundle you mean"},
    {"upgrade.version", "the bundle is not older than the serving one", "going back without wanting to",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/releases", NEEDS_BOTH, CHECK_INFO,
     check_version, "nothing to do if you mean to go back"},
};

const CheckFamily family_upgrade = {"upgrade", FAMILY(checks)};
