/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters: what a generation has done so far, for status and metrics. Every field only grows and is written
 * without locks; a reader sees each field right, not all of one instant.
 */
#ifndef QUOTED_COUNTERS_H
#define QUOTED_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/sgx/quote_library.h"
#include "quoted/wire/code.h"
#include "quoted/wire/request.h"

enum { COUNTERS_REFUSALS = 256 }; /* quote3 codes by their low byte; 0: codes of no known kind */

typedef struct Counters {
    _Atomic uint64_t accepted;                   /* connections, adopted ones included */
    _Atomic uint64_t adopted;                    /* from another generation */
    _Atomic uint64_t requests[AESM_NUMBERS_END]; /* answered, by request number */
    _Atomic uint64_t answers[AESM_CODES_COUNT];  /* answered, by code */
    _Atomic uint64_t engine_calls;               /* for clients and for other generations */
    _Atomic uint64_t engine_ns;
    _Atomic uint64_t duck_answers;                /* quotes that a lame duck made for our clients */
    _Atomic uint64_t duck_refusals;               /* reports that no lame duck knew either */
    _Atomic uint64_t relayed;                     /* quotes that we made for another generation */
    _Atomic uint64_t departed;                    /* clients that left before their answer */
    _Atomic uint64_t unreadable;                  /* connections closed for what they sent */
    _Atomic uint64_t idle_closed;                 /* connections closed for what they did not send */
    _Atomic uint64_t busy;                        /* answered busy */
    _Atomic uint64_t limit_closed;                /* connections over a limit, closed before a request */
    _Atomic uint64_t left;                        /* handed over when draining */
    _Atomic uint64_t refusals[COUNTERS_REFUSALS]; /* of the quote library, by its code */
    _Atomic uint64_t refusal_logged_ms[COUNTERS_REFUSALS]; /* no count: when the code was last logged */
} Counters;

static inline void counters_add(_Atomic uint64_t *counter, uint64_t value) {
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

/* What a call of the quote library for a client ended with. AESM's codes lose some of what it says, so each
 * code is counted, and logged when it comes up and then every 10 s. */
void counters_refuse(Counters *counters, Quote3Error code);

/* While nobody else counts; others may look. */
static inline void counters_clear(Counters *counters) {
    _Atomic uint64_t *at = &counters->accepted;
    for (size_t i = 0; i < sizeof *counters / sizeof *at; i++) {
        atomic_store_explicit(&at[i], 0, memory_order_relaxed);
    }
}

static inline uint64_t counters_get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
