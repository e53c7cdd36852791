/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/place.h"

/* Where a service manager would listen; '@' stands for the zero of an abstract name. */
static int listen_at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    size_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    if (path[0] == '@') {
        address.sun_path[0] = 0;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, (socklen_t)size), 0);
    return fd;
}

static void check_told(const char *path) {
    char heard[32] = "";
    AUTO_CLOSE int fd = listen_at(path);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    service_notify("READY=1");
    assert_int_equal(recv(fd, heard, sizeof heard, MSG_DONTWAIT), 7);
    assert_string_equal(heard, "READY=1");
}

static void a_state_is_told_to_a_path_and_to_an_abstract_name(void **state) {
    const Place *place = *state;
    char path[100];
    (void)snprintf(path, sizeof path, "%s/notify", place->path);
    check_told(path);
    (void)snprintf(path, sizeof path, "@psw-service-test-%d", (int)getpid());
    check_told(path);
}

static void nobody_to_tell_is_no_harm(void **state) {
    (void)state;
    char long_path[200];
    memset(long_path, 'x', sizeof long_path);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = 0;
    const char *const paths[] = {"", "relative", "vsock:2:1234", "/nonexistent/notify", long_path};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(setenv("NOTIFY_SOCKET", paths[i], 1), 0);
        service_notify("READY=1");
    }
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    service_notify("READY=1");
}

static int passed(const char *pid, const char *count) {
    assert_int_equal(pid != NULL ? setenv("LISTEN_PID", pid, 1) : unsetenv("LISTEN_PID"), 0);
    assert_int_equal(count != NULL ? setenv("LISTEN_FDS", count, 1) : unsetenv("LISTEN_FDS"), 0);
    return service_passed_fds();
}

static void descriptors_are_counted_that_were_passed_to_this_process(void **state) {
    (void)state;
    char own[16], other[16];
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    (void)snprintf(other, sizeof other, "%d", (int)getppid());
    assert_int_equal(passed(own, "2"), 2);
    assert_int_equal(passed(own, "0"), 0);
    assert_int_equal(passed(other, "2"), 0);
    assert_int_equal(passed(NULL, "2"), 0);
    assert_int_equal(passed(own, NULL), 0);
    assert_int_equal(passed(own, "-1"), 0);
    assert_int_equal(passed(own, "4000000000"), 0);
    assert_int_equal(passed("1x", "2"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_state_is_told_to_a_path_and_to_an_abstract_name, place_setup,
                                        place_teardown),
        cmocka_unit_test(nobody_to_tell_is_no_harm),
        cmocka_unit_test(descriptors_are_counted_that_were_passed_to_this_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
