/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/laggards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/json.h"
#include "bundles/base/process.h"
#include "tests/support/place.h"

#define QE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define QE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static Laggards *open_laggards(const Place *place) {
    Error err = ERROR_INIT;
    Laggards *laggards = laggards_open(place->fd, &err);
    assert_non_null(laggards);
    return laggards;
}

static uint64_t own_start(void) {
    bool gone = false;
    return process_start_ticks(getpid(), &gone);
}

static void see(Laggards *laggards, uint32_t source, json_int_t start, const char *qe, json_int_t count,
                json_int_t last) {
    CLEANUP(json_freep)
    json_t *page =
        json_pack("{s:[{s:I, s:i, s:I, s:s, s:i, s:I, s:I, s:I, s:s, s:s}]}", "clients", "pid",
                  (json_int_t)getpid(), "uid", 1000, "start", start, "qe", qe, "generation", 1, "count",
                  count, "first", last - 10, "last", last, "command", "app", "cgroup", "/a.service");
    assert_non_null(page);
    laggards_take(laggards, source, page);
}

static void upkeep(Laggards *laggards, int64_t oldest) {
    Error err = ERROR_INIT;
    assert_true(laggards_upkeep(laggards, oldest, &err));
}

static size_t count(const Laggards *laggards, const char *serving) {
    CLEANUP(json_freep) json_t *list = laggards_json(laggards, serving);
    assert_non_null(list);
    return json_array_size(list);
}

static void assert_first(const Laggards *laggards, const char *qe, json_int_t quotes, json_int_t last) {
    CLEANUP(json_freep) json_t *list = laggards_json(laggards, "");
    const json_t *client = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(client, "qe")), qe);
    assert_int_equal(json_integer_value(json_object_get(client, "quotes")), quotes);
    assert_int_equal(json_integer_value(json_object_get(client, "last_seen")), last);
    assert_string_equal(json_string_value(json_object_get(client, "unit")), "a.service");
}

static void what_several_generations_saw_of_a_process_is_one(void **state) {
    CLEANUP(laggards_closep) Laggards *laggards = open_laggards(*state);
    json_int_t start = (json_int_t)own_start();
    see(laggards, 1, start, QE_A, 5, 100);
    see(laggards, 1, start, QE_A, 6, 110);
    see(laggards, 2, start, QE_A, 3, 120);
    see(laggards, 2, start, QE_B, 1, 90);
    assert_int_equal(count(laggards, ""), 2);
    assert_first(laggards, QE_A, 9, 120);
}

static void clients_of_the_serving_qe_are_no_laggards(void **state) {
    CLEANUP(laggards_closep) Laggards *laggards = open_laggards(*state);
    see(laggards, 1, (json_int_t)own_start(), QE_A, 5, 100);
    assert_int_equal(count(laggards, QE_A), 0);
    assert_int_equal(count(laggards, QE_B), 1);
    see(laggards, 1, (json_int_t)own_start(), "", 5, 100); /* refused by all */
    assert_int_equal(count(laggards, ""), 2);
}

static void who_has_ended_or_was_not_seen_for_long_is_dropped(void **state) {
    CLEANUP(laggards_closep) Laggards *laggards = open_laggards(*state);
    json_int_t start = (json_int_t)own_start();
    see(laggards, 1, start + 1, QE_A, 5, 100); /* the pid is another process's now */
    see(laggards, 1, 0, QE_A, 5, 100);         /* nobody knew its start */
    see(laggards, 1, start, QE_A, 5, 50);
    assert_int_equal(count(laggards, ""), 2);
    upkeep(laggards, 60);
    assert_int_equal(count(laggards, ""), 1);
}

static void a_manager_that_was_killed_remembers(void **state) {
    Laggards *laggards = open_laggards(*state);
    see(laggards, 1, (json_int_t)own_start(), QE_A, 5, 100);
    see(laggards, 2, (json_int_t)own_start(), QE_A, 2, 101);
    upkeep(laggards, 0);
    laggards_close(laggards);
    laggards = open_laggards(*state);
    assert_first(laggards, QE_A, 7, 101);
    see(laggards, 2, (json_int_t)own_start(), QE_A, 3, 102);
    assert_first(laggards, QE_A, 8, 102);
    laggards_close(laggards);
}

static void a_full_table_makes_room(void **state) {
    CLEANUP(laggards_closep) Laggards *laggards = open_laggards(*state);
    json_int_t start = (json_int_t)own_start();
    for (uint32_t source = 1; source <= LAGGARDS_ROWS_MAX; source++) {
        see(laggards, source, start, QE_A, 1, 1000 + (json_int_t)source);
    }
    see(laggards, 1, start, QE_B, 1, 5000); /* in the place of the oldest, source 1 */
    CLEANUP(json_freep) json_t *list = laggards_json(laggards, "");
    assert_int_equal(json_array_size(list), 2);
    assert_first(laggards, QE_B, 1, 5000);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "quotes")),
                     LAGGARDS_ROWS_MAX - 1);
}

static void what_has_another_form_is_left_out(void **state) {
    static const char *const pages[] = {"{}", "{\"clients\": 5}", "{\"clients\": [5, {}, {\"pid\": 1}]}",
                                        "[]"};
    CLEANUP(laggards_closep) Laggards *laggards = open_laggards(*state);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        Error err = ERROR_INIT;
        CLEANUP(json_freep)
        json_t *page = json_parse((Bytes){(const uint8_t *)pages[i], strlen(pages[i])}, "page", &err);
        laggards_take(laggards, 1, page);
    }
    laggards_take(laggards, 1, NULL);
    see(laggards, 1, 1, "abc", 1, 1); /* no measurement */
    assert_int_equal(count(laggards, ""), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_several_generations_saw_of_a_process_is_one, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(clients_of_the_serving_qe_are_no_laggards, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(who_has_ended_or_was_not_seen_for_long_is_dropped, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_manager_that_was_killed_remembers, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_full_table_makes_room, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_has_another_form_is_left_out, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
