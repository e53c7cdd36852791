/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/role.h"
#include "bundles/tuf/signer.h"
#include "tests/support/place.h"

static const Bytes message = {(const uint8_t *)"message", 7};

/* The prime of a group that everybody knows: to find one of that size takes minutes. */
static BIGNUM *known_prime(const char *group) {
    BIGNUM *prime = NULL;
    EVP_PKEY *params = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    assert_int_equal(EVP_PKEY_paramgen_init(context), 1);
    assert_int_equal(EVP_PKEY_CTX_set_group_name(context, group), 1);
    assert_int_equal(EVP_PKEY_generate(context, &params), 1);
    assert_int_equal(EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_P, &prime), 1);
    EVP_PKEY_free(params);
    EVP_PKEY_CTX_free(context);
    return prime;
}

enum { N, E, D, P, Q, DP, DQ, INVERSE, PARTS };

static EVP_PKEY *rsa_of_parts(BIGNUM *const parts[PARTS]) {
    static const char *const names[PARTS] = {OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
                                             OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
                                             OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                             OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    for (size_t i = 0; i < PARTS; i++) {
        assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, names[i], parts[i]), 1);
    }
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, params), 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static EVP_PKEY *largest_rsa(void) {
    BN_CTX *context = BN_CTX_new();
    BIGNUM *parts[PARTS] = {[P] = known_prime("ffdhe8192"), [Q] = known_prime("modp_8192")};
    BIGNUM *before_p = BN_dup(parts[P]), *before_q = BN_dup(parts[Q]), *order = BN_new();
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = parts[i] != NULL ? parts[i] : BN_new();
    }
    assert_true(BN_sub_word(before_p, 1) == 1 && BN_sub_word(before_q, 1) == 1 &&
                BN_mul(parts[N], parts[P], parts[Q], context) == 1 &&
                BN_mul(order, before_p, before_q, context) == 1 && BN_set_word(parts[E], RSA_F4) == 1);
    assert_non_null(BN_mod_inverse(parts[D], parts[E], order, context));
    assert_non_null(BN_mod_inverse(parts[INVERSE], parts[Q], parts[P], context));
    assert_true(BN_mod(parts[DP], parts[D], before_p, context) == 1 &&
                BN_mod(parts[DQ], parts[D], before_q, context) == 1);
    assert_int_equal(BN_num_bits(parts[N]), TUF_RSA_BITS_MAX);
    EVP_PKEY *pkey = rsa_of_parts(parts);
    for (size_t i = 0; i < PARTS; i++) {
        BN_free(parts[i]);
    }
    BN_free(before_p);
    BN_free(before_q);
    BN_free(order);
    BN_CTX_free(context);
    return pkey;
}

static TufSigner *largest_signer(const Place *place) {
    Error err = ERROR_INIT;
    AUTO_FREE char *path = text_format("%s/key.pem", place->path);
    EVP_PKEY *pkey = largest_rsa();
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    EVP_PKEY_free(pkey);
    TufSigner *signer = tuf_signer_load(path, NULL, &err);
    assert_non_null(signer);
    return signer;
}

static void the_largest_key_signs_and_what_is_longer_is_no_signature(void **state) {
    Error err = ERROR_INIT;
    TufKeyring keyring = {0};
    CLEANUP(tuf_signer_freep) TufSigner *signer = largest_signer(*state);
    const char *keyid = tuf_signer_keyid(signer);
    CLEANUP(json_freep) json_t *keys = json_pack("{s:O}", keyid, tuf_signer_public(signer));
    assert_true(tuf_keyring_parse(keys, "keys", &keyring, &err));
    AUTO_FREE char *hex = tuf_signer_sign(signer, message, &err);
    assert_non_null(hex);
    assert_int_equal(strlen(hex), 2 * TUF_SIGNATURE_BYTES_MAX);
    const TufRole role = {.name = "r", .keyids = &keyid, .keyids_count = 1, .threshold = 1};
    for (int over = -1; over <= 1; over++) {
        AUTO_FREE char *given =
            text_format("%.*s%s", 2 * (TUF_SIGNATURE_BYTES_MAX + over), hex, over > 0 ? "00" : "");
        const TufSignature signature = {keyid, given};
        assert_int_equal(tuf_role_verify(&role, &keyring, message, &signature, 1, &err), over == 0);
    }
    assert_string_equal(err.text, "signed by 0 of its keys, 1 must sign");
    tuf_keyring_done(&keyring);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_largest_key_signs_and_what_is_longer_is_no_signature, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
