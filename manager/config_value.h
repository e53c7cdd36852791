/* SPDX-License-Identifier: Apache-2.0
 *
 * Config value: the scalars of manager.yaml and how each is read. All of them stay as they are where the key
 * is not there (text is NULL), and give ERROR_CONFIG with what to write instead.
 */
#ifndef MANAGER_CONFIG_VALUE_H
#define MANAGER_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundles/base/error.h"
#include "manager/config.h"

/* Where conversions report to: the file's name and the first error. */
typedef struct ConfigReader {
    const char *name;
    Error *err;
} ConfigReader;

typedef struct ConfigBounds {
    uint64_t min, max;
} ConfigBounds;

/* Returns false. */
bool config_value_refuse(const ConfigReader *reader, const char *key, const char *text, const char *wanted);
/* Absolute, of at most `max` bytes; without text the fallback, which may be NULL: then it stays as it is. */
bool config_value_path(const ConfigReader *reader, const char *key, const char *text, const char *fallback,
                       size_t max, char **ret_path);
bool config_value_text(const ConfigReader *reader, const char *text, char **ret_text);
bool config_value_duration(const ConfigReader *reader, const char *key, const char *text, ConfigBounds ms,
                           uint64_t *value);
bool config_value_number(const ConfigReader *reader, const char *key, const char *text, ConfigBounds bounds,
                         unsigned *value);
bool config_value_size(const ConfigReader *reader, const char *key, const char *text, uint64_t *value);
bool config_value_bool(const ConfigReader *reader, const char *key, const char *text, bool *value);
/* One of two words; true: `yes`. */
bool config_value_word(const ConfigReader *reader, const char *key, const char *text, const char *no,
                       const char *yes, bool *value);
/* By name or number. */
bool config_value_group(const ConfigReader *reader, const char *key, const char *text, gid_t *group);
/* metrics.listen: "127.0.0.1:9469" or "[::1]:9469". */
bool config_value_listen(const ConfigReader *reader, const char *key, const char *text, Config *config);

#endif
