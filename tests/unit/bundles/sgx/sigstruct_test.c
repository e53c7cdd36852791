/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/sigstruct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/enclave_maker.h"

enum { NOW = 1735689600 /* 2025-01-01 */ };

typedef struct Fixture {
    EVP_PKEY *key;
    EnclaveMaker maker;
    uint8_t *bytes; /* of the SIGSTRUCT, in the maker's file */
} Fixture;

static int open_fixture(void **state) {
    Fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->key = maker_key_new(3);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    Fixture *fixture = *state;
    EVP_PKEY_free(fixture->key);
    free(fixture);
    return 0;
}

static int reset(void **state) {
    Fixture *fixture = *state;
    maker_init(&fixture->maker);
    maker_make(&fixture->maker, fixture->key);
    fixture->bytes = maker_sigstruct(&fixture->maker, 0);
    return 0;
}

static Sigstruct parse(const Fixture *fixture) {
    Sigstruct sigstruct;
    assert_true(sigstruct_parse((Bytes){fixture->bytes, SIGSTRUCT_SIZE}, &sigstruct, NULL));
    return sigstruct;
}

static bool form_is_good(const Fixture *fixture) {
    Sigstruct sigstruct = parse(fixture);
    return sigstruct_check_form(&sigstruct, NULL);
}

static bool signature_is_good(const Fixture *fixture) {
    Sigstruct sigstruct = parse(fixture);
    return sigstruct_check_signature(&sigstruct, NULL);
}

static bool date_is_good(Fixture *fixture, uint32_t date) {
    bytes_put_le32(fixture->bytes + 20, date);
    Sigstruct sigstruct = parse(fixture);
    return sigstruct_check_date(&sigstruct, NOW, NULL);
}

static void a_genuine_one_passes(void **state) {
    const Fixture *fixture = *state;
    Sigstruct sigstruct = parse(fixture);
    uint8_t mr_signer[32];
    maker_mr_signer(fixture->key, mr_signer);
    assert_memory_equal(sigstruct.mr_signer.bytes, mr_signer, sizeof mr_signer);
    assert_int_equal(sigstruct.svn, 11);
    assert_int_equal(sigstruct.prod_id, 1);
    assert_true(form_is_good(fixture));
    assert_true(signature_is_good(fixture));
    assert_true(sigstruct_check_date(&sigstruct, NOW, NULL));
    char text[SIGSTRUCT_DATE_SIZE];
    sigstruct_format_date(&sigstruct, text);
    assert_string_equal(text, "2024-02-29");
}

static void a_wrong_size_is_refused(void **state) {
    const Fixture *fixture = *state;
    Sigstruct sigstruct;
    assert_false(sigstruct_parse((Bytes){fixture->bytes, SIGSTRUCT_SIZE - 1}, &sigstruct, NULL));
    assert_false(sigstruct_parse((Bytes){fixture->bytes, SIGSTRUCT_SIZE + 1}, &sigstruct, NULL));
}

static void a_changed_bit_in_any_byte_is_refused(void **state) {
    const Fixture *fixture = *state;
    for (size_t at = 0; at < SIGSTRUCT_SIZE; at++) {
        fixture->bytes[at] ^= 0x04;
        if (form_is_good(fixture) && signature_is_good(fixture)) {
            fail_msg("byte %zu", at);
        }
        fixture->bytes[at] ^= 0x04;
    }
}

static void reserved_bytes_have_to_be_zero_even_when_signed(void **state) {
    Fixture *fixture = *state;
    static const size_t places[] = {12, 44, 127, 910, 911, 992, 1007};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        fixture->bytes[places[i]] ^= 1;
        maker_sign(&fixture->maker, 0, fixture->key);
        assert_true(signature_is_good(fixture));
        assert_false(form_is_good(fixture));
        fixture->bytes[places[i]] ^= 1;
    }
    fixture->bytes[1028] = 1; /* this one nobody signs */
    assert_false(form_is_good(fixture));
}

static void wrong_quotients_are_refused_although_nobody_signs_them(void **state) {
    const Fixture *fixture = *state;
    static const size_t places[] = {SIGSTRUCT_Q1, SIGSTRUCT_Q2, SIGSTRUCT_Q1 + 383, SIGSTRUCT_Q2 + 383};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        Error err = ERROR_INIT;
        fixture->bytes[places[i]] ^= 1;
        Sigstruct sigstruct = parse(fixture);
        assert_false(sigstruct_check_signature(&sigstruct, &err));
        assert_int_equal(err.kind, ERROR_VERIFY);
        assert_non_null(strstr(err.text, i % 2 == 0 ? "Q1" : "Q2"));
        fixture->bytes[places[i]] ^= 1;
    }
}

static void numbers_out_of_range_are_refused(void **state) {
    const Fixture *fixture = *state;
    uint8_t *modulus = fixture->bytes + SIGSTRUCT_MODULUS;
    uint8_t *signature = fixture->bytes + SIGSTRUCT_SIGNATURE;
    uint8_t former[SIGSTRUCT_KEY_SIZE];
    memcpy(former, signature, sizeof former);
    memcpy(signature, modulus, SIGSTRUCT_KEY_SIZE);
    assert_false(signature_is_good(fixture));
    memset(signature, 0, SIGSTRUCT_KEY_SIZE);
    assert_false(signature_is_good(fixture));
    memcpy(signature, former, sizeof former);
    modulus[0] ^= 1; /* even */
    assert_false(signature_is_good(fixture));
    modulus[0] ^= 1;
    modulus[SIGSTRUCT_KEY_SIZE - 1] &= 0x7f; /* 3071 bits */
    assert_false(signature_is_good(fixture));
    memset(modulus, 0, SIGSTRUCT_KEY_SIZE);
    assert_false(signature_is_good(fixture));
}

static void only_exponent_3_is_taken(void **state) {
    const Fixture *fixture = *state;
    bytes_put_le32(fixture->bytes + SIGSTRUCT_EXPONENT, 65537);
    assert_false(form_is_good(fixture));
}

static void a_date_is_one_of_the_calendar_and_not_in_the_future(void **state) {
    Fixture *fixture = *state;
    assert_true(date_is_good(fixture, 0x20241231));
    assert_true(date_is_good(fixture, 0x20250102)); /* a day of slack */
    assert_false(date_is_good(fixture, 0x20250103));
    assert_false(date_is_good(fixture, 0x20230229));
    assert_false(date_is_good(fixture, 0x20241301));
    assert_false(date_is_good(fixture, 0x2024020a));
    assert_false(date_is_good(fixture, 0x20240a01));
    assert_false(date_is_good(fixture, 0x20240200));
    assert_false(date_is_good(fixture, 0));
    assert_false(date_is_good(fixture, 0xffffffff));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_genuine_one_passes, reset),
        cmocka_unit_test_setup(a_wrong_size_is_refused, reset),
        cmocka_unit_test_setup(a_changed_bit_in_any_byte_is_refused, reset),
        cmocka_unit_test_setup(reserved_bytes_have_to_be_zero_even_when_signed, reset),
        cmocka_unit_test_setup(wrong_quotients_are_refused_although_nobody_signs_them, reset),
        cmocka_unit_test_setup(numbers_out_of_range_are_refused, reset),
        cmocka_unit_test_setup(only_exponent_3_is_taken, reset),
        cmocka_unit_test_setup(a_date_is_one_of_the_calendar_and_not_in_the_future, reset),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
