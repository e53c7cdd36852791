/* SPDX-License-Identifier: Apache-2.0
 *
 * DcapQl: the published ABI of libsgx_dcap_ql.so.1, as functions (bundles/sgx/quote_library.h has the pointer
 * types). Thin: everything is done by libsgx_qe3_logic.
 */
#ifndef BUNDLES_SIM_LIBRARY_DCAP_QL_H
#define BUNDLES_SIM_LIBRARY_DCAP_QL_H

#include "bundles/sgx/quote_library.h"

#pragma GCC visibility push(default)

Quote3Error sgx_qe_set_enclave_load_policy(int policy);
Quote3Error sgx_qe_get_target_info(SgxTargetInfo *ret_target_info);
Quote3Error sgx_qe_get_quote_size(uint32_t *ret_size);
Quote3Error sgx_qe_get_quote(const SgxReport *report, uint32_t size, uint8_t *ret_quote);
Quote3Error sgx_qe_cleanup_by_policy(void);
Quote3Error sgx_ql_set_path(int path_type, const char *path);

#pragma GCC visibility pop

#endif
