/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "bundles/base/cleanup.h"
#include "bundles/sgx/metadata.h"

CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)
CLEANUP_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)

/* Extend record 0x1001: modulus little endian, exponent, signature big endian. */
enum { KEY_SIZE = 384, EXPONENT_AT = KEY_SIZE, SIGNATURE_AT = KEY_SIZE + 4, BODY_SIZE = 2 * KEY_SIZE + 4 };

static EVP_PKEY *key_read(Bytes body) {
    uint8_t modulus[KEY_SIZE]; /* OSSL_PARAM integers are in the host's order, which is the record's */
    memcpy(modulus, body.data, sizeof modulus);
    uint32_t exponent = bytes_le32(body.data + EXPONENT_AT);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, modulus, sizeof modulus),
        OSSL_PARAM_construct_uint32(OSSL_PKEY_PARAM_RSA_E, &exponent),
        OSSL_PARAM_construct_end(),
    };
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        return NULL;
    }
    return key;
}

bool metadata_check_fips(const MetadataEntry *entry, Error *err) {
    Bytes body;
    if (!metadata_find_extend(entry, METADATA_EXTEND_FIPS_SIGNATURE, &body)) {
        return true;
    }
    if (body.size != BODY_SIZE) {
        return error_set(err, ERROR_VERIFY, "the FIPS signature record has %zu bytes, it has to have %d",
                         body.size, BODY_SIZE);
    }
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = key_read(body);
    CLEANUP(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = key != NULL && context != NULL && EVP_PKEY_get_bits(key) == KEY_SIZE * 8 &&
                EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, body.data + SIGNATURE_AT, KEY_SIZE, entry->sigstruct.data,
                                 entry->sigstruct.size) == 1;
    if (!good) {
        ERR_clear_error();
        return error_set(err, ERROR_VERIFY,
                         "the FIPS signature over the SIGSTRUCT is bad: loaders would refuse the enclave");
    }
    return true;
}
