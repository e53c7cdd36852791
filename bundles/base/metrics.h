/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics: histograms that are filled on hot paths without locks or memory, and the text that Prometheus
 * reads.
 *
 * Counting and showing are apart: who counts keeps plain atomics and histograms and knows no names; a family
 * gives numbers their name, help and labels when they are shown. Invariant: a page that metrics_end accepts
 * is well-formed (format 0.0.4, or OpenMetrics 1.0.0), whatever is in label values.
 */
#ifndef BUNDLES_BASE_METRICS_H
#define BUNDLES_BASE_METRICS_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/buffer.h"

enum { METRICS_BOUNDS_COUNT = 18, METRICS_LABELS_MAX = 10 };

/* Upper bounds of the buckets of every histogram, in nanoseconds: 50 us to 30 s; a last bucket takes the
 * rest. */
extern const uint64_t metrics_bounds_ns[METRICS_BOUNDS_COUNT];

typedef struct MetricsHistogram {
    _Atomic uint64_t buckets[METRICS_BOUNDS_COUNT + 1]; /* each its own, not cumulated */
    _Atomic uint64_t sum_ns;
} MetricsHistogram;

static inline void metrics_add(_Atomic uint64_t *counter, uint64_t value) {
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

static inline uint64_t metrics_get(const _Atomic uint64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* From any thread; cheap as long as threads do not share the histogram. */
void metrics_observe(MetricsHistogram *histogram, uint64_t ns);

/* What is shown of a histogram: its buckets, then the sum of nanoseconds. */
enum { METRICS_VALUES_COUNT = METRICS_BOUNDS_COUNT + 2 };
/* Adds the histogram to `values`, so that those of several threads become one. */
void metrics_collect(const MetricsHistogram *histogram, uint64_t values[METRICS_VALUES_COUNT]);

typedef enum MetricsType { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM } MetricsType;

typedef struct MetricsFamily {
    const char *name; /* counters end in _total */
    MetricsType type;
    const char *labels; /* names with commas between them; "": none */
    const char *help;   /* one sentence */
} MetricsFamily;

typedef struct MetricsPage {
    Buffer *text; /* borrowed */
    bool openmetrics;
    const MetricsFamily *family; /* whose samples come now */
    bool failed;
} MetricsPage;

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_CONTENT_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* The samples that follow belong to this family; one family comes once. */
void metrics_family(MetricsPage *page, const MetricsFamily *family);
/* `values`: one for each of the family's labels. */
void metrics_sample(MetricsPage *page, const char *const *values, double number);
void metrics_sample_count(MetricsPage *page, const char *const *values, uint64_t number);
void metrics_sample_histogram(MetricsPage *page, const char *const *values,
                              const uint64_t histogram[METRICS_VALUES_COUNT]);
/* A family whole, from numbers as they travel between processes: an object whose keys are label values with
 * commas between them, and whose members are numbers, for histograms arrays of METRICS_VALUES_COUNT. What is
 * not of this form is left out. */
void metrics_family_json(MetricsPage *page, const MetricsFamily *family, const json_t *series);
/* False: out of memory, or the page is larger than its buffer takes. */
bool metrics_end(MetricsPage *page) __attribute__((warn_unused_result));

#endif
