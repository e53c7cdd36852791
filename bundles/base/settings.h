/* SPDX-License-Identifier: Apache-2.0
 *
 * Settings: a YAML document of ours (configuration, manifest, platform) read strictly into a struct.
 *
 * libcyaml does the reading by a schema; every scalar arrives as a string (char *) or a strict enum and is
 * converted by bundles/base/text. Unknown and duplicate keys, aliases, missing keys and wrong shapes are
 * refused with line and column: "manager.yaml: line 3, column 1: unexpected key 'sokcet'". The size is
 * capped before the parser sees a byte.
 */
#ifndef BUNDLES_BASE_SETTINGS_H
#define BUNDLES_BASE_SETTINGS_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

enum { SETTINGS_SIZE_MAX = 1024 * 1024 };

/* `name` is for error texts. The result belongs to the caller: settings_free with the same schema.
 * `kind` is the error kind for bad content: ERROR_CONFIG for configuration, ERROR_INPUT for outside bytes. */
bool settings_parse(Bytes yaml, const char *name, const cyaml_schema_value_t *schema, ErrorKind kind,
                    void **ret_value, Error *err) __attribute__((warn_unused_result));
bool settings_load(int dir_fd, const char *path, const cyaml_schema_value_t *schema, ErrorKind kind,
                   void **ret_value, Error *err) __attribute__((warn_unused_result));
void settings_free(const cyaml_schema_value_t *schema, void *value);

/* A scalar as YAML text that reads back as the same string: plain where that is safe, else double-quoted.
 * The caller frees; NULL when out of memory or if the text has control characters. */
char *settings_quote(const char *text);

#endif
