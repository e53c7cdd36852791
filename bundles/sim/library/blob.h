/* SPDX-License-Identifier: Apache-2.0
 *
 * Blob: the attestation key as the quote library keeps it between calls, with what it was certified with.
 *
 * Intel's is sealed data in process memory (DCAP, ref_create_quote blob layout); ours is plain, but follows
 * the same rules about which QE on which CPUSVN can open it.
 */
#ifndef BUNDLES_SIM_LIBRARY_BLOB_H
#define BUNDLES_SIM_LIBRARY_BLOB_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "bundles/base/buffer.h"
#include "bundles/sgx/report.h"
#include "bundles/sim/image.h"
#include "bundles/sim/key.h"
#include "bundles/sim/provider.h"

enum { SIM_AUTH_DATA_SIZE = 32 };
extern const uint8_t sim_blob_auth_data[SIM_AUTH_DATA_SIZE]; /* 00 01 … 1f */

typedef struct SimBlob {
    EVP_PKEY *key; /* NULL: no blob */
    uint8_t public_key[SIM_KEY_PUBLIC_SIZE];
    uint8_t pub_key_id[SGX_HASH_SIZE]; /* SHA-256 of public key and auth data */
    uint8_t mr_signer[SGX_HASH_SIZE];
    uint8_t seal_cpu_svn[SIM_CPU_SVN_SIZE];
    uint16_t seal_qe_isv_svn;
    /* Of the certification: */
    uint16_t qe_isv_svn;
    uint8_t raw_cpu_svn[SIM_CPU_SVN_SIZE];
    SgxTargetInfo pce_target;
    uint16_t pce_isv_svn;
    bool with_chain; /* certification data is the PCK chain, else the encrypted PPID */
    SimTcb tcb;
    Buffer tail; /* of a quote: all that follows header and report body; the signature is still zero */
} SimBlob;

/* Can this QE on this CPUSVN open it? If it is newer, the blob is sealed anew for it and older ones cannot
 * any more. */
bool sim_blob_unseal(SimBlob *blob, const SimIdentity *qe, const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]);

/* Makes the QE's key on this platform; what is known of a certification is forgotten. */
bool sim_blob_make_key(SimBlob *blob, const SimPlatform *platform, const SimIdentity *qe)
    __attribute__((warn_unused_result));
void sim_blob_done(SimBlob *blob);

#endif
