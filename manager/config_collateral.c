/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/config_collateral.h"

#include <string.h>

#include "bundles/base/text.h"
#include "manager/config_updates.h"

#define INTERVAL_DEFAULT_MS (UINT64_C(6) * 3600 * 1000)
#define INTERVAL_MIN_MS UINT64_C(1000)
#define INTERVAL_MAX_MS (UINT64_C(7) * 24 * 3600 * 1000)

static const cyaml_schema_value_t url_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CONFIG_URL_MAX)};
const cyaml_schema_field_t config_collateral_fields[] = {
    CYAML_FIELD_SEQUENCE_COUNT("urls", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ConfigCollateralKeys, urls,
                               urls_count, &url_schema, 0, CONFIG_COLLATERAL_URLS_MAX),
    CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_OPTIONAL, ConfigCollateralKeys, root, 0, CONFIG_URL_MAX),
    CYAML_FIELD_STRING_PTR("check_interval", CYAML_FLAG_OPTIONAL, ConfigCollateralKeys, check_interval, 0,
                           CONFIG_URL_MAX),
    CYAML_FIELD_END};

static bool copy_path(const char *path, char **ret_copy, const char *name, Error *err) {
    *ret_copy = strdup(path);
    return *ret_copy != NULL || error_set(err, ERROR_MEMORY, "%s: out of memory", name);
}

static bool add_url(const char *url, const char *name, Config *config, Error *err) {
    char **slot = &config->collateral_urls[config->collateral_urls_count];
    if (!config_check_url(name, "collateral.urls", url, err) || !copy_path(url, slot, name, err)) {
        return false;
    }
    for (size_t length = strlen(*slot); length > 1 && (*slot)[length - 1] == '/'; length--) {
        (*slot)[length - 1] = '\0';
    }
    config->collateral_urls_count++;
    return true;
}

static bool read_urls(const ConfigCollateralKeys *keys, const char *name, Config *config, Error *err) {
    static const char file[] = "file://";
    for (uint32_t i = 0; i < keys->urls_count; i++) {
        const char *url = keys->urls[i];
        if (strncmp(url, file, sizeof file - 1) != 0) {
            if (!add_url(url, name, config, err)) {
                return false;
            }
        } else if (keys->urls_count > 1 || url[sizeof file - 1] != '/') {
            return error_set(err, ERROR_CONFIG,
                             "%s: collateral.urls: write file:///DIRECTORY, and no other URL beside it",
                             name);
        } else if (!copy_path(url + sizeof file - 1, &config->collateral_directory, name, err)) {
            return false;
        }
    }
    return true;
}

static bool read_interval(const char *text, const char *name, Config *config, Error *err) {
    uint64_t *interval = &config->collateral_interval_ms;
    return text == NULL ||
           (text_parse_duration(text, interval) &&
            (*interval == 0 || (*interval >= INTERVAL_MIN_MS && *interval <= INTERVAL_MAX_MS))) ||
           error_set(err, ERROR_CONFIG,
                     "%s: collateral.check_interval: '%.64s' is not allowed: write a duration from 1s to 7d, "
                     "or 0 to look only when asked",
                     name, text);
}

bool config_read_collateral(const ConfigCollateralKeys *keys, const char *name, Config *config, Error *err) {
    config->collateral_interval_ms = INTERVAL_DEFAULT_MS;
    if (keys == NULL) {
        return true;
    }
    if (keys->root != NULL && keys->root[0] != '/') {
        return error_set(err, ERROR_CONFIG,
                         "%s: collateral.root: '%.80s' is not allowed: write an absolute path", name,
                         keys->root);
    }
    return (keys->root == NULL || copy_path(keys->root, &config->collateral_root, name, err)) &&
           read_urls(keys, name, config, err) && read_interval(keys->check_interval, name, config, err);
}
