/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bundles/sgx/quote_library.h"
#include "tests/stub/stub.h"

const char stub_soname[] = "libsgx_dcap_ql.so.1";

enum { UNSUPPORTED_MODE = 0xe03e };

Quote3Error sgx_set_qe3_path(const char *path);
Quote3Error sgx_set_ide_path(const char *path);
Quote3Error sgx_set_qpl_path(const char *path);
uint32_t sgx_set_pce_path(const char *path);
uint32_t sgx_set_pce_enclave_load_policy(int policy);
Quote3Error sgx_ql_set_enclave_load_policy(int policy);
Quote3Error sgx_ql_init_quote(const void *id, SgxTargetInfo *target_info, bool refresh, size_t *size,
                              uint8_t *pub_key_id);
Quote3Error sgx_ql_get_quote_size(const void *id, uint32_t *ret_size);
Quote3Error sgx_ql_get_quote(const SgxReport *report, const void *id, SgxQeReportInfo *info, uint8_t *quote,
                             uint32_t size);

Quote3Error sgx_ql_set_path(int type, const char *path);
Quote3Error sgx_qe_set_enclave_load_policy(int policy);
Quote3Error sgx_qe_get_target_info(SgxTargetInfo *target_info);
Quote3Error sgx_qe_get_quote_size(uint32_t *ret_size);
Quote3Error sgx_qe_get_quote(const SgxReport *report, uint32_t size, uint8_t *quote);
Quote3Error sgx_qe_cleanup_by_policy(void);
Quote3Error sgx_ql_set_trace_callback(void *callback, int level);

static bool out_of_process;

__attribute__((constructor)) static void look_at_environment(void) {
    out_of_process = getenv("SGX_AESM_ADDR") != NULL;
}

Quote3Error sgx_ql_set_path(int type, const char *path) {
    stub_call("sgx_ql_set_path", "%d %s", type, path);
    if (out_of_process) {
        return UNSUPPORTED_MODE;
    }
    switch (type) {
    case QUOTE_LIBRARY_PATH_QE3:
        return sgx_set_qe3_path(path);
    case QUOTE_LIBRARY_PATH_PCE:
        return sgx_set_pce_path(path);
    case QUOTE_LIBRARY_PATH_QPL:
        return sgx_set_qpl_path(path);
    case QUOTE_LIBRARY_PATH_IDE:
        return sgx_set_ide_path(path);
    default:
        return QUOTE3_ERROR_INVALID_PARAMETER;
    }
}

Quote3Error sgx_qe_set_enclave_load_policy(int policy) {
    Quote3Error code = sgx_ql_set_enclave_load_policy(policy);
    return code != QUOTE3_SUCCESS ? code : sgx_set_pce_enclave_load_policy(policy);
}

Quote3Error sgx_qe_get_target_info(SgxTargetInfo *target_info) {
    size_t size = 32;
    uint8_t pub_key_id[32];
    return sgx_ql_init_quote(NULL, target_info, false, &size, pub_key_id);
}

Quote3Error sgx_qe_get_quote_size(uint32_t *ret_size) {
    return sgx_ql_get_quote_size(NULL, ret_size);
}

Quote3Error sgx_qe_get_quote(const SgxReport *report, uint32_t size, uint8_t *quote) {
    return sgx_ql_get_quote(report, NULL, NULL, quote, size);
}

Quote3Error sgx_qe_cleanup_by_policy(void) {
    return QUOTE3_SUCCESS;
}

Quote3Error sgx_ql_set_trace_callback(void *callback, int level) {
    (void)callback, (void)level;
    return QUOTE3_SUCCESS;
}
