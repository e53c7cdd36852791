/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/duck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

enum { PATH_LONGEST = 107 }; /* of a Unix socket */

CLEANUP_DEFINE(Ducks, ducks_free)

/* So many that are away, under paths of so many bytes. */
static json_t *flock(size_t count, size_t length) {
    char path[PATH_LONGEST + 2] = "";
    memset(path, 'p', length);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(json_array_append_new(list, json_pack("{s:i, s:s, s:b}", "generation", (int)i + 1,
                                                               "control", path, "away", true)),
                         0);
    }
    return json_pack("{s:o}", "ducks", list);
}

static void there_are_so_many_and_no_more(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        unsigned unreachable = 7;
        CLEANUP(ducks_freep) Ducks *ducks = ducks_new();
        CLEANUP(json_freep) json_t *arguments = flock((size_t)(DUCKS_MAX + over), 1);
        assert_int_equal(ducks_set(ducks, arguments, &unreachable, &err), over <= 0);
        assert_int_equal(err.kind, over <= 0 ? ERROR_NONE : ERROR_INPUT);
        assert_int_equal(unreachable, over <= 0 ? 0 : 7);
        assert_int_equal(ducks_are_there(ducks), over <= 0);
        assert_int_equal(ducks_version_of(ducks), over <= 0);
    }
}

static void one_whose_path_is_too_long_for_a_socket_cannot_be_reached(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        unsigned unreachable = 7;
        CLEANUP(ducks_freep) Ducks *ducks = ducks_new();
        CLEANUP(json_freep) json_t *arguments = flock(1, (size_t)(PATH_LONGEST + over));
        assert_true(ducks_set(ducks, arguments, &unreachable, &err));
        assert_int_equal(unreachable, over > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_so_many_and_no_more),
        cmocka_unit_test(one_whose_path_is_too_long_for_a_socket_cannot_be_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
