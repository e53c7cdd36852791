/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/sgx/att_key_id.h"
#include "tests/bench/frame.h"

static bool reads(const void *body, size_t size, FrameKind kind, FrameAnswer *answer) {
    return frame_read((Bytes){body, size}, kind, 8, answer);
}

static void a_num_request_is_its_number_and_the_time_limit(void **state) {
    (void)state;
    static const uint8_t expected[] = {6, 0, 0, 0, 0xaa, 0x01, 3, 0x48, 0x98, 0x75};
    Frame frame;
    frame_make(&frame, FRAME_NUM, NULL, 0);
    assert_int_equal(frame.size, sizeof expected);
    assert_memory_equal(frame.data, expected, sizeof expected);
}

static void a_quote_request_holds_report_key_id_and_buffer_size(void **state) {
    (void)state;
    SgxReport report;
    memset(&report, 0x5a, sizeof report);
    Frame frame;
    frame_make(&frame, FRAME_QUOTE, &report, 8192);
    /* length, tag 17, inner length, then report (432), key id (256), buffer size, time limit */
    static const uint8_t head[] = {0x8a, 0x01, 0xbc, 0x05, 0x0a, 0xb0, 0x03};
    static const uint8_t tail[] = {0x20, 0x80, 0x40, 0x48, 0x98, 0x75};
    assert_int_equal(bytes_le32(frame.data), frame.size - 4);
    assert_int_equal(frame.size, 4 + sizeof head + 432 + 3 + 256 + sizeof tail);
    assert_memory_equal(frame.data + 4, head, sizeof head);
    assert_memory_equal(frame.data + 4 + sizeof head, &report, sizeof report);
    assert_memory_equal(frame.data + 4 + sizeof head + 432 + 3, &sgx_att_key_id_ecdsa, 256);
    assert_memory_equal(frame.data + frame.size - sizeof tail, tail, sizeof tail);
}

static void a_size_answer_gives_its_number(void **state) {
    (void)state;
    static const uint8_t body[] = {0x82, 0x01, 5, 0x08, 0, 0x10, 0xf8, 0x24};
    FrameAnswer answer;
    assert_true(reads(body, sizeof body, FRAME_SIZE, &answer));
    assert_int_equal(answer.code, 0);
    assert_int_equal(answer.number, 4728);
}

static void a_refusal_gives_its_code(void **state) {
    (void)state;
    static const uint8_t body[] = {0x8a, 0x01, 2, 0x08, 42};
    FrameAnswer answer;
    assert_true(reads(body, sizeof body, FRAME_QUOTE, &answer));
    assert_int_equal(answer.code, 42);
}

static void a_quote_must_fill_the_buffer_asked_for(void **state) {
    (void)state;
    static const uint8_t body[] = {0x8a, 0x01, 12, 0x08, 0, 0x12, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    FrameAnswer answer;
    assert_true(frame_read((Bytes){body, sizeof body}, FRAME_QUOTE, 8, &answer));
    assert_int_equal(answer.quote.size, 8);
    assert_int_equal(answer.quote.data[7], 8);
    assert_false(frame_read((Bytes){body, sizeof body}, FRAME_QUOTE, 9, &answer));
}

static void every_cut_of_an_answer_is_refused(void **state) {
    (void)state;
    static const uint8_t body[] = {0x8a, 0x01, 12, 0x08, 0, 0x12, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    for (size_t size = 0; size < sizeof body; size++) {
        FrameAnswer answer;
        assert_false(reads(body, size, FRAME_QUOTE, &answer));
    }
}

static void an_answer_to_another_request_is_refused(void **state) {
    (void)state;
    static const uint8_t body[] = {0x82, 0x01, 5, 0x08, 0, 0x10, 0xf8, 0x24};
    FrameAnswer answer;
    assert_false(reads(body, sizeof body, FRAME_NUM, &answer));
    assert_false(reads(body, sizeof body, FRAME_QUOTE, &answer));
}

static void a_missing_error_code_is_refused(void **state) {
    (void)state;
    static const uint8_t body[] = {0x82, 0x01, 3, 0x10, 0xf8, 0x24};
    FrameAnswer answer;
    assert_false(reads(body, sizeof body, FRAME_SIZE, &answer));
}

static void bytes_behind_the_answer_are_refused(void **state) {
    (void)state;
    static const uint8_t body[] = {0x82, 0x01, 5, 0x08, 0, 0x10, 0xf8, 0x24, 0};
    FrameAnswer answer;
    assert_false(reads(body, sizeof body, FRAME_SIZE, &answer));
}

static void fields_out_of_order_or_unknown_are_refused(void **state) {
    (void)state;
    static const uint8_t turned[] = {0x82, 0x01, 5, 0x10, 0xf8, 0x24, 0x08, 0};
    static const uint8_t unknown[] = {0x82, 0x01, 7, 0x08, 0, 0x10, 0xf8, 0x24, 0x28, 1};
    FrameAnswer answer;
    assert_false(reads(turned, sizeof turned, FRAME_SIZE, &answer));
    assert_false(reads(unknown, sizeof unknown, FRAME_SIZE, &answer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_num_request_is_its_number_and_the_time_limit),
        cmocka_unit_test(a_quote_request_holds_report_key_id_and_buffer_size),
        cmocka_unit_test(a_size_answer_gives_its_number),
        cmocka_unit_test(a_refusal_gives_its_code),
        cmocka_unit_test(a_quote_must_fill_the_buffer_asked_for),
        cmocka_unit_test(every_cut_of_an_answer_is_refused),
        cmocka_unit_test(an_answer_to_another_request_is_refused),
        cmocka_unit_test(a_missing_error_code_is_refused),
        cmocka_unit_test(bytes_behind_the_answer_are_refused),
        cmocka_unit_test(fields_out_of_order_or_unknown_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
