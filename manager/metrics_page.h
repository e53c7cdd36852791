/* SPDX-License-Identifier: Apache-2.0
 *
 * MetricsPage: what GET /metrics answers (docs/metrics.md lists every metric).
 *
 * Pure: documents in, text out. Counters come without a label for the generation, so that they only grow over
 * swaps; gauges of one generation carry its number and disappear with it.
 */
#ifndef MANAGER_METRICS_PAGE_H
#define MANAGER_METRICS_PAGE_H

#include <jansson.h>
#include <stdbool.h>

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"

enum { METRICS_PAGE_SIZE_MAX = 4 * 1024 * 1024 };

/* Counted by the manager itself (totals_add). */
#define METRICS_PAGE_SWAPS "psw_swaps_total"
#define METRICS_PAGE_CRASHES "psw_generation_crashes_total"
#define METRICS_PAGE_RETIRED "psw_lame_ducks_retired_total"
#define METRICS_PAGE_RECALLS "psw_lame_duck_recalls_total"

typedef struct MetricsPageSources {
    const json_t *totals; /* totals_json */
    const json_t *status; /* deployment_json, with "updates" */
    const json_t *swaps;  /* time of the last one by outcome */
    uint64_t store_bytes;
    uint64_t store_bundles;
} MetricsPageSources;

bool metrics_page_write(const MetricsPageSources *sources, bool openmetrics, Buffer *text, Error *err)
    __attribute__((warn_unused_result));

#endif
