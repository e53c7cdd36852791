/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/repository_config.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"

const char tuf_repository_config_default[] =
    "# What psw-bundle repo does with this repository; docs/tuf.md explains it.\n"
    "format: 1\n"
    "lifetime:\n"
    "  root: 365d\n"
    "  targets: 90d\n"
    "  snapshot: 30d\n"
    "  timestamp: 3d\n"
    "# Keys that sign by themselves: files beneath this directory, or store URIs. Keep only the online keys\n"
    "# here: whoever has root's and targets' keys can make nodes install anything.\n"
    "signers:\n"
    "  - keys/online.pem\n";

typedef struct LifetimeText {
    char *by_type[TUF_TYPES_COUNT];
} LifetimeText;

typedef struct ConfigText {
    char *format;
    LifetimeText lifetime;
    char **signers;
    unsigned signers_count;
} ConfigText;

static const cyaml_schema_field_t lifetime_fields[] = {
    CYAML_FIELD_STRING_PTR("root", CYAML_FLAG_POINTER, LifetimeText, by_type[TUF_TYPE_ROOT], 1, 32),
    CYAML_FIELD_STRING_PTR("timestamp", CYAML_FLAG_POINTER, LifetimeText, by_type[TUF_TYPE_TIMESTAMP], 1, 32),
    CYAML_FIELD_STRING_PTR("snapshot", CYAML_FLAG_POINTER, LifetimeText, by_type[TUF_TYPE_SNAPSHOT], 1, 32),
    CYAML_FIELD_STRING_PTR("targets", CYAML_FLAG_POINTER, LifetimeText, by_type[TUF_TYPE_TARGETS], 1, 32),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t signer_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 1024)};

static const cyaml_schema_field_t config_fields[] = {
    CYAML_FIELD_STRING_PTR("format", CYAML_FLAG_POINTER, ConfigText, format, 1, 8),
    CYAML_FIELD_MAPPING("lifetime", CYAML_FLAG_DEFAULT, ConfigText, lifetime, lifetime_fields),
    CYAML_FIELD_SEQUENCE("signers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ConfigText, signers,
                         &signer_schema, 0, TUF_REPOSITORY_SIGNERS_MAX),
    CYAML_FIELD_END,
};

static const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ConfigText, config_fields)};

static bool convert(ConfigText *text, TufRepositoryConfig *config, Error *err) {
    if (strcmp(text->format, "1") != 0) {
        return error_set(err, ERROR_CONFIG, "%s: format is not 1: a newer program may be needed",
                         TUF_REPOSITORY_CONFIG_NAME);
    }
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        uint64_t milliseconds;
        if (!text_parse_duration(text->lifetime.by_type[type], &milliseconds) || milliseconds < 1000 ||
            milliseconds / 1000 > UINT64_C(86400) * 36500) {
            return error_set(err, ERROR_CONFIG,
                             "%s: lifetime.%s is not a time like 90d, from 1s to 100 years",
                             TUF_REPOSITORY_CONFIG_NAME, tuf_type_name(type));
        }
        config->lifetime[type] = (int64_t)(milliseconds / 1000);
    }
    for (unsigned i = 0; i < text->signers_count; i++) {
        config->signers[config->signers_count++] = TAKE(text->signers[i]);
    }
    return true;
}

bool tuf_repository_config_load(int dir_fd, TufRepositoryConfig *ret_config, Error *err) {
    void *loaded = NULL;
    if (!settings_load(dir_fd, TUF_REPOSITORY_CONFIG_NAME, &config_schema, ERROR_CONFIG, &loaded, err)) {
        return false;
    }
    TufRepositoryConfig config = {0};
    bool converted = convert(loaded, &config, err);
    settings_free(&config_schema, loaded);
    if (converted) {
        *ret_config = config;
    }
    return converted;
}

void tuf_repository_config_done(TufRepositoryConfig *config) {
    for (size_t i = 0; i < config->signers_count; i++) {
        free(config->signers[i]);
    }
    *config = (TufRepositoryConfig){0};
}
