/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/gentle.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundles/base/priority.h"

typedef struct Work {
    int began_as; /* scheduling policy */
    atomic_bool began;
    bool waits;      /* for the ordinary policy */
    bool was_raised; /* it came */
} Work;

static void do_work(void *context) {
    Work *work = context;
    work->began_as = sched_getscheduler(0);
    atomic_store(&work->began, true);
    for (int i = 0; work->waits && !work->was_raised && i < 60000; i++) {
        work->was_raised = sched_getscheduler(0) == SCHED_OTHER;
        (void)poll(NULL, 0, 1);
    }
}

static void needs_the_way_back(void) {
    if (!priority_lower()) {
        skip(); /* CAP_SYS_NICE, or a limit that containers do not give */
    }
    priority_restore(0);
}

static void work_begins_when_nobody_else_wants_the_processor(void **state) {
    (void)state;
    Gentle gentle = GENTLE_INIT;
    Work work = {.waits = false};
    Error err = ERROR_INIT;
    needs_the_way_back();
    gentle_join(&gentle); /* nothing was started */
    assert_true(gentle_start(&gentle, do_work, &work, &err));
    gentle_join(&gentle);
    assert_int_equal(work.began_as, SCHED_IDLE);
}

static void a_hurry_raises_what_runs_and_what_is_started_later(void **state) {
    (void)state;
    Gentle gentle = GENTLE_INIT;
    Work work = {.waits = true}, later = {.waits = true};
    Error err = ERROR_INIT;
    needs_the_way_back();
    assert_true(gentle_start(&gentle, do_work, &work, &err));
    while (!atomic_load(&work.began)) {
        (void)poll(NULL, 0, 1);
    }
    gentle_hurry(&gentle);
    gentle_join(&gentle);
    assert_int_equal(work.began_as, SCHED_IDLE);
    assert_true(work.was_raised);
    assert_true(gentle_start(&gentle, do_work, &later, &err));
    gentle_join(&gentle);
    assert_int_equal(later.began_as, SCHED_OTHER);
}

static void whoever_waits_long_enough_hurries_it(void **state) {
    (void)state;
    Gentle gentle = GENTLE_INIT;
    Work work = {.waits = true};
    Error err = ERROR_INIT;
    needs_the_way_back();
    assert_true(gentle_start(&gentle, do_work, &work, &err));
    gentle_join(&gentle);
    assert_true(work.was_raised);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_begins_when_nobody_else_wants_the_processor),
        cmocka_unit_test(a_hurry_raises_what_runs_and_what_is_started_later),
        cmocka_unit_test(whoever_waits_long_enough_hurries_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
