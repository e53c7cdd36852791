/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "bundles/base/text.h"
#include "bundles/sgx/enclave.h"

static bool put_text(json_t *object, const char *key, const char *text) {
    return json_put(object, key, text[0] != 0 ? json_string(text) : json_null());
}

static bool put_digest(json_t *object, const char *key, const Digest *digest) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(digest, hex);
    return put_text(object, key, hex);
}

/* As identities in collateral have them: hexadecimal of the bytes in memory order. */
static bool put_memory(json_t *object, const char *key, const void *data, size_t size) {
    char hex[2 * sizeof(SgxAttributes) + 1];
    text_format_hex(data, size, hex);
    return put_text(object, key, hex);
}

/* "ok", or why not. */
static bool put_verdict(json_t *object, const char *key, const EnclaveCheck *check) {
    return put_text(object, key, check->verdict == ENCLAVE_VERDICT_PASS ? "ok" : check->text);
}

static bool put_measurements(json_t *object, const EnclaveReport *report) {
    json_t *measured = json_array();
    json_t *versions = json_array();
    bool good = json_put(object, "measured", measured) && json_put(object, "metadata_version", versions);
    for (size_t i = 0; good && i < report->measurements_count; i++) {
        const EnclaveMeasurement *measurement = &report->measurements[i];
        char hex[DIGEST_HEX_SIZE];
        char version[24];
        digest_format(&measurement->mr_enclave, hex);
        (void)snprintf(version, sizeof version, "%" PRIu32 ".%" PRIu32, measurement->major,
                       measurement->minor);
        good = json_array_append_new(measured, measurement->measured ? json_string(hex) : json_null()) == 0 &&
               json_array_append_new(versions, json_string(version)) == 0;
    }
    return good;
}

static bool put_checks(json_t *object, const EnclaveReport *report) {
    json_t *checks = json_array();
    bool good = json_put(object, "checks", checks);
    for (size_t id = 0; good && id < ENCLAVE_CHECKS_COUNT; id++) {
        const EnclaveCheck *check = &report->checks[id];
        json_t *item = json_object();
        good = json_array_append_new(checks, item) == 0 &&
               put_text(item, "id", enclave_check_name((EnclaveCheckId)id)) &&
               put_text(item, "verdict", enclave_verdict_name(check->verdict)) &&
               put_text(item, "text", check->text);
    }
    return good;
}

static bool put_sigstruct(json_t *object, const EnclaveReport *report) {
    uint64_t flags = report->attributes.flags;
    return put_digest(object, "mrsigner", &report->mr_signer) &&
           put_digest(object, "mrenclave", &report->mr_enclave) &&
           json_put(object, "isvprodid", json_integer(report->prod_id)) &&
           json_put(object, "isvsvn", json_integer(report->svn)) &&
           put_memory(object, "attributes", &report->attributes, sizeof report->attributes) &&
           put_memory(object, "attributes_mask", &report->attributes_mask, sizeof report->attributes_mask) &&
           put_memory(object, "miscselect", &report->misc_select, sizeof report->misc_select) &&
           put_text(object, "date", report->date) &&
           json_put(object, "debug", json_boolean((flags & SGX_FLAGS_DEBUG) != 0)) &&
           json_put(object, "provision_key", json_boolean((flags & SGX_FLAGS_PROVISION_KEY) != 0));
}

json_t *enclave_report_json(const EnclaveReport *report, const char *path) {
    json_t *object = json_object();
    bool good = object != NULL && put_text(object, "path", path) && put_text(object, "role", report->role) &&
                put_text(object, "soname", report->soname) && put_text(object, "signer", report->signer) &&
                (!report->has_sigstruct || put_sigstruct(object, report)) &&
                put_measurements(object, report) &&
                json_put(object, "match", report->bare ? json_null() : json_boolean(report->match)) &&
                json_put(object, "epc_kib", json_integer((json_int_t)report->epc_kib)) &&
                json_put(object, "pages", json_integer((json_int_t)report->pages)) &&
                json_put(object, "simulated", json_boolean(report->simulated)) &&
                put_verdict(object, "signature", &report->checks[ENCLAVE_CHECK_SIGNATURE]) &&
                put_verdict(object, "strict_form", &report->checks[ENCLAVE_CHECK_STRICT_FORM]) &&
                json_put(object, "verified", json_boolean(report->verified)) && put_checks(object, report);
    if (!good) {
        json_decref(object);
        return NULL;
    }
    return object;
}
