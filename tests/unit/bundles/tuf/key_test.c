/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/key.h"

#include <openssl/err.h>
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
#include "bundles/tuf/signer.h"

static TufKeyring parse_one(const char *keytype, const char *scheme, const char *text) {
    Error err = ERROR_INIT;
    TufKeyring keyring;
    CLEANUP(json_freep)
    json_t *keys = json_pack("{s:{s:s, s:s, s:{s:s}}}", "k", "keytype", keytype, "scheme", scheme, "keyval",
                             "public", text);
    assert_true(tuf_keyring_parse(keys, "keys", &keyring, &err));
    assert_int_equal(keyring.count, 1);
    keyring.keys[0].keyid = "k";
    return keyring;
}

static void expect_usable(const char *keytype, const char *scheme, const char *text, bool usable) {
    TufKeyring keyring = parse_one(keytype, scheme, text);
    if ((keyring.keys[0].unusable == NULL) != usable) {
        fail_msg("%s/%s: %s", keytype, scheme, text);
    }
    assert_true(usable == (keyring.keys[0].pkey != NULL));
    tuf_keyring_done(&keyring);
    assert_int_equal(ERR_peek_error(), 0);
}

static char *pem_of(EVP_PKEY *pkey, bool is_private) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    assert_int_equal(is_private ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
                                : PEM_write_bio_PUBKEY(bio, pkey),
                     1);
    long size = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

static void an_ed25519_key_is_64_hex_digits_and_a_real_point(void **state) {
    (void)state;
    static const char good[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    char text[80];
    expect_usable("ed25519", "ed25519", good, true);
    (void)snprintf(text, sizeof text, "%.62s", good);
    expect_usable("ed25519", "ed25519", text, false);
    (void)snprintf(text, sizeof text, "%s00", good);
    expect_usable("ed25519", "ed25519", text, false);
    expect_usable("ed25519", "ed25519", "-----BEGIN PUBLIC KEY-----", false);
    expect_usable("ed25519", "rsassa-pss-sha256", good, false);
    expect_usable("rsa", "ed25519", good, false);
}

static void a_curve_or_size_other_than_the_schemes_makes_a_key_unusable(void **state) {
    (void)state;
    EVP_PKEY *p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    AUTO_FREE char *p256_text = pem_of(p256, false);
    AUTO_FREE char *p384_text = pem_of(p384, false);
    AUTO_FREE char *small_text = pem_of(small, false);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", p256_text, true);
    expect_usable("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", p256_text, true);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", p384_text, false);
    expect_usable("ecdsa", "ecdsa-sha2-nistp384", p384_text, false);
    expect_usable("rsa", "rsassa-pss-sha256", small_text, false);
    expect_usable("rsa", "rsassa-pss-sha256", p256_text, false);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(small);
}

/* A public RSA key of that size; nobody has its private key. */
static EVP_PKEY *rsa_of(int bits) {
    BIGNUM *modulus = BN_new(), *exponent = BN_new();
    assert_int_equal(BN_set_bit(modulus, bits - 1), 1);
    assert_int_equal(BN_set_bit(modulus, 0), 1);
    assert_int_equal(BN_set_word(exponent, RSA_F4), 1);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, "n", modulus), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(builder, "e", exponent), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(exponent);
    BN_free(modulus);
    return pkey;
}

static void the_limits_of_keys_hold_exactly(void **state) {
    (void)state;
    EVP_PKEY *p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    AUTO_FREE char *plain = pem_of(p256, false);
    for (int over = -1; over <= 1; over++) {
        EVP_PKEY *shortest = rsa_of(TUF_RSA_BITS_MIN + over), *longest = rsa_of(TUF_RSA_BITS_MAX + over);
        AUTO_FREE char *short_text = pem_of(shortest, false);
        AUTO_FREE char *long_text = pem_of(longest, false);
        AUTO_FREE char *padded = text_format("%s%*s", plain, TUF_PEM_MAX + over - (int)strlen(plain), "");
        expect_usable("rsa", "rsassa-pss-sha256", short_text, over >= 0);
        expect_usable("rsa", "rsassa-pss-sha256", long_text, over <= 0);
        expect_usable("ecdsa", "ecdsa-sha2-nistp256", padded, over <= 0);
        EVP_PKEY_free(shortest);
        EVP_PKEY_free(longest);
    }
    EVP_PKEY_free(p256);
}

static void pem_is_one_public_key_and_nothing_else(void **state) {
    (void)state;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    AUTO_FREE char *good = pem_of(pkey, false);
    AUTO_FREE char *private_text = pem_of(pkey, true);
    AUTO_FREE char *leading = text_format("x%s", good);
    AUTO_FREE char *trailing = text_format("%sx", good);
    AUTO_FREE char *twice = text_format("%s%s", good, good);
    AUTO_FREE char *blank = text_format("%s \r\n\n", good);
    AUTO_FREE char *cut = strndup(good, strlen(good) / 2);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", private_text, false);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", leading, false);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", trailing, false);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", twice, false);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", cut, false);
    expect_usable("ecdsa", "ecdsa-sha2-nistp256", blank, true);
    EVP_PKEY_free(pkey);
}

static void the_legacy_point_form_is_the_same_key_as_its_pem(void **state) {
    (void)state;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    uint8_t point[65];
    size_t size = 0;
    char hex[131];
    assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, "pub", point, sizeof point, &size), 1);
    assert_int_equal(size, 65);
    text_format_hex(point, size, hex);
    AUTO_FREE char *pem = pem_of(pkey, false);
    TufKeyring a = parse_one("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", hex);
    TufKeyring b = parse_one("ecdsa", "ecdsa-sha2-nistp256", pem);
    assert_null(a.keys[0].unusable);
    assert_true(digest_equal(&a.keys[0].fingerprint, &b.keys[0].fingerprint));
    tuf_keyring_done(&a);
    tuf_keyring_done(&b);
    hex[129] = hex[129] == '0' ? '1' : '0'; /* off the curve */
    expect_usable("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", hex, false);
    EVP_PKEY_free(pkey);
}

/* RFC 8032, section 7.1, test 2 */
static void an_ed25519_signature_of_the_standard_verifies(void **state) {
    (void)state;
    TufKeyring keyring =
        parse_one("ed25519", "ed25519", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    uint8_t signature[65] = {0};
    assert_true(text_parse_hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                               "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
                               signature, 64));
    Bytes message = {(const uint8_t *)"\x72", 1};
    assert_true(tuf_key_verify(&keyring.keys[0], message, (Bytes){signature, 64}));
    assert_false(tuf_key_verify(&keyring.keys[0], message, (Bytes){signature, 65}));
    assert_false(tuf_key_verify(&keyring.keys[0], message, (Bytes){signature, 63}));
    signature[0] ^= 1;
    assert_false(tuf_key_verify(&keyring.keys[0], message, (Bytes){signature, 64}));
    assert_int_equal(ERR_peek_error(), 0);
    tuf_keyring_done(&keyring);
}

static void too_many_keys_and_unprintable_key_ids_are_refused(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    TufKeyring keyring;
    CLEANUP(json_freep) json_t *keys = json_object();
    for (int i = 0; i <= TUF_KEYS_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        if (i >= TUF_KEYS_MAX - 1) { /* below and at the limit */
            assert_true(tuf_keyring_parse(keys, "keys", &keyring, &err));
            tuf_keyring_done(&keyring);
        }
        assert_true(json_put(
            keys, name,
            json_pack("{s:s, s:s, s:{s:s}}", "keytype", "x", "scheme", "y", "keyval", "public", "z")));
    }
    assert_false(tuf_keyring_parse(keys, "keys", &keyring, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    CLEANUP(json_freep) json_t *odd = json_pack("{s:{}}", "\x1b[2J");
    assert_false(tuf_keyring_parse(odd, "keys", &keyring, &err));
    assert_null(strchr(err.text, '\x1b'));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ed25519_key_is_64_hex_digits_and_a_real_point),
        cmocka_unit_test(a_curve_or_size_other_than_the_schemes_makes_a_key_unusable),
        cmocka_unit_test(the_limits_of_keys_hold_exactly),
        cmocka_unit_test(pem_is_one_public_key_and_nothing_else),
        cmocka_unit_test(the_legacy_point_form_is_the_same_key_as_its_pem),
        cmocka_unit_test(an_ed25519_signature_of_the_standard_verifies),
        cmocka_unit_test(too_many_keys_and_unprintable_key_ids_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
