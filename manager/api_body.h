/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request's JSON says.
 */
#ifndef MANAGER_API_BODY_H
#define MANAGER_API_BODY_H

#include "manager/api_request.h"

enum { API_BODY_DOWNGRADES_MAX = 8 };

/* The body as an object with no other keys than these (NULL-terminated). An empty body is an empty object.
 * The caller owns the reference; NULL: ERROR_USAGE. */
json_t *api_body(ApiRequest *request, const char *const *keys, Error *err);

/* A string that has to be there; it lives as long as the object. */
bool api_body_text(const json_t *object, const char *key, const char **ret_text, Error *err);

/* "soak": a duration as in manager.yaml; left out: UINT64_MAX, the default. */
bool api_body_soak(const json_t *object, uint64_t *ret_soak_ms, Error *err);

/* "allow_downgrade": a list of names; left out: none. The names live as long as the object. */
bool api_body_downgrades(const json_t *object, const char *names[API_BODY_DOWNGRADES_MAX], size_t *ret_count,
                         Error *err);

#endif
