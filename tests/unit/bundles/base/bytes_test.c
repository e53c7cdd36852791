/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const Bytes all = {.data = data, .size = sizeof data};

static void a_slice_is_inside_or_refused(void **state) {
    (void)state;
    Bytes part = {0};
    assert_true(bytes_slice(all, 2, 3, &part));
    assert_ptr_equal(part.data, data + 2);
    assert_int_equal(part.size, 3);
    assert_true(bytes_slice(all, 9, 0, &part));
    assert_true(bytes_slice(all, 0, 9, &part));
    assert_false(bytes_slice(all, 0, 10, &part));
    assert_false(bytes_slice(all, 10, 0, &part));
    assert_false(bytes_slice(all, UINT64_MAX, 2, &part));
    assert_false(bytes_slice(all, 2, UINT64_MAX, &part));
    assert_int_equal(part.size, 9);
}

static void numbers_are_taken_little_endian_at_any_alignment(void **state) {
    (void)state;
    Bytes cursor = all;
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    assert_true(bytes_take_u8(&cursor, &u8));
    assert_true(bytes_take_le16(&cursor, &u16));
    assert_true(bytes_take_le32(&cursor, &u32));
    assert_int_equal(u8, 1);
    assert_int_equal(u16, 0x0302);
    assert_int_equal(u32, 0x07060504);
}

static void a_cursor_that_is_too_short_does_not_move(void **state) {
    (void)state;
    Bytes cursor = {.data = data, .size = 1};
    uint16_t u16 = 7;
    uint32_t u32 = 7;
    assert_false(bytes_take_le16(&cursor, &u16));
    assert_false(bytes_take_le32(&cursor, &u32));
    assert_ptr_equal(cursor.data, data);
    assert_int_equal(cursor.size, 1);
    assert_int_equal(u16, 7);
    uint8_t u8 = 0;
    assert_true(bytes_take_u8(&cursor, &u8));
    assert_false(bytes_take_u8(&cursor, &u8));
}

static void nothing_can_be_taken_from_nothing(void **state) {
    (void)state;
    Bytes cursor = {0};
    Bytes part = all;
    assert_true(bytes_take(&cursor, 0, &part));
    assert_int_equal(part.size, 0);
    assert_false(bytes_take(&cursor, 1, &part));
}

static void stored_numbers_load_again(void **state) {
    (void)state;
    uint8_t room[9] = {0};
    bytes_put_le16(room + 1, 0xbeef);
    assert_int_equal(bytes_le16(room + 1), 0xbeef);
    bytes_put_le32(room + 1, 0xdeadbeef);
    assert_int_equal(bytes_le32(room + 1), 0xdeadbeef);
    bytes_put_le64(room + 1, UINT64_C(0x0123456789abcdef));
    assert_true(bytes_le64(room + 1) == UINT64_C(0x0123456789abcdef));
    assert_int_equal(room[1], 0xef);
}

static void equality_and_zero_look_at_every_byte(void **state) {
    (void)state;
    uint8_t same[sizeof data];
    memcpy(same, data, sizeof data);
    Bytes other = {.data = same, .size = sizeof same};
    assert_true(bytes_equal(all, other));
    same[8] ^= 1;
    assert_false(bytes_equal(all, other));
    assert_false(bytes_equal(all, (Bytes){.data = data, .size = 8}));
    assert_true(bytes_equal((Bytes){0}, (Bytes){0}));
    bytes_cleanse(same, sizeof same);
    assert_true(bytes_are_zero(other));
    same[8] = 1;
    assert_false(bytes_are_zero(other));
    assert_true(bytes_are_zero((Bytes){0}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_is_inside_or_refused),
        cmocka_unit_test(numbers_are_taken_little_endian_at_any_alignment),
        cmocka_unit_test(a_cursor_that_is_too_short_does_not_move),
        cmocka_unit_test(nothing_can_be_taken_from_nothing),
        cmocka_unit_test(stored_numbers_load_again),
        cmocka_unit_test(equality_and_zero_look_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
