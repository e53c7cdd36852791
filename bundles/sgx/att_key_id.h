/* SPDX-License-Identifier: Apache-2.0
 *
 * AttKeyId: the attestation key identity by which a client says which kind of quote it wants.
 *
 * 256 bytes on the AESM wire, of which the first 158 are the identity proper (Intel DCAP API reference,
 * sgx_att_key_id_t and sgx_att_key_id_ext_t). There is one that we serve: ECDSA P-256 by Intel's QE3.
 */
#ifndef BUNDLES_SGX_ATT_KEY_ID_H
#define BUNDLES_SGX_ATT_KEY_ID_H

#include <assert.h>
#include <stdint.h>

enum { SGX_ATT_KEY_ID_BASE_SIZE = 158, SGX_ATT_KEY_ID_SIZE = 256, SGX_ATT_KEY_ID_LIST_MAX = 10 };

typedef struct __attribute__((packed)) SgxAttKeyId {
    uint16_t id;
    uint16_t version;
    uint16_t mr_signer_length;
    uint8_t mr_signer[48];
    uint32_t prod_id;
    uint8_t extended_prod_id[16];
    uint8_t config_id[64];
    uint8_t family_id[16];
    uint32_t algorithm_id; /* 2: ECDSA P-256 */
    uint8_t spid[16];
    uint16_t att_key_type;
    uint8_t reserved[80];
} SgxAttKeyId;
static_assert(sizeof(SgxAttKeyId) == SGX_ATT_KEY_ID_SIZE, "attestation key id");

/* The DCAP ECDSA identity, complete. */
extern const SgxAttKeyId sgx_att_key_id_ecdsa;

#endif
