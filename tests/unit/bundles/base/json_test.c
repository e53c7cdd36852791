/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"

static json_t *parse(const char *text, Error *err) {
    return json_parse((Bytes){.data = (const uint8_t *)text, .size = strlen(text)}, "doc", err);
}

static void expect_refused(const char *text, ErrorKind kind, const char *reason) {
    Error err = ERROR_INIT;
    assert_null(parse(text, &err));
    assert_int_equal(err.kind, kind);
    if (strstr(err.text, reason) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, reason);
    }
}

static void members_are_read_by_type(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(json_freep)
    json_t *value = parse("{\"t\": \"x\", \"n\": 9223372036854775807, \"b\": true}", &err);
    const char *text = NULL;
    uint64_t number = 0;
    bool flag = false;
    assert_true(json_get_text(value, "t", &text, &err));
    assert_string_equal(text, "x");
    assert_true(json_get_u64(value, "n", &number, &err));
    assert_true(number == INT64_MAX);
    assert_true(json_get_bool(value, "b", &flag, &err));
    assert_true(flag);
}

static void members_of_another_type_are_refused_by_name(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *value = parse("{\"t\": 1, \"n\": -1, \"r\": 1.0, \"b\": \"true\"}", &err);
    const char *text = "kept";
    uint64_t number = 7;
    bool flag = true;
    assert_false(json_get_text(value, "t", &text, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "'t'"));
    assert_false(json_get_text(value, "absent", &text, &err));
    assert_false(json_get_u64(value, "n", &number, &err));
    assert_false(json_get_u64(value, "r", &number, &err));
    assert_false(json_get_bool(value, "b", &flag, &err));
    assert_false(json_get_text(NULL, "t", &text, &err));
    assert_string_equal(text, "kept");
    assert_int_equal(number, 7);
}

static void malformed_json_is_refused_with_its_place(void **state) {
    (void)state;
    expect_refused("{\"a\": 1,\n \"a\": 2}", ERROR_INPUT, "line 2");
    expect_refused("{\"a\": 1,\n \"a\": 2}", ERROR_INPUT, "duplicate");
    expect_refused("{\"a\": }", ERROR_INPUT, "doc: line 1, column 7");
    expect_refused("", ERROR_INPUT, "line");
    expect_refused("{} x", ERROR_INPUT, "line 1");
    expect_refused("3", ERROR_INPUT, "line 1");
    expect_refused("{\"a\": 99999999999999999999}", ERROR_INPUT, "line 1");
    expect_refused("{\"a\": \"\\u0000\"}", ERROR_INPUT, "line 1");
    expect_refused("{\"a\": \"\xff\"}", ERROR_INPUT, "line");
    Error err = ERROR_INIT;
    assert_null(json_parse((Bytes){0}, "doc", &err));
}

static void an_error_never_carries_control_characters(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    assert_null(parse("{\"a\": \x1b[31mred}", &err));
    assert_null(strchr(err.text, 0x1b));
}

static void depth_is_bounded_and_brackets_in_strings_do_not_count(void **state) {
    (void)state;
    char deep[2 * JSON_DEPTH_MAX + 3] = "";
    memset(deep, '[', JSON_DEPTH_MAX);
    memset(deep + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *value = parse(deep, &err);
    assert_non_null(value);
    memset(deep, '[', JSON_DEPTH_MAX + 1);
    memset(deep + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    expect_refused(deep, ERROR_LIMIT, "deep");
    CLEANUP(json_freep)
    json_t *text = parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]", &err);
    assert_non_null(text);
}

static void size_is_bounded(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer big = BUFFER_INIT(JSON_SIZE_MAX + 1);
    assert_true(buffer_append_zeros(&big, JSON_SIZE_MAX + 1));
    assert_null(json_parse(buffer_bytes(&big), "doc", &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static void what_is_formatted_keeps_its_order(void **state) {
    (void)state;
    CLEANUP(json_freep) json_t *object = json_object();
    assert_true(json_put(object, "z", json_integer(1)));
    assert_true(json_put(object, "a", json_string("x\n")));
    assert_false(json_put(object, "m", NULL));
    AUTO_FREE char *line = json_format(object, false);
    assert_string_equal(line, "{\"z\":1,\"a\":\"x\\n\"}");
    AUTO_FREE char *pretty = json_format(object, true);
    assert_string_equal(pretty, "{\n  \"z\": 1,\n  \"a\": \"x\\n\"\n}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read_by_type),
        cmocka_unit_test(members_of_another_type_are_refused_by_name),
        cmocka_unit_test(malformed_json_is_refused_with_its_place),
        cmocka_unit_test(an_error_never_carries_control_characters),
        cmocka_unit_test(depth_is_bounded_and_brackets_in_strings_do_not_count),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(what_is_formatted_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
