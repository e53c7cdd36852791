/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/update.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/file.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "bundles/version.h"
#include "manager/timer.h"
#include "manager/update_parts.h"

Updates *updates_new(const UpdatesSpec *spec, Error *err) {
    CLEANUP(updates_freep) Updates *updates = calloc(1, sizeof *updates);
    if (updates == NULL || (updates->trust = text_format("%s/trust", spec->config->state)) == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    updates->spec = *spec;
    if (!file_make_path(updates->trust, 0700, err) || !update_memory_load(updates, err)) {
        return NULL;
    }
    update_swap_forget(updates);
    update_plan_first(updates);
    return TAKE(updates);
}

static void forget_wish(Updates *updates) {
    free(updates->want);
    updates->want = NULL;
    json_decref(updates->downgrades);
    updates->downgrades = NULL;
}

void updates_free(Updates *updates) {
    if (updates != NULL) {
        timer_stop(&updates->timer);
        transfer_cancel(updates->transfer);
        json_decref(updates->memory);
        forget_wish(updates);
        free(updates->trust);
        free(updates);
    }
}

void update_note(Updates *updates, const Operation *operation, const char *event, const char *text) {
    Error err = ERROR_INIT;
    journal_note(updates->spec.journal, operation->id, operation->who, event, "%s", text);
    if (!journal_save(updates->spec.journal, &err)) {
        log_error("journal-not-written", "error=\"%s\"", err.text);
    }
}

void update_note_once(Updates *updates, const Operation *operation, const char *event, const char *text) {
    const char *before = json_string_value(json_object_get(updates->memory, "noted"));
    if (before == NULL || strcmp(before, text) != 0) {
        update_memory_put(updates, "noted", operation_text_json(text));
        update_note(updates, operation, event, text);
    }
}

static Operation *end(Updates *updates) {
    Operation *operation = updates->operation;
    updates->operation = NULL;
    forget_wish(updates);
    update_plan_next(updates);
    update_memory_save(updates);
    return operation;
}

void update_fail(Updates *updates, const Error *failure) {
    char event[32];
    (void)snprintf(event, sizeof event, "%s-failed", updates->operation->kind);
    log_warning(event, "operation=%llu error=\"%s\"", (unsigned long long)updates->operation->id,
                failure->text);
    update_note_once(updates, updates->operation, event, failure->text);
    Operation *operation = end(updates);
    operation_fail(updates->spec.operations, operation, failure);
}

void update_succeed(Updates *updates, json_t *result) {
    Operation *operation = end(updates);
    operation_succeed(updates->spec.operations, operation, result);
}

static bool keep_wish(Updates *updates, const UpdatesWish *wish) {
    updates->soak_ms = wish->soak_ms;
    updates->want = wish->version != NULL ? strdup(wish->version) : NULL;
    updates->downgrades = json_array();
    for (size_t i = 0; i < wish->downgrades.count && i < UPDATE_DOWNGRADES_MAX; i++) {
        if (json_array_append_new(updates->downgrades, json_string(wish->downgrades.names[i])) != 0) {
            return false;
        }
    }
    return updates->downgrades != NULL && (wish->version == NULL || updates->want != NULL);
}

bool update_begin(Updates *updates, UpdateGoal goal, const UpdatesWish *wish, JournalWho who, Error *err) {
    Journal *journal = updates->spec.journal;
    UpdateOrigin origin;
    if (updates->operation != NULL) {
        return error_set(err, ERROR_CONFLICT, "operation %llu (%s) is under way: wait for its end",
                         (unsigned long long)updates->operation->id, updates->operation->kind);
    }
    if (!update_look_find_origin(updates->spec.config, wish, &origin, err)) {
        return false;
    }
    if (wish->version != NULL && !version_is_valid(wish->version)) {
        return error_set(err, ERROR_USAGE, "'%.64s' is not a version: dotted numbers are", wish->version);
    }
    if (!keep_wish(updates, wish)) {
        forget_wish(updates);
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    updates->goal = goal;
    updates->operation =
        operation_begin(updates->spec.operations, journal->next_operation,
                        goal == UPDATE_LOOK ? "check" : "update", who, updates->spec.config->updates_channel);
    if (updates->operation == NULL) {
        forget_wish(updates);
        return error_set(err, ERROR_LIMIT, "too many operations are under way: try again when one has ended");
    }
    journal->next_operation++;
    operation_step(updates->spec.operations, updates->operation, "checking");
    Error failure = ERROR_INIT;
    if (!update_look_start(updates, &origin, &failure)) {
        update_fail(updates, &failure);
    }
    return true;
}

Operation *updates_check(Updates *updates, JournalWho who, Error *err) {
    const UpdatesWish wish = {.file = -1};
    if (!update_begin(updates, UPDATE_LOOK, &wish, who, err)) {
        return NULL;
    }
    return operation_find(updates->spec.operations, updates->spec.journal->next_operation - 1);
}

Operation *updates_update(Updates *updates, const UpdatesWish *wish, JournalWho who, Error *err) {
    AUTO_CLOSE int file = wish->file;
    if (file >= 0 && lseek(file, 0, SEEK_SET) != 0) {
        error_set(err, ERROR_SYSTEM, "the upload cannot be read");
        return NULL;
    }
    if (!update_begin(updates, wish->stage_only ? UPDATE_STAGE : UPDATE_SWAP, wish, who, err)) {
        return NULL;
    }
    return operation_find(updates->spec.operations, updates->spec.journal->next_operation - 1);
}
