/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/enclave_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "bundles/sgx/measure.h"
#include "bundles/sgx/strict_form.h"

static const char *const check_names[ENCLAVE_CHECKS_COUNT] = {
    [ENCLAVE_CHECK_FORM] = "form",           [ENCLAVE_CHECK_SIGSTRUCT] = "sigstruct",
    [ENCLAVE_CHECK_SIGNATURE] = "signature", [ENCLAVE_CHECK_DENIED] = "denied",
    [ENCLAVE_CHECK_SONAME] = "soname",       [ENCLAVE_CHECK_SIGNER] = "signer",
    [ENCLAVE_CHECK_IDENTITY] = "identity",   [ENCLAVE_CHECK_SVN] = "svn",
    [ENCLAVE_CHECK_DATE] = "date",           [ENCLAVE_CHECK_STRICT_FORM] = "strict-form",
    [ENCLAVE_CHECK_FIPS] = "fips",           [ENCLAVE_CHECK_MEASUREMENT] = "measurement",
};

const char *enclave_check_name(EnclaveCheckId id) {
    return check_names[id];
}

const char *enclave_verdict_name(EnclaveVerdict verdict) {
    static const char *const names[] = {[ENCLAVE_VERDICT_SKIPPED] = "skipped",
                                        [ENCLAVE_VERDICT_PASS] = "pass",
                                        [ENCLAVE_VERDICT_WAIVED] = "waived",
                                        [ENCLAVE_VERDICT_FAIL] = "fail"};
    return names[verdict];
}

static void check_set(EnclaveReport *report, EnclaveCheckId id, EnclaveVerdict verdict, const char *text) {
    report->checks[id].verdict = verdict;
    (void)snprintf(report->checks[id].text, ENCLAVE_TEXT_MAX, "%.*s", ENCLAVE_TEXT_MAX - 1, text);
}

/* A check's outcome from a function's: what failed for want of memory says nothing about the file. */
bool enclave_conclude(EnclaveReport *report, EnclaveCheckId id, bool good, const char *text,
                      const Error *failure, Error *err) {
    if (!good && failure->kind == ERROR_MEMORY) {
        return error_set(err, failure->kind, "%s", failure->text);
    }
    check_set(report, id, good ? ENCLAVE_VERDICT_PASS : ENCLAVE_VERDICT_FAIL, good ? text : failure->text);
    return true;
}

static void sigstruct_report(Examination *exam) {
    const Sigstruct *sigstruct = &exam->sigstruct;
    EnclaveReport *report = exam->report;
    report->has_sigstruct = true;
    report->mr_signer = sigstruct->mr_signer;
    memcpy(report->mr_enclave.bytes, sigstruct->mr_enclave, DIGEST_SIZE);
    report->attributes = sigstruct->attributes;
    report->attributes_mask = sigstruct->attributes_mask;
    report->misc_select = sigstruct->misc_select;
    report->misc_mask = sigstruct->misc_mask;
    report->prod_id = sigstruct->prod_id;
    report->svn = sigstruct->svn;
    sigstruct_format_date(sigstruct, report->date);
}

/* Entries for loaders of different age mostly ask for the very same pages: these are hashed once. The first
 * such entry's index; its own if there is none before. */
static size_t same_image(const Examination *exam, size_t index) {
    size_t i = 0;
    while (i < index && !image_is_same(&exam->images[i], &exam->images[index])) {
        i++;
    }
    return i;
}

static bool claims_role(const Examination *exam) {
    const EnclaveReport *report = exam->report;
    const SignerPolicy *policy = exam->options->policy;
    return signers_find(policy, &report->mr_signer) != NULL ||
           signers_find_role(policy, report->soname, &report->mr_signer) != NULL;
}

/* All pages are planned and counted here, so that nothing costs more than it may. Layouts are signed by
 * nobody until they are measured. So an enclave that claims a role, or that comes from somebody who may sign
 * for one, gets no more than a bundle's: only applications may be larger. */
static bool images_open(Examination *exam, Error *failure) {
    const ImageLimits *given = exam->options->limits;
    const bool is_like_ours = claims_role(exam);
    ImageLimits limits =
        is_like_ours && image_limits_bundle.file_size < given->file_size ? image_limits_bundle : *given;
    for (size_t i = 0; i < exam->metadata.count; i++) {
        const MetadataEntry *entry = &exam->metadata.entries[i];
        Image *image = &exam->images[i];
        if (!image_open(&exam->elf, entry, &limits, image, failure)) {
            exam->report->too_large = failure->kind == ERROR_LIMIT && !is_like_ours;
            return error_wrap(failure, "metadata entry %zu (%u.%u)", i, entry->major, entry->minor);
        }
        exam->same[i] = same_image(exam, i);
        if (exam->same[i] == i) {
            limits.hashed_bytes -= image_hashed_bytes(image);
            exam->hashed_bytes += image_hashed_bytes(image);
        }
        exam->report->measurements[i] = (EnclaveMeasurement){.major = entry->major,
                                                             .minor = entry->minor,
                                                             .pages = image->pages,
                                                             .measured_pages = image->measured_pages,
                                                             .epc_kib = image_epc_kib(image)};
        exam->report->measurements_count = i + 1;
    }
    return true;
}

static bool form_examine(Examination *exam, Bytes file, Error *err) {
    EnclaveReport *report = exam->report;
    Error failure = ERROR_INIT;
    bool readable = file.size <= exam->options->limits->file_size ||
                    error_set(&failure, ERROR_LIMIT, "a file of %zu bytes: at most %llu are accepted",
                              file.size, (unsigned long long)exam->options->limits->file_size);
    report->too_large = !readable;
    bool parsed = readable && elf_parse(file, &exam->elf, &failure) &&
                  metadata_parse(&exam->elf, &exam->metadata, &failure);
    if (parsed && sigstruct_parse(exam->metadata.entries[0].sigstruct, &exam->sigstruct, &failure)) {
        sigstruct_report(exam);
    }
    bool good = parsed && report->has_sigstruct && elf_soname(&exam->elf, &exam->soname, &failure);
    if (good) {
        (void)text_copy(report->soname, sizeof report->soname, exam->soname.text);
        good = images_open(exam, &failure);
    }
    if (good) {
        size_t choice = (size_t)(metadata_loaders_choice(&exam->metadata) - exam->metadata.entries);
        report->pages = report->measurements[choice].pages;
        report->epc_kib = report->measurements[choice].epc_kib;
    }
    exam->has_form = good;
    return enclave_conclude(report, ENCLAVE_CHECK_FORM, good, "ELF file and metadata are well-formed",
                            &failure, err);
}

static bool strict_form_examine(Examination *exam, Error *err) {
    Error failure = ERROR_INIT;
    bool good = strict_form_check(&exam->elf, &exam->metadata, &failure);
    if (!enclave_conclude(exam->report, ENCLAVE_CHECK_STRICT_FORM, good,
                          "the file has the signing tool's shape", &failure, err)) {
        return false;
    }
    if (!good && exam->options->allow_loose_form) {
        exam->report->checks[ENCLAVE_CHECK_STRICT_FORM].verdict = ENCLAVE_VERDICT_WAIVED;
    }
    return true;
}

static bool sigstructs_are_same(const Metadata *metadata, Error *err) {
    for (size_t i = 1; i < metadata->count; i++) {
        if (!bytes_equal(metadata->entries[i].sigstruct, metadata->entries[0].sigstruct)) {
            return error_set(err, ERROR_VERIFY, "metadata entry %zu has another SIGSTRUCT than entry 0", i);
        }
    }
    return true;
}

static bool sigstruct_examine(Examination *exam, Error *err) {
    EnclaveReport *report = exam->report;
    Error failure = ERROR_INIT;
    bool form =
        sigstruct_check_form(&exam->sigstruct, &failure) && sigstructs_are_same(&exam->metadata, &failure);
    if (!enclave_conclude(report, ENCLAVE_CHECK_SIGSTRUCT, form, "SIGSTRUCT is well-formed", &failure, err)) {
        return false;
    }
    bool signature = sigstruct_check_signature(&exam->sigstruct, &failure);
    if (!enclave_conclude(report, ENCLAVE_CHECK_SIGNATURE, signature, "signature, Q1 and Q2 are good",
                          &failure, err)) {
        return false;
    }
    bool date = sigstruct_check_date(&exam->sigstruct, exam->options->now, &failure);
    char text[64];
    (void)snprintf(text, sizeof text, "signed on %s", report->date);
    return enclave_conclude(report, ENCLAVE_CHECK_DATE, date, text, &failure, err);
}

static bool fips_examine(Examination *exam, Error *err) {
    Error failure = ERROR_INIT;
    Bytes body;
    bool present = false;
    bool good = true;
    for (size_t i = 0; good && i < exam->metadata.count; i++) {
        present |= metadata_find_extend(&exam->metadata.entries[i], METADATA_EXTEND_FIPS_SIGNATURE, &body);
        good = metadata_check_fips(&exam->metadata.entries[i], &failure);
    }
    if (!present) {
        check_set(exam->report, ENCLAVE_CHECK_FIPS, ENCLAVE_VERDICT_SKIPPED,
                  "there is no FIPS signature record");
        return true;
    }
    return enclave_conclude(exam->report, ENCLAVE_CHECK_FIPS, good, "the FIPS signature record is good",
                            &failure, err);
}

static bool image_measure(const Examination *exam, size_t index, Digest *ret_mr_enclave, Error *failure) {
    size_t same = exam->same[index];
    if (same < index) {
        *ret_mr_enclave = exam->report->measurements[same].mr_enclave;
        return true;
    }
    return measure_image(&exam->images[index], ret_mr_enclave, failure);
}

static bool measurement_examine(Examination *exam, Error *err) {
    EnclaveReport *report = exam->report;
    Error failure = ERROR_INIT;
    bool good = true;
    for (size_t i = 0; i < exam->metadata.count; i++) {
        EnclaveMeasurement *measurement = &report->measurements[i];
        if (!image_measure(exam, i, &measurement->mr_enclave, &failure)) {
            return error_set(err, failure.kind, "%s", failure.text);
        }
        measurement->measured = true;
        if (good && !digest_equal(&measurement->mr_enclave, &report->mr_enclave)) {
            char hex[DIGEST_HEX_SIZE];
            digest_format(&measurement->mr_enclave, hex);
            good = error_set(&failure, ERROR_VERIFY,
                             "metadata entry %zu (%u.%u) measures to %s, which is not what was signed: the "
                             "file was changed",
                             i, measurement->major, measurement->minor, hex);
        }
    }
    report->match = good;
    return enclave_conclude(report, ENCLAVE_CHECK_MEASUREMENT, good, "MRENCLAVE is the signed one", &failure,
                            err);
}

/* What is signed by nobody may not cost more than a bundle's enclave. */
static bool measurement_is_affordable(const Examination *exam) {
    return exam->report->checks[ENCLAVE_CHECK_SIGNATURE].verdict == ENCLAVE_VERDICT_PASS ||
           exam->hashed_bytes <= image_limits_bundle.hashed_bytes;
}

static bool bare_examine(Examination *exam, Bytes file, Error *err) {
    exam->report->bare = true;
    check_set(exam->report, ENCLAVE_CHECK_FORM, ENCLAVE_VERDICT_PASS, "a SIGSTRUCT without an enclave");
    if (!sigstruct_parse(file, &exam->sigstruct, err)) {
        return false;
    }
    sigstruct_report(exam);
    check_set(exam->report, ENCLAVE_CHECK_SONAME, ENCLAVE_VERDICT_FAIL,
              "a SIGSTRUCT alone does not say which enclave it is for");
    return sigstruct_examine(exam, err) && enclave_examine_denied(exam, err);
}

static bool file_examine(Examination *exam, Bytes file, Error *err) {
    if (!form_examine(exam, file, err)) {
        return false;
    }
    if (!exam->report->has_sigstruct) {
        return true;
    }
    if (!sigstruct_examine(exam, err) || !enclave_examine_denied(exam, err)) {
        return false;
    }
    if (!exam->has_form) {
        return true;
    }
    if (!strict_form_examine(exam, err) || !enclave_examine_role(exam, err) || !fips_examine(exam, err)) {
        return false;
    }
    if (!measurement_is_affordable(exam)) {
        check_set(exam->report, ENCLAVE_CHECK_MEASUREMENT, ENCLAVE_VERDICT_FAIL,
                  "not measured: so large an enclave is measured only if its SIGSTRUCT is genuine");
        return true;
    }
    return measurement_examine(exam, err);
}

static bool all_passed(const EnclaveReport *report) {
    for (size_t id = 0; id < ENCLAVE_CHECKS_COUNT; id++) {
        bool optional = id == ENCLAVE_CHECK_FIPS;
        EnclaveVerdict verdict = report->checks[id].verdict;
        if (verdict == ENCLAVE_VERDICT_FAIL || (verdict == ENCLAVE_VERDICT_SKIPPED && !optional)) {
            return false;
        }
    }
    return true;
}

bool enclave_examine(Bytes file, const EnclaveOptions *options, EnclaveReport *ret_report, Error *err) {
    *ret_report = (EnclaveReport){0}; /* never verified by what was there before */
    AUTO_FREE Examination *exam = calloc(1, sizeof *exam);
    if (exam == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory for the examination of an enclave");
    }
    exam->options = options;
    exam->report = ret_report;
    (void)text_copy(ret_report->signer, sizeof ret_report->signer, "unknown");
    for (size_t id = 0; id < ENCLAVE_CHECKS_COUNT; id++) {
        check_set(ret_report, (EnclaveCheckId)id, ENCLAVE_VERDICT_SKIPPED,
                  "not made because of a failure before it");
    }
    bool done = file.size == SIGSTRUCT_SIZE ? bare_examine(exam, file, err) : file_examine(exam, file, err);
    for (size_t i = 0; i < METADATA_ENTRIES_MAX; i++) {
        image_close(&exam->images[i]);
    }
    ret_report->verified = done && all_passed(ret_report);
    return done;
}

bool enclave_require_verified(const EnclaveReport *report, Error *err) {
    if (report->verified) {
        return true;
    }
    size_t worst = ENCLAVE_CHECKS_COUNT;
    for (size_t id = ENCLAVE_CHECKS_COUNT; id-- > 0;) {
        if (report->checks[id].verdict == ENCLAVE_VERDICT_FAIL) {
            worst = id;
        }
    }
    if (worst == ENCLAVE_CHECKS_COUNT) {
        return error_set(err, ERROR_VERIFY, "the enclave could not be examined");
    }
    return error_set(err, ERROR_VERIFY, "check %s: %s", check_names[worst], report->checks[worst].text);
}
