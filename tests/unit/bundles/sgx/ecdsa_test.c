/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/ecdsa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bundles/base/text.h"

/* RFC 6979, A.2.5: P-256 with SHA-256, message "sample". */
static const char public_key_hex[] = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                                     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
static const char signature_hex[] = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                                    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
static const Bytes message = {(const uint8_t *)"sample", 6};

typedef struct Fixture {
    uint8_t public_key[ECDSA_KEY_SIZE];
    uint8_t signature[ECDSA_SIGNATURE_SIZE];
    EVP_PKEY *key;
} Fixture;

static int open_fixture(void **state) {
    Fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_true(text_parse_hex(public_key_hex, fixture->public_key, sizeof fixture->public_key));
    assert_true(text_parse_hex(signature_hex, fixture->signature, sizeof fixture->signature));
    fixture->key = ecdsa_key_new(fixture->public_key);
    assert_non_null(fixture->key);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    Fixture *fixture = *state;
    EVP_PKEY_free(fixture->key);
    free(fixture);
    return 0;
}

static void a_published_signature_verifies(void **state) {
    const Fixture *fixture = *state;
    assert_true(ecdsa_verify(fixture->key, message, fixture->signature));
    assert_false(ecdsa_verify(fixture->key, (Bytes){message.data, 5}, fixture->signature));
}

static void a_changed_bit_anywhere_in_the_signature_is_noticed(void **state) {
    Fixture *fixture = *state;
    for (size_t bit = 0; bit < 8 * sizeof fixture->signature; bit++) {
        fixture->signature[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_false(ecdsa_verify(fixture->key, message, fixture->signature));
        fixture->signature[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
}

static void numbers_out_of_range_are_no_signature(void **state) {
    const Fixture *fixture = *state;
    uint8_t zeros[ECDSA_SIGNATURE_SIZE] = {0};
    assert_false(ecdsa_verify(fixture->key, message, zeros));
    memset(zeros, 0xff, sizeof zeros);
    assert_false(ecdsa_verify(fixture->key, message, zeros));
}

static void a_point_beside_the_curve_is_no_key(void **state) {
    Fixture *fixture = *state;
    fixture->public_key[ECDSA_KEY_SIZE - 1] ^= 1;
    assert_null(ecdsa_key_new(fixture->public_key));
    memset(fixture->public_key, 0, sizeof fixture->public_key);
    assert_null(ecdsa_key_new(fixture->public_key));
}

static void keys_of_other_kinds_verify_nothing(void **state) {
    const Fixture *fixture = *state;
    EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_non_null(p384);
    assert_non_null(ed25519);
    assert_false(ecdsa_verify(p384, message, fixture->signature));
    assert_false(ecdsa_verify(ed25519, message, fixture->signature));
    EVP_PKEY_free(p384);
    EVP_PKEY_free(ed25519);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_published_signature_verifies, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_changed_bit_anywhere_in_the_signature_is_noticed, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(numbers_out_of_range_are_no_signature, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_point_beside_the_curve_is_no_key, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(keys_of_other_kinds_verify_nothing, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
