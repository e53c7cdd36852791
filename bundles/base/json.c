/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/json.h"

#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

enum { REASON_MAX = 120 };

/* Nesting depth and the line where it becomes too much, without parsing: the parser recurses, so its input
 * is bounded before it starts. Brackets within strings do not count. */
static bool depth_is_bounded(Bytes text, int *ret_line) {
    int line = 1;
    int depth = 0;
    bool in_string = false;
    for (size_t at = 0; at < text.size; at++) {
        char c = (char)text.data[at];
        if (c == '\n') {
            line++;
        } else if (in_string && c == '\\') {
            at++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string && (c == '{' || c == '[')) {
            if (++depth > JSON_DEPTH_MAX) {
                *ret_line = line;
                return false;
            }
        } else if (!in_string && (c == '}' || c == ']')) {
            depth--;
        }
    }
    return true;
}

/* The parser's reason quotes the input: only printable ASCII of it may reach a terminal or a log. */
static void copy_reason(char reason[REASON_MAX], const char *text) {
    size_t at = 0;
    for (; at + 1 < REASON_MAX && text[at] != 0; at++) {
        reason[at] = text[at] < 0x20 || text[at] > 0x7e ? '?' : text[at];
    }
    reason[at] = 0;
}

json_t *json_parse(Bytes text, const char *name, Error *err) {
    if (text.size > JSON_SIZE_MAX) {
        error_set(err, ERROR_LIMIT, "%s: JSON of %zu bytes, at most %d are taken", name, text.size,
                  (int)JSON_SIZE_MAX);
        return NULL;
    }
    int line = 0;
    if (!depth_is_bounded(text, &line)) {
        error_set(err, ERROR_LIMIT, "%s: line %d: JSON is nested more than %d deep", name, line,
                  (int)JSON_DEPTH_MAX);
        return NULL;
    }
    json_error_t error = {0};
    json_t *value = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    if (value == NULL) {
        bool no_memory = json_error_code(&error) == json_error_out_of_memory;
        char reason[REASON_MAX];
        copy_reason(reason, error.text);
        error_set(err, no_memory ? ERROR_MEMORY : ERROR_INPUT, "%s: line %d, column %d: %s", name, error.line,
                  error.column, reason);
    }
    return value;
}

char *json_format(const json_t *value, bool pretty) {
    return json_dumps(value, JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT));
}

bool json_get_text(const json_t *object, const char *key, const char **ret_text, Error *err) {
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL) {
        return error_set(err, ERROR_INPUT, "member '%s' is missing or not a string", key);
    }
    *ret_text = text;
    return true;
}

bool json_get_failure(const json_t *object, Error *ret_failure) {
    const char *name = json_string_value(json_object_get(object, "kind"));
    const char *words = json_string_value(json_object_get(object, "error"));
    ErrorKind kind = ERROR_NONE;
    if (name == NULL || words == NULL || !error_kind_parse(name, &kind) || kind == ERROR_NONE) {
        return false;
    }
    AUTO_FREE char *shown = text_show(words);
    error_set(ret_failure, shown != NULL ? kind : ERROR_MEMORY, "%s",
              shown != NULL ? shown : "out of memory");
    return true;
}

bool json_get_u64(const json_t *object, const char *key, uint64_t *ret_value, Error *err) {
    const json_t *member = json_object_get(object, key);
    if (!json_is_integer(member) || json_integer_value(member) < 0) {
        return error_set(err, ERROR_INPUT, "member '%s' is missing or not a number of 0 or more", key);
    }
    *ret_value = (uint64_t)json_integer_value(member);
    return true;
}

bool json_get_bool(const json_t *object, const char *key, bool *ret_value, Error *err) {
    const json_t *member = json_object_get(object, key);
    if (!json_is_boolean(member)) {
        return error_set(err, ERROR_INPUT, "member '%s' is missing or neither true nor false", key);
    }
    *ret_value = json_is_true(member);
    return true;
}

bool json_put(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, value) == 0;
}
