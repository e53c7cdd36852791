/* SPDX-License-Identifier: Apache-2.0
 *
 * Flow: the requests of one attestation, as a client makes them again and again.
 */
#ifndef TESTS_BENCH_FLOW_H
#define TESTS_BENCH_FLOW_H

#include <stdbool.h>

#include "tests/bench/client.h"
#include "tests/bench/schedule.h"

typedef enum FlowKind {
    FLOW_FULL,  /* init, size, quote; the report is made for what init named unless the client caches */
    FLOW_QUOTE, /* quote; with fresh target info: init, quote */
    FLOW_INIT,
    FLOW_SIZE,
    FLOW_NUM
} FlowKind;

enum { FLOW_BUFFER_SIZE = 8192 }; /* of FLOW_QUOTE; what Gramine passes */

typedef struct Flow {
    FlowKind kind;
    Schedule *schedule;
    Client client;
} Flow;

/* Requests that one flow consists of, not counting retries. */
unsigned flow_requests(FlowKind kind, bool caches);

/* Runs flows as the schedule says until it ends. */
void flow_run(Flow *flow);

#endif
