/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/sigstruct.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"

CLEANUP_DEFINE(BIGNUM, BN_free)
CLEANUP_DEFINE(BN_CTX, BN_CTX_free)
CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

/* The signature covers two pieces: before the modulus, and from MISCSELECT to ISVSVN. */
enum { PIECE1_SIZE = 128, PIECE2_OFFSET = 900, PIECE2_SIZE = 128, RSA_BITS = 3072 };
static_assert(offsetof(SimSigstruct, modulus) == PIECE1_SIZE, "first signed piece");
static_assert(offsetof(SimSigstruct, misc_select) == PIECE2_OFFSET, "second signed piece");
static_assert(offsetof(SimSigstruct, reserved4) == PIECE2_OFFSET + PIECE2_SIZE, "second signed piece");

static const uint8_t header[12] = {6, 0, 0, 0, 0xe1, 0, 0, 0, 0, 0, 1, 0};
static const uint8_t header2[16] = {1, 1, 0, 0, 0x60, 0, 0, 0, 0x60, 0, 0, 0, 1, 0, 0, 0};
static const uint8_t digest_info[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                        0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

void sim_sigstruct_init(SimSigstruct *sigstruct) {
    *sigstruct = (SimSigstruct){.vendor = 0x8086, .exponent = 3, .misc_mask = UINT32_MAX};
    memcpy(sigstruct->header, header, sizeof header);
    memcpy(sigstruct->header2, header2, sizeof header2);
}

static bool signed_hash(const SimSigstruct *sigstruct, Digest *ret_hash) {
    uint8_t message[PIECE1_SIZE + PIECE2_SIZE];
    memcpy(message, sigstruct, PIECE1_SIZE);
    memcpy(message + PIECE1_SIZE, (const uint8_t *)sigstruct + PIECE2_OFFSET, PIECE2_SIZE);
    return digest_of(message, sizeof message, ret_hash);
}

typedef struct Powers { /* what EINIT computes of signature s and modulus n */
    uint8_t q1[SIM_RSA_SIZE];
    uint8_t q2[SIM_RSA_SIZE];
    uint8_t block[SIM_RSA_SIZE]; /* s^3 mod n, big endian */
} Powers;

static bool powers_of(const SimSigstruct *sigstruct, Powers *ret_powers) {
    CLEANUP(BN_CTX_freep) BN_CTX *context = BN_CTX_new();
    CLEANUP(BN_freep) BIGNUM *n = BN_lebin2bn(sigstruct->modulus, SIM_RSA_SIZE, NULL);
    CLEANUP(BN_freep) BIGNUM *s = BN_lebin2bn(sigstruct->signature, SIM_RSA_SIZE, NULL);
    CLEANUP(BN_freep) BIGNUM *product = BN_new();
    CLEANUP(BN_freep) BIGNUM *quotient = BN_new();
    CLEANUP(BN_freep) BIGNUM *rest = BN_new();
    if (context == NULL || n == NULL || s == NULL || product == NULL || quotient == NULL || rest == NULL) {
        return false;
    }
    if (BN_num_bits(n) != RSA_BITS || !BN_is_odd(n) || BN_is_zero(s) || BN_cmp(s, n) >= 0) {
        return false;
    }
    return BN_sqr(product, s, context) == 1 && BN_div(quotient, rest, product, n, context) == 1 &&
           BN_bn2lebinpad(quotient, ret_powers->q1, SIM_RSA_SIZE) == SIM_RSA_SIZE &&
           BN_mul(product, s, rest, context) == 1 && BN_div(quotient, rest, product, n, context) == 1 &&
           BN_bn2lebinpad(quotient, ret_powers->q2, SIM_RSA_SIZE) == SIM_RSA_SIZE &&
           BN_bn2binpad(rest, ret_powers->block, SIM_RSA_SIZE) == SIM_RSA_SIZE;
}

static void reverse(uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size / 2; i++) {
        uint8_t kept = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = kept;
    }
}

static bool key_modulus(const EVP_PKEY *key, uint8_t ret_modulus[SIM_RSA_SIZE]) {
    BIGNUM *owned = NULL;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &owned) != 1) {
        return false;
    }
    CLEANUP(BN_freep) BIGNUM *n = owned;
    return BN_num_bits(n) == RSA_BITS && BN_bn2lebinpad(n, ret_modulus, SIM_RSA_SIZE) == SIM_RSA_SIZE;
}

bool sim_sigstruct_sign(SimSigstruct *sigstruct, EVP_PKEY *key, Error *err) {
    Digest hash;
    size_t size = SIM_RSA_SIZE;
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (context == NULL || !key_modulus(key, sigstruct->modulus) || !signed_hash(sigstruct, &hash) ||
        EVP_PKEY_sign_init(context) != 1 || EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1 ||
        EVP_PKEY_sign(context, sigstruct->signature, &size, hash.bytes, sizeof hash.bytes) != 1 ||
        size != SIM_RSA_SIZE) {
        return error_set(err, ERROR_USAGE, "SIGSTRUCT: the signer's key is not RSA with 3072 bits");
    }
    reverse(sigstruct->signature, SIM_RSA_SIZE);
    Powers powers;
    if (!powers_of(sigstruct, &powers)) {
        return error_set(err, ERROR_MEMORY, "SIGSTRUCT: out of memory");
    }
    memcpy(sigstruct->q1, powers.q1, sizeof powers.q1);
    memcpy(sigstruct->q2, powers.q2, sizeof powers.q2);
    /* Fails for a key whose exponent is not 3. */
    return sim_sigstruct_check(sigstruct, err);
}

/* The padded hash that s^3 mod n must be (PKCS #1 v1.5): built and compared, never parsed. */
static void expected_block(const Digest *hash, uint8_t ret_block[SIM_RSA_SIZE]) {
    const size_t info_at = SIM_RSA_SIZE - sizeof hash->bytes - sizeof digest_info;
    memset(ret_block, 0xff, SIM_RSA_SIZE);
    ret_block[0] = 0;
    ret_block[1] = 1;
    ret_block[info_at - 1] = 0;
    memcpy(ret_block + info_at, digest_info, sizeof digest_info);
    memcpy(ret_block + SIM_RSA_SIZE - sizeof hash->bytes, hash->bytes, sizeof hash->bytes);
}

bool sim_sigstruct_check(const SimSigstruct *sigstruct, Error *err) {
    if (memcmp(sigstruct->header, header, sizeof header) != 0 ||
        memcmp(sigstruct->header2, header2, sizeof header2) != 0 || sigstruct->exponent != 3) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: header or exponent is not what EINIT demands");
    }
    Digest hash;
    Powers powers;
    uint8_t block[SIM_RSA_SIZE];
    if (!signed_hash(sigstruct, &hash) || !powers_of(sigstruct, &powers)) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: modulus or signature is out of range");
    }
    expected_block(&hash, block);
    if (memcmp(block, powers.block, sizeof block) != 0) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: the signature is wrong");
    }
    if (memcmp(powers.q1, sigstruct->q1, sizeof powers.q1) != 0 ||
        memcmp(powers.q2, sigstruct->q2, sizeof powers.q2) != 0) {
        return error_set(err, ERROR_VERIFY, "SIGSTRUCT: Q1 or Q2 is wrong");
    }
    return true;
}

bool sim_sigstruct_mr_signer(const SimSigstruct *sigstruct, uint8_t ret_mr_signer[SGX_HASH_SIZE]) {
    Digest digest;
    if (!digest_of(sigstruct->modulus, sizeof sigstruct->modulus, &digest)) {
        return false;
    }
    memcpy(ret_mr_signer, digest.bytes, SGX_HASH_SIZE);
    return true;
}

bool sim_sigstruct_key_mr_signer(const EVP_PKEY *key, uint8_t ret_mr_signer[SGX_HASH_SIZE]) {
    SimSigstruct sigstruct;
    return key_modulus(key, sigstruct.modulus) && sim_sigstruct_mr_signer(&sigstruct, ret_mr_signer);
}
