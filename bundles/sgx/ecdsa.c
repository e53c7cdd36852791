/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/ecdsa.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "bundles/base/cleanup.h"

CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
CLEANUP_DEFINE(ECDSA_SIG, ECDSA_SIG_free)
CLEANUP_DEFINE(BIGNUM, BN_free)

EVP_PKEY *ecdsa_key_new(const uint8_t public_key[ECDSA_KEY_SIZE]) {
    uint8_t point[1 + ECDSA_KEY_SIZE] = {POINT_CONVERSION_UNCOMPRESSED};
    memcpy(point + 1, public_key, ECDSA_KEY_SIZE);
    char group[] = "P-256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        ERR_clear_error();
        return NULL;
    }
    return key;
}

static bool key_is_p256(EVP_PKEY *key) {
    char group[32];
    return EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

/* DER of an ECDSA-Sig-Value; at most 72 bytes for P-256. 0 when out of memory. */
static size_t signature_to_der(const uint8_t signature[ECDSA_SIGNATURE_SIZE], uint8_t der[80]) {
    CLEANUP(ECDSA_SIG_freep) ECDSA_SIG *pair = ECDSA_SIG_new();
    CLEANUP(BN_freep) BIGNUM *r = BN_bin2bn(signature, ECDSA_SIGNATURE_SIZE / 2, NULL);
    CLEANUP(BN_freep)
    BIGNUM *s = BN_bin2bn(signature + ECDSA_SIGNATURE_SIZE / 2, ECDSA_SIGNATURE_SIZE / 2, NULL);
    if (pair == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(pair, r, s) != 1) {
        return 0;
    }
    r = NULL;
    s = NULL;
    uint8_t *at = der;
    int size = i2d_ECDSA_SIG(pair, &at);
    return size > 0 ? (size_t)size : 0;
}

bool ecdsa_verify(EVP_PKEY *key, Bytes message, const uint8_t signature[ECDSA_SIGNATURE_SIZE]) {
    uint8_t der[80];
    size_t der_size = signature_to_der(signature, der);
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = der_size > 0 && context != NULL && key_is_p256(key) &&
                EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, der, der_size, message.data, message.size) == 1;
    if (!good) {
        ERR_clear_error();
    }
    return good;
}
