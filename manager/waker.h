/* SPDX-License-Identifier: Apache-2.0
 *
 * Waker: a process that brings the manager back from the lowest priority.
 *
 * A node without idle time may not run for seconds who has that priority, nor a child that it has just begun
 * to start and waits for. So before the manager lowers itself it tells its waker, a fork of its own at the
 * ordinary priority, which restores both when the time is over. It ends with the manager.
 */
#ifndef MANAGER_WAKER_H
#define MANAGER_WAKER_H

#include <stdbool.h>

typedef struct Waker {
    int socket, pidfd; /* -1: there is no such process yet */
} Waker;

#define WAKER_INIT                                                                                           \
    { .socket = -1, .pidfd = -1 }

/* By the manager at its ordinary priority, which the waker inherits if it is not there yet: so many
 * milliseconds from now the manager and its children have the ordinary priority, or so many after it is told
 * again before. False: nobody would bring it back. */
bool waker_tell(Waker *waker, int milliseconds) __attribute__((warn_unused_result));

/* Ends the process. */
void waker_done(Waker *waker);

#endif
