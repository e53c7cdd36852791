/* SPDX-License-Identifier: Apache-2.0
 *
 * Image: an enclave file as the simulated processor takes it in: pages added and measured, SIGSTRUCT checked,
 * as ECREATE, EADD, EEXTEND and EINIT do (Intel SDM vol. 3D).
 *
 * It understands what bundles/sim/enclave.c makes and refuses the rest. It shares no code with the verifier
 * in bundles/sgx, so that each proves the other. Files are outside bytes: every offset is checked.
 */
#ifndef BUNDLES_SIM_IMAGE_H
#define BUNDLES_SIM_IMAGE_H

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/sgx/report.h"
#include "bundles/sim/sigstruct.h"

enum { SIM_IMAGE_FILE_MAX = 4 * 1024 * 1024, SIM_IMAGE_PAGES_MAX = 16384 };

/* An enclave that runs: what its reports say, and what it takes. */
typedef struct SimIdentity {
    uint8_t mr_enclave[SGX_HASH_SIZE];
    uint8_t mr_signer[SGX_HASH_SIZE];
    SgxAttributes attributes; /* with INIT */
    uint32_t misc_select;
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint64_t epc_kib;
} SimIdentity;

/* MRENCLAVE of the file and the number of its EPC pages, SECS and version arrays not counted. ERROR_INPUT. */
bool sim_image_measure(Bytes file, uint8_t ret_mr_enclave[SGX_HASH_SIZE], uint64_t *ret_pages, Error *err)
    __attribute__((warn_unused_result));

/* The SIGSTRUCT in the file, unchecked. ERROR_INPUT. */
bool sim_image_sigstruct(Bytes file, SimSigstruct *ret_sigstruct, Error *err)
    __attribute__((warn_unused_result));

/* ERROR_INPUT, or ERROR_VERIFY if the SIGSTRUCT is bad or is not for this file. */
bool sim_image_start(Bytes file, SimIdentity *ret_identity, Error *err) __attribute__((warn_unused_result));

/* What a file can be named as a target by before it is started; from its SIGSTRUCT. */
void sim_image_identity(const SimSigstruct *sigstruct, SimIdentity *ret_identity);

/* Target info that names this enclave. */
SgxTargetInfo sim_image_target(const SimIdentity *identity);

#endif
