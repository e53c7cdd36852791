/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bench/histogram.h"

static void small_values_are_counted_exactly(void **state) {
    (void)state;
    Histogram histogram = {.count = 0};
    for (uint64_t value = 1; value <= 100; value++) {
        histogram_add(&histogram, value);
    }
    assert_int_equal(histogram_quantile(&histogram, 0.5), 50);
    assert_int_equal(histogram_quantile(&histogram, 0.99), 99);
    assert_int_equal(histogram_quantile(&histogram, 1), 100);
    assert_true(histogram_mean(&histogram) > 50.4 && histogram_mean(&histogram) < 50.6);
}

static void a_quantile_is_at_most_a_64th_too_high_and_never_too_low(void **state) {
    (void)state;
    for (uint64_t value = 1; value < HISTOGRAM_MAX_NS / 2; value = value * 3 + 1) {
        Histogram histogram = {.count = 0};
        histogram_add(&histogram, value);
        histogram_add(&histogram, HISTOGRAM_MAX_NS);
        uint64_t low = histogram_quantile(&histogram, 0.5);
        assert_true(low >= value && low - value <= value / 64);
    }
}

static void the_maximum_is_exact_even_beyond_the_last_bucket(void **state) {
    (void)state;
    Histogram histogram = {.count = 0};
    histogram_add(&histogram, 5);
    histogram_add(&histogram, HISTOGRAM_MAX_NS * 4);
    assert_int_equal(histogram.max_ns, HISTOGRAM_MAX_NS * 4);
    assert_int_equal(histogram_quantile(&histogram, 0.5), 5);
}

static void an_empty_histogram_has_quantile_0(void **state) {
    (void)state;
    Histogram histogram = {.count = 0};
    assert_int_equal(histogram_quantile(&histogram, 0.99), 0);
    assert_true(histogram_mean(&histogram) == 0);
}

static void merging_gives_what_one_histogram_would_have(void **state) {
    (void)state;
    static Histogram parts[3];
    static Histogram whole;
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t value = i * i * 7 + i;
        histogram_add(&parts[i % 3], value);
        histogram_add(&whole, value);
    }
    histogram_merge(&parts[0], &parts[1]);
    histogram_merge(&parts[0], &parts[2]);
    assert_memory_equal(&parts[0], &whole, sizeof whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_are_counted_exactly),
        cmocka_unit_test(a_quantile_is_at_most_a_64th_too_high_and_never_too_low),
        cmocka_unit_test(the_maximum_is_exact_even_beyond_the_last_bucket),
        cmocka_unit_test(an_empty_histogram_has_quantile_0),
        cmocka_unit_test(merging_gives_what_one_histogram_would_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
