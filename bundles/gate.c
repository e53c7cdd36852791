/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/gate.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/gate_parts.h"

enum { OWN_ROLE, OWN_EXPECTED, OWN_DOWNGRADE };

Gate *gate_new(const GatePolicy *policy, Error *err) {
    Gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory for the verification of a bundle");
        return NULL;
    }
    gate->policy = *policy;
    return gate;
}

void gate_free(Gate *gate) {
    if (gate == NULL) {
        return;
    }
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        free(gate->enclaves[i].path);
    }
    free(gate);
}

GateCheck *gate_next_check(Gate *gate, const char *id, const char *path) {
    assert(gate->checks_count < GATE_CHECKS_MAX);
    GateCheck *check = &gate->checks[gate->checks_count++];
    *check = (GateCheck){.id = id, .path = path};
    return check;
}

void gate_say(GateCheck *check, EnclaveVerdict verdict, const char *format, ...) {
    va_list args;
    check->verdict = verdict;
    va_start(args, format);
    (void)vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
}

static size_t index_of(ManifestRole role) {
    size_t index = 0;
    while (release_roles[index] != role) {
        index++;
        assert(index < RELEASE_ENCLAVES_COUNT);
    }
    return index;
}

/* The manifest's word for what it is against the enclave's own. */
static void judge_role(const GateEnclave *enclave, const ManifestFile *file, GateCheck *check) {
    const char *role = manifest_role_name(file->role);
    bool same = strcmp(enclave->report.role, role) == 0;
    *check = (GateCheck){.id = "role", .path = enclave->path};
    if (enclave->report.role[0] == 0) {
        gate_say(check, ENCLAVE_VERDICT_FAIL, "the manifest calls it %s, it is the enclave of no role", role);
    } else {
        gate_say(check, same ? ENCLAVE_VERDICT_PASS : ENCLAVE_VERDICT_FAIL,
                 "the manifest calls it %s, it is %s", role, enclave->report.role);
    }
}

static void judge_expected(const GateEnclave *enclave, const ManifestFile *file, GateCheck *check) {
    const EnclaveReport *report = &enclave->report;
    *check = (GateCheck){.id = "expected", .path = enclave->path};
    if (!file->has_identity) {
        gate_say(
            check, ENCLAVE_VERDICT_FAIL,
            "the manifest does not say which enclave is meant: make the bundle again with this psw-bundle");
    } else if (report->svn != file->isv_svn) {
        gate_say(check, ENCLAVE_VERDICT_FAIL, "ISVSVN is %u, the manifest says %u", report->svn,
                 file->isv_svn);
    } else if (!digest_equal(&report->mr_enclave, &file->mr_enclave)) {
        gate_say(check, ENCLAVE_VERDICT_FAIL, "MRENCLAVE is not the one that the manifest says");
    } else {
        gate_say(check, ENCLAVE_VERDICT_PASS, "ISVSVN %u and MRENCLAVE are those of the manifest",
                 report->svn);
    }
}

static void judge_downgrade(const Gate *gate, const GateEnclave *enclave, const ManifestFile *file,
                            GateCheck *check) {
    const Manifest *installed = gate->policy.installed;
    const ManifestFile *former = installed != NULL ? manifest_find(installed, file->role) : NULL;
    *check = (GateCheck){.id = "downgrade", .path = enclave->path};
    if (former == NULL || !former->has_identity) {
        gate_say(check, ENCLAVE_VERDICT_SKIPPED, "nothing is installed to compare with");
    } else if (enclave->report.svn < former->isv_svn) {
        gate_say(check, ENCLAVE_VERDICT_WAIVED,
                 "ISVSVN %u is below the %u that serves: swapping to it needs --allow-downgrade %s",
                 enclave->report.svn, former->isv_svn, manifest_role_name(file->role));
    } else {
        gate_say(check, ENCLAVE_VERDICT_PASS, "ISVSVN %u is not below the %u that serves",
                 enclave->report.svn, former->isv_svn);
    }
}

bool gate_add_enclave(Gate *gate, const ManifestFile *file, Bytes content, Error *err) {
    GateEnclave *enclave = &gate->enclaves[index_of(file->role)];
    const EnclaveOptions options = {
        .policy = gate->policy.signers, .now = gate->policy.now, .limits = &image_limits_bundle};
    assert(!enclave->seen);
    enclave->path = strdup(file->path);
    if (enclave->path == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
    }
    enclave->seen = true;
    if (!enclave_examine(content, &options, &enclave->report, err)) {
        return error_wrap(err, "%s", file->path);
    }
    judge_role(enclave, file, &enclave->own[OWN_ROLE]);
    judge_expected(enclave, file, &enclave->own[OWN_EXPECTED]);
    judge_downgrade(gate, enclave, file, &enclave->own[OWN_DOWNGRADE]);
    const EnclaveCheck *form = &enclave->report.checks[ENCLAVE_CHECK_FORM];
    return form->verdict != ENCLAVE_VERDICT_FAIL ||
           error_set(err, ERROR_VERIFY, "%s: check form: %s", file->path, form->text);
}

/* From cheap to dear and from the file to its place in the bundle, as docs/enclaves.md lists them. */
static void list_enclave(Gate *gate, const GateEnclave *enclave) {
    for (size_t id = 0; id < ENCLAVE_CHECKS_COUNT; id++) {
        const EnclaveCheck *from = &enclave->report.checks[id];
        GateCheck *to = gate_next_check(gate, enclave_check_name((EnclaveCheckId)id), enclave->path);
        gate_say(to, from->verdict, "%s", from->text);
    }
    for (size_t i = 0; i < sizeof enclave->own / sizeof *enclave->own; i++) {
        *gate_next_check(gate, NULL, NULL) = enclave->own[i];
    }
}

/* "; also: strict-form of lib/x, set" for what failed behind the first. */
static void list_others(const Gate *gate, const GateCheck *first, char *text, size_t size) {
    size_t at = 0;
    text[0] = 0;
    for (const GateCheck *check = first + 1; check < gate->checks + gate->checks_count; check++) {
        if (check->verdict == ENCLAVE_VERDICT_FAIL && at < size) {
            int length = snprintf(text + at, size - at, "%s%s%s%s", at == 0 ? "; also: " : ", ", check->id,
                                  check->path != NULL ? " of " : "", check->path != NULL ? check->path : "");
            at += length > 0 ? (size_t)length : 0;
        }
    }
}

static bool refuse(const Gate *gate, const GateCheck *check, const Manifest *manifest, Error *err) {
    char others[ENCLAVE_TEXT_MAX];
    bool policy = strcmp(check->id, "simulated") == 0;
    bool signer = strcmp(check->id, "signer") == 0;
    const char *hint = manifest->simulated && signer
                           ? ": name the platform's trust.yaml under 'trust' in the configuration"
                           : "";
    list_others(gate, check, others, sizeof others);
    return error_set(err, policy ? ERROR_PERMISSION : ERROR_VERIFY, "%s%scheck %s: %s%s%s",
                     check->path != NULL ? check->path : "", check->path != NULL ? ": " : "", check->id,
                     check->text, hint, others);
}

bool gate_finish(Gate *gate, const Manifest *manifest, Error *err) {
    gate_say(gate_next_check(gate, "manifest", NULL), ENCLAVE_VERDICT_PASS,
             "the manifest is complete and in its one form");
    gate_say(gate_next_check(gate, "content", NULL), ENCLAVE_VERDICT_PASS,
             "every file has the size, mode and SHA-256 that the manifest says");
    gate_judge_simulated(gate, manifest);
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        if (!gate->enclaves[i].seen) {
            return error_set(err, ERROR_VERIFY, "the enclave of role %s was not seen",
                             manifest_role_name(release_roles[i]));
        }
        list_enclave(gate, &gate->enclaves[i]);
    }
    gate_judge_set(gate, manifest);
    gate_judge_epc(gate, manifest);
    for (size_t i = 0; i < gate->checks_count; i++) {
        if (gate->checks[i].verdict == ENCLAVE_VERDICT_FAIL) {
            return refuse(gate, &gate->checks[i], manifest, err);
        }
    }
    return true;
}

size_t gate_checks_count(const Gate *gate) {
    return gate->checks_count;
}

const GateCheck *gate_check(const Gate *gate, size_t index) {
    return &gate->checks[index];
}

json_t *gate_json(const Gate *gate) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < gate->checks_count; i++) {
        const GateCheck *check = &gate->checks[i];
        json_t *item = json_pack("{s:s, s:s?, s:s, s:s}", "id", check->id, "path", check->path, "verdict",
                                 enclave_verdict_name(check->verdict), "text", check->text);
        if (json_array_append_new(list, item) != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}
