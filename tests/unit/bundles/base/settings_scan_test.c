/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/settings_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"

static Bytes bytes_of(const char *text) {
    return (Bytes){.data = (const uint8_t *)text, .size = strlen(text)};
}

static void the_same_key_may_stand_in_different_mappings(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    assert_true(settings_scan(bytes_of("a: {a: {a: 1}}\nb: [{a: 1}, {a: a}]\n"), "d", ERROR_INPUT, &err));
    assert_false(settings_scan(bytes_of("b:\n  - {a: 1}\n  - {c: 1, 'c': 2}\n"), "d", ERROR_INPUT, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_string_equal(err.text, "d: line 3, column 12: this key was there before");
}

static bool scan_nested(int depth, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(1000);
    for (int at = 0; at < depth; at++) {
        assert_true(buffer_append_text(&yaml, at % 2 == 0 ? "[" : "{a: "));
    }
    for (int at = depth; at > 0; at--) {
        assert_true(buffer_append_text(&yaml, at % 2 == 1 ? "]" : "}"));
    }
    return settings_scan(buffer_bytes(&yaml), "d", ERROR_INPUT, err);
}

static void the_deepest_level_is_taken_and_the_next_refused(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    assert_true(scan_nested(SETTINGS_DEPTH_MAX, &err));
    assert_false(scan_nested(SETTINGS_DEPTH_MAX + 1, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static bool scan_keys(int keys, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(10000);
    for (int at = 0; at < keys; at++) {
        assert_true(buffer_append_format(&yaml, "k%d: 1\n", at));
    }
    return settings_scan(buffer_bytes(&yaml), "d", ERROR_INPUT, err);
}

static void the_widest_mapping_is_taken_and_a_wider_one_refused(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    assert_true(scan_keys(SETTINGS_KEYS_MAX, &err));
    assert_false(scan_keys(SETTINGS_KEYS_MAX + 1, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "line 129"));
}

static void a_scalar_is_found_behind_a_place(void **state) {
    (void)state;
    Bytes yaml = bytes_of("a: b\nb: c\nc:\n  b: 1\n");
    SettingsPlace place = {.line = 1, .column = 1};
    settings_scan_find(yaml, "b", &place);
    assert_int_equal(place.line, 1);
    assert_int_equal(place.column, 4);
    settings_scan_find(yaml, "b", &place);
    assert_int_equal(place.line, 2);
    assert_int_equal(place.column, 1);
    settings_scan_find(yaml, "b", &place);
    assert_int_equal(place.line, 4);
    assert_int_equal(place.column, 3);
    settings_scan_find(yaml, "b", &place);
    assert_int_equal(place.line, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_key_may_stand_in_different_mappings),
        cmocka_unit_test(the_deepest_level_is_taken_and_the_next_refused),
        cmocka_unit_test(the_widest_mapping_is_taken_and_a_wider_one_refused),
        cmocka_unit_test(a_scalar_is_found_behind_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
