/* SPDX-License-Identifier: Apache-2.0
 *
 * TUF's JSON: strict reading, and the canonical form that signatures and key ids are made over.
 *
 * What tuf_json_parse returns has no reals, no integer beyond 2^53-1, no duplicate member and at most
 * TUF_VALUES_MAX values, so that every reader of the same bytes sees the same document. The accessors check
 * the type first and name the member: jansson's own answer 0 or NULL for a value of the wrong type.
 */
#ifndef BUNDLES_TUF_JSON_H
#define BUNDLES_TUF_JSON_H

#include "bundles/base/buffer.h"
#include "bundles/base/json.h"

/* ERROR_INPUT or ERROR_LIMIT. The caller owns the reference. The top level is an object. */
json_t *tuf_json_parse(Bytes text, const char *name, Error *err) __attribute__((warn_unused_result));

/* Appends the canonical form (OLPC): no white space, members sorted by their bytes, only '"' and '\' escaped.
 * False when the value has a real, or the buffer is full. */
bool tuf_json_canonical(const json_t *value, Buffer *buffer) __attribute__((warn_unused_result));

/* Members of an object, borrowed from it; ERROR_INPUT "WHERE.KEY is missing or not an object" and the like.
 * A text is at least one byte long. */
bool tuf_json_object(const json_t *object, const char *where, const char *key, json_t **ret_value, Error *err)
    __attribute__((warn_unused_result));
bool tuf_json_array(const json_t *object, const char *where, const char *key, json_t **ret_value, Error *err)
    __attribute__((warn_unused_result));
bool tuf_json_text(const json_t *object, const char *where, const char *key, const char **ret_text,
                   Error *err) __attribute__((warn_unused_result));
bool tuf_json_integer(const json_t *object, const char *where, const char *key, int64_t min,
                      int64_t *ret_value, Error *err) __attribute__((warn_unused_result));
bool tuf_json_bool(const json_t *object, const char *where, const char *key, bool *ret_value, Error *err)
    __attribute__((warn_unused_result));

#endif
