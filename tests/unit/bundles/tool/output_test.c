/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bundles/base/file.h"
#include "tests/support/faults.h"
#include "tests/support/place.h"

static const char *path_of(const Place *place, const char *name, char path[128]) {
    (void)snprintf(path, 128, "%s/%s", place->path, name);
    return path;
}

static bool write_new(const Place *place, Error *err) {
    char path[128];
    CLEANUP(output_closep) Output *output = output_open(path_of(place, "out", path), err);
    return output != NULL && file_write_fd(output_fd(output), "out", "new", 3, err) &&
           output_commit(output, err);
}

static void what_is_committed_takes_the_place_of_what_was_there(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    struct stat facts;
    place_put(place, "out", "old");
    mode_t before = umask(027);
    assert_true(write_new(place, &err));
    (void)umask(before);
    place_expect(place, "out", "new");
    assert_int_equal(fstatat(place->fd, "out", &facts, 0), 0);
    assert_int_equal(facts.st_mode & 07777, 0640);
}

static void what_is_not_committed_leaves_what_was_there_and_nothing_else(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[128];
    assert_int_equal(mkdirat(place->fd, "d", 0755), 0);
    place_put(place, "d/out", "old");
    Output *output = output_open(path_of(place, "d/out", path), &err);
    assert_true(file_write_fd(output_fd(output), "out", "new", 3, &err));
    output_close(output);
    place_expect(place, "d/out", "old");
    assert_int_equal(unlinkat(place->fd, "d/out", 0), 0);
    assert_int_equal(unlinkat(place->fd, "d", AT_REMOVEDIR), 0);
}

static void a_path_that_names_no_file_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[128];
    assert_null(output_open("", &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_null(output_open(path_of(place, "", path), &err));
    assert_int_equal(err.kind, ERROR_USAGE);
    assert_null(output_open(path_of(place, "missing/out", path), &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_int_equal(mkdirat(place->fd, "out", 0755), 0);
    err = ERROR_INIT;
    assert_false(write_new(place, &err));
    assert_int_not_equal(err.kind, ERROR_NONE);
}

static void prepare_old(void *context) {
    place_reset(context);
    place_put(context, "out", "old");
}

static bool run_write(void *context, Error *err) {
    return write_new(context, err);
}

static void check_old_or_new(void *context, FaultOutcome outcome) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(16);
    const Place *place = context;
    Error err = ERROR_INIT;
    assert_true(file_read(place->fd, "out", &text, &err));
    bool is_new = strcmp(buffer_text(&text), "new") == 0;
    assert_true(is_new || strcmp(buffer_text(&text), "old") == 0);
    assert_true(is_new || outcome != FAULT_SUCCEEDED);
}

static void the_old_or_the_new_file_is_there_whatever_fails(void **state) {
    faults_sweep(&(FaultSweep){
        .context = *state, .prepare = prepare_old, .run = run_write, .check = check_old_or_new});
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_committed_takes_the_place_of_what_was_there),
        TEST(what_is_not_committed_leaves_what_was_there_and_nothing_else),
        TEST(a_path_that_names_no_file_is_refused),
        TEST(the_old_or_the_new_file_is_there_whatever_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
