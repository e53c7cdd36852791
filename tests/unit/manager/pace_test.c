/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static void doubling_ends_at_the_most(void **state) {
    (void)state;
    assert_int_equal(pace_doubled(100, 10000, 0), 100);
    assert_int_equal(pace_doubled(100, 10000, 1), 200);
    assert_int_equal(pace_doubled(100, 10000, 6), 6400);
    assert_int_equal(pace_doubled(100, 10000, 7), 10000);
    assert_int_equal(pace_doubled(100, 10000, UINT64_MAX), 10000);
    assert_int_equal(pace_doubled(3, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(pace_doubled(200, 100, 0), 100);
    assert_int_equal(pace_doubled(0, 100, UINT64_MAX), 0);
}

static void chance_stays_below_its_limit(void **state) {
    (void)state;
    bool seen[3] = {false};
    for (int i = 0; i < 1000; i++) {
        uint64_t chance = pace_chance(3);
        assert_true(chance < 3);
        seen[chance] = true;
    }
    assert_true(seen[0] && seen[1] && seen[2]);
    assert_int_equal(pace_chance(1), 0);
    assert_int_equal(pace_chance(0), 0);
}

static void assert_about(uint64_t interval, uint64_t failures, uint64_t delay) {
    for (int i = 0; i < 100; i++) {
        assert_in_range(pace_next(interval, failures), delay - delay / 10, delay + delay / 10);
    }
}

static void looks_come_sooner_after_a_failure_and_less_often_after_more(void **state) {
    (void)state;
    assert_about(6 * HOUR, 0, 6 * HOUR);
    assert_about(6 * HOUR, 1, MINUTE);
    assert_about(6 * HOUR, 2, 2 * MINUTE);
    assert_about(6 * HOUR, 9, 256 * MINUTE);
    assert_about(6 * HOUR, 10, 6 * HOUR);
    assert_about(6 * HOUR, UINT64_MAX, 6 * HOUR);
    assert_about(1000, 1, 1000); /* never later than without a failure */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubling_ends_at_the_most),
        cmocka_unit_test(chance_stays_below_its_limit),
        cmocka_unit_test(looks_come_sooner_after_a_failure_and_less_often_after_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
