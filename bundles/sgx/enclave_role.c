/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "bundles/base/text.h"
#include "bundles/sgx/enclave_private.h"

/* Loaded from the file as it is: inside one segment, and no patch of any entry changes it. */
static bool range_is_measured(const Examination *exam, uint64_t offset, uint64_t size) {
    bool loaded = false;
    for (size_t i = 0; i < exam->elf.segments.count; i++) {
        const ElfSegment *load = &exam->elf.segments.items[i];
        loaded |= load->type == ELF_SEGMENT_LOAD && offset >= load->offset && size <= load->file_size &&
                  offset - load->offset <= load->file_size - size;
    }
    for (size_t i = 0; i < exam->metadata.count; i++) {
        loaded = loaded && !metadata_patches_touch(&exam->metadata.entries[i], offset, size);
    }
    return loaded;
}

/* The name counts only if the signature covers all that led to it: the place and number of the program
 * headers, the headers, the dynamic section and the text. */
static bool soname_is_measured(const Examination *exam, Error *err) {
    enum { PHOFF = 32, PHOFF_SIZE = 8, PHENTSIZE = 54, PHENTSIZE_PHNUM_SIZE = 4 };
    const uint8_t *file = exam->elf.file.data;
    const ElfSoname *soname = &exam->soname;
    uint64_t headers_size = exam->elf.segments.count * (uint64_t)ELF_SEGMENT_HEADER_SIZE;
    if (range_is_measured(exam, PHOFF, PHOFF_SIZE) &&
        range_is_measured(exam, PHENTSIZE, PHENTSIZE_PHNUM_SIZE) &&
        range_is_measured(exam, bytes_le64(file + PHOFF), headers_size) &&
        range_is_measured(exam, (uint64_t)(soname->dynamic.data - file), soname->dynamic.size) &&
        range_is_measured(exam, (uint64_t)(soname->string.data - file), soname->string.size)) {
        return true;
    }
    return error_set(
        err, ERROR_VERIFY,
        "DT_SONAME or the headers that lead to it are not loaded as they are in the file, so that the "
        "signature does not cover them");
}

static bool soname_check(Examination *exam, Error *err) {
    EnclaveReport *report = exam->report;
    if (report->soname[0] == 0) {
        return error_set(err, ERROR_VERIFY, "there is no DT_SONAME, which is what tells the roles apart");
    }
    if (!soname_is_measured(exam, err)) {
        return false;
    }
    exam->role = signers_find_role(exam->options->policy, report->soname, &report->mr_signer);
    if (exam->role == NULL) {
        return error_set(err, ERROR_VERIFY, "%s is the name of no enclave that the trust policy knows",
                         report->soname);
    }
    (void)text_copy(report->role, sizeof report->role, exam->role->role);
    report->simulated = exam->role->simulated;
    return true;
}

static bool signer_check(const Examination *exam, Error *err) {
    if (signers_may_sign(exam->role, &exam->report->mr_signer)) {
        return true;
    }
    char hex[DIGEST_HEX_SIZE];
    digest_format(&exam->report->mr_signer, hex);
    return error_set(
        err, ERROR_VERIFY,
        "MRSIGNER %s may not sign for the role %s: pin it in a trust policy if it is yours, else do not use "
        "this file",
        hex, exam->role->role);
}

static bool role_rules_check(const Examination *exam, Error *err) {
    for (size_t i = 0; i < exam->metadata.count; i++) {
        const Image *image = &exam->images[i];
        if (image->has_text_relocations || (image->has_appended && !exam->role->appended_library)) {
            return error_set(err, ERROR_VERIFY, "%s, which no enclave of the role %s has",
                             image->has_appended ? "a library is appended" : "there are relocations in code",
                             exam->role->role);
        }
    }
    return signers_check_identity(exam->role, &exam->sigstruct, err);
}

bool enclave_examine_denied(Examination *exam, Error *err) {
    EnclaveReport *report = exam->report;
    Error failure = ERROR_INIT;
    const Signer *denied = signers_find_denied(exam->options->policy, &report->mr_signer);
    const Signer *known = signers_find(exam->options->policy, &report->mr_signer);
    (void)text_copy(report->signer, sizeof report->signer,
                    denied != NULL  ? "denied"
                    : known != NULL ? known->name
                                    : "unknown");
    if (denied != NULL) {
        error_set(&failure, ERROR_VERIFY, "the signer %s is denied: %s", denied->name, denied->reason);
    }
    return enclave_conclude(report, ENCLAVE_CHECK_DENIED, denied == NULL, "the signer is not denied",
                            &failure, err);
}

bool enclave_examine_role(Examination *exam, Error *err) {
    EnclaveReport *report = exam->report;
    Error failure = ERROR_INIT;
    char text[ENCLAVE_TEXT_MAX];
    bool named = soname_check(exam, &failure);
    (void)snprintf(text, sizeof text, "%s is the role %s", report->soname, report->role);
    if (!enclave_conclude(report, ENCLAVE_CHECK_SONAME, named, text, &failure, err) || !named) {
        return !named;
    }
    (void)snprintf(text, sizeof text, "%s may sign for the role %s", report->signer, report->role);
    bool good = signer_check(exam, &failure);
    if (!enclave_conclude(report, ENCLAVE_CHECK_SIGNER, good, text, &failure, err)) {
        return false;
    }
    good = role_rules_check(exam, &failure);
    (void)snprintf(text, sizeof text, "product id and attributes are those of the role %s", report->role);
    if (!enclave_conclude(report, ENCLAVE_CHECK_IDENTITY, good, text, &failure, err)) {
        return false;
    }
    good = report->svn >= exam->role->min_svn;
    (void)snprintf(text, sizeof text, "ISVSVN %u is %s the floor of %u", report->svn,
                   good ? "not below" : "below", exam->role->min_svn);
    if (!good) {
        error_set(&failure, ERROR_VERIFY, "%s", text);
    }
    return enclave_conclude(report, ENCLAVE_CHECK_SVN, good, text, &failure, err);
}
