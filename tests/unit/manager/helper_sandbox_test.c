/* SPDX-License-Identifier: Apache-2.0
 *
 * What a task's child may and may not do. The sandbox is entered in forked children; a child's exit status is
 * the errno of what it tried, 0 for a success.
 */
#include "manager/helper_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/sandbox.h"
#include "bundles/base/text.h"
#include "tests/support/place.h"

enum { FAILED_TO_ENTER = 200 };

typedef int (*Deed)(const char *path);

static const char *const workers[] = {"stage", "verify", "remove", "fetch", "update"};

static void needs_everything(void) {
    SandboxReport report;
    sandbox_probe(&report);
    if (report.missing[0] != '\0') {
        skip();
    }
}

/* Every path that a task's arguments can have, all in one directory. */
static json_t *arguments_at(const char *directory) {
    AUTO_FREE char *trust = text_format("%s/trust.yaml", directory);
    json_t *arguments = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:[s]}}", "store", directory,
                                  "directory", directory, "trust", directory, "downloads", directory, "root",
                                  trust, "repository", directory, "source", trust, "gate", "trust", trust);
    assert_non_null(arguments);
    return arguments;
}

static int status_of(const char *task, const char *directory, Deed deed, const char *path) {
    CLEANUP(json_freep) json_t *arguments = arguments_at(directory);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err = ERROR_INIT;
        _exit(helper_sandbox_enter(task, arguments, 0, &err) ? deed(path) : FAILED_TO_ENTER);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void expect(const char *task, const Place *place, Deed deed, const char *path, int wanted) {
    int status = status_of(task, place->path, deed, path);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted) {
        fail_msg("task %s, path %s: status %x, wanted exit status %d", task, path, (unsigned)status, wanted);
    }
}

static int read_file(const char *path) {
    char byte = 0;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : read(fd, &byte, 1) < 0 ? errno : 0;
}

static int write_file(const char *path) {
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? errno : write(fd, "x", 1) == 1 ? 0 : errno;
}

static int open_family(int family) {
    AUTO_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : 0;
}

static int open_inet(const char *path) {
    (void)path;
    return open_family(AF_INET);
}

static int open_unix(const char *path) {
    (void)path;
    return open_family(AF_UNIX);
}

static int run_program(const char *path) {
    char *const argv[] = {(char[]){"true"}, NULL};
    (void)execve(path, argv, NULL);
    return errno;
}

/* What getaddrinfo needs must be there; that the name is known is not asked. */
static int look_up(const char *name) {
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int result = getaddrinfo(name, "443", &hints, &list);
    if (result == 0) {
        freeaddrinfo(list);
    }
    return result == 0 ? 0 : EHOSTUNREACH;
}

static void workers_see_their_own_files_alone(void **state) {
    const Place *place = *state;
    needs_everything();
    place_put(place, "trust.yaml", "text");
    AUTO_FREE char *own = text_format("%s/trust.yaml", place->path);
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        expect(workers[i], place, read_file, own, 0);
        expect(workers[i], place, read_file, "/etc/passwd", EACCES);
        expect(workers[i], place, write_file, "/tmp/psw-helper-sandbox", EACCES);
    }
}

static void workers_write_where_their_work_is(void **state) {
    const Place *place = *state;
    needs_everything();
    place_put(place, "trust.yaml", "text");
    AUTO_FREE char *fresh = text_format("%s/fresh", place->path);
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        bool reader = strcmp(workers[i], "verify") == 0;
        expect(workers[i], place, write_file, fresh, reader ? EACCES : 0);
        assert_true(reader || unlink(fresh) == 0);
    }
}

static void workers_have_no_sockets_and_run_nothing(void **state) {
    const Place *place = *state;
    needs_everything();
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        expect(workers[i], place, open_inet, "", EPERM);
        expect(workers[i], place, open_unix, "", EPERM);
        int status = status_of(workers[i], place->path, run_program, "/bin/true");
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
}

static void the_courier_has_the_network_and_no_files(void **state) {
    const Place *place = *state;
    needs_everything();
    place_put(place, "trust.yaml", "text");
    AUTO_FREE char *file = text_format("%s/trust.yaml", place->path);
    expect("courier", place, open_inet, "", 0);
    expect("courier", place, open_unix, "", EPERM);
    expect("courier", place, look_up, "localhost", 0);
    expect("courier", place, read_file, file, EACCES);
    expect("courier", place, read_file, "/etc/passwd", EACCES);
    expect("courier", place, write_file, file, EACCES);
    int status = status_of("courier", place->path, run_program, "/bin/true");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static int report_uid(const char *path) {
    (void)path;
    return getuid() == 0 ? EPERM : 0;
}

static void the_courier_is_not_root(void **state) {
    const Place *place = *state;
    expect("courier", place, report_uid, "", 0);
}

static void a_task_without_a_sandbox_does_not_run(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    assert_false(helper_sandbox_enter("other", NULL, 0, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void) {
#define PLACE_TEST(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        PLACE_TEST(workers_see_their_own_files_alone),
        PLACE_TEST(workers_write_where_their_work_is),
        PLACE_TEST(workers_have_no_sockets_and_run_nothing),
        PLACE_TEST(the_courier_has_the_network_and_no_files),
        PLACE_TEST(the_courier_is_not_root),
        cmocka_unit_test(a_task_without_a_sandbox_does_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
