/* SPDX-License-Identifier: Apache-2.0
 *
 * Which threads hear of new connections: all, or one alone.
 *
 * Where processors are few and the engine answers within the time that it takes to wake somebody, the thread
 * that makes the quotes takes in as well, between two of them, and nobody else is woken for that. The
 * attendant looks every few milliseconds whether that thread still comes round; if not, because a call has
 * become long, all hear of new connections again.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "quoted/pool_private.h"

enum {
    FEW_PROCESSORS = 2, /* with more, the engine rests less if others take in */
    WINDOW_MS = 10,     /* over which the engine's time is added up */
    IDLE_MS = 10 * WINDOW_MS,
    LOOK_MS = 4,
    BUSY_PERCENT = 40, /* of the time in the engine: about what clients and threads leave it at most */
    NOT_BUSY_PERCENT = 20,
    BRIEF_US = 200 /* a call */
};

/* A pointer to the pool itself marks the listener in the threads' epolls. */
static bool watch(Worker *worker, int operation, Error *err) {
    Pool *pool = worker->pool;
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = pool};
    return epoll_ctl(worker->epoll_fd, operation, pool->listener_fd, &event) == 0 || errno == EEXIST ||
           errno == ENOENT || error_set_errno(err, errno, "cannot watch the listener");
}

bool listening_begin(Pool *pool, Error *err) {
    pool->alone = NULL;
    pool->engine_time = (EngineTime){.since_ns = clock_monotonic_ns()};
    for (unsigned i = 0; i < pool->workers_count; i++) {
        if (!watch(&pool->workers[i], EPOLL_CTL_ADD, err)) {
            return false;
        }
    }
    return true;
}

void listening_end(Pool *pool) {
    pool->alone = NULL;
    for (unsigned i = 0; i < pool->workers_count; i++) {
        (void)watch(&pool->workers[i], EPOLL_CTL_DEL, NULL);
    }
}

bool listening_may_be_alone(void) {
    return sysconf(_SC_NPROCESSORS_ONLN) <= FEW_PROCESSORS;
}

static void leave_alone(Worker *worker) {
    Pool *pool = worker->pool;
    for (unsigned i = 0; i < pool->workers_count; i++) {
        if (&pool->workers[i] != worker) {
            (void)watch(&pool->workers[i], EPOLL_CTL_DEL, NULL);
        }
    }
    /* Added anew, it is told of a connection for which the kernel woke one of the others just now. */
    (void)watch(worker, EPOLL_CTL_DEL, NULL);
    if (!watch(worker, EPOLL_CTL_ADD, NULL)) {
        (void)!listening_begin(pool, NULL);
        return;
    }
    pool->alone = worker;
    pool->alone_rounds = worker->rounds;
    pool->alone_look_ms = clock_monotonic_ms() + LOOK_MS;
    pool_wake_attendant(pool);
}

void listening_note(Worker *worker, uint64_t call_ns) {
    Pool *pool = worker->pool;
    EngineTime *time = &pool->engine_time;
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t passed_ns = now_ns - time->since_ns;
    time->calls++;
    time->called_ns += call_ns;
    if (passed_ns < WINDOW_MS * 1000000ULL) {
        return;
    }
    const bool brief = time->called_ns < time->calls * BRIEF_US * 1000ULL;
    const uint64_t percent = time->called_ns * 100 / passed_ns;
    *time = (EngineTime){.since_ns = now_ns};
    if (pool->alone != NULL && (!brief || percent < NOT_BUSY_PERCENT)) {
        (void)!listening_begin(pool, NULL);
    } else if (pool->alone == NULL && pool->accepting && pool->may_be_alone && brief &&
               percent >= BUSY_PERCENT) {
        leave_alone(worker);
    }
}

int listening_look(Pool *pool) {
    const Worker *alone = pool->alone;
    if (alone == NULL) {
        return INT32_MAX;
    }
    if (clock_left_ms(pool->alone_look_ms) > 0) {
        return clock_left_ms(pool->alone_look_ms);
    }
    const bool idle = clock_monotonic_ns() - pool->engine_time.since_ns > IDLE_MS * 1000000ULL;
    if (idle || (!alone->asleep && alone->rounds == pool->alone_rounds)) {
        (void)!listening_begin(pool, NULL);
        return INT32_MAX;
    }
    pool->alone_rounds = alone->rounds;
    pool->alone_look_ms = clock_monotonic_ms() + LOOK_MS;
    return LOOK_MS;
}
