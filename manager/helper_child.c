/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/helper_child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/store.h"
#include "manager/gatekeeper.h"
#include "manager/helper.h"
#include "manager/helper_sandbox.h"
#include "manager/operation.h"

CLEANUP_DEFINE(Store, store_close)

enum { PROGRESS_INTERVAL_MS = 100 };

typedef struct Task {
    const char *name;
    HelperTaskFn run;
    bool (*prepare)(const json_t *arguments, void **ret_prepared, Error *err); /* before the sandbox closes */
} Task;

static const Task tasks[] = {
    {"stage", helper_task_stage, NULL},
    {"verify", helper_task_verify, NULL},
    {"remove", helper_task_remove, NULL},
    {"fetch", helper_task_fetch, NULL},
    {"update", helper_task_update, NULL},
    {"courier", helper_task_courier, helper_prepare_courier},
    {"checks", helper_task_checks, helper_prepare_checks},
    {"advice", helper_task_advice, NULL},
};

static bool report(json_t *message) {
    CLEANUP(json_freep) json_t *owned = message;
    AUTO_FREE char *text = owned != NULL ? json_format(owned, false) : NULL;
    return text != NULL && send(HELPER_SOCKET, text, strlen(text), MSG_NOSIGNAL) >= 0;
}

void helper_report_progress(HelperProgress *progress, uint64_t done, uint64_t total) {
    uint64_t now = clock_monotonic_ms();
    if (now - progress->last_ms < PROGRESS_INTERVAL_MS && done != total) {
        return;
    }
    progress->last_ms = now;
    if (!report(json_pack("{s:I, s:I}", "done", (json_int_t)done, "total", (json_int_t)total))) {
        _exit(1); /* the manager is gone: nobody wants the work any more */
    }
}

static json_t *receive_task(Error *err) {
    uint8_t text[HELPER_MESSAGE_MAX];
    ssize_t size = recv(HELPER_SOCKET, text, sizeof text, 0);
    if (size <= 0) {
        error_set_errno(err, size == 0 ? EPIPE : errno, "no task came");
        return NULL;
    }
    return json_parse((Bytes){text, (size_t)size}, "task", err);
}

static const Task *find_task(const char *name) {
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        if (strcmp(tasks[i].name, name) == 0) {
            return &tasks[i];
        }
    }
    return NULL;
}

static bool run(const char *name, json_t **ret_result, Error *err) {
    uint64_t file_size_max = 0;
    void *prepared = NULL;
    const Task *task = find_task(name);
    if (task == NULL) {
        return error_set(err, ERROR_USAGE, "there is no task '%s'", name);
    }
    CLEANUP(json_freep) json_t *message = receive_task(err);
    const json_t *arguments = json_object_get(message, "arguments");
    return message != NULL && json_get_u64(message, "file_size_max", &file_size_max, err) &&
           (task->prepare == NULL || task->prepare(arguments, &prepared, err)) &&
           helper_sandbox_enter(name, arguments, file_size_max, err) &&
           task->run(arguments, prepared, ret_result, err);
}

/* "psw-courier": what ps and top show of a child. */
static void show_name(const char *task) {
    char name[16];
    (void)snprintf(name, sizeof name, "psw-%s", task);
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

int helper_child_run(const char *name) {
    Error err = ERROR_INIT;
    json_t *result = NULL;
    (void)prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0);
    show_name(name);
    if (run(name, &result, &err)) {
        return report(json_pack("{s:o}", "result", result)) ? 0 : 1;
    }
    (void)report(
        json_pack("{s:s, s:o}", "kind", error_kind_name(err.kind), "error", operation_text_json(err.text)));
    return error_kind_exit_status(err.kind);
}

static void on_stage_progress(void *context, uint64_t done, uint64_t total) {
    helper_report_progress(context, done, total);
}

bool helper_task_stage(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    const char *path = NULL;
    char hex[DIGEST_HEX_SIZE];
    Digest digest;
    bool is_new = false;
    HelperProgress progress = {0};
    if (!json_get_text(arguments, "store", &path, err)) {
        return false;
    }
    CLEANUP(store_closep) Store *store = store_open(path, true, err);
    CLEANUP(gatekeeper_closep)
    Gatekeeper *keeper =
        store != NULL ? gatekeeper_open(json_object_get(arguments, "gate"), store, err) : NULL;
    if (keeper == NULL) {
        return false;
    }
    const StoreStaging how = {
        .gate = gatekeeper_gate(keeper), .progress = on_stage_progress, .context = &progress};
    if (!store_stage(store, HELPER_DATA, "the bundle", &how, &digest, &is_new, err)) {
        return false;
    }
    digest_format(&digest, hex);
    *ret_result = json_pack("{s:s, s:b, s:o}", "digest", hex, "new", is_new, "checks", gate_json(how.gate));
    return *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

/* The store and the bundle that a task is about. */
static Store *open_bundle(const json_t *arguments, bool writable, Digest *ret_digest, Error *err) {
    const char *path = NULL, *hex = NULL;
    if (!json_get_text(arguments, "store", &path, err) || !json_get_text(arguments, "digest", &hex, err)) {
        return NULL;
    }
    if (!digest_parse(hex, ret_digest)) {
        error_set(err, ERROR_USAGE, "'%.80s' is not a digest", hex);
        return NULL;
    }
    return store_open(path, writable, err);
}

static bool nothing_to_say(json_t **ret_result, Error *err) {
    *ret_result = json_object();
    return *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

bool helper_task_verify(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    Digest digest;
    CLEANUP(store_closep) Store *store = open_bundle(arguments, false, &digest, err);
    CLEANUP(gatekeeper_closep)
    Gatekeeper *keeper =
        store != NULL ? gatekeeper_open(json_object_get(arguments, "gate"), store, err) : NULL;
    return keeper != NULL && store_verify(store, &digest, gatekeeper_gate(keeper), err) &&
           nothing_to_say(ret_result, err);
}

bool helper_task_remove(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    Digest digest;
    CLEANUP(store_closep) Store *store = open_bundle(arguments, true, &digest, err);
    return store != NULL && store_remove(store, &digest, err) && nothing_to_say(ret_result, err);
}
