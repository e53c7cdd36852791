/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/foreign_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static void the_unit_of_a_process_is_the_service_at_the_end_of_its_control_group(void **state) {
    (void)state;
    char unit[32];
    assert_true(foreign_unit_parse("0::/system.slice/aesmd.service\n", unit, sizeof unit));
    assert_string_equal(unit, "aesmd.service");
    assert_true(foreign_unit_parse("1:name=systemd:/\n0::/a.slice/b.service", unit, sizeof unit));
    assert_string_equal(unit, "b.service");
}

static void what_is_in_no_unit_has_none(void **state) {
    (void)state;
    char unit[32] = "unchanged";
    const char *const texts[] = {"",
                                 "\n",
                                 "0::/",
                                 "0::/user.slice/session-1.scope\n",
                                 "0::/system.slice/.service\n",
                                 "no slash.service",
                                 "0::/system.slice/a-name-that-is-longer-than-the-room.service\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(foreign_unit_parse(texts[i], unit, sizeof unit));
    }
    assert_string_equal(unit, "unchanged");
}

static void a_path_where_nobody_listens_has_nobody_to_take_over_from(void **state) {
    (void)state;
    ForeignId id = {.pid = 7};
    char name[FOREIGN_NAME_SIZE];
    Error err = ERROR_INIT;
    assert_false(foreign_find("/nonexistent/aesm.socket", &id, name, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_int_equal(id.pid, 7);
}

static void a_number_that_means_another_process_now_is_not_opened(void **state) {
    (void)state;
    ForeignLook look;
    const ForeignId other = {.pid = getpid(), .started = 1};
    assert_int_equal(foreign_open(other), -1);
    assert_int_equal(foreign_open((ForeignId){0}), -1);
    assert_false(foreign_look(other, "/nonexistent/aesm.socket", &look));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_unit_of_a_process_is_the_service_at_the_end_of_its_control_group),
        cmocka_unit_test(what_is_in_no_unit_has_none),
        cmocka_unit_test(a_path_where_nobody_listens_has_nobody_to_take_over_from),
        cmocka_unit_test(a_number_that_means_another_process_now_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
