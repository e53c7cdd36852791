/* SPDX-License-Identifier: Apache-2.0
 *
 * ConfigUpdates: the part `updates` of manager.yaml: where bundles come from and what is done with them.
 */
#ifndef MANAGER_CONFIG_UPDATES_H
#define MANAGER_CONFIG_UPDATES_H

#include <cyaml/cyaml.h>
#include <stdint.h>

#include "manager/config.h"

/* As libcyaml reads it: strings, NULL where a key is left out. */
typedef struct ConfigUpdateKeys {
    char *repository, *root, *channel, *check_interval, *automatic;
    char **mirrors;
    uint32_t mirrors_count;
} ConfigUpdateKeys;

extern const cyaml_schema_field_t config_update_fields[];

/* `keys` NULL: the part is missing. `name` is the file's, for error texts. */
bool config_read_updates(const ConfigUpdateKeys *keys, const char *name, Config *config, Error *err)
    __attribute__((warn_unused_result));

/* Is it the https URL of a directory, or an http one on this host? ERROR_CONFIG names file and key. */
bool config_check_url(const char *name, const char *key, const char *url, Error *err)
    __attribute__((warn_unused_result));

#endif
