/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram: durations in nanoseconds, counted in buckets that are at most 1/64 of their value wide. Fixed
 * size, no allocation; what is longer than HISTOGRAM_MAX_NS counts in the last bucket. One thread writes;
 * histograms of several threads are added up afterwards.
 */
#ifndef TESTS_BENCH_HISTOGRAM_H
#define TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 6, HISTOGRAM_BITS = 40 };
#define HISTOGRAM_MAX_NS ((UINT64_C(1) << HISTOGRAM_BITS) - 1)
enum { HISTOGRAM_BUCKETS = (HISTOGRAM_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS };

typedef struct Histogram {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t max_ns; /* exact */
    uint64_t buckets[HISTOGRAM_BUCKETS];
} Histogram;

void histogram_add(Histogram *histogram, uint64_t nanoseconds);
void histogram_merge(Histogram *into, const Histogram *from);

/* The duration that `fraction` (0 to 1) of all do not exceed, rounded up to its bucket's end and never above
 * the maximum; 0 if nothing was counted. */
uint64_t histogram_quantile(const Histogram *histogram, double fraction);
double histogram_mean(const Histogram *histogram);

#endif
