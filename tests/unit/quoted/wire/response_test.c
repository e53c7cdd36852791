/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

enum { RESPONSE_MAX = 64 * 1024 };

static Bytes body_of(Bytes frame) {
    assert_true(frame.size >= AESM_FRAME_HEADER_SIZE);
    assert_int_equal(bytes_le32(frame.data), frame.size - AESM_FRAME_HEADER_SIZE);
    return (Bytes){frame.data + AESM_FRAME_HEADER_SIZE, frame.size - AESM_FRAME_HEADER_SIZE};
}

static void the_code_is_written_also_when_it_is_zero(void **state) {
    (void)state;
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(RESPONSE_MAX);
    static const uint8_t low[] = {4, 0, 0, 0, 0x0a, 2, 0x08, 0};
    aesm_response_begin(&response, AESM_SUCCESS);
    Bytes frame = aesm_response_end(&response, AESM_LEGACY_INIT_QUOTE);
    assert_int_equal(frame.size, sizeof low);
    assert_memory_equal(frame.data, low, sizeof low);
    static const uint8_t high[] = {5, 0, 0, 0, 0x8a, 0x01, 2, 0x08, 42};
    aesm_response_begin(&response, AESM_ATT_KEY_NOT_INITIALIZED);
    frame = aesm_response_end(&response, AESM_QUOTE);
    assert_int_equal(frame.size, sizeof high);
    assert_memory_equal(frame.data, high, sizeof high);
}

static void an_answer_reads_back_with_all_its_fields(void **state) {
    (void)state;
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(RESPONSE_MAX);
    uint8_t info[512];
    memset(info, 5, sizeof info);
    aesm_response_begin(&response, AESM_SUCCESS);
    aesm_response_add_bytes(&response, 2, info, sizeof info, sizeof info);
    aesm_response_add_number(&response, 3, UINT64_MAX);
    AesmField fields[AESM_FIELDS_END];
    assert_true(
        aesm_response_read(body_of(aesm_response_end(&response, AESM_INIT_QUOTE)), AESM_INIT_QUOTE, fields));
    assert_true(fields[1].present);
    assert_int_equal(fields[1].value, AESM_SUCCESS);
    assert_int_equal(fields[2].bytes.size, sizeof info);
    assert_memory_equal(fields[2].bytes.data, info, sizeof info);
    assert_true(fields[3].value == UINT64_MAX);
    assert_false(fields[4].present);
}

static void bytes_are_padded_with_zeros(void **state) {
    (void)state;
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(RESPONSE_MAX);
    aesm_response_begin(&response, AESM_SUCCESS);
    aesm_response_add_bytes(&response, 2, "quote", 5, 8192);
    AesmField fields[AESM_FIELDS_END];
    assert_true(aesm_response_read(body_of(aesm_response_end(&response, AESM_QUOTE)), AESM_QUOTE, fields));
    assert_int_equal(fields[2].bytes.size, 8192);
    assert_memory_equal(fields[2].bytes.data, "quote", 5);
    assert_true(bytes_are_zero((Bytes){fields[2].bytes.data + 5, 8187}));
}

static void an_answer_beyond_the_maximum_is_empty(void **state) {
    (void)state;
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(1024);
    aesm_response_begin(&response, AESM_SUCCESS);
    aesm_response_add_bytes(&response, 2, "x", 1, 2000);
    aesm_response_add_number(&response, 3, 1);
    assert_int_equal(aesm_response_end(&response, AESM_QUOTE).size, 0);
    aesm_response_begin(&response, AESM_PARAMETER); /* and the next one is good again */
    assert_int_equal(aesm_response_end(&response, AESM_QUOTE).size, 9);
}

static void an_answer_to_another_request_is_refused(void **state) {
    (void)state;
    static const uint8_t body[] = {0x8a, 0x01, 2, 0x08, 42};
    AesmField fields[AESM_FIELDS_END];
    assert_true(aesm_response_read((Bytes){body, sizeof body}, AESM_QUOTE, fields));
    assert_false(aesm_response_read((Bytes){body, sizeof body}, AESM_QUOTE_SIZE, fields));
    assert_false(aesm_response_read((Bytes){0}, AESM_QUOTE, fields));
}

static void every_cut_of_an_answer_is_refused_and_leaves_the_fields(void **state) {
    (void)state;
    static const uint8_t body[] = {0x8a, 0x01, 12, 0x08, 0, 0x12, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    AesmField fields[AESM_FIELDS_END] = {[7] = {.present = true}};
    for (size_t size = 0; size < sizeof body; size++) {
        assert_false(aesm_response_read((Bytes){body, size}, AESM_QUOTE, fields));
        assert_true(fields[7].present);
    }
    assert_true(aesm_response_read((Bytes){body, sizeof body}, AESM_QUOTE, fields));
}

static void an_answer_without_code_or_with_damage_is_refused(void **state) {
    (void)state;
    static const uint8_t no_code[] = {0x82, 0x01, 2, 0x10, 5};
    static const uint8_t tag_zero[] = {0x82, 0x01, 3, 0x08, 0, 0};
    static const uint8_t overrun[] = {0x82, 0x01, 4, 0x08, 0, 0x12, 1, 9};
    static const uint8_t number[] = {0x80, 0x01, 2, 0x08, 0};
    AesmField fields[AESM_FIELDS_END];
    assert_false(aesm_response_read((Bytes){no_code, sizeof no_code}, AESM_QUOTE_SIZE, fields));
    assert_false(aesm_response_read((Bytes){tag_zero, sizeof tag_zero}, AESM_QUOTE_SIZE, fields));
    assert_false(aesm_response_read((Bytes){overrun, sizeof overrun}, AESM_QUOTE_SIZE, fields));
    assert_false(aesm_response_read((Bytes){number, sizeof number}, AESM_QUOTE_SIZE, fields));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_code_is_written_also_when_it_is_zero),
        cmocka_unit_test(an_answer_reads_back_with_all_its_fields),
        cmocka_unit_test(bytes_are_padded_with_zeros),
        cmocka_unit_test(an_answer_beyond_the_maximum_is_empty),
        cmocka_unit_test(an_answer_to_another_request_is_refused),
        cmocka_unit_test(every_cut_of_an_answer_is_refused_and_leaves_the_fields),
        cmocka_unit_test(an_answer_without_code_or_with_damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
