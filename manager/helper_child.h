/* SPDX-License-Identifier: Apache-2.0
 *
 * HelperChild: the child's side of manager/helper: its two descriptors, what it may report, and its tasks.
 */
#ifndef MANAGER_HELPER_CHILD_H
#define MANAGER_HELPER_CHILD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"

enum { HELPER_SOCKET = 3, HELPER_DATA = 4, HELPER_MESSAGE_MAX = 128 * 1024 };

typedef struct HelperTask {
    const char *name; /* of its sandbox, too */
    /* Reads its arguments, works, gives its result (a new object). `prepared`: what its prepare function
     * made, NULL without one. */
    bool (*run)(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
    bool (*prepare)(const json_t *arguments, void **ret_prepared, Error *err); /* before the sandbox closes */
    /* When `run` has returned, it holds nothing that others want (locks, room in the EPC): what follows it
     * need not wait until the kernel has cleared the process away. */
    bool hands_over;
} HelperTask;

/* Runs the task, whose arguments come over HELPER_SOCKET, and returns the exit status. */
int helper_child_run(const HelperTask *task);

/* Tells the manager how far the work is; at most some ten times a second, and always the end. */
typedef struct HelperProgress {
    uint64_t last_ms; /* when it was told last; starts at 0 */
} HelperProgress;
void helper_report_progress(HelperProgress *progress, uint64_t done, uint64_t total);

/* The tasks. A program has those of the code that starts them: pswctl has no courier, and need not wait at
 * its start until libcurl is loaded. */

/* {"store", "gate"}; the bundle on HELPER_DATA -> {"digest", "new", "checks"}; "gate" as from
 * gatekeeper_arguments
 */
extern const HelperTask helper_task_stage;
/* {"store", "digest", "gate"} -> {} */
extern const HelperTask helper_task_verify;
/* {"store", "digest"} -> {} */
extern const HelperTask helper_task_remove;
/* {"url", "source" (a local file, or null: the courier is on HELPER_DATA), "sha256", "directory", "size_max"}
 * -> {"file", "size", "resumed"} */
extern const HelperTask helper_task_fetch;
/* manager/helper_update.c has its arguments and result. */
extern const HelperTask helper_task_update;
/* manager/examination.c has its arguments; manager/checks/report.h its result. */
extern const HelperTask helper_task_checks;
/* manager/helper_advice.c has its arguments and result. */
extern const HelperTask helper_task_advice;
/* {"mirrors", "timeout_ms", "speed_min", "stall_timeout_ms", "rate_max", and null or set: "ca",
 * "client_certificate", "client_key", "proxy"}; the neighbour is on HELPER_DATA -> {} */
extern const HelperTask helper_task_courier;

#endif
