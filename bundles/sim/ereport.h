/* SPDX-License-Identifier: Apache-2.0
 *
 * Ereport: the EREPORT instruction of the simulated processor and the check that its reader makes.
 */
#ifndef BUNDLES_SIM_EREPORT_H
#define BUNDLES_SIM_EREPORT_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/sgx/report.h"
#include "bundles/sim/image.h"
#include "bundles/sim/secret.h"

/* The application enclave that asks for quotes in tests and trials. */
extern const SimIdentity sim_ereport_application;

/* `who` reports to `target`. False only when out of memory. */
bool sim_ereport(const uint8_t seed[SIM_SEED_SIZE], const uint8_t cpu_svn[SIM_CPU_SVN_SIZE],
                 const SimIdentity *who, const SgxTargetInfo *target,
                 const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report)
    __attribute__((warn_unused_result));

/* Was the report made for this target on this platform? False also when out of memory. */
bool sim_ereport_check(const uint8_t seed[SIM_SEED_SIZE], const uint8_t cpu_svn[SIM_CPU_SVN_SIZE],
                       const SgxTargetInfo *target, const SgxReport *report)
    __attribute__((warn_unused_result));

/* For a reader of many reports: an AES-CMAC context for reports with this key id, used by one thread at a
 * time. NULL when out of memory; free with EVP_MAC_CTX_free. */
EVP_MAC_CTX *sim_ereport_checker_new(const uint8_t seed[SIM_SEED_SIZE],
                                     const uint8_t cpu_svn[SIM_CPU_SVN_SIZE], const SgxTargetInfo *target,
                                     const uint8_t key_id[32]);
bool sim_ereport_checker_accepts(EVP_MAC_CTX *checker, const SgxReport *report)
    __attribute__((warn_unused_result));

#endif
