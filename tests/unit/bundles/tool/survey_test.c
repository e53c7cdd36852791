/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/survey.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/sgx/sigstruct.h"
#include "tests/support/place.h"

enum { ENTRIES = 40 };

static bool on_enclave(void *context, const char *path, Bytes content, Error *err) {
    (void)path, (void)err;
    assert_int_equal(content.size, SIGSTRUCT_SIZE);
    ++*(unsigned *)context;
    return true;
}

static ErrorKind survey(const char *path, unsigned *ret_found) {
    Error err = ERROR_INIT;
    *ret_found = 0;
    const SurveyVisitor visitor = {.context = ret_found,
                                   .file_size_max = SURVEY_FILE_SIZE_MAX,
                                   .entries_max = ENTRIES,
                                   .enclave = on_enclave};
    bool good = survey_path(path, &visitor, &err);
    assert_int_equal(good, err.kind == ERROR_NONE);
    return err.kind;
}

/* A file that looks like a SIGSTRUCT, so many directories deep. */
static void put_deep(const Place *place, int directories) {
    static const uint8_t magic[] = {0x06, 0x00, 0x00, 0x00, 0xe1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};
    uint8_t content[SIGSTRUCT_SIZE] = {0};
    char path[256] = "";
    Error err = ERROR_INIT;
    memcpy(content, magic, sizeof magic);
    for (int i = 0; i < directories; i++) {
        (void)strcat(path, i > 0 ? "/d" : "d");
        assert_true(mkdirat(place->fd, path, 0755) == 0);
    }
    (void)strcat(path, directories > 0 ? "/css" : "css");
    assert_true(file_replace(place->fd, path, content, sizeof content, 0644, &err));
}

/* Deeper than helpers remove. */
static void remove_deep(const Place *place, int directories) {
    char path[256] = "";
    for (int i = 0; i < directories; i++) {
        (void)strcat(path, "d/");
    }
    (void)strcat(path, "css");
    assert_int_equal(unlinkat(place->fd, path, 0), 0);
    for (int i = directories; i > 0; i--) {
        path[2 * i - 1] = '\0';
        assert_int_equal(unlinkat(place->fd, path, AT_REMOVEDIR), 0);
    }
}

static void directories_are_searched_to_a_depth(void **state) {
    const Place *place = *state;
    for (int over = -1; over <= 1; over++) {
        unsigned found = 0;
        const int directories = SURVEY_DEPTH_MAX - 1 + over; /* besides the one that is named */
        put_deep(place, directories);
        assert_int_equal(survey(place->path, &found), over <= 0 ? ERROR_NONE : ERROR_LIMIT);
        assert_int_equal(found, over <= 0);
        remove_deep(place, directories);
    }
}

/* The enclave is the last of them; files, directories and links count alike. */
static void directories_have_so_many_entries_in_all(void **state) {
    Place *place = *state;
    for (int over = -1; over <= 1; over++) {
        unsigned found = 0;
        put_deep(place, 0);
        assert_int_equal(mkdirat(place->fd, "a", 0755), 0);
        for (int i = 0; i < ENTRIES - 2 + over; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "a/%d", i);
            if (i % 3 == 0) {
                assert_int_equal(mkdirat(place->fd, name, 0755), 0);
            } else if (i % 3 == 1) {
                assert_int_equal(symlinkat("/", place->fd, name), 0);
            } else {
                place_put(place, name, "");
            }
        }
        assert_int_equal(survey(place->path, &found), over <= 0 ? ERROR_NONE : ERROR_LIMIT);
        assert_int_equal(found, over <= 0);
        place_reset(place);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(directories_are_searched_to_a_depth, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(directories_have_so_many_entries_in_all, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
