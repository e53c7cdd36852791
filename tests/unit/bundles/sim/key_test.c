/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/sgx/ecdsa.h"

static const uint8_t secret[SIM_KEY_SECRET_SIZE] = "forty bytes that nobody else should kno";

static void the_same_secret_gives_the_same_key(void **state) {
    (void)state;
    uint8_t first[SIM_KEY_PUBLIC_SIZE];
    uint8_t second[SIM_KEY_PUBLIC_SIZE];
    uint8_t other[SIM_KEY_PUBLIC_SIZE];
    uint8_t changed[SIM_KEY_SECRET_SIZE];
    memcpy(changed, secret, sizeof changed);
    changed[0] ^= 1;
    EVP_PKEY *keys[] = {sim_key_from_secret(secret), sim_key_from_secret(secret),
                        sim_key_from_secret(changed)};
    assert_true(sim_key_public(keys[0], first));
    assert_true(sim_key_public(keys[1], second));
    assert_true(sim_key_public(keys[2], other));
    assert_memory_equal(first, second, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY_free(keys[i]);
    }
}

/* One in 128 signatures has a short r or s, and half of them a longer DER form. */
static void one_key_makes_many_good_signatures(void **state) {
    (void)state;
    uint8_t public_key[SIM_KEY_PUBLIC_SIZE];
    uint8_t message[4] = "abc";
    EVP_PKEY *key = sim_key_from_secret(secret);
    assert_true(sim_key_public(key, public_key));
    EVP_PKEY *verifier = ecdsa_key_new(public_key);
    assert_non_null(verifier);
    for (uint8_t i = 0; i < 255; i++) {
        uint8_t signature[SIM_KEY_SIGNATURE_SIZE];
        message[3] = i;
        assert_true(sim_key_sign_message(key, message, sizeof message, signature));
        assert_true(ecdsa_verify(verifier, (Bytes){message, sizeof message}, signature));
        message[3]++;
        assert_false(ecdsa_verify(verifier, (Bytes){message, sizeof message}, signature));
    }
    EVP_PKEY_free(verifier);
    EVP_PKEY_free(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_secret_gives_the_same_key),
        cmocka_unit_test(one_key_makes_many_good_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
