/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/json.h"
#include "manager/totals.h"
#include "tests/support/place.h"

static Totals *open_totals(const Place *place) {
    Error err = ERROR_INIT;
    Totals *totals = totals_open(place->fd, &err);
    assert_non_null(totals);
    return totals;
}

static json_t *counts(json_int_t number) {
    return json_pack("{s:{s:I}, s:{s:[I,I]}}", "a", "x", number, "h", "", number, number * 2);
}

static void assert_sum(const Totals *totals, json_int_t number) {
    CLEANUP(json_freep) json_t *sum = totals_json(totals);
    CLEANUP(json_freep) json_t *wanted = counts(number);
    assert_true(json_equal(sum, wanted));
}

static void save(Totals *totals) {
    Error err = ERROR_INIT;
    assert_true(totals_save(totals, &err));
}

static void the_sum_is_that_of_the_living_and_the_gone(void **state) {
    CLEANUP(totals_closep) Totals *totals = open_totals(*state);
    totals_take(totals, 1, counts(5));
    totals_take(totals, 2, counts(7));
    assert_sum(totals, 12);
    totals_take(totals, 1, counts(6)); /* the same, a little later */
    assert_sum(totals, 13);
    totals_end(totals, 1);
    totals_end(totals, 1);
    assert_sum(totals, 13);
}

static void a_manager_that_was_killed_finds_what_it_saved(void **state) {
    Totals *totals = open_totals(*state);
    totals_take(totals, 1, counts(5));
    totals_take(totals, 2, counts(7));
    save(totals);
    totals_close(totals);
    totals = open_totals(*state);
    assert_sum(totals, 12);
    const uint32_t alive[] = {2};
    totals_keep(totals, alive, 1);
    assert_sum(totals, 12);
    totals_take(totals, 2, counts(8));
    totals_take(totals, 3, counts(1));
    assert_sum(totals, 14);
    totals_close(totals);
}

static void what_is_counted_here_is_in_the_sum(void **state) {
    CLEANUP(totals_closep) Totals *totals = open_totals(*state);
    totals_add(totals, "swaps", "failed", 0);
    totals_add(totals, "swaps", "committed", 1);
    totals_add(totals, "swaps", "committed", 1);
    CLEANUP(json_freep) json_t *sum = totals_json(totals);
    CLEANUP(json_freep) json_t *wanted = json_pack("{s:{s:i, s:i}}", "swaps", "failed", 0, "committed", 2);
    assert_true(json_equal(sum, wanted));
}

static void what_has_another_form_is_not_added(void **state) {
    CLEANUP(totals_closep) Totals *totals = open_totals(*state);
    totals_take(totals, 1, counts(5));
    totals_end(totals, 1);
    totals_take(totals, 2,
                json_pack("{s:{s:s}, s:{s:[I]}, s:i}", "a", "x", "many", "h", "", (json_int_t)1, "b", 3));
    totals_take(totals, 3, json_pack("[i]", 5));
    totals_take(totals, 4, json_pack("{s:{s:I}}", "a", "x", (json_int_t)-3));
    CLEANUP(json_freep) json_t *sum = totals_json(totals);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(sum, "a"), "x")), 5);
    assert_int_equal(json_array_size(json_object_get(json_object_get(sum, "h"), "")), 2);
}

static void a_sum_that_is_too_large_stays_where_it_is(void **state) {
    CLEANUP(totals_closep) Totals *totals = open_totals(*state);
    totals_take(totals, 1, json_pack("{s:{s:I}}", "a", "x", (json_int_t)INT64_MAX));
    totals_take(totals, 2, json_pack("{s:{s:I}}", "a", "x", (json_int_t)5));
    CLEANUP(json_freep) json_t *sum = totals_json(totals);
    assert_true(json_integer_value(json_object_get(json_object_get(sum, "a"), "x")) == INT64_MAX);
}

static void counts_of_another_boot_and_broken_files_are_forgotten(void **state) {
    static const char *const files[] = {
        "{\"boot\": \"another\", \"ended\": {\"a\": {\"x\": 5}}, \"living\": {}}", "{\"boot\"", "", "[]"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        place_put(*state, TOTALS_NAME, files[i]);
        Totals *totals = open_totals(*state);
        CLEANUP(json_freep) json_t *sum = totals_json(totals);
        assert_int_equal(json_object_size(sum), 0);
        save(totals);
        totals_close(totals);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_sum_is_that_of_the_living_and_the_gone, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_manager_that_was_killed_finds_what_it_saved, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(what_is_counted_here_is_in_the_sum, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_has_another_form_is_not_added, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_sum_that_is_too_large_stays_where_it_is, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(counts_of_another_boot_and_broken_files_are_forgotten, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
