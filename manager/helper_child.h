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

/* Runs the task of that name, whose arguments come over HELPER_SOCKET, and returns the exit status. */
int helper_child_run(const char *name);

/* Tells the manager how far the work is; at most some ten times a second, and always the end. */
typedef struct HelperProgress {
    uint64_t last_ms; /* when it was told last; starts at 0 */
} HelperProgress;
void helper_report_progress(HelperProgress *progress, uint64_t done, uint64_t total);

/* A task: reads its arguments, works, gives its result (a new object). `prepared`: what its prepare function
 * made, NULL without one. */
typedef bool (*HelperTaskFn)(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);

/* {"store", "gate"}; the bundle on HELPER_DATA -> {"digest", "new", "checks"}; "gate" as from
 * gatekeeper_arguments
 */
bool helper_task_stage(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
/* {"store", "digest", "gate"} -> {} */
bool helper_task_verify(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
/* {"store", "digest"} -> {} */
bool helper_task_remove(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
/* {"url", "source" (a local file, or null: the courier is on HELPER_DATA), "sha256", "directory", "size_max"}
 * -> {"file", "size", "resumed"} */
bool helper_task_fetch(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
/* manager/helper_update.c has its arguments and result. */
bool helper_task_update(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
/* manager/examination.c has its arguments; manager/checks/report.h its result. */
bool helper_prepare_checks(const json_t *arguments, void **ret_prepared, Error *err);
bool helper_task_checks(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
/* manager/helper_advice.c has its arguments and result. */
bool helper_task_advice(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);
/* {"mirrors", "timeout_ms", "speed_min", "stall_timeout_ms", "rate_max", and null or set: "ca",
 * "client_certificate", "client_key", "proxy"}; the neighbour is on HELPER_DATA -> {} */
bool helper_prepare_courier(const json_t *arguments, void **ret_prepared, Error *err);
bool helper_task_courier(const json_t *arguments, void *prepared, json_t **ret_result, Error *err);

#endif
