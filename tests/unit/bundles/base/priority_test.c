/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/priority.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534 };

static const struct sched_param none = {0};

static void needs_the_way_back(void) {
    if (!priority_lower()) {
        skip();
    }
    priority_restore(0);
}

/* What `act` returns in a process of its own. */
static int in_a_child(int (*act)(void)) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(act());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_calling_thread_is_lowered_and_restored(void **state) {
    (void)state;
    needs_the_way_back();
    assert_true(priority_lower());
    assert_int_equal(sched_getscheduler(0), SCHED_IDLE);
    assert_false(priority_lower()); /* it is already */
    priority_restore(0);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    priority_restore(0);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

static int lower_without_limit(void) {
    const struct rlimit no = {0, 0};
    bool bound = setrlimit(RLIMIT_NICE, &no) == 0 && (geteuid() != 0 || setuid(NOBODY) == 0);
    return !bound ? 2 : priority_lower() || sched_getscheduler(0) != SCHED_OTHER;
}

static void who_could_not_come_back_stays_as_it_is(void **state) {
    (void)state;
    assert_int_equal(in_a_child(lower_without_limit), 0);
}

static int return_without_root(void) {
    if (!priority_allow_return() || (geteuid() == 0 && setuid(NOBODY) != 0) || !priority_lower()) {
        return 2;
    }
    priority_restore(0);
    return sched_getscheduler(0) != SCHED_OTHER;
}

static void the_limit_is_all_that_the_way_back_takes(void **state) {
    (void)state;
    if (!priority_allow_return()) {
        skip();
    }
    assert_int_equal(in_a_child(return_without_root), 0);
}

static int return_to_a_nice_value(void) {
    if (setpriority(PRIO_PROCESS, 0, 5) != 0 || !priority_lower()) {
        return 2;
    }
    priority_restore(0);
    return sched_getscheduler(0) != SCHED_OTHER || getpriority(PRIO_PROCESS, 0) != 5;
}

static void a_nice_value_outlives_it(void **state) {
    (void)state;
    needs_the_way_back();
    assert_int_equal(in_a_child(return_to_a_nice_value), 0);
}

static int lower_a_batch(void) {
    if (sched_setscheduler(0, SCHED_BATCH, &none) != 0) {
        return 2;
    }
    bool lowered = priority_lower();
    priority_restore(0);
    return lowered || sched_getscheduler(0) != SCHED_BATCH;
}

static void what_an_administrator_chose_is_left_alone(void **state) {
    (void)state;
    assert_int_equal(in_a_child(lower_a_batch), 0);
}

static void another_process_is_restored_as_well(void **state) {
    (void)state;
    needs_the_way_back();
    assert_true(priority_lower());
    pid_t pid = fork(); /* which inherits it */
    if (pid == 0) {
        (void)poll(NULL, 0, -1);
        _exit(0);
    }
    priority_restore(0);
    assert_int_equal(sched_getscheduler(pid), SCHED_IDLE);
    priority_restore(pid);
    assert_int_equal(sched_getscheduler(pid), SCHED_OTHER);
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    priority_restore(pid); /* it is gone */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calling_thread_is_lowered_and_restored),
        cmocka_unit_test(who_could_not_come_back_stays_as_it_is),
        cmocka_unit_test(the_limit_is_all_that_the_way_back_takes),
        cmocka_unit_test(a_nice_value_outlives_it),
        cmocka_unit_test(what_an_administrator_chose_is_left_alone),
        cmocka_unit_test(another_process_is_restored_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
