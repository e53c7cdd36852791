/* SPDX-License-Identifier: Apache-2.0
 *
 * Collateral: TCB info and QE identity of the simulated platform (Intel PCS API v4, TCB info version 3 and
 * enclave identity version 2). The texts are exactly the bytes that are signed.
 */
#ifndef BUNDLES_SIM_COLLATERAL_H
#define BUNDLES_SIM_COLLATERAL_H

#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/sgx/report.h"
#include "bundles/sim/pck_extension.h"
#include "bundles/sim/secret.h"

/* The CPUSVNs that the platform may have (knob cpu_svn), newest first, and the PCESVNs that certificates are
 * issued for. */
enum { SIM_CPU_SVNS_COUNT = 3, SIM_PCE_SVNS_COUNT = 7 };
extern const uint8_t sim_collateral_cpu_svns[SIM_CPU_SVNS_COUNT][SIM_CPU_SVN_SIZE];
extern const uint16_t sim_collateral_pce_svns[SIM_PCE_SVNS_COUNT];

typedef struct SimCollateralSpec {
    uint8_t fmspc[SIM_FMSPC_SIZE];
    uint8_t qe_mr_signer[SGX_HASH_SIZE];
    int64_t issue_date; /* seconds since 1970 */
    int64_t next_update;
} SimCollateralSpec;

/* The inner objects, compact. NULL only when out of memory; the caller frees. */
char *sim_collateral_tcb_info(const SimCollateralSpec *spec, Error *err) __attribute__((warn_unused_result));
char *sim_collateral_qe_identity(const SimCollateralSpec *spec, Error *err)
    __attribute__((warn_unused_result));

#endif
