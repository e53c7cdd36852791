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
#include "bundles/base/priority.h"
#include "manager/helper_sandbox.h"
#include "manager/operation.h"

enum { PROGRESS_INTERVAL_MS = 100 };

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

static bool run(const HelperTask *task, json_t **ret_result, Error *err) {
    uint64_t file_size_max = 0;
    void *prepared = NULL;
    CLEANUP(json_freep) json_t *message = receive_task(err);
    const json_t *arguments = json_object_get(message, "arguments");
    return message != NULL && json_get_u64(message, "file_size_max", &file_size_max, err) &&
           (task->prepare == NULL || task->prepare(arguments, &prepared, err)) &&
           helper_sandbox_enter(task->name, arguments, file_size_max, err) &&
           task->run(arguments, prepared, ret_result, err);
}

/* "psw-courier": what ps and top show of a child. */
static void show_name(const char *task) {
    char name[16];
    (void)snprintf(name, sizeof name, "psw-%s", task);
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

int helper_child_run(const HelperTask *task) {
    Error err = ERROR_INIT;
    json_t *result = NULL;
    (void)prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0);
    priority_restore(0); /* it has a deadline, and nobody who would hurry it */
    show_name(task->name);
    if (run(task, &result, &err)) {
        return report(json_pack("{s:o}", "result", result)) ? 0 : 1;
    }
    (void)report(
        json_pack("{s:s, s:o}", "kind", error_kind_name(err.kind), "error", operation_text_json(err.text)));
    return error_kind_exit_status(err.kind);
}
