/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api_body.h"

#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/text.h"

static bool knows(const char *const *keys, const char *key) {
    for (; *keys != NULL; keys++) {
        if (strcmp(*keys, key) == 0) {
            return true;
        }
    }
    return false;
}

json_t *api_body(ApiRequest *request, const char *const *keys, Error *err) {
    const char *key = NULL;
    json_t *value = NULL;
    if (request->wants_upload) {
        error_set(err, ERROR_USAGE, "this request takes JSON");
        return NULL;
    }
    CLEANUP(json_freep)
    json_t *object =
        request->body.size == 0 ? json_object() : json_parse(buffer_bytes(&request->body), "body", err);
    if (object == NULL || !json_is_object(object)) {
        if (err->kind == ERROR_NONE) {
            error_set(err, ERROR_USAGE, "the body is not a JSON object");
        }
        err->kind = ERROR_USAGE;
        return NULL;
    }
    json_object_foreach(object, key, value) {
        if (!knows(keys, key)) {
            error_set(err, ERROR_USAGE, "the body has a key '%.32s' that means nothing here", key);
            return NULL;
        }
    }
    return TAKE(object);
}

bool api_body_text(const json_t *object, const char *key, const char **ret_text, Error *err) {
    *ret_text = json_string_value(json_object_get(object, key));
    return *ret_text != NULL || error_set(err, ERROR_USAGE, "the body must have '%s', a string", key);
}

bool api_body_soak(const json_t *object, uint64_t *ret_soak_ms, Error *err) {
    const json_t *value = json_object_get(object, "soak");
    *ret_soak_ms = UINT64_MAX;
    if (value == NULL) {
        return true;
    }
    return (json_is_string(value) && text_parse_duration(json_string_value(value), ret_soak_ms) &&
            *ret_soak_ms <= UINT64_C(7) * 24 * 3600 * 1000) ||
           error_set(err, ERROR_USAGE,
                     "'soak' must be a duration of at most 7d, such as \"30s\", \"5m\" or \"0\"");
}

bool api_body_downgrades(const json_t *object, const char *names[API_BODY_DOWNGRADES_MAX], size_t *ret_count,
                         Error *err) {
    const json_t *list = json_object_get(object, "allow_downgrade");
    size_t index = 0;
    json_t *name = NULL;
    *ret_count = 0;
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > API_BODY_DOWNGRADES_MAX)) {
        return error_set(err, ERROR_USAGE, "'allow_downgrade' must be a list of at most %d names",
                         API_BODY_DOWNGRADES_MAX);
    }
    json_array_foreach(list, index, name) {
        if (!json_is_string(name)) {
            return error_set(err, ERROR_USAGE, "'allow_downgrade' must be a list of names");
        }
        names[(*ret_count)++] = json_string_value(name);
    }
    return true;
}
