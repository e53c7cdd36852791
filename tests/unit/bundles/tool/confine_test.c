/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/sandbox.h"
#include "tests/support/place.h"

static void needs_everything(void) {
    SandboxReport report;
    sandbox_probe(&report);
    if (report.missing[0] != '\0') {
        skip();
    }
}

static bool write_here(void *context, char said[CONFINE_SAID_SIZE], Error *err) {
    const Place *place = context;
    AUTO_CLOSE int fd = openat(place->fd, "made", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    (void)snprintf(said, CONFINE_SAID_SIZE, "wrote it");
    return (fd >= 0 && write(fd, "text", 4) == 4) || error_set_errno(err, errno, "made");
}

static bool write_elsewhere(void *context, char said[CONFINE_SAID_SIZE], Error *err) {
    (void)context, (void)said;
    AUTO_CLOSE int fd = open("/tmp/psw-confine-elsewhere", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 || error_set_errno(err, errno, "elsewhere");
}

static bool read_elsewhere(void *context, char said[CONFINE_SAID_SIZE], Error *err) {
    (void)context, (void)said;
    AUTO_CLOSE int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    return fd >= 0 || error_set_errno(err, errno, "passwd");
}

static bool crash(void *context, char said[CONFINE_SAID_SIZE], Error *err) {
    (void)context, (void)said, (void)err;
    (void)tgkill(getpid(), gettid(), SIGKILL);
    return true;
}

static bool run_shell(void *context, char said[CONFINE_SAID_SIZE], Error *err) {
    (void)context, (void)said, (void)err;
    char *const argv[] = {(char[]){"true"}, NULL};
    return execve("/bin/true", argv, NULL) == 0;
}

static void work_writes_into_its_directory_and_says_so(void **state) {
    Place *place = *state;
    Error err = ERROR_INIT;
    char said[CONFINE_SAID_SIZE];
    assert_true(confine_work(place->fd, write_here, place, said, &err));
    assert_string_equal(said, "wrote it");
    place_expect(place, "made", "text");
}

static void work_has_no_other_files(void **state) {
    Place *place = *state;
    Error err = ERROR_INIT;
    char said[CONFINE_SAID_SIZE];
    needs_everything();
    assert_false(confine_work(place->fd, write_elsewhere, NULL, said, &err));
    assert_int_equal(err.kind, ERROR_PERMISSION);
    assert_string_equal(err.text, "elsewhere: Permission denied");
    err = ERROR_INIT;
    assert_false(confine_work(place->fd, read_elsewhere, NULL, said, &err));
    assert_int_equal(err.kind, ERROR_PERMISSION);
}

static void a_sudden_end_is_a_refusal_of_the_input(void **state) {
    Place *place = *state;
    Error err = ERROR_INIT;
    char said[CONFINE_SAID_SIZE];
    assert_false(confine_work(place->fd, crash, NULL, said, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "SIGKILL"));
    needs_everything();
    err = ERROR_INIT;
    assert_false(confine_work(place->fd, run_shell, NULL, said, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "SIGSYS"));
}

/* In a child of the test's own, since there is no way back. */
static int try_as_reader(void) {
    Error err = ERROR_INIT;
    char said[CONFINE_SAID_SIZE];
    if (!confine_reading(&err)) {
        return 1;
    }
    if (!read_elsewhere(NULL, said, &err)) {
        return 2;
    }
    return write_elsewhere(NULL, said, &err) || socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 3 : 0;
}

static void a_reader_reads_and_does_nothing_else(void **state) {
    (void)state;
    needs_everything();
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(try_as_reader());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void) {
#define PLACE_TEST(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        PLACE_TEST(work_writes_into_its_directory_and_says_so),
        PLACE_TEST(work_has_no_other_files),
        PLACE_TEST(a_sudden_end_is_a_refusal_of_the_input),
        cmocka_unit_test(a_reader_reads_and_does_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
