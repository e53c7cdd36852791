/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/histogram.h"

#include <math.h>
#include <stddef.h>

/* Values below 2^SUB_BITS have a bucket each; above, every power of two has 2^SUB_BITS buckets. */
static size_t bucket_of(uint64_t value) {
    if (value < (UINT64_C(1) << HISTOGRAM_SUB_BITS)) {
        return (size_t)value;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((size_t)shift << HISTOGRAM_SUB_BITS) + (size_t)(value >> shift);
}

static uint64_t bucket_end(size_t bucket) {
    size_t first = (size_t)1 << HISTOGRAM_SUB_BITS;
    if (bucket < 2 * first) {
        return bucket;
    }
    size_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t top = (bucket & (first - 1)) + first;
    return ((top + 1) << shift) - 1;
}

void histogram_add(Histogram *histogram, uint64_t nanoseconds) {
    uint64_t counted = nanoseconds < HISTOGRAM_MAX_NS ? nanoseconds : HISTOGRAM_MAX_NS;
    histogram->buckets[bucket_of(counted)]++;
    histogram->count++;
    histogram->sum_ns += nanoseconds;
    if (nanoseconds > histogram->max_ns) {
        histogram->max_ns = nanoseconds;
    }
}

void histogram_merge(Histogram *into, const Histogram *from) {
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns) {
        into->max_ns = from->max_ns;
    }
}

uint64_t histogram_quantile(const Histogram *histogram, double fraction) {
    uint64_t wanted = (uint64_t)ceil(fraction * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t end = bucket_end(i);
            return end < histogram->max_ns ? end : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}

double histogram_mean(const Histogram *histogram) {
    return histogram->count == 0 ? 0 : (double)histogram->sum_ns / (double)histogram->count;
}
