/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundles/base/clock.h"
#include "tests/bench/schedule.h"

static void flows_are_due_at_the_rate_however_late_they_are_asked_for(void **state) {
    (void)state;
    Schedule schedule;
    schedule_init(&schedule, 1000, 0, 5);
    uint64_t due_ns = 0;
    for (uint64_t i = 0; i < 5; i++) {
        assert_true(schedule_next(&schedule, &due_ns));
        assert_int_equal(due_ns, schedule.start_ns + i * 1000000);
        assert_true(clock_monotonic_ns() >= due_ns);
    }
    assert_false(schedule_next(&schedule, &due_ns));
}

static void flat_out_a_flow_is_due_when_it_is_asked_for(void **state) {
    (void)state;
    Schedule schedule;
    schedule_init(&schedule, 0, 0, 2);
    uint64_t before_ns = clock_monotonic_ns();
    uint64_t due_ns = 0;
    assert_true(schedule_next(&schedule, &due_ns));
    assert_true(due_ns >= before_ns && due_ns <= clock_monotonic_ns());
    assert_true(schedule_next(&schedule, &due_ns));
    assert_false(schedule_next(&schedule, &due_ns));
}

static void no_flow_is_due_after_the_end(void **state) {
    (void)state;
    Schedule schedule;
    schedule_init(&schedule, 100, 25, 0);
    uint64_t due_ns = 0;
    for (int i = 0; i < 3; i++) {
        assert_true(schedule_next(&schedule, &due_ns));
    }
    assert_false(schedule_next(&schedule, &due_ns));
}

static void a_stopped_schedule_gives_nothing(void **state) {
    (void)state;
    Schedule schedule;
    schedule_init(&schedule, 0, 0, 0);
    uint64_t due_ns = 0;
    assert_true(schedule_next(&schedule, &due_ns));
    schedule_stop(&schedule);
    assert_false(schedule_next(&schedule, &due_ns));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_are_due_at_the_rate_however_late_they_are_asked_for),
        cmocka_unit_test(flat_out_a_flow_is_due_when_it_is_asked_for),
        cmocka_unit_test(no_flow_is_due_after_the_end),
        cmocka_unit_test(a_stopped_schedule_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
