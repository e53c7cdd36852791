/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/json.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/tuf/limits.h"

enum { KEYS_FEW = 16 }; /* members of an object that are sorted without allocating */

/* Every value but the first follows one of these outside a string; counting them before parsing keeps a
 * file of small values from growing to a hundred times its size in memory. */
static bool values_are_few(Bytes text) {
    size_t values = 1;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{' || c == ',' || c == ':') {
            values++;
        }
    }
    return values <= TUF_VALUES_MAX;
}

static bool numbers_are_exact(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_REAL:
        return false;
    case JSON_INTEGER: {
        json_int_t number = json_integer_value(value);
        return number >= -TUF_INTEGER_MAX && number <= TUF_INTEGER_MAX;
    }
    case JSON_OBJECT: {
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, key, member) {
            if (!numbers_are_exact(member)) {
                return false;
            }
        }
        return true;
    }
    case JSON_ARRAY:
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (!numbers_are_exact(json_array_get(value, i))) {
                return false;
            }
        }
        return true;
    case JSON_STRING:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        return true;
    }
    return false;
}

json_t *tuf_json_parse(Bytes text, const char *name, Error *err) {
    if (!values_are_few(text)) {
        error_set(err, ERROR_LIMIT, "%s: more than %d JSON values", name, TUF_VALUES_MAX);
        return NULL;
    }
    CLEANUP(json_freep) json_t *value = json_parse(text, name, err);
    if (value == NULL) {
        return NULL;
    }
    if (!json_is_object(value)) {
        error_set(err, ERROR_INPUT, "%s: not a JSON object", name);
        return NULL;
    }
    if (!numbers_are_exact(value)) {
        error_set(err, ERROR_INPUT, "%s: a number is not an integer within 2^53-1", name);
        return NULL;
    }
    return TAKE(value);
}

static bool append_string(const char *text, size_t size, Buffer *buffer) {
    if (!buffer_append(buffer, "\"", 1)) {
        return false;
    }
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            if (!buffer_append(buffer, text + start, i - start) || !buffer_append(buffer, "\\", 1)) {
                return false;
            }
            start = i;
        }
    }
    return buffer_append(buffer, text + start, size - start) && buffer_append(buffer, "\"", 1);
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool append_object(const json_t *object, Buffer *buffer) {
    size_t count = json_object_size(object);
    const char *few[KEYS_FEW];
    AUTO_FREE const char **many = count > KEYS_FEW ? calloc(count, sizeof *many) : NULL;
    const char **keys = count > KEYS_FEW ? many : few;
    if (keys == NULL) {
        return false;
    }
    size_t filled = 0;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)object, key, member) {
        keys[filled++] = key;
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 0; i < count; i++) {
        if (!buffer_append(buffer, i == 0 ? "{" : ",", 1) ||
            !append_string(keys[i], strlen(keys[i]), buffer) || !buffer_append(buffer, ":", 1) ||
            !tuf_json_canonical(json_object_get(object, keys[i]), buffer)) {
            return false;
        }
    }
    return buffer_append_text(buffer, count == 0 ? "{}" : "}");
}

static bool append_array(const json_t *array, Buffer *buffer) {
    size_t count = json_array_size(array);
    for (size_t i = 0; i < count; i++) {
        if (!buffer_append(buffer, i == 0 ? "[" : ",", 1) ||
            !tuf_json_canonical(json_array_get(array, i), buffer)) {
            return false;
        }
    }
    return buffer_append_text(buffer, count == 0 ? "[]" : "]");
}

bool tuf_json_canonical(const json_t *value, Buffer *buffer) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return append_object(value, buffer);
    case JSON_ARRAY:
        return append_array(value, buffer);
    case JSON_STRING:
        return append_string(json_string_value(value), json_string_length(value), buffer);
    case JSON_INTEGER:
        return buffer_append_format(buffer, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_TRUE:
        return buffer_append_text(buffer, "true");
    case JSON_FALSE:
        return buffer_append_text(buffer, "false");
    case JSON_NULL:
        return buffer_append_text(buffer, "null");
    case JSON_REAL:
        return false;
    }
    return false;
}

bool tuf_json_object(const json_t *object, const char *where, const char *key, json_t **ret_value,
                     Error *err) {
    json_t *value = json_object_get(object, key);
    if (!json_is_object(value)) {
        return error_set(err, ERROR_INPUT, "%s.%s is missing or not an object", where, key);
    }
    *ret_value = value;
    return true;
}

bool tuf_json_array(const json_t *object, const char *where, const char *key, json_t **ret_value,
                    Error *err) {
    json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) {
        return error_set(err, ERROR_INPUT, "%s.%s is missing or not an array", where, key);
    }
    *ret_value = value;
    return true;
}

bool tuf_json_text(const json_t *object, const char *where, const char *key, const char **ret_text,
                   Error *err) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || json_string_length(value) == 0) {
        return error_set(err, ERROR_INPUT, "%s.%s is missing or not a text", where, key);
    }
    *ret_text = json_string_value(value);
    return true;
}

bool tuf_json_integer(const json_t *object, const char *where, const char *key, int64_t min,
                      int64_t *ret_value, Error *err) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) {
        return error_set(err, ERROR_INPUT, "%s.%s is missing or not an integer", where, key);
    }
    if (json_integer_value(value) < min) {
        return error_set(err, ERROR_INPUT, "%s.%s is %" JSON_INTEGER_FORMAT ", at least %lld is needed",
                         where, key, json_integer_value(value), (long long)min);
    }
    *ret_value = json_integer_value(value);
    return true;
}

bool tuf_json_bool(const json_t *object, const char *where, const char *key, bool *ret_value, Error *err) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) {
        return error_set(err, ERROR_INPUT, "%s.%s is missing or neither true nor false", where, key);
    }
    *ret_value = json_is_true(value);
    return true;
}
