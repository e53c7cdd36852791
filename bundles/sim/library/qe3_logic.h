/* SPDX-License-Identifier: Apache-2.0
 *
 * Qe3Logic: the published ABI of libsgx_qe3_logic.so, as functions (bundles/sgx/quote_library.h has the
 * pointer types and says what they do).
 */
#ifndef BUNDLES_SIM_LIBRARY_QE3_LOGIC_H
#define BUNDLES_SIM_LIBRARY_QE3_LOGIC_H

#include "bundles/sgx/quote_library.h"

#pragma GCC visibility push(default)

Quote3Error sgx_ql_init_quote(const void *att_key_id, SgxTargetInfo *ret_target_info, bool refresh,
                              size_t *pub_key_id_size, uint8_t *ret_pub_key_id);
Quote3Error sgx_ql_get_quote_size(const void *att_key_id, uint32_t *ret_size);
Quote3Error sgx_ql_get_quote(const SgxReport *report, const void *att_key_id, SgxQeReportInfo *qe_report_info,
                             uint8_t *ret_quote, uint32_t size);
Quote3Error sgx_ql_set_enclave_load_policy(int policy);
Quote3Error sgx_set_qe3_path(const char *path);
Quote3Error sgx_set_ide_path(const char *path);
Quote3Error sgx_set_qpl_path(const char *path);

/* Ours: QUOTE_LIBRARY_TRIAL_REPORT. */
Quote3Error psw_trial_report(const SgxTargetInfo *target_info,
                             const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report);

#pragma GCC visibility pop

#endif
