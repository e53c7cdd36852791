/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/schedule.h"

#include <time.h>

#include "bundles/base/clock.h"

/* The longest sleep without a look at `stopped`. */
static const uint64_t nap_max_ns = UINT64_C(50) * 1000 * 1000;

void schedule_init(Schedule *schedule, double flow_rate, uint64_t duration_ms, uint64_t flows_max) {
    uint64_t now = clock_monotonic_ns();
    schedule->start_ns = now;
    schedule->end_ns = duration_ms == 0 ? UINT64_MAX : now + duration_ms * 1000 * 1000;
    schedule->flows_max = flows_max == 0 ? UINT64_MAX : flows_max;
    schedule->interval_ns = flow_rate > 0 ? 1e9 / flow_rate : 0;
    atomic_init(&schedule->next, 0);
    atomic_init(&schedule->stopped, false);
}

static void sleep_until(uint64_t until_ns) {
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000),
                             .tv_nsec = (long)(until_ns % 1000000000)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

bool schedule_next(Schedule *schedule, uint64_t *ret_due_ns) {
    uint64_t index = atomic_fetch_add_explicit(&schedule->next, 1, memory_order_relaxed);
    uint64_t now = clock_monotonic_ns();
    uint64_t due = schedule->interval_ns > 0
                       ? schedule->start_ns + (uint64_t)((double)index * schedule->interval_ns)
                       : now;
    if (index >= schedule->flows_max || due >= schedule->end_ns) {
        return false;
    }
    while (now < due && !atomic_load_explicit(&schedule->stopped, memory_order_relaxed)) {
        sleep_until(due - now > nap_max_ns ? now + nap_max_ns : due);
        now = clock_monotonic_ns();
    }
    *ret_due_ns = due;
    return !atomic_load_explicit(&schedule->stopped, memory_order_relaxed);
}

void schedule_stop(Schedule *schedule) {
    atomic_store_explicit(&schedule->stopped, true, memory_order_relaxed);
}
