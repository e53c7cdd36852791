/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "tests/bench/report.h"

/* Whole microseconds: more digits would only look exact. */
static json_t *json_us(uint64_t nanoseconds) {
    return json_integer((json_int_t)((nanoseconds + 500) / 1000));
}

static bool put_latency(json_t *object, const Histogram *histogram) {
    for (size_t i = 0; i < REPORT_QUANTILES_COUNT; i++) {
        if (!json_put(object, report_quantiles[i].name,
                      json_us(histogram_quantile(histogram, report_quantiles[i].fraction)))) {
            return false;
        }
    }
    return json_put(object, "max", json_us(histogram->max_ns)) &&
           json_put(object, "mean", json_us((uint64_t)histogram_mean(histogram)));
}

static json_t *json_latency(const Histogram *histogram) {
    json_t *object = json_object();
    if (object != NULL && !put_latency(object, histogram)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *json_by_request(const Tally *tally) {
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < FRAME_KINDS_COUNT; i++) {
        const Histogram *latency = &tally->latency[i];
        if (latency->count + tally->failed[i] == 0) {
            continue;
        }
        json_t *entry = json_pack("{s:I, s:I, s:o}", "succeeded", (json_int_t)latency->count, "failed",
                                  (json_int_t)tally->failed[i], "latency_us", json_latency(latency));
        if (!json_put(object, frame_kind_name((FrameKind)i), entry)) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *json_failures(const Tally *tally) {
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < TALLY_FAILURES_COUNT; i++) {
        if (!json_put(object, tally_failure_name((TallyFailure)i),
                      json_integer((json_int_t)tally->failures[i]))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *json_codes(const Tally *tally) {
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < TALLY_CODES_MAX; i++) {
        char code[24];
        (void)snprintf(code, sizeof code, "%zu", i);
        if (tally->codes[i] > 0 && !json_put(object, code, json_integer((json_int_t)tally->codes[i]))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *json_qes(const Tally *tally) {
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < tally->qes_count; i++) {
        char hex[2 * SGX_HASH_SIZE + 1];
        text_format_hex(tally->qes[i].mr_enclave, SGX_HASH_SIZE, hex);
        if (!json_put(object, hex, json_integer((json_int_t)tally->qes[i].quotes))) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *json_notes(const Tally *tally) {
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < tally->notes_count; i++) {
        json_t *note = json_pack("{s:I, s:s}", "at_ms", (json_int_t)(tally->notes[i].at_ns / 1000000), "text",
                                 tally->notes[i].text);
        if (note == NULL || json_array_append_new(array, note) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

json_t *report_json(const ReportFacts *facts, const Tally *tally) {
    AUTO_FREE Histogram *all = report_all_requests(tally);
    if (all == NULL) {
        return NULL;
    }
    uint64_t requests = tally_requests(tally);
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}",
        "socket", facts->socket, "flow", facts->flow, "target", facts->target, "clients",
        (json_int_t)facts->clients, "rate", (json_int_t)facts->rate, "start_monotonic_ns",
        (json_int_t)facts->start_ns, "elapsed_ms", (json_int_t)(facts->elapsed_ns / 1000000), "requests",
        (json_int_t)requests, "failed", (json_int_t)tally_failed(tally), "per_second",
        (json_int_t)report_per_second(requests, facts->elapsed_ns), "latency_us", json_latency(all),
        "flow_us", json_latency(&tally->flows), "by_request", json_by_request(tally), "failures",
        json_failures(tally), "codes", json_codes(tally), "quotes_by_qe", json_qes(tally), "retried",
        (json_int_t)tally->retried, "signatures_checked", (json_int_t)tally->signatures_checked, "notes",
        json_notes(tally));
}
