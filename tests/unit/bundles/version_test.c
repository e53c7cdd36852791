/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void dotted_numbers_are_versions(void **state) {
    static const char *const good[] = {"0", "1", "1.23.100.0", "0.0", "999999999.1", "1.2.3.4.5.6.7.8"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(version_is_valid(good[i]));
    }
}

static void anything_else_is_no_version(void **state) {
    static const char *const bad[] = {
        "",      ".",          "1.", ".1", "1..2", "01", "1.00", "1a",
        "1.2-3", "1000000000", "v1", " 1", "1 ",   "-1", "1,2",  "1.2.3.4.5.6.7.8.9",
        "+1",    "1\n"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(version_is_valid(bad[i]));
    }
}

static void versions_order_part_by_part_as_numbers(void **state) {
    static const char *const rising[] = {"0.9",  "1.2", "1.9",  "1.10",     "1.10.0.1",
                                         "1.11", "2",   "10.0", "999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
        for (size_t j = 0; j < sizeof rising / sizeof *rising; j++) {
            int order = version_compare(rising[i], rising[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void a_missing_part_counts_as_zero(void **state) {
    (void)state;
    assert_int_equal(version_compare("1.23", "1.23.0.0"), 0);
    assert_true(version_compare("1.23", "1.23.0.1") < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dotted_numbers_are_versions),
        cmocka_unit_test(anything_else_is_no_version),
        cmocka_unit_test(versions_order_part_by_part_as_numbers),
        cmocka_unit_test(a_missing_part_counts_as_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
