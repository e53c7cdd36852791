/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/tcb.h"

#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"

static const char *const names[TCB_STATUSES_COUNT] = {
    [TCB_UNKNOWN] = "Unknown",
    [TCB_UP_TO_DATE] = "UpToDate",
    [TCB_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
    [TCB_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
    [TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED] = "ConfigurationAndSWHardeningNeeded",
    [TCB_OUT_OF_DATE] = "OutOfDate",
    [TCB_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
    [TCB_REVOKED] = "Revoked",
    [TCB_NOT_SUPPORTED] = "NotSupported",
};

const char *tcb_status_name(TcbStatus status) {
    return names[status];
}

bool tcb_status_parse(const char *name, TcbStatus *ret_status) {
    for (int status = TCB_UP_TO_DATE; status <= TCB_REVOKED; status++) {
        if (strcmp(name, names[status]) == 0) {
            *ret_status = (TcbStatus)status;
            return true;
        }
    }
    return false;
}

bool tcb_status_is_current(TcbStatus status) {
    return status >= TCB_UP_TO_DATE && status <= TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
}

TcbStatus tcb_status_merge(TcbStatus platform, TcbStatus qe) {
    if (platform == TCB_UNKNOWN || qe == TCB_UNKNOWN) {
        return TCB_UNKNOWN;
    }
    if (platform == TCB_NOT_SUPPORTED || qe == TCB_NOT_SUPPORTED) {
        return TCB_NOT_SUPPORTED;
    }
    if (platform == TCB_REVOKED || qe == TCB_REVOKED) {
        return TCB_REVOKED;
    }
    if (qe == TCB_UP_TO_DATE || !tcb_status_is_current(platform)) {
        return platform;
    }
    bool configure =
        platform == TCB_CONFIGURATION_NEEDED || platform == TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED;
    return configure ? TCB_OUT_OF_DATE_CONFIGURATION_NEEDED : TCB_OUT_OF_DATE;
}

static bool advisories_are_good(const json_t *list) {
    if (!json_is_array(list) || json_array_size(list) > TCB_ADVISORIES_MAX) {
        return false;
    }
    size_t at = 0;
    const json_t *advisory = NULL;
    json_array_foreach(list, at, advisory) {
        const char *text = json_string_value(advisory);
        if (text == NULL || text[0] == '\0' || !text_is_printable(text, TCB_ADVISORY_SIZE_MAX)) {
            return false;
        }
    }
    return true;
}

bool tcb_grade_parse(const json_t *level, TcbGrade *ret_grade, Error *err) {
    TcbGrade grade = {.advisories = json_object_get(level, "advisoryIDs")};
    const char *status = NULL;
    if (!tcb_date_parse(level, "tcbDate", &grade.date, err) ||
        !json_get_text(level, "tcbStatus", &status, err)) {
        return false;
    }
    if (!tcb_status_parse(status, &grade.status)) {
        bool shown = text_is_printable(status, TCB_ADVISORY_SIZE_MAX);
        return error_set(err, ERROR_INPUT, "tcbStatus '%s' is none that is known", shown ? status : "?");
    }
    if (grade.advisories != NULL && !advisories_are_good(grade.advisories)) {
        return error_set(err, ERROR_INPUT, "advisoryIDs is not a list of at most %d names",
                         TCB_ADVISORIES_MAX);
    }
    *ret_grade = grade;
    return true;
}

bool tcb_date_parse(const json_t *object, const char *key, int64_t *ret_seconds, Error *err) {
    const char *text = NULL;
    if (!json_get_text(object, key, &text, err)) {
        return false;
    }
    return clock_parse(text, ret_seconds) ||
           error_set(err, ERROR_INPUT, "member '%s' is not a date such as 2026-11-21T03:45:00Z", key);
}

bool tcb_hex_parse(const json_t *object, const char *key, uint8_t *bytes, size_t size, Error *err) {
    const char *text = NULL;
    if (!json_get_text(object, key, &text, err)) {
        return false;
    }
    return text_parse_hex(text, bytes, size) ||
           error_set(err, ERROR_INPUT, "member '%s' is not %zu hex digits", key, 2 * size);
}

bool tcb_number_parse(const json_t *object, const char *key, uint32_t max, uint32_t *ret_number, Error *err) {
    uint64_t number = 0;
    if (!json_get_u64(object, key, &number, err)) {
        return false;
    }
    if (number > max) {
        return error_set(err, ERROR_INPUT, "member '%s' is more than %u", key, max);
    }
    *ret_number = (uint32_t)number;
    return true;
}
