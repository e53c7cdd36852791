/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "tests/support/faults.h"
#include "tests/support/place.h"

#define OTHER ".a.other"

static void put(const Place *place, const char *text) {
    Error err = ERROR_INIT;
    if (!file_exchange(place->fd, "a", text, strlen(text), 0600, &err)) {
        fail_msg("%s", err.text);
    }
    place_expect(place, "a", text);
}

static ino_t inode(const Place *place, const char *name) {
    struct stat facts;
    assert_int_equal(fstatat(place->fd, name, &facts, AT_SYMLINK_NOFOLLOW), 0);
    return facts.st_ino;
}

/* Not every file system can; then a file is made and put in place each time. */
static void needs_exchange(const Place *place) {
    place_put(place, "one", "1");
    place_put(place, "two", "2");
    if (renameat2(place->fd, "one", place->fd, "two", RENAME_EXCHANGE) != 0) {
        skip();
    }
}

static void each_content_is_whole_whatever_its_length_and_that_before(void **state) {
    const Place *place = *state;
    put(place, "a first one");
    put(place, "2");
    put(place, "a third one, which is longer");
    put(place, "");
    put(place, "five");
}

static void two_files_take_turns(void **state) {
    const Place *place = *state;
    needs_exchange(place);
    put(place, "one");
    put(place, "two");
    ino_t current = inode(place, "a"), other = inode(place, OTHER);
    put(place, "three");
    assert_int_equal(inode(place, "a"), other);
    assert_int_equal(inode(place, OTHER), current);
    place_expect(place, OTHER, "two");
}

static void what_is_linked_elsewhere_is_left_as_it_is(void **state) {
    const Place *place = *state;
    needs_exchange(place);
    put(place, "one");
    put(place, "two");
    assert_int_equal(linkat(place->fd, OTHER, place->fd, "kept", 0), 0);
    put(place, "three");
    place_expect(place, "kept", "one");
}

static void both_names_may_be_of_one_file(void **state) {
    const Place *place = *state;
    put(place, "one");
    assert_int_equal(linkat(place->fd, "a", place->fd, OTHER, 0), 0);
    put(place, "two");
    put(place, "three");
}

static void a_link_or_a_pipe_in_its_place_is_not_followed(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    place_put(place, "victim", "untouched");
    assert_int_equal(symlinkat("victim", place->fd, OTHER), 0);
    assert_false(file_exchange(place->fd, "a", "x", 1, 0600, &err));
    place_expect(place, "victim", "untouched");
    assert_int_equal(unlinkat(place->fd, OTHER, 0), 0);
    assert_int_equal(mkfifoat(place->fd, OTHER, 0600), 0);
    assert_false(file_exchange(place->fd, "a", "x", 1, 0600, &err));
}

static void a_directory_in_its_place_stays(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    assert_int_equal(mkdirat(place->fd, "a", 0700), 0);
    assert_false(file_exchange(place->fd, "a", "x", 1, 0600, &err));
    assert_int_equal(unlinkat(place->fd, "a", AT_REMOVEDIR), 0);
    put(place, "x");
}

static void prepare_old(void *context) {
    const Place *place = context;
    put(place, "something before");
    put(place, "old");
}

static bool exchange_it(void *context, Error *err) {
    const Place *place = context;
    return file_exchange(place->fd, "a", "new content", 11, 0600, err);
}

static void check_old_or_new(void *context, FaultOutcome outcome) {
    Place *place = context;
    place_expect_replaced(place, "a", "old", "new content", outcome == FAULT_SUCCEEDED);
    put(place, "what comes after that");
    place_reset(place);
}

static void one_that_fails_or_crashes_anywhere_leaves_the_old_or_the_new(void **state) {
    faults_sweep(&(FaultSweep){
        .context = *state, .prepare = prepare_old, .run = exchange_it, .check = check_old_or_new});
}

static void it_is_only_done_when_file_and_directory_are_synced(void **state) {
    Place *place = *state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        Error err = ERROR_INIT;
        prepare_old(place);
        faults_arm_call("fsync", nth);
        bool done = exchange_it(place, &err);
        assert_true(faults_disarm());
        assert_false(done);
        place_expect(place, "a", nth == 1 ? "old" : "new content");
    }
}

#define PLACED(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACED(each_content_is_whole_whatever_its_length_and_that_before),
        PLACED(two_files_take_turns),
        PLACED(what_is_linked_elsewhere_is_left_as_it_is),
        PLACED(both_names_may_be_of_one_file),
        PLACED(a_link_or_a_pipe_in_its_place_is_not_followed),
        PLACED(a_directory_in_its_place_stays),
        PLACED(one_that_fails_or_crashes_anywhere_leaves_the_old_or_the_new),
        PLACED(it_is_only_done_when_file_and_directory_are_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
