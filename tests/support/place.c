/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"

enum { TEXT_MAX = 64 * 1024, ROOM = 256 * 1024 * 1024 };

static void open_place(Place *place) {
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->fd >= 0);
}

static void remove_place(Place *place) {
    Error err = ERROR_INIT;
    if (!file_remove_tree(AT_FDCWD, place->path, &err)) {
        fail_msg("%s", err.text);
    }
    (void)close(place->fd);
}

/* In memory where the system has room for that: sweeps of faults sync ten thousands of times. */
static const char *best_directory(void) {
    static const char memory[] = "/dev/shm";
    struct statvfs facts;
    bool fits = statvfs(memory, &facts) == 0 && (facts.f_flag & (ST_NOEXEC | ST_RDONLY)) == 0 &&
                facts.f_bavail * facts.f_bsize >= (uint64_t)ROOM && access(memory, W_OK | X_OK) == 0;
    return fits ? memory : "/tmp";
}

int place_setup(void **state) {
    Place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    (void)snprintf(place->path, sizeof place->path, "%s/psw-test-XXXXXX", best_directory());
    assert_non_null(mkdtemp(place->path));
    open_place(place);
    *state = place;
    return 0;
}

int place_teardown(void **state) {
    remove_place(*state);
    free(*state);
    return 0;
}

void place_reset(Place *place) {
    remove_place(place);
    assert_int_equal(mkdir(place->path, 0700), 0);
    open_place(place);
}

void place_put(const Place *place, const char *name, const char *text) {
    Error err = ERROR_INIT;
    if (!file_replace(place->fd, name, text, strlen(text), 0644, &err)) {
        fail_msg("%s", err.text);
    }
}

static void read_text(const Place *place, const char *name, Buffer *buffer) {
    Error err = ERROR_INIT;
    if (!file_read(place->fd, name, buffer, &err)) {
        fail_msg("%s", err.text);
    }
}

void place_expect(const Place *place, const char *name, const char *text) {
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(TEXT_MAX);
    read_text(place, name, &buffer);
    assert_string_equal(buffer_text(&buffer), text);
}

void place_expect_replaced(const Place *place, const char *name, const char *before, const char *after,
                           bool surely) {
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(TEXT_MAX);
    read_text(place, name, &buffer);
    const bool is_before = !surely && strcmp(buffer_text(&buffer), before) == 0;
    assert_string_equal(buffer_text(&buffer), is_before ? before : after);
}
