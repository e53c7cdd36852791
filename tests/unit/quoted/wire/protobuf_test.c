/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(...) ((Bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

/* The only field of a message, which must end behind it. */
static ProtobufField only_field(Bytes body) {
    ProtobufCursor cursor = protobuf_begin(body);
    ProtobufField field = {0};
    ProtobufField more = {0};
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_FIELD);
    assert_int_equal(protobuf_next(&cursor, &more), PROTOBUF_END);
    return field;
}

/* How many fields come before the end or the error. */
static size_t walk(Bytes body, ProtobufStep *ret_last) {
    ProtobufCursor cursor = protobuf_begin(body);
    ProtobufField field;
    size_t count = 0;
    while ((*ret_last = protobuf_next(&cursor, &field)) == PROTOBUF_FIELD) {
        count++;
    }
    return count;
}

static void assert_refused(Bytes body) {
    ProtobufStep last;
    assert_int_equal(walk(body, &last), 0);
    assert_int_equal(last, PROTOBUF_ERROR);
}

static void an_empty_message_ends_at_once(void **state) {
    (void)state;
    ProtobufStep last;
    assert_int_equal(walk((Bytes){0}, &last), 0);
    assert_int_equal(last, PROTOBUF_END);
}

static void every_varint_reads_back(void **state) {
    (void)state;
    static const uint64_t values[] = {0,         1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_C(1) << 63,
                                      UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t body[1 + PROTOBUF_VARINT_MAX] = {0x08};
        size_t size = 1 + protobuf_put_varint(body + 1, values[i]);
        ProtobufField field = only_field((Bytes){body, size});
        assert_int_equal(field.number, 1);
        assert_int_equal(field.type, PROTOBUF_VARINT);
        assert_true(field.value == values[i]);
    }
}

static void an_overlong_varint_is_its_value(void **state) {
    (void)state;
    assert_int_equal(only_field(BYTES(0x08, 0x85, 0x80, 0x80, 0x00)).value, 5);
    /* Ten bytes; what the last has beyond bit 63 is dropped. */
    Bytes ten = BYTES(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f);
    assert_true(only_field(ten).value == UINT64_C(1) << 63);
}

static void a_varint_of_eleven_bytes_is_broken(void **state) {
    (void)state;
    uint8_t body[12] = {0x08};
    memset(body + 1, 0x80, 10);
    ProtobufCursor cursor = protobuf_begin((Bytes){body, sizeof body});
    ProtobufField field = {0};
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_FIELD);
    assert_true(field.broken);
    assert_int_equal(field.number, 1);
    assert_int_equal(field.value, 0);
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_ERROR);
}

static void a_cut_varint_is_read_with_zeros_and_then_refused(void **state) {
    (void)state;
    ProtobufCursor cursor = protobuf_begin(BYTES(0x08, 0x85));
    ProtobufField field = {0};
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_FIELD);
    assert_false(field.broken);
    assert_int_equal(field.value, 5);
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_ERROR);
}

static void a_cut_tag_is_read_with_zeros(void **state) {
    (void)state;
    ProtobufCursor cursor = protobuf_begin(BYTES(0x8a));
    ProtobufField field = {0};
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_FIELD);
    assert_int_equal(field.number, 1);
    assert_int_equal(field.type, PROTOBUF_BYTES);
    assert_int_equal(field.bytes.size, 0);
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_ERROR);
}

static void a_tag_has_thirty_two_bits_in_five_bytes(void **state) {
    (void)state;
    /* Field 1, varint, with bits above the 32nd that do not count. */
    assert_int_equal(only_field(BYTES(0x88, 0x80, 0x80, 0x80, 0x70, 0x07)).number, 1);
    assert_int_equal(only_field(BYTES(0xf8, 0xff, 0xff, 0xff, 0x0f, 0x07)).number, (1U << 29) - 1);
    assert_refused(BYTES(0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x07));
}

static void field_number_zero_is_an_error(void **state) {
    (void)state;
    for (uint8_t tag = 0; tag < 8; tag++) {
        assert_refused((Bytes){(const uint8_t[]){tag, 0, 0, 0, 0, 0, 0, 0, 0}, 9});
    }
}

static void wire_types_six_and_seven_are_broken(void **state) {
    (void)state;
    for (uint8_t type = 6; type < 8; type++) {
        ProtobufCursor cursor = protobuf_begin((Bytes){(const uint8_t[]){(uint8_t)(8 | type), 0}, 2});
        ProtobufField field = {0};
        assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_FIELD);
        assert_true(field.broken);
        assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_ERROR);
    }
}

static void fixed_fields_are_stepped_over(void **state) {
    (void)state;
    ProtobufStep last;
    assert_int_equal(walk(BYTES(0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x0d, 1, 2, 3, 4, 0x08, 0), &last), 3);
    assert_int_equal(last, PROTOBUF_END);
    assert_int_equal(walk(BYTES(0x09, 1, 2, 3, 4, 5, 6, 7), &last), 1);
    assert_int_equal(last, PROTOBUF_ERROR);
    assert_int_equal(walk(BYTES(0x0d, 1, 2, 3), &last), 1);
    assert_int_equal(last, PROTOBUF_ERROR);
}

static void a_group_is_one_field_with_all_that_is_in_it(void **state) {
    (void)state;
    ProtobufStep last;
    assert_int_equal(walk(BYTES(0x0b, 0x08, 1, 0x13, 0x14, 0x1a, 1, 9, 0x0c, 0x08, 0), &last), 2);
    assert_int_equal(last, PROTOBUF_END);
}

static void a_group_that_is_not_closed_or_closed_wrongly_is_an_error(void **state) {
    (void)state;
    assert_refused(BYTES(0x0b, 0x08, 1));
    assert_refused(BYTES(0x0b, 0x14));
    assert_refused(BYTES(0x0b, 0x00));
    assert_refused(BYTES(0x0b, 0x1a, 5, 1));
    ProtobufStep last;
    assert_int_equal(walk(BYTES(0x0c), &last), 1); /* an end without a start */
    assert_int_equal(last, PROTOBUF_ERROR);
}

static size_t nested_groups(unsigned depth, uint8_t *body) {
    memset(body, 0x0b, depth);
    memset(body + depth, 0x0c, depth);
    return 2U * depth;
}

static void groups_nest_a_hundred_deep_less_the_messages_around(void **state) {
    (void)state;
    uint8_t body[300];
    ProtobufStep last;
    assert_int_equal(walk((Bytes){body, nested_groups(100, body)}, &last), 1);
    assert_int_equal(last, PROTOBUF_END);
    assert_refused((Bytes){body, nested_groups(101, body)});
    for (unsigned depth = 99; depth <= 100; depth++) {
        body[0] = 0x0a;
        size_t head = 1 + protobuf_put_varint(body + 1, 2 * depth);
        Bytes all = {body, head + nested_groups(depth, body + head)};
        ProtobufCursor outer = protobuf_begin(all);
        ProtobufField field;
        assert_int_equal(protobuf_next(&outer, &field), PROTOBUF_FIELD);
        ProtobufCursor inner = protobuf_inside(&outer, &field);
        assert_int_equal(protobuf_next(&inner, &field), depth == 99 ? PROTOBUF_FIELD : PROTOBUF_ERROR);
    }
}

static void bytes_are_a_view_of_the_body(void **state) {
    (void)state;
    Bytes body = BYTES(0x12, 3, 'a', 'b', 'c');
    ProtobufField field = only_field(body);
    assert_int_equal(field.number, 2);
    assert_ptr_equal(field.bytes.data, body.data + 2);
    assert_int_equal(field.bytes.size, 3);
    assert_int_equal(field.zeros, 0);
}

static void a_length_beyond_two_gigabytes_is_broken(void **state) {
    (void)state;
    static const uint64_t lengths[] = {INT32_MAX - 15, INT32_MAX, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t body[32] = {0x0a};
        (void)protobuf_put_varint(body + 1, lengths[i]);
        ProtobufCursor cursor = protobuf_begin((Bytes){body, sizeof body});
        ProtobufField field = {0};
        assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_FIELD);
        assert_true(field.broken);
        assert_int_equal(field.bytes.size, 0);
        assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_ERROR);
    }
}

/* The field of a body of `size` bytes that is one bytes field of `claimed` at offset `at` of it. */
static ProtobufField cut_field(size_t at, size_t size, size_t claimed, bool message_goes_on) {
    static uint8_t body[400];
    memset(body, 7, sizeof body);
    body[at] = 0x0a;
    (void)protobuf_put_varint(body + at + 1, claimed);
    ProtobufCursor cursor = protobuf_begin((Bytes){body, size});
    cursor.at = at;
    cursor.end = message_goes_on ? size + 1000 : size;
    ProtobufField field = {0};
    assert_int_equal(protobuf_next(&cursor, &field), PROTOBUF_FIELD);
    assert_false(field.broken);
    ProtobufField more;
    assert_int_equal(protobuf_next(&cursor, &more), PROTOBUF_ERROR);
    return field;
}

static void bytes_cut_by_the_body_are_what_is_there(void **state) {
    (void)state;
    ProtobufField field = cut_field(0, 103, 110, false);
    assert_int_equal(field.bytes.size, 101);
    assert_int_equal(field.zeros, 0);
    field = cut_field(0, 103, 127, true);
    assert_int_equal(field.bytes.size, 101);
    assert_int_equal(field.zeros, 0);
}

static void bytes_cut_by_up_to_sixteen_are_filled_with_zeros_if_the_message_goes_on(void **state) {
    (void)state;
    ProtobufField field = cut_field(0, 103, 117, true);
    assert_int_equal(field.bytes.size, 101);
    assert_int_equal(field.zeros, 16);
    field = cut_field(0, 103, 118, true);
    assert_int_equal(field.zeros, 0);
}

static void bytes_that_begin_in_the_last_sixteen_are_filled_with_zeros_or_empty(void **state) {
    (void)state;
    ProtobufField field = cut_field(87, 103, 30, false);
    assert_int_equal(field.bytes.size, 14);
    assert_int_equal(field.zeros, 16);
    field = cut_field(87, 103, 31, false);
    assert_int_equal(field.bytes.size, 0);
    assert_int_equal(field.zeros, 0);
    field = cut_field(86, 103, 31, false);
    assert_int_equal(field.bytes.size, 15);
    assert_int_equal(field.zeros, 0);
}

static void a_field_may_read_beyond_its_message_and_ends_it(void **state) {
    (void)state;
    /* A message of 3 bytes with a bytes field of 4, of which the last lies behind the message. */
    ProtobufCursor outer = protobuf_begin(BYTES(0x0a, 3, 0x12, 4, 'a', 'b', 'c', 'd'));
    ProtobufField field;
    assert_int_equal(protobuf_next(&outer, &field), PROTOBUF_FIELD);
    ProtobufCursor inner = protobuf_inside(&outer, &field);
    assert_int_equal(protobuf_next(&inner, &field), PROTOBUF_FIELD);
    assert_int_equal(field.bytes.size, 4);
    assert_int_equal(field.bytes.data[3], 'd');
    assert_int_equal(protobuf_next(&inner, &field), PROTOBUF_ERROR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_message_ends_at_once),
        cmocka_unit_test(every_varint_reads_back),
        cmocka_unit_test(an_overlong_varint_is_its_value),
        cmocka_unit_test(a_varint_of_eleven_bytes_is_broken),
        cmocka_unit_test(a_cut_varint_is_read_with_zeros_and_then_refused),
        cmocka_unit_test(a_cut_tag_is_read_with_zeros),
        cmocka_unit_test(a_tag_has_thirty_two_bits_in_five_bytes),
        cmocka_unit_test(field_number_zero_is_an_error),
        cmocka_unit_test(wire_types_six_and_seven_are_broken),
        cmocka_unit_test(fixed_fields_are_stepped_over),
        cmocka_unit_test(a_group_is_one_field_with_all_that_is_in_it),
        cmocka_unit_test(a_group_that_is_not_closed_or_closed_wrongly_is_an_error),
        cmocka_unit_test(groups_nest_a_hundred_deep_less_the_messages_around),
        cmocka_unit_test(bytes_are_a_view_of_the_body),
        cmocka_unit_test(a_length_beyond_two_gigabytes_is_broken),
        cmocka_unit_test(bytes_cut_by_the_body_are_what_is_there),
        cmocka_unit_test(bytes_cut_by_up_to_sixteen_are_filled_with_zeros_if_the_message_goes_on),
        cmocka_unit_test(bytes_that_begin_in_the_last_sixteen_are_filled_with_zeros_or_empty),
        cmocka_unit_test(a_field_may_read_beyond_its_message_and_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
