/* SPDX-License-Identifier: Apache-2.0
 *
 * Process: starting a child with exactly the descriptors it should have, and waiting with a deadline.
 *
 * posix_spawn, never fork: the cost does not grow with the parent's memory. The child gets the listed
 * descriptors at the listed numbers and 0, 1, 2; everything else is O_CLOEXEC by rule. It starts with an
 * empty signal mask and default signal handlers. The caller owns the pidfd.
 */
#ifndef BUNDLES_BASE_PROCESS_H
#define BUNDLES_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"

typedef struct ProcessFd {
    int from; /* the parent's descriptor */
    int to;   /* its number in the child */
} ProcessFd;

typedef struct ProcessSpec {
    const char *path;               /* program file; no search in PATH */
    const char *const *argv;        /* NULL-terminated, with argv[0] */
    const char *const *environment; /* NULL-terminated; NULL: the parent's */
    const ProcessFd *fds;           /* applied in order; numbers 0, 1, 2 may be among them */
    size_t fds_count;               /* at most 16; 0, 1, 2 that are not listed are inherited */
    bool new_group;                 /* the child leads a process group of its own */
} ProcessSpec;

bool process_start(const ProcessSpec *spec, pid_t *ret_pid, int *ret_pidfd, Error *err)
    __attribute__((warn_unused_result));

typedef struct ProcessExit {
    bool signalled;
    int code; /* exit status, or the signal's number */
} ProcessExit;

/* Waits for the end; ERROR_TIMEOUT leaves the child running. -1: no limit. Reaps it. */
bool process_wait(int pidfd, int timeout_ms, ProcessExit *ret_exit, Error *err)
    __attribute__((warn_unused_result));
const char *process_exit_format(char *buffer, size_t size, ProcessExit how); /* "exit status 3", "SIGSEGV" */

bool process_signal(int pidfd, int signal_number, Error *err) __attribute__((warn_unused_result));

/* When a process was started, in clock ticks since boot; with its pid that names a process for good. 0: /proc
 * does not say; *ret_gone: because there is none. */
uint64_t process_start_ticks(pid_t pid, bool *ret_gone);

/* Directory of the running program's file, e.g. to find its siblings. NULL on failure; the caller frees. */
char *process_own_directory(Error *err);

#endif
