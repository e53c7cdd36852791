/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"

CLEANUP_DEFINE(BIGNUM, BN_clear_free)
CLEANUP_DEFINE(BN_CTX, BN_CTX_free)
CLEANUP_DEFINE(EC_GROUP, EC_GROUP_free)
CLEANUP_DEFINE(EC_POINT, EC_POINT_free)
CLEANUP_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
CLEANUP_DEFINE(OSSL_PARAM, OSSL_PARAM_free)
CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

enum { COORDINATE_SIZE = 32, POINT_SIZE = 1 + 2 * COORDINATE_SIZE, DER_SIGNATURE_MAX = 80 };

static EVP_PKEY *key_from_scalar(const BIGNUM *scalar, const uint8_t point[POINT_SIZE]) {
    CLEANUP(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, POINT_SIZE) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar) != 1) {
        return NULL;
    }
    CLEANUP(OSSL_PARAM_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;
    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1) {
        return NULL;
    }
    return key;
}

EVP_PKEY *sim_key_from_secret(const uint8_t secret[SIM_KEY_SECRET_SIZE]) {
    CLEANUP(EC_GROUP_freep) EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    CLEANUP(BN_CTX_freep) BN_CTX *bn = BN_CTX_secure_new();
    CLEANUP(BN_clear_freep) BIGNUM *scalar = BN_bin2bn(secret, SIM_KEY_SECRET_SIZE, NULL);
    CLEANUP(BN_clear_freep) BIGNUM *order = group == NULL ? NULL : BN_dup(EC_GROUP_get0_order(group));
    CLEANUP(EC_POINT_freep) EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
    if (bn == NULL || scalar == NULL || order == NULL || point == NULL || BN_sub_word(order, 1) != 1 ||
        BN_mod(scalar, scalar, order, bn) != 1 || BN_add_word(scalar, 1) != 1 ||
        EC_POINT_mul(group, point, scalar, NULL, NULL, bn) != 1) {
        return NULL;
    }
    uint8_t octets[POINT_SIZE];
    if (EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, octets, sizeof octets, bn) !=
        POINT_SIZE) {
        return NULL;
    }
    return key_from_scalar(scalar, octets);
}

bool sim_key_public(const EVP_PKEY *key, uint8_t ret_public[SIM_KEY_PUBLIC_SIZE]) {
    uint8_t octets[POINT_SIZE];
    size_t size = 0;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, octets, sizeof octets, &size) != 1 ||
        size != POINT_SIZE || octets[0] != POINT_CONVERSION_UNCOMPRESSED) {
        return false;
    }
    memcpy(ret_public, octets + 1, SIM_KEY_PUBLIC_SIZE);
    return true;
}

EVP_PKEY_CTX *sim_key_signer_new(EVP_PKEY *key) {
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (signer == NULL || EVP_PKEY_sign_init(signer) != 1) {
        return NULL;
    }
    return TAKE(signer);
}

/* One INTEGER of the DER signature, right-aligned in 32 bytes. */
static bool integer_take(const uint8_t **at, const uint8_t *end, uint8_t ret_value[COORDINATE_SIZE]) {
    if (end - *at < 2 || (*at)[0] != V_ASN1_INTEGER || (*at)[1] > end - *at - 2) {
        return false;
    }
    const uint8_t *value = *at + 2;
    size_t size = (*at)[1];
    *at = value + size;
    if (size > 0 && value[0] == 0) {
        value++;
        size--;
    }
    if (size > COORDINATE_SIZE) {
        return false;
    }
    memset(ret_value, 0, COORDINATE_SIZE - size);
    memcpy(ret_value + COORDINATE_SIZE - size, value, size);
    return true;
}

bool sim_key_sign(EVP_PKEY_CTX *signer, const uint8_t hash[SIM_KEY_HASH_SIZE],
                  uint8_t ret_signature[SIM_KEY_SIGNATURE_SIZE]) {
    uint8_t der[DER_SIGNATURE_MAX];
    size_t size = sizeof der;
    if (EVP_PKEY_sign(signer, der, &size, hash, SIM_KEY_HASH_SIZE) != 1 || size < 2) {
        return false;
    }
    /* A P-256 signature is at most 72 bytes, so both lengths have the short form. */
    const uint8_t *at = der + 2;
    const uint8_t *end = der + size;
    return integer_take(&at, end, ret_signature) && integer_take(&at, end, ret_signature + COORDINATE_SIZE);
}

bool sim_key_sign_message(EVP_PKEY *key, const void *message, size_t size,
                          uint8_t ret_signature[SIM_KEY_SIGNATURE_SIZE]) {
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *signer = sim_key_signer_new(key);
    Digest hash;
    return signer != NULL && digest_of(message, size, &hash) &&
           sim_key_sign(signer, hash.bytes, ret_signature);
}
