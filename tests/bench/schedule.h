/* SPDX-License-Identifier: Apache-2.0
 *
 * Schedule: when each flow shall start, shared by all clients.
 *
 * With a rate it is an open loop: flow k is due at start + k / rate whether or not a client is free, and its
 * latency counts from then, so that a stall of the server shows in full and not only once per client. Without
 * one, a flow is due when a client asks for it.
 */
#ifndef TESTS_BENCH_SCHEDULE_H
#define TESTS_BENCH_SCHEDULE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Schedule {
    uint64_t start_ns;
    uint64_t end_ns;    /* UINT64_MAX: no end */
    uint64_t flows_max; /* UINT64_MAX: no maximum */
    double interval_ns; /* between flows; 0: flat out */
    atomic_uint_fast64_t next;
    atomic_bool stopped;
} Schedule;

/* flow_rate: flows a second, 0 for flat out; duration_ms and flows_max: 0 for no limit. */
void schedule_init(Schedule *schedule, double flow_rate, uint64_t duration_ms, uint64_t flows_max);

/* Waits until the next flow is due; false when there is none any more. */
bool schedule_next(Schedule *schedule, uint64_t *ret_due_ns);
void schedule_stop(Schedule *schedule); /* async-signal-safe */

#endif
