/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters: what a generation has done so far, for status and metrics.
 *
 * Every number only grows and is written without locks; a reader sees each of them right, not all of one
 * instant. What is counted at every request is counted by each thread for itself, so that threads do not
 * fight for the same memory; what is rare is counted in common.
 */
#ifndef QUOTED_COUNTERS_H
#define QUOTED_COUNTERS_H

#include <jansson.h>

#include "bundles/base/metrics.h"
#include "quoted/config.h"
#include "quoted/wire/code.h"
#include "quoted/wire/request.h"

/* [0] success, [n] 0xE000 + n, the last one codes of no known kind. */
enum { COUNTERS_ENGINE_CODES = 257 };

typedef enum CountersBusy {
    COUNTERS_BUSY_CONNECTIONS,   /* more connections than allowed */
    COUNTERS_BUSY_QUEUE,         /* the queue was full */
    COUNTERS_BUSY_QUEUE_TIMEOUT, /* waited too long in it */
    COUNTERS_BUSY_COUNT
} CountersBusy;

/* One thread's. */
typedef struct CountersShare {
    _Atomic uint64_t accepted;                                     /* connections, adopted ones included */
    _Atomic uint64_t requests[AESM_NUMBERS_END][AESM_CODES_COUNT]; /* answered */
    MetricsHistogram durations[AESM_NUMBERS_END]; /* from the whole request to the written answer */
    MetricsHistogram waits;                       /* for the engine */
    MetricsHistogram engine;
    _Atomic uint64_t engine_codes[COUNTERS_ENGINE_CODES]; /* for clients and for other generations */
} CountersShare;

enum { COUNTERS_CONTROL_SHARE = 0, COUNTERS_THREAD_SHARE = 1, COUNTERS_SHARES = 1 + CONFIG_THREADS_MAX };

typedef struct Counters {
    /* In [0] what the threads of the control socket count, then one for each of the pool's. */
    CountersShare shares[COUNTERS_SHARES];
    _Atomic unsigned shares_count;              /* that anybody writes to */
    _Atomic uint64_t adopted;                   /* from another generation */
    _Atomic uint64_t duck_answers;              /* quotes that a lame duck made for our clients */
    _Atomic uint64_t duck_refusals;             /* reports that no lame duck knew either */
    _Atomic uint64_t duck_reinits;              /* of them, those answered 42 */
    _Atomic uint64_t duck_failures;             /* reports that went to lame ducks and failed otherwise */
    _Atomic uint64_t relayed;                   /* quotes that we made for another generation */
    _Atomic uint64_t departed;                  /* clients that left before their answer */
    _Atomic uint64_t silent;                    /* clients that ended before their request was whole */
    _Atomic uint64_t unreadable;                /* connections closed for what they sent */
    _Atomic uint64_t idle_closed;               /* connections closed for what they did not send */
    _Atomic uint64_t busy[COUNTERS_BUSY_COUNT]; /* answered busy */
    _Atomic uint64_t limit_closed;              /* connections over a limit, closed before a request */
    _Atomic uint64_t left;                      /* handed over when draining */
    _Atomic uint64_t refusal_logged_ms[COUNTERS_ENGINE_CODES]; /* no count: when the code was last logged */
} Counters;

static inline void counters_add(_Atomic uint64_t *counter, uint64_t value) {
    metrics_add(counter, value);
}

static inline uint64_t counters_get(const _Atomic uint64_t *counter) {
    return metrics_get(counter);
}

/* A call of the quote library that took so long and ended like that. AESM's codes lose some of what the
 * library says, so each code is counted, and logged when it comes up and then every 10 s. */
void counters_engine(Counters *counters, CountersShare *share, Quote3Error code, uint64_t ns);

/* While nobody else counts; others may look. */
void counters_clear(Counters *counters);

uint64_t counters_accepted(const Counters *counters);

/* Member "counters" of the status document; the document of quoted/control/counts.h. NULL: out of memory. */
json_t *counters_status_json(const Counters *counters);
json_t *counters_counts_json(const Counters *counters);

#endif
