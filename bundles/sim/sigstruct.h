/* SPDX-License-Identifier: Apache-2.0
 *
 * Sigstruct: the signed description of an enclave (Intel SDM vol. 3D, "SIGSTRUCT"), made and checked as
 * the simulated processor's EINIT does. For test enclaves; bundles/sgx examines those that come from outside.
 */
#ifndef BUNDLES_SIM_SIGSTRUCT_H
#define BUNDLES_SIM_SIGSTRUCT_H

#include <assert.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/sgx/report.h"

enum { SIM_SIGSTRUCT_SIZE = 1808, SIM_RSA_SIZE = 384 };

typedef struct __attribute__((packed)) SimSigstruct {
    uint8_t header[12];
    uint32_t type;
    uint32_t vendor;
    uint32_t date; /* BCD, 0xYYYYMMDD */
    uint8_t header2[16];
    uint32_t swdefined;
    uint8_t reserved1[84];
    uint8_t modulus[SIM_RSA_SIZE]; /* this and the other big numbers are little endian */
    uint32_t exponent;
    uint8_t signature[SIM_RSA_SIZE];
    uint32_t misc_select;
    uint32_t misc_mask;
    uint8_t reserved2[4];
    uint8_t isv_family_id[16];
    SgxAttributes attributes;
    SgxAttributes attributes_mask;
    uint8_t mr_enclave[SGX_HASH_SIZE];
    uint8_t reserved3[16];
    uint8_t isv_ext_prod_id[16];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint8_t reserved4[12];
    uint8_t q1[SIM_RSA_SIZE];
    uint8_t q2[SIM_RSA_SIZE];
} SimSigstruct;
static_assert(sizeof(SimSigstruct) == SIM_SIGSTRUCT_SIZE, "SIGSTRUCT");

/* Fills in the constants that every production SIGSTRUCT has; the rest is zero. */
void sim_sigstruct_init(SimSigstruct *sigstruct);

/* Fills in modulus, exponent, signature, Q1 and Q2. The key is RSA-3072 with exponent 3. */
bool sim_sigstruct_sign(SimSigstruct *sigstruct, EVP_PKEY *key, Error *err)
    __attribute__((warn_unused_result));

/* ERROR_VERIFY if constants, signature, Q1 or Q2 are wrong. */
bool sim_sigstruct_check(const SimSigstruct *sigstruct, Error *err) __attribute__((warn_unused_result));

/* MRSIGNER: SHA-256 of the modulus as stored. */
bool sim_sigstruct_mr_signer(const SimSigstruct *sigstruct, uint8_t ret_mr_signer[SGX_HASH_SIZE])
    __attribute__((warn_unused_result));
/* The same of a key that has signed nothing yet. */
bool sim_sigstruct_key_mr_signer(const EVP_PKEY *key, uint8_t ret_mr_signer[SGX_HASH_SIZE])
    __attribute__((warn_unused_result));

#endif
