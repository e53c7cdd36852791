/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/gentle.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "bundles/base/priority.h"

static void *run(void *context) {
    Gentle *gentle = context;
    /* Without any lock, the C library's either: whoever hurries it would wait for the lock. */
    atomic_store(&gentle->id, gettid());
    if (!atomic_load(&gentle->hurried) && priority_lower() && atomic_load(&gentle->hurried)) {
        priority_restore(0);
    }
    gentle->work(gentle->context);
    atomic_store(&gentle->id, 0);
    priority_restore(0);
    (void)pthread_mutex_lock(&gentle->lock);
    gentle->is_over = true;
    (void)pthread_cond_signal(&gentle->over);
    (void)pthread_mutex_unlock(&gentle->lock);
    return NULL;
}

bool gentle_start(Gentle *gentle, void (*work)(void *context), void *context, Error *err) {
    gentle->work = work;
    gentle->is_over = false;
    gentle->context = context;
    int result = pthread_create(&gentle->thread, NULL, run, gentle);
    gentle->runs = result == 0;
    return gentle->runs || error_set_errno(err, result, "cannot start a thread");
}

void gentle_hurry(Gentle *gentle) {
    atomic_store(&gentle->hurried, true);
    pid_t id = atomic_load(&gentle->id);
    if (id != 0) {
        priority_restore(id);
    }
}

void gentle_join(Gentle *gentle) {
    struct timespec until;
    int result = 0;
    if (!gentle->runs) {
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GENTLE_MS * 1000L * 1000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&gentle->lock);
    while (!gentle->is_over && result == 0) {
        result = pthread_cond_clockwait(&gentle->over, &gentle->lock, CLOCK_MONOTONIC, &until);
    }
    bool is_over = gentle->is_over;
    (void)pthread_mutex_unlock(&gentle->lock);
    if (!is_over) {
        gentle_hurry(gentle);
    }
    (void)pthread_join(gentle->thread, NULL);
    gentle->runs = false;
}
