/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/faults.h"

static void what_is_appended_is_there_with_a_nul_behind(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(1000);
    assert_string_equal(buffer_text(&buffer), "");
    assert_true(buffer_append(&buffer, "ab", 2));
    assert_true(buffer_append_text(&buffer, "cd"));
    assert_true(buffer_append_format(&buffer, "-%d-%s", 42, "x"));
    assert_true(buffer_append_zeros(&buffer, 2));
    assert_int_equal(buffer.size, 11);
    assert_memory_equal(buffer.data, "abcd-42-x\0\0\0", 12);
}

static void the_maximum_is_reached_and_not_exceeded(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(200);
    for (int at = 0; at < 200; at++) {
        assert_true(buffer_append(&buffer, "x", 1));
    }
    assert_true(buffer.capacity <= 201);
    assert_false(buffer_append(&buffer, "y", 1));
    assert_false(buffer_append_format(&buffer, "%s", "y"));
    assert_false(buffer_append_zeros(&buffer, 1));
    assert_false(buffer_reserve(&buffer, SIZE_MAX));
    assert_int_equal(buffer.size, 200);
    assert_int_equal(strlen(buffer_text(&buffer)), 200);
}

static void a_buffer_of_nothing_takes_nothing(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(0);
    assert_true(buffer_append(&buffer, NULL, 0));
    assert_false(buffer_append(&buffer, "x", 1));
    assert_string_equal(buffer_text(&buffer), "");
}

static void consuming_drops_from_the_front(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(100);
    buffer_consume(&buffer, 0);
    assert_true(buffer_append_text(&buffer, "hello world"));
    buffer_consume(&buffer, 6);
    assert_string_equal(buffer_text(&buffer), "world");
    buffer_consume(&buffer, 5);
    assert_string_equal(buffer_text(&buffer), "");
    assert_true(buffer_append_text(&buffer, "again"));
    buffer_clear(&buffer);
    assert_int_equal(buffer_bytes(&buffer).size, 0);
    assert_true(buffer.capacity > 0);
}

static void taken_text_belongs_to_the_caller(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(100);
    AUTO_FREE char *nothing = buffer_take_text(&buffer);
    assert_string_equal(nothing, "");
    assert_true(buffer_append_text(&buffer, "text"));
    AUTO_FREE char *text = buffer_take_text(&buffer);
    assert_string_equal(text, "text");
    assert_int_equal(buffer.size, 0);
    assert_int_equal(buffer.max, 100);
}

static void without_memory_the_contents_stay(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(10000);
    assert_true(buffer_append_text(&buffer, "kept"));
    faults_arm(FAULT_FAIL, 1);
    bool appended = buffer_append_zeros(&buffer, 5000);
    assert_true(faults_disarm());
    assert_false(appended);
    assert_string_equal(buffer_text(&buffer), "kept");
    CLEANUP(buffer_done) Buffer empty = BUFFER_INIT(10);
    faults_arm(FAULT_FAIL, 1);
    char *text = buffer_take_text(&empty);
    assert_true(faults_disarm());
    assert_null(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_there_with_a_nul_behind),
        cmocka_unit_test(the_maximum_is_reached_and_not_exceeded),
        cmocka_unit_test(a_buffer_of_nothing_takes_nothing),
        cmocka_unit_test(consuming_drops_from_the_front),
        cmocka_unit_test(taken_text_belongs_to_the_caller),
        cmocka_unit_test(without_memory_the_contents_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
