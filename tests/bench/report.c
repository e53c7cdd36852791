/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

const ReportQuantile report_quantiles[REPORT_QUANTILES_COUNT] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

static double microseconds(uint64_t nanoseconds) {
    return (double)nanoseconds / 1000;
}

double report_per_second(uint64_t count, uint64_t elapsed_ns) {
    return elapsed_ns == 0 ? 0 : (double)count * 1e9 / (double)elapsed_ns;
}

static void text_latency(FILE *out, const char *name, const Histogram *histogram, uint64_t failed) {
    if (histogram->count + failed == 0) {
        return;
    }
    (void)fprintf(out, "  %-6s %9" PRIu64 " ok %6" PRIu64 " failed  ", name, histogram->count, failed);
    for (size_t i = 0; i < REPORT_QUANTILES_COUNT; i++) {
        (void)fprintf(out, " %s %.0f", report_quantiles[i].name,
                      microseconds(histogram_quantile(histogram, report_quantiles[i].fraction)));
    }
    (void)fprintf(out, " max %.0f us\n", microseconds(histogram->max_ns));
}

Histogram *report_all_requests(const Tally *tally) {
    Histogram *all = calloc(1, sizeof *all);
    for (size_t i = 0; all != NULL && i < FRAME_KINDS_COUNT; i++) {
        histogram_merge(all, &tally->latency[i]);
    }
    return all;
}

static void text_failures(FILE *out, const Tally *tally) {
    for (size_t i = 0; i < TALLY_FAILURES_COUNT; i++) {
        if (tally->failures[i] > 0) {
            (void)fprintf(out, "  failed: %s %" PRIu64 "\n", tally_failure_name((TallyFailure)i),
                          tally->failures[i]);
        }
    }
    for (size_t i = 0; i < TALLY_CODES_MAX; i++) {
        if (tally->codes[i] > 0) {
            (void)fprintf(out, "  AESM code %zu%s: %" PRIu64 "\n", i, i + 1 == TALLY_CODES_MAX ? "+" : "",
                          tally->codes[i]);
        }
    }
    for (size_t i = 0; i < tally->notes_count; i++) {
        (void)fprintf(out, "  at %.3f s: %s\n", (double)tally->notes[i].at_ns / 1e9, tally->notes[i].text);
    }
}

void report_text(FILE *out, const ReportFacts *facts, const Tally *tally) {
    (void)fprintf(
        out,
        "%s, target info %s, %" PRIu32 " %s, %.1f s: %" PRIu64 " requests (%.0f/s), %" PRIu64 " failed\n",
        facts->flow, facts->target, facts->clients, text_plural(facts->clients, "client", "clients"),
        (double)facts->elapsed_ns / 1e9, tally_requests(tally),
        report_per_second(tally_requests(tally), facts->elapsed_ns), tally_failed(tally));
    AUTO_FREE Histogram *all = report_all_requests(tally);
    if (all != NULL) {
        text_latency(out, "all", all, tally_failed(tally));
    }
    for (size_t i = 0; i < FRAME_KINDS_COUNT; i++) {
        text_latency(out, frame_kind_name((FrameKind)i), &tally->latency[i], tally->failed[i]);
    }
    for (size_t i = 0; i < tally->qes_count; i++) {
        char hex[2 * SGX_HASH_SIZE + 1];
        text_format_hex(tally->qes[i].mr_enclave, SGX_HASH_SIZE, hex);
        (void)fprintf(out, "  quotes by QE %.16s...: %" PRIu64 "\n", hex, tally->qes[i].quotes);
    }
    if (tally->signatures_checked > 0) {
        (void)fprintf(out, "  signatures checked: %" PRIu64 "\n", tally->signatures_checked);
    }
    if (tally->retried > 0) {
        (void)fprintf(out, "  retried after 42: %" PRIu64 "\n", tally->retried);
    }
    text_failures(out, tally);
}

static int compare_samples(const void *left, const void *right) {
    const TallySample *a = left;
    const TallySample *b = right;
    uint32_t slot_a = a->at_ms / REPORT_SLOT_MS;
    uint32_t slot_b = b->at_ms / REPORT_SLOT_MS;
    if (slot_a != slot_b) {
        return slot_a < slot_b ? -1 : 1;
    }
    return a->latency_us < b->latency_us ? -1 : a->latency_us > b->latency_us;
}

/* One slot's samples, sorted by latency, the failed ones last. */
static void timeline_line(FILE *out, const TallySample *samples, size_t count) {
    size_t ok = count;
    while (ok > 0 && samples[ok - 1].latency_us == UINT32_MAX) {
        ok--;
    }
    uint32_t p50 = ok == 0 ? 0 : samples[(ok - 1) / 2].latency_us;
    uint32_t p99 = ok == 0 ? 0 : samples[(ok - 1) * 99 / 100].latency_us;
    uint32_t max = ok == 0 ? 0 : samples[ok - 1].latency_us;
    uint32_t slot_ms = samples[0].at_ms / REPORT_SLOT_MS * REPORT_SLOT_MS;
    (void)fprintf(out, "%.1f,%zu,%zu,%" PRIu32 ",%" PRIu32 ",%" PRIu32 "\n", (double)slot_ms / 1000, count,
                  count - ok, p50, p99, max);
}

bool report_timeline(const char *path, Tally *tally, Error *err) {
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        return error_set_errno(err, errno, "timeline '%s'", path);
    }
    if (tally->samples_count > 0) {
        qsort(tally->samples, tally->samples_count, sizeof *tally->samples, compare_samples);
    }
    (void)fprintf(out, "seconds,requests,failed,p50_us,p99_us,max_us\n");
    for (size_t from = 0; from < tally->samples_count;) {
        size_t to = from + 1;
        uint32_t slot = tally->samples[from].at_ms / REPORT_SLOT_MS;
        while (to < tally->samples_count && tally->samples[to].at_ms / REPORT_SLOT_MS == slot) {
            to++;
        }
        timeline_line(out, tally->samples + from, to - from);
        from = to;
    }
    if (fclose(out) != 0) {
        return error_set_errno(err, errno, "timeline '%s'", path);
    }
    return true;
}
