/* SPDX-License-Identifier: Apache-2.0
 *
 * Priority: work that gives way to everybody else, and its way back.
 *
 * At the lowest priority (SCHED_IDLE) a thread runs when nobody else wants a processor, and the scheduler
 * wakes others as if that processor were free: they do not wait for the end of a slice as they do for a
 * thread with a high nice value. On a node without any idle time such a thread gets next to nothing, so
 * whoever is at it needs a way back. The kernel asks for RLIMIT_NICE or CAP_SYS_NICE for that; who has
 * neither is never lowered. A process and a thread inherit the priority of who starts them.
 */
#ifndef BUNDLES_BASE_PRIORITY_H
#define BUNDLES_BASE_PRIORITY_H

#include <stdbool.h>
#include <sys/types.h>

/* RLIMIT_NICE allows the way back, or was raised for that; processes started from now on inherit it. */
bool priority_allow_return(void);

/* The calling thread has the ordinary priority and may come back to it. */
bool priority_may_be_lowered(void);
/* The calling thread, if it may be. */
bool priority_lower(void);

/* From the lowest to the ordinary one; anyone else is left alone. 0: the calling thread; else one of a
 * process of this user, or one that is gone. */
void priority_restore(pid_t thread);

#endif
