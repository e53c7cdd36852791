/* SPDX-License-Identifier: Apache-2.0
 *
 * SimSigner: a signer of simulated enclaves for tests, RSA-3072, new each time.
 */
#ifndef TESTS_SUPPORT_SIM_SIGNER_H
#define TESTS_SUPPORT_SIM_SIGNER_H

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static inline EVP_PKEY *sim_signer_new(unsigned exponent) {
    EVP_PKEY *key = NULL;
    BIGNUM *e = BN_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(BN_set_word(e, exponent), 1);
    assert_int_equal(EVP_PKEY_keygen_init(context), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(context, 3072), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e), 1);
    assert_int_equal(EVP_PKEY_generate(context, &key), 1);
    EVP_PKEY_CTX_free(context);
    BN_free(e);
    return key;
}

#endif
