/* SPDX-License-Identifier: Apache-2.0
 *
 * Gentle: work in a thread of its own that runs when nobody else wants the processor, until it is hurried.
 *
 * A generation warms up like this, and each of its engine processes: on a busy node the one that serves shall
 * not feel it. A lower nice value would not do: the kernel lets such a thread finish its slice. On a node
 * without any idle time it would take too long: whoever waits hurries it after GENTLE_MS. Where the system
 * does not allow the way back (it takes RLIMIT_NICE or CAP_SYS_NICE), it has the ordinary priority.
 */
#ifndef QUOTED_GENTLE_H
#define QUOTED_GENTLE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "bundles/base/error.h"

enum { GENTLE_MS = 300 };

typedef struct Gentle {
    pthread_mutex_t lock;
    pthread_cond_t over;
    pthread_t thread;
    bool runs; /* it was started, and not joined yet */
    bool is_over;
    _Atomic bool hurried; /* stays so for what is started later */
    _Atomic pid_t id;     /* of its thread while it works, else 0 */
    void (*work)(void *context);
    void *context;
} Gentle;

#define GENTLE_INIT                                                                                          \
    { .lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER }

/* One at a time. `gentle` and `context` are borrowed until the join. */
bool gentle_start(Gentle *gentle, void (*work)(void *context), void *context, Error *err)
    __attribute__((warn_unused_result));

void gentle_hurry(Gentle *gentle);

/* Waits for its end, if it was started; hurries it after GENTLE_MS. */
void gentle_join(Gentle *gentle);

#endif
