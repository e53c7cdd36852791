/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/metrics.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_TEXT_MAX = 512 };

const uint64_t metrics_bounds_ns[METRICS_BOUNDS_COUNT] = {
    50000,    100000,    250000,    500000,    1000000,    2500000,    5000000,    10000000,    25000000,
    50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000, 5000000000, 10000000000, 30000000000};

void metrics_observe(MetricsHistogram *histogram, uint64_t ns) {
    unsigned bucket = 0;
    while (bucket < METRICS_BOUNDS_COUNT && ns > metrics_bounds_ns[bucket]) {
        bucket++;
    }
    metrics_add(&histogram->buckets[bucket], 1);
    metrics_add(&histogram->sum_ns, ns);
}

void metrics_collect(const MetricsHistogram *histogram, uint64_t values[METRICS_VALUES_COUNT]) {
    for (unsigned i = 0; i <= METRICS_BOUNDS_COUNT; i++) {
        values[i] += metrics_get(&histogram->buckets[i]);
    }
    values[METRICS_BOUNDS_COUNT + 1] += metrics_get(&histogram->sum_ns);
}

static void put(MetricsPage *page, const char *text) {
    page->failed = page->failed || !buffer_append_text(page->text, text);
}

/* In help texts and label values: backslash, line feed, and in values the quotation mark. */
static void put_escaped(MetricsPage *page, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char one[3] = {text[i], '\0', '\0'};
        if (text[i] == '\\' || text[i] == '"' || text[i] == '\n') {
            one[0] = '\\';
            one[1] = text[i] == '\n' ? 'n' : text[i];
        }
        put(page, one);
    }
}

void metrics_family(MetricsPage *page, const MetricsFamily *family) {
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};
    char name[128];
    page->family = family;
    (void)snprintf(name, sizeof name, "%s", family->name);
    /* OpenMetrics names a counter's family without the suffix of its samples. */
    char *suffix = strstr(name, "_total");
    if (page->openmetrics && family->type == METRICS_COUNTER && suffix != NULL) {
        *suffix = '\0';
    }
    page->failed = page->failed || !buffer_append_format(page->text, "# HELP %s %s\n# TYPE %s %s\n", name,
                                                         family->help, name, types[family->type]);
}

/* name{label="value",...} up to the number; `bound` is a histogram's, NULL: none. */
static void put_head(MetricsPage *page, const char *suffix, const char *const *values, const char *bound) {
    const char *label = page->family->labels;
    const char *between = "{";
    put(page, page->family->name);
    put(page, suffix);
    for (unsigned i = 0; *label != '\0' && i < METRICS_LABELS_MAX; i++) {
        size_t length = strcspn(label, ",");
        put(page, between);
        put_escaped(page, label, length);
        put(page, "=\"");
        put_escaped(page, values[i], values[i] != NULL ? strnlen(values[i], LABEL_TEXT_MAX) : 0);
        put(page, "\"");
        between = ",";
        label += length + (label[length] == ',');
    }
    if (bound != NULL) {
        page->failed = page->failed || !buffer_append_format(page->text, "%sle=\"%s\"", between, bound);
        between = ",";
    }
    put(page, between[0] == ',' ? "} " : " ");
}

static void put_number(MetricsPage *page, double number) {
    bool whole = number < 1e15 && number > -1e15 && number == (double)(int64_t)number;
    page->failed = page->failed || !buffer_append_format(page->text, whole ? "%.0f\n" : "%.9g\n", number);
}

static void put_count(MetricsPage *page, uint64_t number) {
    page->failed = page->failed || !buffer_append_format(page->text, "%llu\n", (unsigned long long)number);
}

void metrics_sample(MetricsPage *page, const char *const *values, double number) {
    put_head(page, "", values, NULL);
    put_number(page, number);
}

void metrics_sample_count(MetricsPage *page, const char *const *values, uint64_t number) {
    put_head(page, "", values, NULL);
    put_count(page, number);
}

void metrics_sample_histogram(MetricsPage *page, const char *const *values,
                              const uint64_t histogram[METRICS_VALUES_COUNT]) {
    uint64_t count = 0;
    for (unsigned i = 0; i <= METRICS_BOUNDS_COUNT; i++) {
        char bound[32] = "+Inf";
        count += histogram[i];
        if (i < METRICS_BOUNDS_COUNT) {
            double seconds = (double)metrics_bounds_ns[i] / 1e9;
            (void)snprintf(bound, sizeof bound, metrics_bounds_ns[i] % 1000000000 == 0 ? "%.1f" : "%g",
                           seconds);
        }
        put_head(page, "_bucket", values, bound);
        put_count(page, count);
    }
    put_head(page, "_sum", values, NULL);
    page->failed = page->failed || !buffer_append_format(page->text, "%.9f\n",
                                                         (double)histogram[METRICS_BOUNDS_COUNT + 1] / 1e9);
    put_head(page, "_count", values, NULL);
    put_count(page, count);
}

/* The values in "a,b" as strings of their own; false if they are not as many as the family has labels. */
static bool split(const MetricsFamily *family, char *key, const char *values[METRICS_LABELS_MAX]) {
    unsigned wanted = family->labels[0] != '\0', count = 0;
    for (const char *at = family->labels; *at != '\0'; at++) {
        wanted += *at == ',';
    }
    for (char *rest = key, *value;
         wanted > 0 && count < METRICS_LABELS_MAX && (value = strsep(&rest, ",")) != NULL;) {
        values[count++] = value;
    }
    return wanted == 0 ? key[0] == '\0' : count == wanted;
}

static bool take_histogram(const json_t *array, uint64_t values[METRICS_VALUES_COUNT]) {
    if (json_array_size(array) != METRICS_VALUES_COUNT) {
        return false;
    }
    for (size_t i = 0; i < METRICS_VALUES_COUNT; i++) {
        json_int_t value = json_integer_value(json_array_get(array, i));
        values[i] = value > 0 ? (uint64_t)value : 0;
    }
    return true;
}

void metrics_family_json(MetricsPage *page, const MetricsFamily *family, const json_t *series) {
    const char *key = NULL;
    const json_t *number = NULL;
    metrics_family(page, family);
    json_object_foreach((json_t *)(uintptr_t)series, key, number) {
        char text[LABEL_TEXT_MAX];
        const char *values[METRICS_LABELS_MAX] = {NULL};
        uint64_t histogram[METRICS_VALUES_COUNT];
        int length = snprintf(text, sizeof text, "%s", key);
        if (length < 0 || (size_t)length >= sizeof text || !split(family, text, values)) {
            continue;
        }
        if (family->type == METRICS_HISTOGRAM && take_histogram(number, histogram)) {
            metrics_sample_histogram(page, values, histogram);
        } else if (family->type != METRICS_HISTOGRAM && json_is_integer(number) &&
                   json_integer_value(number) >= 0) {
            metrics_sample_count(page, values, (uint64_t)json_integer_value(number));
        }
    }
}

bool metrics_end(MetricsPage *page) {
    if (page->openmetrics) {
        put(page, "# EOF\n");
    }
    return !page->failed;
}
