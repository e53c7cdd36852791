/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/qe_identity.h"

#include <string.h>

#include "bundles/base/json.h"

enum { VERSION = 2 };

static int compare_descending(const void *left, const void *right) {
    return (int)((const QeLevel *)right)->isv_svn - (int)((const QeLevel *)left)->isv_svn;
}

static bool level_parse(const json_t *json, QeLevel *level, Error *err) {
    uint32_t isv_svn = 0;
    if (!tcb_number_parse(json_object_get(json, "tcb"), "isvsvn", UINT16_MAX, &isv_svn, err)) {
        return false;
    }
    level->isv_svn = (uint16_t)isv_svn;
    if (!tcb_grade_parse(json, &level->grade, err)) {
        return false;
    }
    TcbStatus status = level->grade.status;
    return status == TCB_UP_TO_DATE || status == TCB_OUT_OF_DATE || status == TCB_REVOKED ||
           error_set(err, ERROR_INPUT, "tcbStatus '%s' is none that an enclave can have",
                     tcb_status_name(status));
}

static bool levels_parse(QeIdentity *identity, Error *err) {
    const json_t *list = json_object_get(identity->json, "tcbLevels"), *level = NULL;
    size_t count = json_array_size(list), at = 0;
    if (count == 0 || count > TCB_LEVELS_MAX) {
        return error_set(err, ERROR_INPUT, "tcbLevels is not a list of 1 to %d levels", TCB_LEVELS_MAX);
    }
    identity->levels = calloc(count, sizeof *identity->levels);
    if (identity->levels == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    json_array_foreach(list, at, level) {
        if (!level_parse(level, &identity->levels[at], err)) {
            return error_wrap(err, "level %zu", at + 1);
        }
    }
    identity->levels_count = count;
    qsort(identity->levels, count, sizeof *identity->levels, compare_descending);
    return true;
}

static bool identity_parse(QeIdentity *identity, Error *err) {
    const json_t *json = identity->json;
    const char *id = NULL;
    uint32_t version = 0, isv_prod_id = 0;
    if (!json_get_text(json, "id", &id, err) ||
        !tcb_number_parse(json, "version", UINT32_MAX, &version, err)) {
        return false;
    }
    if (strcmp(id, "QE") != 0 || version != VERSION) {
        return error_set(err, ERROR_INPUT, "id and version are not those of the SGX QE (\"QE\", %d)",
                         VERSION);
    }
    if (!tcb_date_parse(json, "issueDate", &identity->issue_date, err) ||
        !tcb_date_parse(json, "nextUpdate", &identity->next_update, err) ||
        !tcb_number_parse(json, "tcbEvaluationDataNumber", UINT32_MAX, &identity->evaluation_number, err) ||
        !tcb_hex_parse(json, "miscselect", identity->misc_select, sizeof identity->misc_select, err) ||
        !tcb_hex_parse(json, "miscselectMask", identity->misc_select_mask, sizeof identity->misc_select_mask,
                       err) ||
        !tcb_hex_parse(json, "attributes", identity->attributes, sizeof identity->attributes, err) ||
        !tcb_hex_parse(json, "attributesMask", identity->attributes_mask, sizeof identity->attributes_mask,
                       err) ||
        !tcb_hex_parse(json, "mrsigner", identity->mr_signer, sizeof identity->mr_signer, err) ||
        !tcb_number_parse(json, "isvprodid", UINT16_MAX, &isv_prod_id, err)) {
        return false;
    }
    identity->isv_prod_id = (uint16_t)isv_prod_id;
    return levels_parse(identity, err);
}

QeIdentity *qe_identity_new(json_t *object, Error *err) {
    CLEANUP(qe_identity_freep) QeIdentity *identity = calloc(1, sizeof *identity);
    if (identity == NULL) {
        error_set(err, ERROR_MEMORY, "QE identity: out of memory");
        return NULL;
    }
    identity->json = json_incref(object);
    if (!identity_parse(identity, err)) {
        error_wrap(err, "QE identity");
        return NULL;
    }
    return TAKE(identity);
}

void qe_identity_free(QeIdentity *identity) {
    if (identity == NULL) {
        return;
    }
    json_decref(identity->json);
    free(identity->levels);
    free(identity);
}

/* The value is compared unmasked: one with bits outside its mask fits no report. */
static bool fits(const void *bytes, const uint8_t *value, const uint8_t *mask, size_t size) {
    for (size_t at = 0; at < size; at++) {
        if ((((const uint8_t *)bytes)[at] & mask[at]) != value[at]) {
            return false;
        }
    }
    return true;
}

bool qe_identity_check(const QeIdentity *identity, const SgxReportBody *report, Error *err) {
    const char *differs = NULL;
    if (!fits(&report->misc_select, identity->misc_select, identity->misc_select_mask,
              sizeof identity->misc_select)) {
        differs = "MISCSELECT";
    } else if (!fits(&report->attributes, identity->attributes, identity->attributes_mask,
                     sizeof identity->attributes)) {
        differs = "ATTRIBUTES";
    } else if (memcmp(report->mr_signer, identity->mr_signer, sizeof identity->mr_signer) != 0) {
        differs = "MRSIGNER";
    } else if (report->isv_prod_id != identity->isv_prod_id) {
        differs = "ISVPRODID";
    }
    return differs == NULL || error_set(err, ERROR_VERIFY,
                                        "QE report: its %s is not that of the QE identity: the quote was not "
                                        "signed by a genuine QE",
                                        differs);
}

const QeLevel *qe_identity_match(const QeIdentity *identity, uint16_t isv_svn) {
    for (size_t at = 0; at < identity->levels_count; at++) {
        if (isv_svn >= identity->levels[at].isv_svn) {
            return &identity->levels[at];
        }
    }
    return NULL;
}

const QeLevel *qe_identity_wanted(const QeIdentity *identity) {
    const QeLevel *wanted = NULL;
    for (size_t at = 0; at < identity->levels_count; at++) {
        if (tcb_status_is_current(identity->levels[at].grade.status)) {
            wanted = &identity->levels[at];
        }
    }
    return wanted;
}
