/* SPDX-License-Identifier: Apache-2.0
 *
 * Process: starting a child with exactly the descriptors it should have, and waiting with a deadline.
 *
 * The child gets the listed descriptors at the listed numbers and 0, 1, 2, and no other. It starts with an
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

/* posix_spawn: the cost does not grow with the parent's memory. Descriptors are O_CLOEXEC by rule. */
bool process_start(const ProcessSpec *spec, pid_t *ret_pid, int *ret_pidfd, Error *err)
    __attribute__((warn_unused_result));

/* A child that goes on in this program, where loading another would take longer than its work: it calls run
 * and ends with what that returns as its exit status, without atexit handlers. It leads a process group of
 * its own. Only for a process with one thread. */
typedef struct ProcessFork {
    int (*run)(void *context);
    void *context;
    const ProcessFd *fds; /* as for process_start */
    size_t fds_count;
} ProcessFork;
bool process_fork(const ProcessFork *spec, pid_t *ret_pid, int *ret_pidfd, Error *err)
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
