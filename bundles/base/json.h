/* SPDX-License-Identifier: Apache-2.0
 *
 * Json: jansson with our limits. Duplicate keys are refused; size and depth are bounded before and while
 * parsing. Values are jansson's own (json_t); CLEANUP(json_freep) drops a reference.
 */
#ifndef BUNDLES_BASE_JSON_H
#define BUNDLES_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

enum { JSON_SIZE_MAX = 6 * 1024 * 1024, JSON_DEPTH_MAX = 32 };

static inline void json_freep(json_t **value) {
    json_decref(*value);
}

/* ERROR_INPUT with line and column, ERROR_LIMIT for size or depth. The caller owns the reference. */
json_t *json_parse(Bytes text, const char *name, Error *err) __attribute__((warn_unused_result));

/* One line, keys in insertion order; `pretty` indents by 2. The caller frees; NULL when out of memory. */
char *json_format(const json_t *value, bool pretty);

/* Typed members; false with ERROR_INPUT "NAME: member 'x' is missing or not a string". Text is borrowed
 * from the value. */
bool json_get_text(const json_t *object, const char *key, const char **ret_text, Error *err)
    __attribute__((warn_unused_result));
bool json_get_u64(const json_t *object, const char *key, uint64_t *ret_value, Error *err)
    __attribute__((warn_unused_result));
bool json_get_bool(const json_t *object, const char *key, bool *ret_value, Error *err)
    __attribute__((warn_unused_result));

/* What a child says of its failure, {"kind": ..., "error": ...}, with its words made fit to be shown: whoever
 * took it over may speak to logs and terminals. False: it says no such thing, and nothing is set. */
bool json_get_failure(const json_t *object, Error *ret_failure) __attribute__((warn_unused_result));

/* Sets object[key] to a new value; a NULL `value` (out of memory) fails. */
bool json_put(json_t *object, const char *key, json_t *value) __attribute__((warn_unused_result));

#endif
