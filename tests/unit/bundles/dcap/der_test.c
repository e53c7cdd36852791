/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/der.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool number(const uint8_t *der, size_t size, uint32_t max, uint32_t *ret_value) {
    Bytes cursor = {der, size};
    bool taken = der_take_number(&cursor, DER_INTEGER, max, ret_value);
    assert_int_equal(cursor.size, taken ? 0 : size);
    return taken;
}

#define NUMBER(max, ret_value, ...)                                                                          \
    number((const uint8_t[]){__VA_ARGS__}, sizeof(uint8_t[]){__VA_ARGS__}, max, ret_value)

static void numbers_are_taken_in_their_shortest_form_only(void **state) {
    (void)state;
    uint32_t value = 7;
    assert_true(NUMBER(255, &value, 2, 1, 0));
    assert_int_equal(value, 0);
    assert_true(NUMBER(255, &value, 2, 2, 0, 0xff));
    assert_int_equal(value, 255);
    assert_true(NUMBER(UINT32_MAX, &value, 2, 5, 0, 0xff, 0xff, 0xff, 0xff));
    assert_int_equal(value, UINT32_MAX);
    assert_false(NUMBER(255, &value, 2, 1, 0xff));                    /* negative */
    assert_false(NUMBER(255, &value, 2, 2, 0, 1));                    /* padded */
    assert_false(NUMBER(255, &value, 2, 2, 1, 0));                    /* too large */
    assert_false(NUMBER(UINT32_MAX, &value, 2, 6, 0, 1, 1, 1, 1, 1)); /* too long */
    assert_false(NUMBER(255, &value, 2, 0));                          /* empty */
    assert_false(NUMBER(255, &value, 10, 1, 1));                      /* of another type */
}

static bool take(const uint8_t *der, size_t size, size_t *ret_size) {
    Bytes cursor = {der, size}, content;
    bool taken = der_take(&cursor, DER_OCTET_STRING, &content);
    *ret_size = taken ? content.size : 0;
    return taken;
}

static void lengths_are_definite_whole_and_shortest(void **state) {
    (void)state;
    size_t size = 0;
    uint8_t der[600] = {4, 0x81, 0x80};
    assert_true(take(der, 3 + 0x80, &size));
    assert_int_equal(size, 0x80);
    assert_false(take(der, 2 + 0x80, &size)); /* cut off */
    der[2] = 0x7f;
    assert_false(take(der, 3 + 0x7f, &size)); /* fits in one octet */
    memcpy(der, (uint8_t[]){4, 0x82, 1, 0}, 4);
    assert_true(take(der, 4 + 0x100, &size));
    assert_int_equal(size, 0x100);
    der[2] = 0;
    der[3] = 0xff;
    assert_false(take(der, 4 + 0xff, &size));
    assert_false(take((uint8_t[]){4, 0x80, 0, 0}, 4, &size)); /* indefinite */
    assert_false(take((uint8_t[]){4, 0x83, 0, 0, 1, 0}, 6, &size));
    assert_false(take((uint8_t[]){4}, 1, &size));
    assert_false(take(der, 0, &size));
}

static void booleans_and_octets_are_exact(void **state) {
    (void)state;
    bool flag = false;
    uint8_t octets[2] = {0};
    assert_true(der_take_boolean(&(Bytes){(const uint8_t[]){1, 1, 0xff}, 3}, &flag));
    assert_true(flag);
    assert_false(der_take_boolean(&(Bytes){(const uint8_t[]){1, 1, 1}, 3}, &flag));
    assert_true(der_take_octets(&(Bytes){(const uint8_t[]){4, 2, 8, 9}, 4}, octets, 2));
    assert_int_equal(octets[1], 9);
    assert_false(der_take_octets(&(Bytes){(const uint8_t[]){4, 2, 8, 9}, 4}, octets, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_taken_in_their_shortest_form_only),
        cmocka_unit_test(lengths_are_definite_whole_and_shortest),
        cmocka_unit_test(booleans_and_octets_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
