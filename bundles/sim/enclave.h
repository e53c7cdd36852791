/* SPDX-License-Identifier: Apache-2.0
 *
 * Enclave: a generator of simulated architectural enclaves: ELF files with metadata and SIGSTRUCT in the
 * shape of Intel's, whose code does nothing. What they would do is done by the simulated quote library.
 *
 * The same specification gives the same bytes, and role, ISVSVN and version are part of the measured pages,
 * so that two versions are two enclaves with different MRENCLAVEs.
 */
#ifndef BUNDLES_SIM_ENCLAVE_H
#define BUNDLES_SIM_ENCLAVE_H

#include <openssl/evp.h>

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"

typedef enum SimRole { SIM_ROLE_QE3, SIM_ROLE_ID_ENCLAVE, SIM_ROLE_PCE, SIM_ROLES_COUNT } SimRole;

typedef struct SimEnclaveSpec {
    SimRole role;
    uint16_t isv_svn;    /* at least 1 */
    const char *version; /* printable, at most 64 bytes */
} SimEnclaveSpec;

/* File name and DT_SONAME of a role: "libsgx_qe3.signed.so.1". */
const char *sim_enclave_soname(SimRole role);

/* Product id of all three roles, as of Intel's. */
enum { SIM_ENCLAVE_PROD_ID = 1 };

/* Replaces the buffer's contents by the file; the key is RSA-3072 with exponent 3. */
bool sim_enclave_make(const SimEnclaveSpec *spec, EVP_PKEY *signer, Buffer *ret_file, Error *err)
    __attribute__((warn_unused_result));

#endif
