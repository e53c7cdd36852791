/* SPDX-License-Identifier: Apache-2.0
 *
 * Tally: what became of the requests of one client, or, merged, of all: latencies, failures by kind, which QE
 * signed. One thread writes. Invariant: for every request kind, histogram counts plus failures are the
 * requests made (a failed request has no latency worth mixing with the others').
 */
#ifndef TESTS_BENCH_TALLY_H
#define TESTS_BENCH_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/sgx/report.h"
#include "tests/bench/frame.h"
#include "tests/bench/histogram.h"

typedef enum TallyFailure {
    TALLY_CONNECT,
    TALLY_RESET,
    TALLY_END,
    TALLY_TIMEOUT,
    TALLY_MALFORMED, /* not an answer that a client would understand */
    TALLY_CODE,      /* an AESM error code */
    TALLY_BAD_QUOTE, /* not a genuine quote of the report that was sent */
    TALLY_WRONG_QE,  /* signed by another QE than the target info named, or than was expected */
    TALLY_FAILURES_COUNT
} TallyFailure;

const char *tally_failure_name(TallyFailure failure); /* "bad-quote" */

enum { TALLY_CODES_MAX = 64, TALLY_QES_MAX = 32, TALLY_NOTES_MAX = 8, TALLY_NOTE_SIZE = 256 };

typedef struct TallyQe {
    uint8_t mr_enclave[SGX_HASH_SIZE];
    uint64_t quotes;
} TallyQe;

typedef struct TallySample {
    uint32_t at_ms;      /* when it was due, since the start */
    uint32_t latency_us; /* UINT32_MAX: it failed */
} TallySample;

typedef struct TallyNote {
    uint64_t at_ns; /* since the start */
    char text[TALLY_NOTE_SIZE];
} TallyNote;

typedef struct Tally {
    Histogram latency[FRAME_KINDS_COUNT];
    Histogram flows; /* whole flows in which nothing failed */
    uint64_t failed[FRAME_KINDS_COUNT];
    uint64_t failures[TALLY_FAILURES_COUNT];
    uint64_t codes[TALLY_CODES_MAX]; /* by AESM code; the last for all greater ones */
    uint64_t retried;                /* quotes refused with 42 and asked for again */
    uint64_t signatures_checked;
    TallyQe qes[TALLY_QES_MAX];
    size_t qes_count;
    uint64_t qes_other;
    TallyNote notes[TALLY_NOTES_MAX]; /* the first failures in words */
    size_t notes_count;
    TallySample *samples; /* only if sampling */
    size_t samples_count;
    size_t samples_capacity;
    bool sampling;
    uint64_t samples_lost; /* out of memory */
} Tally;

Tally *tally_new(bool sampling); /* NULL when out of memory */
void tally_free(Tally *tally);

void tally_success(Tally *tally, FrameKind kind, uint64_t due_ns, uint64_t latency_ns);
void tally_failure(Tally *tally, FrameKind kind, TallyFailure failure, uint64_t due_ns, const char *text);
void tally_code(Tally *tally, FrameKind kind, uint32_t code, uint64_t due_ns); /* a failure with a code */
void tally_qe(Tally *tally, const uint8_t mr_enclave[SGX_HASH_SIZE]);

/* Adds `from` to `into`; the samples move over. False: out of memory. */
bool tally_merge(Tally *into, Tally *from) __attribute__((warn_unused_result));

uint64_t tally_requests(const Tally *tally);
uint64_t tally_failed(const Tally *tally);

#endif
