/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/operation.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"

struct Operations {
    OperationChangedFn changed;
    void *context;
    Operation list[OPERATIONS_KEPT]; /* oldest first */
    size_t count;
};

Operations *operations_new(OperationChangedFn changed, void *context) {
    Operations *operations = calloc(1, sizeof *operations);
    if (operations != NULL) {
        operations->changed = changed;
        operations->context = context;
    }
    return operations;
}

void operations_free(Operations *operations) {
    if (operations == NULL) {
        return;
    }
    for (size_t i = 0; i < operations->count; i++) {
        json_decref(operations->list[i].result);
    }
    free(operations);
}

static void touch(Operations *operations, Operation *operation) {
    operation->revision++;
    operations->changed(operations->context, operation);
}

/* Pointers to operations are held by who runs them, so a slot is used again in place and nothing moves. */
static Operation *free_slot(Operations *operations) {
    Operation *oldest = NULL;
    if (operations->count < OPERATIONS_KEPT) {
        return &operations->list[operations->count++];
    }
    for (size_t i = 0; i < operations->count; i++) {
        Operation *operation = &operations->list[i];
        if (operation->state != OPERATION_RUNNING && (oldest == NULL || operation->id < oldest->id)) {
            oldest = operation;
        }
    }
    if (oldest != NULL) {
        json_decref(oldest->result);
    }
    return oldest;
}

Operation *operation_begin(Operations *operations, uint64_t id, const char *kind, JournalWho who,
                           const char *what) {
    Operation *operation = free_slot(operations);
    if (operation == NULL) {
        return NULL;
    }
    *operation = (Operation){
        .id = id, .kind = kind, .who = who, .started_at = clock_wall_s(), .started_ms = clock_monotonic_ms()};
    (void)snprintf(operation->what, sizeof operation->what, "%s", what);
    touch(operations, operation);
    return operation;
}

Operation *operation_find(Operations *operations, uint64_t id) {
    for (size_t i = 0; i < operations->count; i++) {
        if (operations->list[i].id == id) {
            return &operations->list[i];
        }
    }
    return NULL;
}

void operation_step(Operations *operations, Operation *operation, const char *step) {
    (void)snprintf(operation->step, sizeof operation->step, "%s", step);
    operation->done = operation->total = 0;
    touch(operations, operation);
}

void operation_progress(Operations *operations, Operation *operation, uint64_t done, uint64_t total) {
    operation->done = done;
    operation->total = total;
    touch(operations, operation);
}

static void finish(Operations *operations, Operation *operation, OperationState state) {
    assert(operation->state == OPERATION_RUNNING);
    operation->state = state;
    operation->finished_at = clock_wall_s();
    operation->milliseconds = clock_monotonic_ms() - operation->started_ms;
    touch(operations, operation);
}

void operation_succeed(Operations *operations, Operation *operation, json_t *result) {
    operation->result = result;
    finish(operations, operation, OPERATION_SUCCEEDED);
}

void operation_fail(Operations *operations, Operation *operation, const Error *error) {
    operation->error = *error;
    finish(operations, operation, OPERATION_FAILED);
}

json_t *operation_text_json(const char *text) {
    json_t *value = json_string(text);
    if (value != NULL) {
        return value;
    }
    char clean[ERROR_TEXT_MAX];
    (void)snprintf(clean, sizeof clean, "%s", text);
    for (char *at = clean; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80) {
            *at = '?';
        }
    }
    return json_string(clean);
}

static const char *state_name(OperationState state) {
    switch (state) {
    case OPERATION_SUCCEEDED:
        return "succeeded";
    case OPERATION_FAILED:
        return "failed";
    case OPERATION_RUNNING:
        break;
    }
    return "running";
}

json_t *operation_json(const Operation *operation) {
    uint64_t elapsed = operation->state == OPERATION_RUNNING ? clock_monotonic_ms() - operation->started_ms
                                                             : operation->milliseconds;
    CLEANUP(json_freep)
    json_t *object =
        json_pack("{s:I, s:I, s:s, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I}}", "id",
                  (json_int_t)operation->id, "revision", (json_int_t)operation->revision, "kind",
                  operation->kind, "what", operation_text_json(operation->what), "state",
                  state_name(operation->state), "step", operation->step, "done", (json_int_t)operation->done,
                  "total", (json_int_t)operation->total, "started_at", (json_int_t)operation->started_at,
                  "finished_at", (json_int_t)operation->finished_at, "milliseconds", (json_int_t)elapsed,
                  "who", "uid", (json_int_t)operation->who.uid, "pid", (json_int_t)operation->who.pid);
    if (object == NULL) {
        return NULL;
    }
    if (operation->state == OPERATION_FAILED &&
        (!json_put(object, "error", operation_text_json(operation->error.text)) ||
         !json_put(object, "error_kind", json_string(error_kind_name(operation->error.kind))))) {
        return NULL;
    }
    if (operation->result != NULL && !json_put(object, "result", json_incref(operation->result))) {
        return NULL;
    }
    return TAKE(object);
}

static int compare_ids(const void *a, const void *b) {
    const Operation *const *left = a, *const *right = b;
    return ((*left)->id > (*right)->id) - ((*left)->id < (*right)->id);
}

json_t *operations_json(const Operations *operations) {
    const Operation *sorted[OPERATIONS_KEPT] = {NULL};
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < operations->count; i++) {
        sorted[i] = &operations->list[i];
    }
    qsort(sorted, operations->count, sizeof(const Operation *), compare_ids);
    for (size_t i = 0; i < operations->count; i++) {
        if (json_array_append_new(list, operation_json(sorted[i])) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}
