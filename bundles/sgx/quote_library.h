/* SPDX-License-Identifier: Apache-2.0
 *
 * QuoteLibrary: the published ABI of Intel's quote libraries, as far as we call it (quoted) or provide it
 * (bundles/sim). Source: Intel SGX ECDSA QuoteGenReference API; names, argument types and codes are the
 * ABI's. Functions of libsgx_dcap_ql.so.1 and libsgx_qe3_logic.so; all return a quote3 code.
 */
#ifndef BUNDLES_SGX_QUOTE_LIBRARY_H
#define BUNDLES_SGX_QUOTE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/sgx/report.h"

/* quote3_error_t: 0, or 0xE000 + n. Only the codes we name ourselves; others pass through as numbers. */
typedef uint32_t Quote3Error;
enum {
    QUOTE3_SUCCESS = 0,
    QUOTE3_ERROR_UNEXPECTED = 0xe001,
    QUOTE3_ERROR_INVALID_PARAMETER = 0xe002,
    QUOTE3_ERROR_OUT_OF_MEMORY = 0xe003,
    QUOTE3_FILE_ACCESS_ERROR = 0xe006,
    QUOTE3_UNSUPPORTED_ATT_KEY_ID = 0xe00b,
    QUOTE3_UNSUPPORTED_LOADING_POLICY = 0xe00c,
    QUOTE3_INTERFACE_UNAVAILABLE = 0xe00d,
    QUOTE3_PLATFORM_LIB_UNAVAILABLE = 0xe00e,
    QUOTE3_ATT_KEY_NOT_INITIALIZED = 0xe00f,
    QUOTE3_ATT_KEY_CERT_DATA_INVALID = 0xe010,
    QUOTE3_NO_PLATFORM_CERT_DATA = 0xe011,
    QUOTE3_OUT_OF_EPC = 0xe012,
    QUOTE3_ENCLAVE_LOST = 0xe014,
    QUOTE3_INVALID_REPORT = 0xe015,
    QUOTE3_ENCLAVE_LOAD_ERROR = 0xe016,
    QUOTE3_UNABLE_TO_GENERATE_QE_REPORT = 0xe017,
    QUOTE3_KEY_CERTIFICATION_ERROR = 0xe018,
    QUOTE3_ERROR_INVALID_PRIVILEGE = 0xe035
};

/* sgx_ql_path_type_t and sgx_ql_request_policy_t */
enum {
    QUOTE_LIBRARY_PATH_QE3 = 0,
    QUOTE_LIBRARY_PATH_PCE = 1,
    QUOTE_LIBRARY_PATH_QPL = 2,
    QUOTE_LIBRARY_PATH_IDE = 3
};
enum { QUOTE_LIBRARY_PERSISTENT = 0, QUOTE_LIBRARY_EPHEMERAL = 1 };

/* libsgx_dcap_ql.so.1 */
typedef Quote3Error (*SgxQlSetPathFn)(int path_type, const char *path); /* sgx_ql_set_path */
typedef Quote3Error (*SgxQeSetEnclaveLoadPolicyFn)(int policy);         /* sgx_qe_set_enclave_load_policy */
typedef Quote3Error (*SgxQeGetTargetInfoFn)(SgxTargetInfo *ret_target_info); /* sgx_qe_get_target_info */
typedef Quote3Error (*SgxQeGetQuoteSizeFn)(uint32_t *ret_size);              /* sgx_qe_get_quote_size */
typedef Quote3Error (*SgxQeGetQuoteFn)(const SgxReport *report, uint32_t size,
                                       uint8_t *ret_quote); /* sgx_qe_get_quote */
typedef Quote3Error (*SgxQeCleanupByPolicyFn)(void);        /* sgx_qe_cleanup_by_policy */

/* libsgx_qe3_logic.so. att_key_id: the 158-byte base, NULL for the default. With ret_pub_key_id NULL,
 * sgx_ql_init_quote only gives the key id's size (32) and initialises nothing. */
typedef Quote3Error (*SgxQlInitQuoteFn)(const void *att_key_id, SgxTargetInfo *ret_target_info, bool refresh,
                                        size_t *pub_key_id_size,
                                        uint8_t *ret_pub_key_id); /* sgx_ql_init_quote */
typedef Quote3Error (*SgxQlGetQuoteSizeFn)(const void *att_key_id,
                                           uint32_t *ret_size); /* sgx_ql_get_quote_size */
typedef Quote3Error (*SgxQlGetQuoteFn)(const SgxReport *report, const void *att_key_id,
                                       SgxQeReportInfo *qe_report_info, uint8_t *ret_quote,
                                       uint32_t size); /* sgx_ql_get_quote */

/* Not Intel's. A quote library may export it, and the simulated one does: an application enclave's report
 * for a target, so that a trial quote can be taken without an enclave of our own. Returns a quote3 code. */
#define QUOTE_LIBRARY_TRIAL_REPORT "psw_trial_report"
typedef Quote3Error (*PswTrialReportFn)(const SgxTargetInfo *target_info,
                                        const uint8_t report_data[SGX_REPORT_DATA_SIZE],
                                        SgxReport *ret_report);

#endif
