/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/tuf/limits.h"

static json_t *parse(const char *text, Error *err) {
    return tuf_json_parse((Bytes){(const uint8_t *)text, strlen(text)}, "x.json", err);
}

static void expect_canonical(const char *text, const char *canonical) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *value = parse(text, &err);
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(4096);
    assert_non_null(value);
    assert_true(tuf_json_canonical(value, &buffer));
    assert_string_equal(buffer_text(&buffer), canonical);
}

static void canonical_members_are_sorted_by_their_bytes_at_every_depth(void **state) {
    (void)state;
    expect_canonical("{ \"b\" : [ 1 , {\"z\":0,\"Z\":-0} ], \"a\" : null, \"\\u00e9\": true, \"aa\": false }",
                     "{\"a\":null,\"aa\":false,\"b\":[1,{\"Z\":0,\"z\":0}],\"\xc3\xa9\":true}");
    /* UTF-16 units would put U+10000 first */
    expect_canonical("{\"\\ud800\\udc00\":1,\"\\uffee\":2}", "{\"\xef\xbf\xae\":2,\"\xf0\x90\x80\x80\":1}");
    expect_canonical("{\"e\":{},\"l\":[]}", "{\"e\":{},\"l\":[]}");
}

static void canonical_strings_escape_only_quote_and_backslash(void **state) {
    (void)state;
    expect_canonical("{\"a\":\"\\\"\\\\\\/\\n\\t\\u001f\\u007f\"}", "{\"a\":\"\\\"\\\\/\n\t\x1f\x7f\"}");
}

static void what_readers_would_see_differently_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"a\":1,\"a\":2}",
        "{\"o\":{\"a\":1,\"\\u0061\":2}}",
        "{\"a\":1.0}",
        "{\"a\":[1e2]}",
        "{\"a\":9007199254740992}",
        "{\"a\":-9007199254740992}",
        "{\"a\":9223372036854775808}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\t\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\\ud800\"}",
        "\xef\xbb\xbf{}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":1,}",
        "{} {}",
        "[]",
        "1",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Error err = ERROR_INIT;
        assert_null(parse(bad[i], &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
    Error err = ERROR_INIT;
    assert_null(tuf_json_parse((Bytes){(const uint8_t *)"{}\0", 3}, "x.json", &err));
}

static void the_largest_exact_integers_and_white_space_are_taken(void **state) {
    (void)state;
    expect_canonical(" {\"a\":9007199254740991,\"b\":-9007199254740991} \n",
                     "{\"a\":9007199254740991,\"b\":-9007199254740991}");
}

static void a_file_of_many_small_values_is_refused_before_it_is_parsed(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    size_t size = 3 * (size_t)TUF_VALUES_MAX + 16;
    AUTO_FREE char *text = calloc(1, size);
    assert_non_null(text);
    memcpy(text, "{\"a\":[", 6);
    for (size_t i = 0; i < TUF_VALUES_MAX; i++) {
        memcpy(text + 6 + 3 * i, "{},", 3);
    }
    memcpy(text + 6 + 3 * (size_t)TUF_VALUES_MAX - 1, "]}", 2);
    assert_null(parse(text, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static void nesting_is_bounded(void **state) {
    (void)state;
    char text[256] = "{\"a\":";
    Error err = ERROR_INIT;
    memset(text + 5, '[', 40);
    memset(text + 45, ']', 40);
    text[85] = '}';
    assert_null(parse(text, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static void an_accessor_names_the_member_of_the_wrong_type(void **state) {
    (void)state;
    CLEANUP(json_freep) json_t *object = parse("{\"t\":true,\"s\":\"\",\"n\":0,\"i\":\"1\"}", NULL);
    json_t *value;
    int64_t number;
    const char *text;
    bool flag;
    Error err = ERROR_INIT;
    assert_false(tuf_json_integer(object, "signed", "t", 0, &number, &err));
    assert_string_equal(err.text, "signed.t is missing or not an integer");
    assert_false(tuf_json_integer(object, "signed", "i", 0, &number, &err));
    assert_false(tuf_json_integer(object, "signed", "n", 1, &number, &err));
    assert_string_equal(err.text, "signed.n is 0, at least 1 is needed");
    assert_false(tuf_json_text(object, "signed", "s", &text, &err));
    assert_false(tuf_json_bool(object, "signed", "n", &flag, &err));
    assert_false(tuf_json_object(object, "signed", "none", &value, &err));
    assert_false(tuf_json_array(object, "signed", "t", &value, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_members_are_sorted_by_their_bytes_at_every_depth),
        cmocka_unit_test(canonical_strings_escape_only_quote_and_backslash),
        cmocka_unit_test(what_readers_would_see_differently_is_refused),
        cmocka_unit_test(the_largest_exact_integers_and_white_space_are_taken),
        cmocka_unit_test(a_file_of_many_small_values_is_refused_before_it_is_parsed),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(an_accessor_names_the_member_of_the_wrong_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
