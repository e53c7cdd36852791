/* SPDX-License-Identifier: Apache-2.0
 *
 * ConfigCollateral: the part `collateral` of manager.yaml: by whose data the advisor judges this platform.
 */
#ifndef MANAGER_CONFIG_COLLATERAL_H
#define MANAGER_CONFIG_COLLATERAL_H

#include <cyaml/cyaml.h>
#include <stdint.h>

#include "manager/config.h"

/* As libcyaml reads it: strings, NULL where a key is left out. */
typedef struct ConfigCollateralKeys {
    char *root, *check_interval;
    char **urls;
    uint32_t urls_count;
} ConfigCollateralKeys;

extern const cyaml_schema_field_t config_collateral_fields[];

/* `keys` NULL: the part is missing. `name` is the file's, for error texts. */
bool config_read_collateral(const ConfigCollateralKeys *keys, const char *name, Config *config, Error *err)
    __attribute__((warn_unused_result));

#endif
