/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/waker.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/priority.h"

enum { SOON_MS = 1, NEVER_MS = 3600 * 1000, PATIENCE_MS = 60 * 1000 };

static void wait_for_policy(int policy) {
    for (int i = 0; sched_getscheduler(0) != policy && i < PATIENCE_MS; i++) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(sched_getscheduler(0), policy);
}

static void who_told_it_comes_back_each_time(void **state) {
    (void)state;
    Waker waker = WAKER_INIT;
    if (!priority_may_be_lowered()) {
        skip();
    }
    for (int i = 0; i < 3; i++) {
        assert_true(waker_tell(&waker, NEVER_MS)); /* the later word counts */
        assert_true(priority_lower());
        assert_true(waker_tell(&waker, SOON_MS));
        wait_for_policy(SCHED_OTHER);
    }
    waker_done(&waker);
}

static void one_that_was_killed_is_replaced(void **state) {
    (void)state;
    Waker waker = WAKER_INIT;
    assert_true(waker_tell(&waker, NEVER_MS));
    struct pollfd ended = {.fd = waker.pidfd, .events = POLLIN};
    assert_int_equal(pidfd_send_signal(waker.pidfd, SIGKILL, NULL, 0), 0);
    assert_int_equal(poll(&ended, 1, PATIENCE_MS), 1);
    assert_false(waker_tell(&waker, NEVER_MS));
    assert_true(waker.pidfd < 0 && waker.socket < 0);
    assert_true(waker_tell(&waker, NEVER_MS));
    waker_done(&waker);
    waker_done(&waker); /* there is none */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_told_it_comes_back_each_time),
        cmocka_unit_test(one_that_was_killed_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
