/* SPDX-License-Identifier: Apache-2.0
 *
 * Report: a finished run's tally as text for people, as JSON for programs, and as a table over time for
 * plots.
 */
#ifndef TESTS_BENCH_REPORT_H
#define TESTS_BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bundles/base/error.h"
#include "tests/bench/tally.h"

typedef struct ReportFacts {
    const char *socket;
    const char *flow;
    const char *target;
    uint32_t clients;
    double rate;       /* requests a second asked for; 0: flat out */
    uint64_t start_ns; /* monotonic, so that others can say what happened when */
    uint64_t elapsed_ns;
} ReportFacts;

typedef struct ReportQuantile {
    const char *name; /* "p99.9" */
    double fraction;
} ReportQuantile;
enum { REPORT_QUANTILES_COUNT = 4 };
extern const ReportQuantile report_quantiles[REPORT_QUANTILES_COUNT];

/* All request kinds in one; NULL when out of memory, the caller frees. */
Histogram *report_all_requests(const Tally *tally);
double report_per_second(uint64_t count, uint64_t elapsed_ns);

void report_text(FILE *out, const ReportFacts *facts, const Tally *tally);
/* NULL when out of memory; the caller owns the reference. */
json_t *report_json(const ReportFacts *facts, const Tally *tally);

/* Comma-separated, one line every REPORT_SLOT_MS of the run: when, requests, failures, latencies in us. */
enum { REPORT_SLOT_MS = 100 };
bool report_timeline(const char *path, Tally *tally, Error *err) __attribute__((warn_unused_result));

#endif
