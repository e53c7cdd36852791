/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "bundles/gate_parts.h"

void gate_judge_simulated(Gate *gate, const Manifest *manifest) {
    GateCheck *check = gate_next_check(gate, "simulated", NULL);
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        const EnclaveReport *report = &gate->enclaves[i].report;
        /* Without the right signer the role is only what it claims to be. */
        bool is_sure = report->checks[ENCLAVE_CHECK_SIGNER].verdict == ENCLAVE_VERDICT_PASS;
        if (is_sure && report->simulated != manifest->simulated) {
            gate_say(check, ENCLAVE_VERDICT_FAIL, "the manifest says %s, the %s is %s",
                     manifest->simulated ? "simulated" : "not simulated", report->role,
                     report->simulated ? "simulated" : "not");
            return;
        }
    }
    if (!manifest->simulated) {
        gate_say(check, ENCLAVE_VERDICT_PASS, "it is not for a simulated platform");
    } else if (gate->policy.allow_simulated) {
        gate_say(check, ENCLAVE_VERDICT_PASS,
                 "it is for a simulated platform, which the configuration allows");
    } else {
        gate_say(check, ENCLAVE_VERDICT_FAIL,
                 "it is for the simulated platform and its quotes prove nothing: refused, unless the "
                 "configuration says 'simulated: allow'");
    }
}

void gate_judge_set(Gate *gate, const Manifest *manifest) {
    GateCheck *check = gate_next_check(gate, "set", NULL);
    ReleaseSet set = {0};
    const Release *release = NULL;
    if (manifest->simulated) {
        gate_say(check, ENCLAVE_VERDICT_SKIPPED, "simulated enclaves are of no release");
        return;
    }
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        const ManifestFile *file = manifest_find(manifest, release_roles[i]);
        set.svn[i] = gate->enclaves[i].report.svn;
        set.version[i] = file != NULL ? file->version : NULL;
    }
    switch (releases_judge(gate->policy.releases, &set, &release)) {
    case RELEASE_FITS:
        gate_say(check, ENCLAVE_VERDICT_PASS, "QE3 %u, ID enclave %u and PCE %u belong together: DCAP %s",
                 set.svn[0], set.svn[1], set.svn[2], release->version);
        return;
    case RELEASE_NEWER:
        gate_say(check, ENCLAVE_VERDICT_SKIPPED,
                 "QE3 %u, ID enclave %u, PCE %u: newer than the table of releases, which begins with DCAP %s",
                 set.svn[0], set.svn[1], set.svn[2], gate->policy.releases->list[0].version);
        return;
    case RELEASE_MIXED:
    default:
        gate_say(
            check, ENCLAVE_VERDICT_FAIL,
            "QE3 %u, ID enclave %u and PCE %u (ISVSVN) or their versions are of different releases: import "
            "the packages of one",
            set.svn[0], set.svn[1], set.svn[2]);
    }
}

void gate_judge_epc(Gate *gate, const Manifest *manifest) {
    GateCheck *check = gate_next_check(gate, "epc", NULL);
    unsigned long long total = 0;
    unsigned long long budget = gate->policy.epc_kib;
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        total += gate->enclaves[i].report.epc_kib;
    }
    if (manifest->epc_kib != 0 && manifest->epc_kib < total) {
        gate_say(check, ENCLAVE_VERDICT_FAIL,
                 "the enclaves take %llu KiB of EPC, the manifest asks for only %llu", total,
                 (unsigned long long)manifest->epc_kib);
    } else if (budget != 0 && total > budget) {
        gate_say(check, ENCLAVE_VERDICT_FAIL, "the enclaves take %llu KiB of EPC, there are %llu", total,
                 budget);
    } else {
        gate_say(check, ENCLAVE_VERDICT_PASS, "the enclaves take %llu KiB of EPC", total);
    }
}

/* The two enclaves of a role, if it goes down. */
static bool goes_down(const Manifest *installed, const Manifest *offered, ManifestRole role,
                      const ManifestFile **ret_from, const ManifestFile **ret_to) {
    *ret_from = manifest_find(installed, role);
    *ret_to = manifest_find(offered, role);
    return *ret_from != NULL && *ret_to != NULL && (*ret_from)->has_identity && (*ret_to)->has_identity &&
           (*ret_to)->isv_svn < (*ret_from)->isv_svn;
}

static bool is_allowed(const Manifest *offered, const char *role, const char *const *allowed, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(allowed[i], role) == 0 || strcmp(allowed[i], offered->name) == 0) {
            return true;
        }
    }
    return false;
}

bool gate_check_downgrade(const Manifest *installed, const Manifest *offered, const char *const *allowed,
                          size_t allowed_count, Error *err) {
    char what[GATE_DOWNGRADE_TEXT_MAX] = "", options[GATE_DOWNGRADE_TEXT_MAX] = "";
    for (size_t i = 0; installed != NULL && i < RELEASE_ENCLAVES_COUNT; i++) {
        const ManifestFile *from = NULL;
        const ManifestFile *to = NULL;
        const char *role = manifest_role_name(release_roles[i]);
        if (goes_down(installed, offered, release_roles[i], &from, &to) &&
            !is_allowed(offered, role, allowed, allowed_count)) {
            size_t at = strlen(what), end = strlen(options);
            (void)snprintf(what + at, sizeof what - at, "%s%s from %u to %u", at > 0 ? ", " : "", role,
                           from->isv_svn, to->isv_svn);
            (void)snprintf(options + end, sizeof options - end, " --allow-downgrade %s", role);
        }
    }
    return what[0] == '\0' || error_set(err, ERROR_PERMISSION,
                                        "bundle '%s' %s: check downgrade: ISVSVN would go down (%s), and "
                                        "relying parties may refuse its "
                                        "quotes: if that is what you want, say%s",
                                        offered->name, offered->version, what, options);
}

void gate_describe_downgrade(const Manifest *installed, const Manifest *offered,
                             char text[GATE_DOWNGRADE_TEXT_MAX]) {
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; installed != NULL && i < RELEASE_ENCLAVES_COUNT; i++) {
        const ManifestFile *from = NULL;
        const ManifestFile *to = NULL;
        if (goes_down(installed, offered, release_roles[i], &from, &to)) {
            int length =
                snprintf(text + at, GATE_DOWNGRADE_TEXT_MAX - at, "%s%s %u to %u", at > 0 ? ", " : "",
                         manifest_role_name(release_roles[i]), from->isv_svn, to->isv_svn);
            at += length > 0 ? (size_t)length : 0;
        }
    }
}
