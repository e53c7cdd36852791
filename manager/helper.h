/* SPDX-License-Identifier: Apache-2.0
 *
 * Helper: work on outside bytes and work that takes long, in a forked child of the manager.
 *
 * The child is in a sandbox of its task's (manager/helper_sandbox.h); it gets its task as JSON over a
 * SOCK_SEQPACKET pair, perhaps one more descriptor, and sends progress and at last a result or an error
 * back. The loop never blocks on it. Invariant: `done` is called exactly once, after the child has ended
 * (or, where its task hands over, has told its result), unless helper_cancel or helper_dismiss came first.
 */
#ifndef MANAGER_HELPER_H
#define MANAGER_HELPER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "bundles/base/error.h"
#include "manager/helper_child.h"

typedef struct Helper Helper;

typedef struct HelperSpec {
    sd_event *event;
    const HelperTask *task;
    const json_t *arguments;
    int fd; /* given to the child; borrowed; -1: none */
    uint64_t timeout_ms;
    uint64_t file_size_max; /* RLIMIT_FSIZE of the child */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    /* result: borrowed, NULL with `failure` set. The helper frees itself afterwards. */
    void (*done)(void *context, const json_t *result, const Error *failure);
    void *context;
} HelperSpec;

Helper *helper_start(const HelperSpec *spec, Error *err) __attribute__((warn_unused_result));
/* What the child has reported as its failure by now; NULL: nothing. */
const Error *helper_failure(Helper *helper);
void helper_cancel(Helper *helper); /* ends the child and frees; `done` is not called */
/* The same without waiting for the child's end: the loop does that. */
void helper_dismiss(Helper *helper);
#endif
