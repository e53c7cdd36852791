/* SPDX-License-Identifier: Apache-2.0
 *
 * SettingsScan: the look at a YAML document before it is read by a schema.
 *
 * It refuses what no document of ours has: anchors, aliases, tags, several documents, keys that are not
 * scalars, duplicate keys, NULs in scalars, deep nesting, very wide mappings. What has passed is small work
 * for any YAML reader. For settings.c only.
 */
#ifndef BUNDLES_BASE_SETTINGS_SCAN_H
#define BUNDLES_BASE_SETTINGS_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

enum { SETTINGS_DEPTH_MAX = 16, SETTINGS_KEYS_MAX = 128 };

/* Both counted from 1. */
typedef struct SettingsPlace {
    size_t line;
    size_t column;
} SettingsPlace;

/* Fails with `kind`, or ERROR_LIMIT, and the place in the text. */
bool settings_scan(Bytes yaml, const char *name, ErrorKind kind, Error *err)
    __attribute__((warn_unused_result));

/* Moves *place forward to the first scalar `text` behind it; leaves it where there is none. */
void settings_scan_find(Bytes yaml, const char *text, SettingsPlace *place);

#endif
