/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ctl/codes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/text.h"

enum { WORDS_MAX = 220 };

static size_t count_named(const char *text, const char **ret_name) {
    size_t count = 0;
    for (size_t i = 0; i < code_spaces_count; i++) {
        for (size_t j = 0; j < code_spaces[i]->count; j++) {
            if (code_is_named(code_spaces[i], &code_spaces[i]->codes[j], text)) {
                count++;
                *ret_name = code_spaces[i]->codes[j].name;
            }
        }
    }
    return count;
}

static void expect(const char *text, const char *name) {
    const char *found = "nothing";
    size_t count = count_named(text, &found);
    if (count != 1 || strcmp(found, name) != 0) {
        fail_msg("'%s' names %zu codes, the last is %s", text, count, found);
    }
}

static void a_code_is_found_by_number_and_by_name(void **state) {
    (void)state;
    expect("42", "AESM_ATT_KEY_NOT_INITIALIZED");
    expect("AESM_BUSY", "AESM_BUSY");
    expect("0xe018", "SGX_QL_KEY_CERTIFCATION_ERROR");
    expect("0xE018", "SGX_QL_KEY_CERTIFCATION_ERROR");
    expect("e018", "SGX_QL_KEY_CERTIFCATION_ERROR");
    expect("57368", "SGX_QL_KEY_CERTIFCATION_ERROR");
    expect("sgx_ql_out_of_epc", "SGX_QL_OUT_OF_EPC");
    expect("key_certifcation_error", "SGX_QL_KEY_CERTIFCATION_ERROR");
    expect("0x2006", "SGX_ERROR_NO_DEVICE");
    expect("2006", "SGX_ERROR_NO_DEVICE");
    expect("0x1", "SGX_ERROR_UNEXPECTED");
    expect("0xf008", "SGX_PCE_INVALID_TCB");
    expect("0xb010", "SGX_QCNL_ERROR_STATUS_PLATFORM_UNKNOWN");
    expect("0xa002", "SGX_QL_QV_RESULT_OUT_OF_DATE");
}

static void what_is_no_code_names_none(void **state) {
    (void)state;
    static const char *const texts[] = {"",    "27",    "52",      "0x", "0xe036", "-1", "0x100000000",
                                        "e18", "AESM_", "SGX_QL_", "no"};
    const char *found = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (count_named(texts[i], &found) != 0) {
            fail_msg("'%s' names %s", texts[i], found);
        }
    }
}

static void every_code_has_its_name_its_meaning_and_what_to_do(void **state) {
    (void)state;
    for (size_t i = 0; i < code_spaces_count; i++) {
        const CodeSpace *space = code_spaces[i];
        for (size_t j = 0; j < space->count; j++) {
            const Code *code = &space->codes[j];
            assert_true(j == 0 || code->number > space->codes[j - 1].number);
            assert_true(strncmp(code->name, space->prefix, strlen(space->prefix)) == 0 ||
                        strncmp(code->name, "SGX_", 4) == 0);
            assert_true(code->meaning[0] != '\0' && text_is_printable(code->meaning, WORDS_MAX));
            assert_true(code->remedy[0] != '\0' && text_is_printable(code->remedy, WORDS_MAX));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_is_found_by_number_and_by_name),
        cmocka_unit_test(what_is_no_code_names_none),
        cmocka_unit_test(every_code_has_its_name_its_meaning_and_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
