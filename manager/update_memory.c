/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of Updates, <state>/updates.json: what was learned last, which bundles did not last here, and
 * when to look next.
 */
#include <string.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/update_parts.h"

#define MEMORY_NAME "updates.json"
enum { MEMORY_SIZE_MAX = 1024 * 1024, FAILED_MAX = 64 };

static bool is_usable(const json_t *memory) {
    return json_is_object(memory) && json_is_object(json_object_get(memory, "failed"));
}

/* What cannot be read is only what was learned; signed metadata is stored apart, and looked at again. The
 * list of bundles that did not last is worth a word. */
bool update_memory_load(Updates *updates, Error *err) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(MEMORY_SIZE_MAX);
    Error missing = ERROR_INIT;
    if (file_read(updates->spec.state_fd, MEMORY_NAME, &text, &missing)) {
        updates->memory = json_parse(buffer_bytes(&text), MEMORY_NAME, &missing);
    }
    if (is_usable(updates->memory)) {
        return true;
    }
    if (missing.kind != ERROR_NOT_FOUND) {
        log_warning("updates-forgotten", "error=\"%s\"", missing.text);
    }
    json_decref(updates->memory);
    updates->memory = json_pack("{s:{}, s:i}", "failed", "failures", 0);
    return updates->memory != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

void update_memory_save(Updates *updates) {
    Error err = ERROR_INIT;
    AUTO_FREE char *text = json_format(updates->memory, false);
    if (text == NULL) {
        error_set(&err, ERROR_MEMORY, "out of memory");
    }
    if (text == NULL || !file_replace(updates->spec.state_fd, MEMORY_NAME, text, strlen(text), 0600, &err)) {
        log_error("updates-not-written", "error=\"%s\"", err.text);
    }
}

void update_memory_put(Updates *updates, const char *key, json_t *value) {
    if (!json_put(updates->memory, key, value)) {
        log_error("updates-not-noted", "what=%s error=\"out of memory\"", key);
    }
}

void update_memory_fail(Updates *updates, const char *digest, const char *why) {
    json_t *failed = json_object_get(updates->memory, "failed");
    if (json_object_size(failed) >= FAILED_MAX && json_object_get(failed, digest) == NULL) {
        (void)json_object_del(failed, json_object_iter_key(json_object_iter(failed))); /* the oldest */
    }
    if (!json_put(failed, digest, operation_text_json(why))) {
        log_error("updates-not-noted", "bundle=%.12s error=\"out of memory\"", digest);
    }
}

static json_t *failure_json(const Error *failure) {
    return json_pack("{s:s, s:o, s:s, s:s}", "kind", error_kind_name(failure->kind), "text",
                     operation_text_json(failure->text), "rule", "none", "role", "");
}

/* What a failed look did not learn is kept from the one before. */
static void keep(json_t *last, const char *key, const json_t *result, const json_t *before) {
    json_t *value = json_object_get(result, key);
    if (value == NULL || json_is_null(value)) {
        value = json_object_get(before, key);
    }
    if (value != NULL) {
        (void)json_object_set(last, key, value);
    }
}

void update_memory_learn(Updates *updates, const json_t *result, const Error *failure) {
    const json_t *before = json_object_get(updates->memory, "last");
    json_t *problem =
        failure != NULL ? failure_json(failure) : json_incref(json_object_get(result, "failure"));
    bool failed = json_is_object(problem);
    json_int_t failures = json_integer_value(json_object_get(updates->memory, "failures"));
    json_t *last = json_pack("{s:I, s:o?}", "at", (json_int_t)clock_wall_s(), "failure", problem);
    if (last == NULL) {
        return;
    }
    keep(last, "metadata", result, before);
    keep(last, "channel", result, before);
    if (json_is_string(json_object_get(result, "clock"))) {
        (void)json_object_set(last, "clock", json_object_get(result, "clock"));
    }
    update_memory_put(updates, "last", last);
    update_memory_put(updates, "failures", json_integer(failed ? failures + 1 : 0));
}
