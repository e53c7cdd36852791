/* SPDX-License-Identifier: Apache-2.0
 *
 * Secret: what the simulated processor derives from its fuses, here the platform's seed.
 *
 * Every key is HMAC-SHA256 of the seed over a label and exactly the inputs that decide it on hardware
 * (Intel SDM vol. 3D, EGETKEY key dependencies), so keys are the same again in every process and after every
 * restart, and differ where hardware's would.
 */
#ifndef BUNDLES_SIM_SECRET_H
#define BUNDLES_SIM_SECRET_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/sgx/report.h"

enum { SIM_SEED_SIZE = 32, SIM_CPU_SVN_SIZE = 16, SIM_REPORT_KEY_SIZE = 16, SIM_ID_SIZE = 16 };

/* The key that makes and checks the MAC of reports for this target. */
bool sim_secret_report_key(const uint8_t seed[SIM_SEED_SIZE], const SgxTargetInfo *target,
                           const uint8_t cpu_svn[SIM_CPU_SVN_SIZE], const uint8_t key_id[32],
                           uint8_t ret_key[SIM_REPORT_KEY_SIZE]) __attribute__((warn_unused_result));
/* KEYID of reports; constant on a platform. */
bool sim_secret_key_id(const uint8_t seed[SIM_SEED_SIZE], uint8_t ret_key_id[32])
    __attribute__((warn_unused_result));

/* The attestation key of the QE with this signer and ISVSVN. NULL when out of memory. */
EVP_PKEY *sim_secret_attestation_key(const uint8_t seed[SIM_SEED_SIZE],
                                     const uint8_t mr_signer[SGX_HASH_SIZE], uint16_t qe_isv_svn,
                                     const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]);
/* The PCK key of a TCB level for PCEs of this signer. NULL when out of memory. */
EVP_PKEY *sim_secret_pck_key(const uint8_t seed[SIM_SEED_SIZE], const uint8_t mr_signer[SGX_HASH_SIZE],
                             uint16_t pce_svn, const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]);

/* QE_ID: independent of every SVN. */
bool sim_secret_qe_id(const uint8_t seed[SIM_SEED_SIZE], const uint8_t mr_signer[SGX_HASH_SIZE],
                      uint8_t ret_id[SIM_ID_SIZE]) __attribute__((warn_unused_result));
bool sim_secret_ppid(const uint8_t seed[SIM_SEED_SIZE], uint8_t ret_ppid[SIM_ID_SIZE])
    __attribute__((warn_unused_result));

#endif
