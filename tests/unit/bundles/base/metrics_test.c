/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/metrics.h"

static const MetricsFamily counter = {"psw_things_total", METRICS_COUNTER, "kind,what", "Things."};
static const MetricsFamily histogram = {"psw_time_seconds", METRICS_HISTOGRAM, "", "Time."};

static void assert_has(const Buffer *page, const char *text) {
    if (strstr(buffer_text(page), text) == NULL) {
        fail_msg("'%s' is not in:\n%s", text, buffer_text(page));
    }
}

static void a_duration_falls_into_the_bucket_that_has_room_for_it(void **state) {
    (void)state;
    MetricsHistogram times = {0};
    uint64_t values[METRICS_VALUES_COUNT] = {0};
    metrics_observe(&times, 0);
    metrics_observe(&times, 50000);
    metrics_observe(&times, 50001);
    metrics_observe(&times, UINT64_C(30000000000));
    metrics_observe(&times, UINT64_C(30000000001));
    metrics_collect(&times, values);
    assert_int_equal(values[0], 2);
    assert_int_equal(values[1], 1);
    assert_int_equal(values[METRICS_BOUNDS_COUNT - 1], 1);
    assert_int_equal(values[METRICS_BOUNDS_COUNT], 1);
    assert_int_equal(values[METRICS_BOUNDS_COUNT + 1], UINT64_C(60000100002));
}

static void bounds_grow(void **state) {
    (void)state;
    for (int i = 1; i < METRICS_BOUNDS_COUNT; i++) {
        assert_true(metrics_bounds_ns[i] > metrics_bounds_ns[i - 1]);
    }
}

static void a_histogram_is_shown_cumulated_in_seconds(void **state) {
    (void)state;
    MetricsHistogram times = {0};
    uint64_t values[METRICS_VALUES_COUNT] = {0};
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(65536);
    MetricsPage page = {.text = &text};
    metrics_observe(&times, 1000);
    metrics_observe(&times, 999999999);
    metrics_collect(&times, values);
    metrics_family(&page, &histogram);
    metrics_sample_histogram(&page, NULL, values);
    assert_true(metrics_end(&page));
    assert_has(&text, "# HELP psw_time_seconds Time.\n# TYPE psw_time_seconds histogram\n");
    assert_has(&text, "psw_time_seconds_bucket{le=\"5e-05\"} 1\n");
    assert_has(&text, "psw_time_seconds_bucket{le=\"0.5\"} 1\n");
    assert_has(&text, "psw_time_seconds_bucket{le=\"1.0\"} 2\n");
    assert_has(&text, "psw_time_seconds_bucket{le=\"+Inf\"} 2\n");
    assert_has(&text, "psw_time_seconds_sum 1.000000999\n");
    assert_has(&text, "psw_time_seconds_count 2\n");
}

static void label_values_cannot_break_a_line(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(65536);
    MetricsPage page = {.text = &text};
    const char *values[] = {"a\"b\\c", "line\nfeed"};
    metrics_family(&page, &counter);
    metrics_sample(&page, values, 0.5);
    metrics_sample(&page, values, 1795265653);
    assert_true(metrics_end(&page));
    assert_has(&text, "psw_things_total{kind=\"a\\\"b\\\\c\",what=\"line\\nfeed\"} 0.5\n");
    assert_has(&text, "\"} 1795265653\n");
}

static void open_metrics_names_counters_without_their_suffix_and_ends_with_a_mark(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(65536);
    MetricsPage page = {.text = &text, .openmetrics = true};
    const char *values[] = {"a", "b"};
    metrics_family(&page, &counter);
    metrics_sample_count(&page, values, 3);
    assert_true(metrics_end(&page));
    assert_string_equal(buffer_text(&text), "# HELP psw_things Things.\n# TYPE psw_things counter\n"
                                            "psw_things_total{kind=\"a\",what=\"b\"} 3\n# EOF\n");
}

static void numbers_of_another_form_are_left_out(void **state) {
    (void)state;
    static const char json[] =
        "{\"a,b\": 1, \"a\": 2, \"a,b,c\": 3, \"c,d\": -1, \"e,f\": \"x\", \"g,h\": [1]}";
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(65536);
    CLEANUP(json_freep)
    json_t *series = json_parse((Bytes){(const uint8_t *)json, sizeof json - 1}, "test", &err);
    MetricsPage page = {.text = &text};
    metrics_family_json(&page, &counter, series);
    metrics_family_json(&page, &histogram, series);
    metrics_family_json(&page, &counter, NULL);
    assert_true(metrics_end(&page));
    assert_has(&text, "psw_things_total{kind=\"a\",what=\"b\"} 1\n# HELP psw_time");
    assert_null(strstr(buffer_text(&text), "_bucket"));
}

static void a_page_without_room_is_no_page(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(20);
    MetricsPage page = {.text = &text};
    metrics_family(&page, &counter);
    assert_false(metrics_end(&page));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_falls_into_the_bucket_that_has_room_for_it),
        cmocka_unit_test(bounds_grow),
        cmocka_unit_test(a_histogram_is_shown_cumulated_in_seconds),
        cmocka_unit_test(label_values_cannot_break_a_line),
        cmocka_unit_test(open_metrics_names_counters_without_their_suffix_and_ends_with_a_mark),
        cmocka_unit_test(numbers_of_another_form_are_left_out),
        cmocka_unit_test(a_page_without_room_is_no_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
