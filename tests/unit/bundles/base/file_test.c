/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "tests/support/faults.h"
#include "tests/support/place.h"

static void nothing_is_opened_outside_the_directory(void **state) {
    const Place *place = *state;
    assert_int_equal(symlinkat("/etc/passwd", place->fd, "link"), 0);
    assert_int_equal(symlinkat("..", place->fd, "up"), 0);
    place_put(place, "real", "x");
    assert_int_equal(symlinkat("real", place->fd, "inner"), 0);
    static const char *const names[] = {"link", "../etc", "/etc/passwd", "up/tmp", "inner"};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        Error err = ERROR_INIT;
        assert_int_equal(file_open(place->fd, names[at], O_RDONLY, 0, &err), -1);
        assert_int_equal(err.kind, ERROR_PERMISSION);
        assert_non_null(strstr(err.text, names[at]));
    }
}

static void every_descriptor_is_closed_on_exec(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int made = file_open(place->fd, "x", O_CREAT | O_RDWR, 0600, &err);
    AUTO_CLOSE int directory = file_open_directory(AT_FDCWD, place->path, &err);
    AUTO_CLOSE int lock = file_lock(place->fd, "lock", &err);
    assert_int_equal(fcntl(made, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(directory, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(lock, F_GETFD), FD_CLOEXEC);
}

static void a_file_is_the_same_until_it_is_touched_or_replaced(void **state) {
    const Place *place = *state;
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    struct stat one, other;
    place_put(place, "a", "x");
    assert_int_equal(fstatat(place->fd, "a", &one, 0), 0);
    assert_int_equal(fstatat(place->fd, "a", &other, 0), 0);
    assert_true(file_is_same(&one, &other));
    assert_int_equal(utimensat(place->fd, "a", long_ago, 0), 0);
    assert_int_equal(fstatat(place->fd, "a", &other, 0), 0);
    assert_false(file_is_same(&one, &other));
    place_put(place, "b", "x");
    assert_int_equal(renameat(place->fd, "b", place->fd, "a"), 0);
    assert_int_equal(fstatat(place->fd, "a", &one, 0), 0);
    assert_false(file_is_same(&one, &other));
}

static void a_missing_file_is_not_found_and_named(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(16);
    assert_false(file_read(place->fd, "absent", &buffer, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "absent"));
}

static void a_file_that_just_fits_is_read_and_a_larger_one_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    place_put(place, "a", "12345678");
    CLEANUP(buffer_done) Buffer exact = BUFFER_INIT(8);
    assert_true(file_read(place->fd, "a", &exact, &err));
    assert_string_equal(buffer_text(&exact), "12345678");
    CLEANUP(buffer_done) Buffer small = BUFFER_INIT(8);
    assert_true(buffer_append_text(&small, "x"));
    assert_false(file_read(place->fd, "a", &small, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_string_equal(buffer_text(&small), "x");
}

static void a_file_of_the_kernel_without_a_size_is_read_whole(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(1 << 20);
    assert_true(file_read(AT_FDCWD, "/proc/self/status", &buffer, &err));
    assert_non_null(strstr(buffer_text(&buffer), "voluntary_ctxt_switches"));
}

static void exactly_the_bytes_at_an_offset_are_read_or_none(void **state) {
    const Place *place = *state;
    static const struct {
        uint64_t offset;
        size_t size;
        const char *read; /* NULL: it is shorter */
    } cases[] = {{0, 6, "abcdef"}, {2, 3, "cde"}, {5, 1, "f"},          {6, 0, ""}, {0, 7, NULL},
                 {6, 1, NULL},     {5, 2, NULL},  {INT64_MAX, 1, NULL}, {7, 0, ""}, {UINT64_MAX, 1, NULL}};
    Error err = ERROR_INIT;
    place_put(place, "letters", "abcdef");
    AUTO_CLOSE int fd = file_open(place->fd, "letters", O_RDONLY, 0, &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[8] = "";
        err = ERROR_INIT;
        assert_int_equal(file_read_at(fd, "letters", cases[i].offset, got, cases[i].size, &err),
                         cases[i].read != NULL);
        if (cases[i].read != NULL) {
            assert_string_equal(got, cases[i].read);
        } else {
            assert_int_equal(err.kind, ERROR_INPUT);
            assert_string_equal(err.text, "letters is cut short");
        }
    }
    assert_false(file_read_at(place->fd, "it", 0, &err, 1, NULL));
}

static void a_pipe_in_a_file_s_place_is_refused_without_waiting(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(16);
    assert_int_equal(mkfifoat(place->fd, "pipe", 0600), 0);
    assert_false(file_read(place->fd, "pipe", &buffer, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_false(file_read(place->fd, ".", &buffer, &err));
}

static void a_named_pipe_a_directory_and_a_device_are_no_regular_files_and_are_not_opened(void **state) {
    const Place *place = *state;
    const char *const refused[] = {"pipe", "directory", "link", "/dev/zero"};
    const char *const open_already[] = {"/dev/null", "/dev/stdin", "/dev/stdout", "/dev/fd/0"};
    assert_int_equal(mkfifoat(place->fd, "pipe", 0600), 0);
    assert_int_equal(symlinkat("pipe", place->fd, "link"), 0);
    assert_int_equal(mkdirat(place->fd, "directory", 0700), 0);
    place_put(place, "file", "x");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        Error err = ERROR_INIT;
        AUTO_FREE char *path =
            refused[i][0] == '/' ? strdup(refused[i]) : text_format("%s/%s", place->path, refused[i]);
        assert_false(file_check_regular(path, true, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
        assert_non_null(strstr(err.text, "is not a regular file"));
    }
    Error err = ERROR_INIT;
    for (size_t i = 0; i < sizeof open_already / sizeof open_already[0]; i++) {
        assert_true(file_check_regular(open_already[i], true, &err));
    }
    assert_false(file_check_regular("/dev/null", false, &err));
    AUTO_FREE char *file = text_format("%s/file", place->path);
    AUTO_FREE char *nothing = text_format("%s/nothing", place->path);
    assert_true(file_check_regular(file, false, &err));
    assert_true(file_check_regular(nothing, false, &err));
}

static void a_second_lock_is_refused_and_names_the_holder(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    int held = file_lock(place->fd, "lock", &err);
    assert_true(held >= 0);
    assert_int_equal(file_lock(place->fd, "lock", &err), -1);
    assert_int_equal(err.kind, ERROR_CONFLICT);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    (void)close(held);
    AUTO_CLOSE int again = file_lock(place->fd, "lock", &err);
    assert_true(again >= 0);
}

/* Holds a lock, is gone, and leaves a child that closes its copy a moment later. */
static void hold_and_leave(const Place *place) {
    Error err = ERROR_INIT;
    if (file_lock(place->fd, "lock", &err) < 0) {
        _exit(1);
    }
    pid_t child = fork();
    if (child == 0) {
        (void)usleep(50 * 1000);
    }
    _exit(child < 0);
}

static void a_lock_whose_holder_was_killed_is_waited_for(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    int status = -1;
    pid_t holder = fork();
    if (holder == 0) {
        hold_and_leave(place);
    }
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_int_equal(status, 0);
    AUTO_CLOSE int lock = file_lock(place->fd, "lock", &err);
    assert_true(lock >= 0);
}

static void safe_names_are_told_from_others(void **state) {
    (void)state;
    static const char *const safe[] = {"a", "lib/libsgx_dcap_ql.so.1", "A+b-c_d.e", "a/b/c/d/e/f/g/h", "..."};
    static const char *const unsafe[] = {"",       "/",   "/a",  "a/",       "a//b",
                                         ".",      "..",  "./",  "a/.",      "../",
                                         "a/../b", "a b", "a\n", "\xc3\xa4", "a/b/c/d/e/f/g/h/i"};
    for (size_t at = 0; at < sizeof safe / sizeof *safe; at++) {
        assert_true(file_name_is_safe(safe[at]));
    }
    for (size_t at = 0; at < sizeof unsafe / sizeof *unsafe; at++) {
        assert_false(file_name_is_safe(unsafe[at]));
    }
    char name[257];
    memset(name, 'a', sizeof name);
    name[255] = 0;
    assert_true(file_name_is_safe(name));
    name[255] = 'a';
    name[256] = 0;
    assert_false(file_name_is_safe(name));
}

static void prepare_old(void *context) {
    Place *place = context;
    place_put(place, "a", "old");
}

static bool read_it(void *context, Error *err) {
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(64);
    if (!file_read(((Place *)context)->fd, "a", &buffer, err)) {
        return false;
    }
    return strcmp(buffer_text(&buffer), "old") == 0 ? true : error_set(err, ERROR_INPUT, "cut short");
}

static void check_nothing(void *context, FaultOutcome outcome) {
    (void)context;
    (void)outcome;
}

static void a_file_is_read_whole_or_not(void **state) {
    faults_sweep(
        &(FaultSweep){.context = *state, .prepare = prepare_old, .run = read_it, .check = check_nothing});
}

static bool lock_it(void *context, Error *err) {
    AUTO_CLOSE int fd = file_lock(((Place *)context)->fd, "lock", err);
    return fd >= 0;
}

static void a_lock_that_fails_is_not_held(void **state) {
    faults_sweep(&(FaultSweep){.context = *state, .run = lock_it, .check = check_nothing});
    Error err = ERROR_INIT;
    assert_true(lock_it(*state, &err));
}

static void a_file_is_mapped_as_it_is_read(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    Bytes bytes = {NULL, 0};
    place_put(place, "full", "content");
    place_put(place, "empty", "");
    assert_int_equal(mkdirat(place->fd, "directory", 0700), 0);
    assert_true(file_map(place->fd, "full", 7, &bytes, &err));
    assert_int_equal(bytes.size, 7);
    assert_memory_equal(bytes.data, "content", 7);
    file_unmap(bytes);
    assert_false(file_map(place->fd, "full", 6, &bytes, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_true(file_map(place->fd, "empty", 6, &bytes, &err));
    assert_int_equal(bytes.size, 0);
    file_unmap(bytes);
    assert_false(file_map(place->fd, "missing", 6, &bytes, &err));
    assert_false(file_map(place->fd, "directory", 6, &bytes, &err));
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(nothing_is_opened_outside_the_directory),
        PLACED(every_descriptor_is_closed_on_exec),
        PLACED(a_file_is_the_same_until_it_is_touched_or_replaced),
        PLACED(a_missing_file_is_not_found_and_named),
        PLACED(a_file_that_just_fits_is_read_and_a_larger_one_is_refused),
        cmocka_unit_test(a_file_of_the_kernel_without_a_size_is_read_whole),
        PLACED(exactly_the_bytes_at_an_offset_are_read_or_none),
        PLACED(a_pipe_in_a_file_s_place_is_refused_without_waiting),
        PLACED(a_named_pipe_a_directory_and_a_device_are_no_regular_files_and_are_not_opened),
        PLACED(a_second_lock_is_refused_and_names_the_holder),
        PLACED(a_lock_whose_holder_was_killed_is_waited_for),
        PLACED(a_file_is_mapped_as_it_is_read),
        cmocka_unit_test(safe_names_are_told_from_others),
        PLACED(a_file_is_read_whole_or_not),
        PLACED(a_lock_that_fails_is_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
