/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void each_quote3_code_becomes_what_intels_server_answers(void **state) {
    (void)state;
    static const uint8_t codes[] = {
        [0x01] = 1,  [0x02] = 3,  [0x03] = 21, [0x04] = 32, [0x05] = 33, [0x06] = 15, [0x07] = 34,
        [0x08] = 35, [0x09] = 36, [0x0a] = 37, [0x0b] = 38, [0x0c] = 39, [0x0d] = 40, [0x0e] = 41,
        [0x0f] = 42, [0x10] = 43, [0x11] = 44, [0x12] = 29, [0x13] = 45, [0x14] = 46, [0x15] = 47,
        [0x16] = 48, [0x17] = 49, [0x18] = 50, [0x19] = 12, [0x1a] = 22};
    for (uint32_t i = 1; i < sizeof codes; i++) {
        assert_int_equal(aesm_code_of_quote3((Quote3Error)(0xe000 + i)), codes[i]);
    }
    assert_int_equal(aesm_code_of_quote3(QUOTE3_SUCCESS), AESM_SUCCESS);
}

static void every_other_quote3_code_is_unexpected(void **state) {
    (void)state;
    static const uint32_t others[] = {1,      0xdfff, 0xe000, 0xe01b, 0xe035,
                                      0xe03f, 0xe041, 0xe063, 0xe100, UINT32_MAX};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(aesm_code_of_quote3((Quote3Error)others[i]), AESM_UNEXPECTED);
    }
}

static void codes_have_intels_names(void **state) {
    (void)state;
    assert_string_equal(aesm_code_name(AESM_SUCCESS), "AESM_SUCCESS");
    assert_string_equal(aesm_code_name(AESM_BUSY), "AESM_BUSY");
    assert_string_equal(aesm_code_name(AESM_ATT_KEY_NOT_INITIALIZED), "AESM_ATT_KEY_NOT_INITIALIZED");
    assert_string_equal(aesm_code_name(AESM_INVALID_REPORT), "AESM_INVALID_REPORT");
    assert_string_equal(aesm_code_name(51), "AESM_CONFIG_UNSUPPORTED");
    for (AesmCode code = 0; code < AESM_CODES_COUNT; code++) {
        assert_int_equal(strcmp(aesm_code_name(code), "AESM_UNKNOWN") == 0, code == 27);
    }
    assert_string_equal(aesm_code_name(52), "AESM_UNKNOWN");
    assert_string_equal(aesm_code_name(UINT32_MAX), "AESM_UNKNOWN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_quote3_code_becomes_what_intels_server_answers),
        cmocka_unit_test(every_other_quote3_code_is_unexpected),
        cmocka_unit_test(codes_have_intels_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
