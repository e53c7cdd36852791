/* SPDX-License-Identifier: Apache-2.0
 *
 * ConfigWaivers: the key `waivers` of manager.yaml: checks whose failure is accepted, why, and until when.
 */
#ifndef MANAGER_CONFIG_WAIVERS_H
#define MANAGER_CONFIG_WAIVERS_H

#include <cyaml/cyaml.h>

#include "manager/config.h"

typedef struct ConfigWaiverKeys {
    char *check, *reason, *until;
} ConfigWaiverKeys;

extern const cyaml_schema_value_t config_waiver_schema;

/* Into config->waivers. ERROR_CONFIG. */
bool config_read_waivers(const ConfigWaiverKeys *keys, size_t count, const char *name, Config *config,
                         Error *err) __attribute__((warn_unused_result));
void config_free_waivers(Config *config);

#endif
