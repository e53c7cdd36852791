/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/signed_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/json.h"

static void expect_found(const char *text, const char *member, const char *value) {
    Bytes found = {0};
    bool there = signed_json_find((Bytes){(const uint8_t *)text, strlen(text)}, member, &found);
    assert_int_equal(there, value != NULL);
    if (value != NULL) {
        assert_int_equal(found.size, strlen(value));
        assert_memory_equal(found.data, value, found.size);
    }
}

static void the_bytes_of_a_member_are_found_as_they_stand(void **state) {
    (void)state;
    expect_found("{\"a\":{\"b\":1},\"c\":2}", "a", "{\"b\":1}");
    expect_found("{\"c\":2,\"a\":{\"b\":1}}", "a", "{\"b\":1}");
    expect_found(" { \"c\" : [ 1 , 2 ] , \"a\" : { \"b\" : 1 } \n} ", "a", "{ \"b\" : 1 }");
    expect_found("{\"c\":\"\\\"a\\\":{}\",\"a\":{\"x\":\"}\\\"\"}}", "a", "{\"x\":\"}\\\"\"}");
    expect_found("{\"b\":{\"a\":1}}", "a", NULL);
    expect_found("{\"b\":\"a\"}", "a", NULL);
    expect_found("{\"aa\":1,\"ab\":2}", "a", NULL);
    expect_found("{}", "a", NULL);
    expect_found("{\"a\":true}", "a", "true");
    expect_found("{\"\\u0061\":1}", "a", NULL);
}

static void text_that_is_cut_off_is_not_read_beyond(void **state) {
    (void)state;
    static const char text[] = "{\"c\":\"x\\\"\",\"a\":{\"b\":[1,\"y\"]}}";
    for (size_t size = 0; size < sizeof text; size++) {
        uint8_t *copy = malloc(size > 0 ? size : 1);
        assert_non_null(copy);
        memcpy(copy, text, size);
        Bytes found;
        (void)signed_json_find((Bytes){copy, size}, "a", &found);
        free(copy);
    }
}

static SignedJson *cut(const char *answer, Error *err) {
    Bytes bytes = {(const uint8_t *)answer, strlen(answer)};
    CLEANUP(json_freep) json_t *envelope = json_parse(bytes, "answer", err);
    assert_non_null(envelope);
    return signed_json_cut(bytes, envelope, "tcbInfo", err);
}

static void an_answer_without_a_whole_signature_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{\"tcbInfo\":{}}",
        "{\"tcbInfo\":{},\"signature\":\"00\"}",
        "{\"tcbInfo\":{},\"signature\":7}",
        "{\"tcbInfo\":[],\"signature\":\""
        "00"
        "\"}",
        "{\"signature\":\"00\"}",
    };
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        Error err = ERROR_INIT;
        assert_null(cut(bad[at], &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bytes_of_a_member_are_found_as_they_stand),
        cmocka_unit_test(text_that_is_cut_off_is_not_read_beyond),
        cmocka_unit_test(an_answer_without_a_whole_signature_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
