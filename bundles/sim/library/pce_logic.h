/* SPDX-License-Identifier: Apache-2.0
 *
 * PceLogic: the published ABI of libsgx_pce_logic.so.1 (Intel SGX DCAP, sgx_pce.h). All return an
 * sgx_pce_error_t.
 */
#ifndef BUNDLES_SIM_LIBRARY_PCE_LOGIC_H
#define BUNDLES_SIM_LIBRARY_PCE_LOGIC_H

#include <stdint.h>

#include "bundles/sgx/report.h"

#pragma GCC visibility push(default)

enum {
    PCE_SUCCESS = 0,
    PCE_UNEXPECTED = 0xf001,
    PCE_INVALID_PARAMETER = 0xf002,
    PCE_OUT_OF_EPC = 0xf003,
    PCE_INTERFACE_UNAVAILABLE = 0xf004,
    PCE_INVALID_REPORT = 0xf005,
    PCE_CRYPTO_ERROR = 0xf006,
    PCE_INVALID_PRIVILEGE = 0xf007,
    PCE_INVALID_TCB = 0xf008
};

enum {
    PCE_ENCRYPTED_PPID_SIZE = 384,
    PCE_PUBLIC_KEY_SIZE = 388, /* RSA-3072: n[384], e[4], big endian */
    PCE_SUITE_RSA_OAEP_3072 = 1,
    PCE_SCHEME_ECDSA_P256 = 0,
    PCE_SIGNATURE_SIZE = 64
};

/* Of the enclave file that would be loaded; loads nothing. */
uint32_t sgx_pce_get_target(SgxTargetInfo *ret_target_info, uint16_t *ret_isv_svn);

/* report: for the PCE, with SHA-256(suite, public key) as report data. */
uint32_t sgx_get_pce_info(const SgxReport *report, const uint8_t *public_key, uint32_t public_key_size,
                          uint8_t crypto_suite, uint8_t *ret_encrypted_ppid, uint32_t size,
                          uint32_t *ret_size, uint16_t *ret_isv_svn, uint16_t *ret_pce_id,
                          uint8_t *ret_signature_scheme);
uint32_t sgx_get_pce_info_without_ppid(uint16_t *ret_isv_svn, uint16_t *ret_pce_id);

/* Signs the report's body with the PCK key of the TCB that isv_svn and cpu_svn name. */
uint32_t sgx_pce_sign_report(const uint16_t *isv_svn, const uint8_t cpu_svn[16], const SgxReport *report,
                             uint8_t *ret_signature, uint32_t size, uint32_t *ret_size);

uint32_t sgx_set_pce_enclave_load_policy(int policy);
uint32_t sgx_set_pce_path(const char *path);

#pragma GCC visibility pop

#endif
