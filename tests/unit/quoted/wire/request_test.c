/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

enum { BODY_MAX = 1024 };

/* Reads a body that lies before exactly the zeros it is entitled to. */
static bool reads(const void *body, size_t size, AesmRequest *request) {
    static uint8_t room[BODY_MAX + AESM_BODY_SLACK];
    assert_true(size <= BODY_MAX);
    memcpy(room, body, size);
    memset(room + size, 0, AESM_BODY_SLACK);
    return aesm_request_read(room, size, request);
}

#define READS(request, ...)                                                                                  \
    reads((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), request)

static void assert_number(const AesmRequest *request, AesmNumber number, bool complete) {
    assert_int_equal(request->number, number);
    assert_int_equal(request->complete, complete);
}

static void what_has_no_known_request_is_none(void **state) {
    (void)state;
    AesmRequest request = {.number = AESM_QUOTE};
    assert_false(reads("", 0, &request));
    assert_false(READS(&request, 0xa2, 0x01, 0));       /* 20 is no request */
    assert_false(READS(&request, 0x2a, 0));             /* nor is 5 */
    assert_false(READS(&request, 0x00, 0xaa, 0x01, 0)); /* tag 0 before a request */
    assert_false(READS(&request, 0x0c, 0xaa, 0x01, 0)); /* an end-group tag */
    assert_false(READS(&request, 0x2b, 0xaa, 0x01, 0)); /* an open group */
    assert_false(READS(&request, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    assert_int_equal(request.number, AESM_QUOTE); /* untouched */
}

static void rubbish_behind_a_request_does_no_harm(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0xaa, 0x01, 0, 0x00));
    assert_number(&request, AESM_KEY_COUNT, true);
    assert_true(READS(&request, 0xaa, 0x01, 0, 0x0c, 1));
    assert_number(&request, AESM_KEY_COUNT, true);
    assert_true(READS(&request, 0xaa, 0x01, 0, 0x2b, 0x08));
    assert_number(&request, AESM_KEY_COUNT, true);
    assert_true(READS(&request, 0xaa, 0x01, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    assert_number(&request, AESM_KEY_COUNT, true);
}

static void what_stands_behind_the_first_error_is_not_there(void **state) {
    (void)state;
    AesmRequest request;
    /* A request that would come first in the order, behind a stray tag. */
    assert_true(READS(&request, 0xaa, 0x01, 0, 0x00, 0x0a, 0));
    assert_number(&request, AESM_KEY_COUNT, true);
    /* The same behind an error inside the first message. */
    assert_true(READS(&request, 0xaa, 0x01, 1, 0x00, 0x0a, 0));
    assert_number(&request, AESM_KEY_COUNT, true);
}

static void unknown_fields_are_skipped_at_both_levels(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0x28, 7, 0x33, 0x08, 1, 0x34, 0x3d, 1, 2, 3, 4,  /* outer 5, 6 as group, 7 */
                      0xb2, 0x01, 9, 0x10, 1, 0x2b, 0x2c, 0x08, 5, 0x1a, 1, 0)); /* inner 2, 5, 3 */
    assert_number(&request, AESM_KEY_IDS, true);
    assert_int_equal(request.fields[1].value, 5);
    assert_false(request.fields[2].present);
    assert_false(request.fields[3].present);
}

static void a_request_of_another_wire_type_is_not_there(void **state) {
    (void)state;
    AesmRequest request;
    assert_false(READS(&request, 0xa8, 0x01, 1));                                       /* 21 as varint */
    assert_false(READS(&request, 0xad, 0x01, 1, 2, 3, 4));                              /* fixed32 */
    assert_false(READS(&request, 0xa9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8));                  /* fixed64 */
    assert_false(READS(&request, 0xab, 0x01, 0xac, 0x01));                              /* group */
    assert_true(READS(&request, 0xa8, 0x01, 1, 0xab, 0x01, 0xac, 0x01, 0xaa, 0x01, 0)); /* then itself */
    assert_number(&request, AESM_KEY_COUNT, true);
}

static void a_field_of_another_wire_type_is_missing(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0xb2, 0x01, 3, 0x0a, 1, 5)); /* size as bytes */
    assert_number(&request, AESM_KEY_IDS, false);
    assert_true(READS(&request, 0xb2, 0x01, 5, 0x0d, 5, 0, 0, 0));
    assert_number(&request, AESM_KEY_IDS, false);
    assert_true(READS(&request, 0x82, 0x01, 2, 0x08, 5)); /* key id as varint */
    assert_number(&request, AESM_QUOTE_SIZE, true);
    assert_false(request.fields[1].present);
}

static void the_same_request_twice_is_merged_and_the_last_value_wins(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0x7a, 4, 0x18, 1, 0x20, 9, 0x7a, 4, 0x20, 32, 0x20, 33));
    assert_number(&request, AESM_INIT_QUOTE, true);
    assert_int_equal(request.fields[3].value, 1);
    assert_int_equal(request.fields[4].value, 33);
    assert_true(READS(&request, 0x82, 0x01, 4, 0x0a, 2, 'a', 'b', 0x82, 0x01, 3, 0x0a, 1, 'c'));
    assert_int_equal(request.fields[1].bytes.size, 1);
    assert_int_equal(request.fields[1].bytes.data[0], 'c');
}

static void an_error_in_the_first_half_leaves_the_second_unread(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0x7a, 3, 0x18, 1, 0x00, 0x7a, 2, 0x20, 32));
    assert_number(&request, AESM_INIT_QUOTE, true);
    assert_false(request.fields[4].present);
}

static void numbers_are_cut_to_their_low_bits(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0xb2, 0x01, 6, 0x08, 0x80, 0x82, 0x80, 0x80, 0x10)); /* 2^32 + 256 */
    assert_int_equal(request.fields[1].value, 256);
    assert_true(READS(&request, 0x7a, 8, 0x18, 0, 0x20, 0xa0, 0x80, 0x80, 0x80, 0x10)); /* 2^32 + 32 */
    assert_true(request.fields[4].value == (UINT64_C(1) << 32) + 32);
}

static void a_bool_is_anything_but_zero(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0x7a, 2, 0x18, 0));
    assert_int_equal(request.fields[3].value, 0);
    assert_true(READS(&request, 0x7a, 2, 0x18, 7));
    assert_int_equal(request.fields[3].value, 1);
    assert_true(READS(&request, 0x7a, 6, 0x18, 0x80, 0x80, 0x80, 0x80, 0x10)); /* 2^32 */
    assert_int_equal(request.fields[3].value, 1);
    assert_true(READS(&request, 0x7a, 3, 0x18, 0x80, 0x00)); /* 0 in two bytes */
    assert_int_equal(request.fields[3].value, 0);
}

static void required_fields_decide_whether_a_request_is_complete(void **state) {
    (void)state;
    static const struct {
        AesmNumber number;
        uint16_t required;
    } rules[] = {
        {AESM_LEGACY_INIT_QUOTE, 0},
        {AESM_LEGACY_GET_QUOTE, 1U << 1 | 1U << 2 | 1U << 3 | 1U << 6},
        {AESM_LEGACY_GET_LICENSE_TOKEN, 1U << 1 | 1U << 2 | 1U << 3},
        {AESM_LEGACY_REPORT_ERROR, 1U << 1 | 1U << 2 | 1U << 3},
        {AESM_LEGACY_WHITE_LIST_SIZE, 0},
        {AESM_LEGACY_WHITE_LIST, 0},
        {AESM_LEGACY_GET_GROUP, 0},
        {AESM_LEGACY_SWITCH_GROUP, 0},
        {AESM_LEGACY_REGISTER, 1U << 1 | 1U << 2},
        {AESM_INIT_QUOTE, 1U << 3},
        {AESM_QUOTE_SIZE, 0},
        {AESM_QUOTE, 1U << 1 | 1U << 4},
        {AESM_LEGACY_UPDATE_STATUS, 1U << 2 | 1U << 3},
        {AESM_SELECT_KEY, 0},
        {AESM_KEY_COUNT, 0},
        {AESM_KEY_IDS, 1U << 1},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        for (unsigned left_out = 0; left_out < AESM_FIELDS_END; left_out++) {
            AesmRequest written = {.number = rules[i].number};
            for (unsigned field = 1; field < AESM_FIELDS_END; field++) {
                bool wanted = (rules[i].required >> field & 1) != 0 && field != left_out;
                written.fields[field] = (AesmField){.present = wanted, .bytes = {(const uint8_t *)"", 0}};
            }
            CLEANUP(buffer_done) Buffer frame = BUFFER_INIT(BODY_MAX);
            assert_true(aesm_request_write(&written, &frame));
            AesmRequest request;
            assert_true(
                reads(frame.data + AESM_FRAME_HEADER_SIZE, frame.size - AESM_FRAME_HEADER_SIZE, &request));
            assert_number(&request, rules[i].number, (rules[i].required >> left_out & 1) == 0);
        }
    }
}

static void one_of_several_requests_is_picked_by_the_order(void **state) {
    (void)state;
    static const uint8_t order[] = {3, 1, 2, 4, 18, 10, 11, 12, 13, 14, 15, 16, 17, 19, 21, 22};
    for (size_t first = 0; first < sizeof order; first++) {
        for (size_t second = 0; second < sizeof order; second++) {
            uint8_t body[6] = {(uint8_t)(order[second] << 3 | 2 | 0x80), (uint8_t)(order[second] >> 4), 0,
                               (uint8_t)(order[first] << 3 | 2 | 0x80),  (uint8_t)(order[first] >> 4),  0};
            AesmRequest request;
            assert_true(reads(body, sizeof body, &request));
            assert_int_equal(request.number, order[first < second ? first : second]);
        }
    }
}

static void a_request_whose_length_runs_out_is_there_with_what_could_be_read(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0x7a, 100, 0x18, 1, 0x20, 32));
    assert_number(&request, AESM_INIT_QUOTE, true);
    assert_int_equal(request.fields[4].value, 32);
    assert_true(READS(&request, 0x7a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x18, 1)); /* 2^31 - 1 */
    assert_number(&request, AESM_INIT_QUOTE, false);
    assert_true(READS(&request, 0x7a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x18, 1)); /* 2^32 - 1 */
    assert_number(&request, AESM_INIT_QUOTE, false);
    assert_true(READS(&request, 0x7a)); /* not even a length */
    assert_number(&request, AESM_INIT_QUOTE, false);
}

static void a_field_that_cannot_be_read_is_there_all_the_same(void **state) {
    (void)state;
    AesmRequest request;
    /* A number of eleven bytes is 0. */
    assert_true(READS(&request, 0xb2, 0x01, 12, 0x08, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                      0x80, 0x00));
    assert_number(&request, AESM_KEY_IDS, true);
    assert_int_equal(request.fields[1].value, 0);
    /* Bytes of an impossible length are what they were before, at first nothing. */
    assert_true(READS(&request, 0x82, 0x01, 8, 0x0a, 1, 'a', 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f));
    assert_true(request.fields[1].present);
    assert_int_equal(request.fields[1].bytes.size, 1);
    assert_true(READS(&request, 0x82, 0x01, 6, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f));
    assert_true(request.fields[1].present);
    assert_int_equal(request.fields[1].bytes.size, 0);
}

static void a_cut_field_takes_the_zeros_behind_the_body(void **state) {
    (void)state;
    uint8_t body[5 + 250] = {0x82, 0x01, 0x83, 0x02, 0x0a}; /* 259 bytes: a key id of 256 */
    body[5] = 0x80;
    body[6] = 0x02;
    memset(body + 7, 9, sizeof body - 7);
    AesmRequest request;
    assert_true(reads(body, sizeof body, &request));
    assert_int_equal(request.fields[1].bytes.size, 256);
    assert_int_equal(request.fields[1].bytes.data[247], 9);
    assert_int_equal(request.fields[1].bytes.data[248], 0);
    assert_int_equal(request.fields[1].bytes.data[255], 0);
    assert_true(reads(body, sizeof body - 9, &request)); /* 17 are missing */
    assert_int_equal(request.fields[1].bytes.size, 239);
}

static void a_cut_field_takes_what_stands_behind_its_message(void **state) {
    (void)state;
    AesmRequest request;
    assert_true(READS(&request, 0x82, 0x01, 3, 0x0a, 4, 'a', 'b', 'c', 'd', 0x0a, 0));
    assert_number(&request, AESM_QUOTE_SIZE, true);
    assert_int_equal(request.fields[1].bytes.size, 4);
    assert_int_equal(request.fields[1].bytes.data[3], 'd');
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    static const uint8_t report[432] = {1, 2, 3};
    AesmRequest written = {.number = AESM_QUOTE};
    written.fields[1] = (AesmField){.present = true, .bytes = {report, sizeof report}};
    written.fields[4] = (AesmField){.present = true, .value = 8192};
    written.fields[9] = (AesmField){.present = true, .value = 15000};
    CLEANUP(buffer_done) Buffer frame = BUFFER_INIT(BODY_MAX);
    assert_true(aesm_request_write(&written, &frame));
    assert_int_equal(bytes_le32(frame.data), frame.size - AESM_FRAME_HEADER_SIZE);
    AesmRequest request;
    assert_true(reads(frame.data + AESM_FRAME_HEADER_SIZE, frame.size - AESM_FRAME_HEADER_SIZE, &request));
    assert_number(&request, AESM_QUOTE, true);
    assert_memory_equal(request.fields[1].bytes.data, report, sizeof report);
    assert_int_equal(request.fields[4].value, 8192);
    assert_int_equal(request.fields[9].value, 15000);
    assert_false(request.fields[2].present);
}

static void a_full_buffer_refuses_a_request(void **state) {
    (void)state;
    AesmRequest written = {.number = AESM_KEY_COUNT};
    for (size_t max = 0; max < 7; max++) {
        CLEANUP(buffer_done) Buffer frame = BUFFER_INIT(max);
        assert_false(aesm_request_write(&written, &frame));
    }
    CLEANUP(buffer_done) Buffer frame = BUFFER_INIT(7);
    assert_true(aesm_request_write(&written, &frame));
}

static void every_request_has_a_name_and_nothing_else_has(void **state) {
    (void)state;
    static const char gaps[] = {0, 5, 6, 7, 8, 9, 20, 23, 24};
    for (unsigned number = 0; number < 30; number++) {
        bool gap = number > 22 || memchr(gaps, (int)number, sizeof gaps) != NULL;
        assert_int_equal(aesm_number_name(number) == NULL, gap);
    }
    assert_string_equal(aesm_number_name(AESM_QUOTE), "quote");
    assert_null(aesm_number_name(UINT32_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_known_request_is_none),
        cmocka_unit_test(rubbish_behind_a_request_does_no_harm),
        cmocka_unit_test(what_stands_behind_the_first_error_is_not_there),
        cmocka_unit_test(unknown_fields_are_skipped_at_both_levels),
        cmocka_unit_test(a_request_of_another_wire_type_is_not_there),
        cmocka_unit_test(a_field_of_another_wire_type_is_missing),
        cmocka_unit_test(the_same_request_twice_is_merged_and_the_last_value_wins),
        cmocka_unit_test(an_error_in_the_first_half_leaves_the_second_unread),
        cmocka_unit_test(numbers_are_cut_to_their_low_bits),
        cmocka_unit_test(a_bool_is_anything_but_zero),
        cmocka_unit_test(required_fields_decide_whether_a_request_is_complete),
        cmocka_unit_test(one_of_several_requests_is_picked_by_the_order),
        cmocka_unit_test(a_request_whose_length_runs_out_is_there_with_what_could_be_read),
        cmocka_unit_test(a_field_that_cannot_be_read_is_there_all_the_same),
        cmocka_unit_test(a_cut_field_takes_the_zeros_behind_the_body),
        cmocka_unit_test(a_cut_field_takes_what_stands_behind_its_message),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_full_buffer_refuses_a_request),
        cmocka_unit_test(every_request_has_a_name_and_nothing_else_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
