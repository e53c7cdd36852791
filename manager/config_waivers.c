/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/config_waivers.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/text.h"
#include "manager/checks/check.h"

enum { TEXT_MAX = 256 };

static const cyaml_schema_field_t waiver_fields[] = {
    CYAML_FIELD_STRING_PTR("check", CYAML_FLAG_DEFAULT, ConfigWaiverKeys, check, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("reason", CYAML_FLAG_DEFAULT, ConfigWaiverKeys, reason, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("until", CYAML_FLAG_DEFAULT, ConfigWaiverKeys, until, 1, TEXT_MAX),
    CYAML_FIELD_END};
const cyaml_schema_value_t config_waiver_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, ConfigWaiverKeys, waiver_fields)};

/* A day means its end. */
static bool parse_until(const char *text, int64_t *ret_until) {
    AUTO_FREE char *full = strlen(text) == 10 ? text_format("%sT23:59:59Z", text) : strdup(text);
    return full != NULL && clock_parse(full, ret_until);
}

static bool read_waiver(const ConfigWaiverKeys *keys, const char *name, ConfigWaiver *ret_waiver,
                        Error *err) {
    if (check_find(keys->check) == NULL) {
        return error_set(err, ERROR_CONFIG,
                         "%s: waivers: there is no check '%.64s': pswctl explain CHECK knows them all", name,
                         keys->check);
    }
    if (!text_is_printable(keys->reason, TEXT_MAX)) {
        return error_set(err, ERROR_CONFIG, "%s: waivers: %s: the reason must be printable ASCII", name,
                         keys->check);
    }
    if (!parse_until(keys->until, &ret_waiver->until)) {
        return error_set(
            err, ERROR_CONFIG,
            "%s: waivers: %s: until: '%.64s' is not a time: write 2026-12-31 or 2026-12-31T12:00:00Z", name,
            keys->check, keys->until);
    }
    ret_waiver->check = strdup(keys->check);
    ret_waiver->reason = strdup(keys->reason);
    return (ret_waiver->check != NULL && ret_waiver->reason != NULL) ||
           error_set(err, ERROR_MEMORY, "%s: out of memory", name);
}

bool config_read_waivers(const ConfigWaiverKeys *keys, size_t count, const char *name, Config *config,
                         Error *err) {
    config->waivers = calloc(count + 1, sizeof *config->waivers);
    if (config->waivers == NULL) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    }
    for (size_t i = 0; i < count; i++) {
        config->waivers_count++;
        if (!read_waiver(&keys[i], name, &config->waivers[i], err)) {
            return false;
        }
    }
    return true;
}

void config_free_waivers(Config *config) {
    for (size_t i = 0; i < config->waivers_count; i++) {
        free(config->waivers[i].check);
        free(config->waivers[i].reason);
    }
    free(config->waivers);
}
