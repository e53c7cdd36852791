/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void known_times_are_formatted_and_read_back(void **state) {
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } known[] = {{0, "1970-01-01T00:00:00Z"},           {-1, "1969-12-31T23:59:59Z"},
                 {1709251199, "2024-02-29T23:59:59Z"},  {1795233900, "2026-11-21T04:05:00Z"},
                 {2147483648, "2038-01-19T03:14:08Z"},  {253402300799, "9999-12-31T23:59:59Z"},
                 {-62167219200, "0000-01-01T00:00:00Z"}};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        char text[CLOCK_TIME_SIZE];
        int64_t seconds = 0;
        clock_format(known[at].seconds, text);
        assert_string_equal(text, known[at].text);
        assert_true(clock_parse(known[at].text, &seconds));
        assert_true(seconds == known[at].seconds);
    }
}

static void a_time_beyond_four_digit_years_is_cut(void **state) {
    (void)state;
    char text[CLOCK_TIME_SIZE];
    clock_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    clock_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void other_forms_of_time_are_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "2026-11-21",
        "2026-11-21T03:45:00",
        "2026-11-21T03:45:00z",
        "2026-11-21 03:45:00Z",
        "2026-11-21T03:45:00Z ",
        "2026-11-21T03:45:00+00:00",
        "2026-11-21T03:45:00.5Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-11-31T00:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T03:60:00Z",
        "2026-12-31T23:59:60Z",
        "+026-11-21T03:45:00Z",
        "226-11-21T03:45:00Z",
    };
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        int64_t seconds = 7;
        assert_false(clock_parse(wrong[at], &seconds));
        assert_int_equal(seconds, 7);
    }
}

static void the_time_left_fits_poll(void **state) {
    (void)state;
    uint64_t now = clock_monotonic_ms();
    assert_int_equal(clock_left_ms(0), 0);
    assert_int_equal(clock_left_ms(now), 0);
    assert_int_equal(clock_left_ms(UINT64_MAX), INT_MAX);
    int left = clock_left_ms(now + 60000);
    assert_true(left > 0 && left <= 60000);
}

static void monotonic_time_does_not_go_back(void **state) {
    (void)state;
    uint64_t first = clock_monotonic_ns();
    uint64_t second = clock_monotonic_ns();
    assert_true(second >= first);
    assert_true(clock_wall_s() > 1700000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_are_formatted_and_read_back),
        cmocka_unit_test(a_time_beyond_four_digit_years_is_cut),
        cmocka_unit_test(other_forms_of_time_are_refused),
        cmocka_unit_test(the_time_left_fits_poll),
        cmocka_unit_test(monotonic_time_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
