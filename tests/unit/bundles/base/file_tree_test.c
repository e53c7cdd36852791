/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/faults.h"
#include "tests/support/place.h"

static void a_replaced_file_has_the_new_content_and_the_exact_mode(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    mode_t before = umask(077);
    assert_true(file_replace(place->fd, "a", "one", 3, 0640, &err));
    assert_true(file_replace(place->fd, "a", "second", 6, 0664, &err));
    (void)umask(before);
    place_expect(place, "a", "second");
    struct stat status;
    assert_int_equal(fstatat(place->fd, "a", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0664);
}

static void a_file_below_a_directory_is_replaced_there(void **state) {
    const Place *place = *state;
    assert_int_equal(mkdirat(place->fd, "sub", 0755), 0);
    place_put(place, "sub/a", "x");
    place_expect(place, "sub/a", "x");
}

static void a_name_that_is_no_file_name_is_not_replaced(void **state) {
    const Place *place = *state;
    static const char *const names[] = {"", ".", "..", "sub/", "sub/..", "../x"};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
        Error err = ERROR_INIT;
        assert_false(file_replace(place->fd, names[at], "x", 1, 0644, &err));
        assert_int_not_equal(err.kind, ERROR_NONE);
    }
}

static void a_path_is_made_with_its_parents(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[128];
    snprintf(path, sizeof path, "%s/a/b//c/", place->path);
    mode_t before = umask(077);
    assert_true(file_make_path(path, 0711, &err));
    (void)umask(before);
    assert_true(file_make_path(path, 0700, &err));
    struct stat status;
    assert_int_equal(fstatat(place->fd, "a/b", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0755);
    assert_int_equal(fstatat(place->fd, "a/b/c", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0711);
}

static void a_path_through_a_file_is_not_made(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[128];
    place_put(place, "file", "x");
    snprintf(path, sizeof path, "%s/file/b", place->path);
    assert_false(file_make_path(path, 0755, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_non_null(strstr(err.text, "/file"));
    assert_false(file_make_path("", 0755, &err));
}

static void a_tree_is_removed_and_what_links_point_to_stays(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[128];
    snprintf(path, sizeof path, "%s/tree/a/b", place->path);
    assert_true(file_make_path(path, 0755, &err));
    place_put(place, "kept", "x");
    place_put(place, "tree/a/file", "x");
    assert_int_equal(symlinkat("../kept", place->fd, "tree/link"), 0);
    assert_int_equal(fchmodat(place->fd, "tree/a", 0500, 0), 0);
    assert_true(file_remove_tree(place->fd, "tree", &err));
    assert_int_equal(faccessat(place->fd, "tree", F_OK, 0), -1);
    place_expect(place, "kept", "x");
    assert_true(file_remove_tree(place->fd, "tree", &err));
    assert_true(file_remove_tree(place->fd, "no/such/parent", &err));
    assert_false(file_remove_tree(place->fd, "..", &err));
}

static void a_tree_that_is_too_deep_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[256];
    int length = snprintf(path, sizeof path, "%s", place->path);
    for (int level = 0; level <= FILE_TREE_DEPTH_MAX; level++) {
        length += snprintf(path + length, sizeof path - (size_t)length, "/d");
    }
    assert_true(file_make_path(path, 0755, &err));
    assert_false(file_remove_tree(place->fd, "d", &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_true(file_remove_tree(place->fd, "d/d", &err));
}

static void prepare_old(void *context) {
    Place *place = context;
    place_put(place, "a", "old");
}

static bool replace_it(void *context, Error *err) {
    const Place *place = context;
    return file_replace(place->fd, "a", "new content", 11, 0644, err);
}

/* Left-over temporary files may only be there after a crash. */
static void check_old_or_new(void *context, FaultOutcome outcome) {
    Place *place = context;
    Error err = ERROR_INIT;
    place_expect_replaced(place, "a", "old", "new content", outcome == FAULT_SUCCEEDED);
    assert_true(file_remove_tree(place->fd, "a", &err));
    if (outcome != FAULT_CRASHED) {
        assert_int_equal(rmdir(place->path), 0);
        assert_int_equal(mkdir(place->path, 0700), 0);
    }
    place_reset(place);
}

static void a_replacement_that_fails_or_crashes_anywhere_leaves_the_old_or_the_new(void **state) {
    faults_sweep(&(FaultSweep){
        .context = *state, .prepare = prepare_old, .run = replace_it, .check = check_old_or_new});
}

static void a_replacement_is_only_done_when_file_and_directory_are_synced(void **state) {
    Place *place = *state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        Error err = ERROR_INIT;
        prepare_old(place);
        faults_arm_call("fsync", nth);
        bool replaced = replace_it(place, &err);
        assert_true(faults_disarm());
        assert_false(replaced);
        place_expect(place, "a", nth == 1 ? "old" : "new content");
    }
}

static bool make_path_it(void *context, Error *err) {
    const Place *place = context;
    char path[128];
    snprintf(path, sizeof path, "%s/a/b/c", place->path);
    return file_make_path(path, 0755, err);
}

static void check_made(void *context, FaultOutcome outcome) {
    const Place *place = context;
    Error err = ERROR_INIT;
    if (outcome == FAULT_SUCCEEDED) {
        assert_int_equal(faccessat(place->fd, "a/b/c", F_OK, 0), 0);
    }
    assert_true(make_path_it(context, &err));
    assert_int_equal(faccessat(place->fd, "a/b/c", F_OK, 0), 0);
    assert_true(file_remove_tree(place->fd, "a", &err));
}

static void a_path_half_made_is_made_by_the_next_try(void **state) {
    faults_sweep(&(FaultSweep){.context = *state, .run = make_path_it, .check = check_made});
}

static void prepare_tree(void *context) {
    Error err = ERROR_INIT;
    assert_true(make_path_it(context, &err));
    place_put(context, "a/b/file", "x");
}

static bool remove_it(void *context, Error *err) {
    return file_remove_tree(((Place *)context)->fd, "a", err);
}

static void check_removed(void *context, FaultOutcome outcome) {
    const Place *place = context;
    Error err = ERROR_INIT;
    if (outcome == FAULT_SUCCEEDED) {
        assert_int_equal(faccessat(place->fd, "a", F_OK, 0), -1);
    }
    assert_true(file_remove_tree(place->fd, "a", &err));
    assert_int_equal(faccessat(place->fd, "a", F_OK, 0), -1);
}

static void a_tree_half_removed_is_removed_by_the_next_try(void **state) {
    faults_sweep(
        &(FaultSweep){.context = *state, .prepare = prepare_tree, .run = remove_it, .check = check_removed});
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(a_replaced_file_has_the_new_content_and_the_exact_mode),
        PLACED(a_file_below_a_directory_is_replaced_there),
        PLACED(a_name_that_is_no_file_name_is_not_replaced),
        PLACED(a_path_is_made_with_its_parents),
        PLACED(a_path_through_a_file_is_not_made),
        PLACED(a_tree_is_removed_and_what_links_point_to_stays),
        PLACED(a_tree_that_is_too_deep_is_refused),
        PLACED(a_replacement_that_fails_or_crashes_anywhere_leaves_the_old_or_the_new),
        PLACED(a_replacement_is_only_done_when_file_and_directory_are_synced),
        PLACED(a_path_half_made_is_made_by_the_next_try),
        PLACED(a_tree_half_removed_is_removed_by_the_next_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
