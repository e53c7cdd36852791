/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/library/dcap_ql.h"

#include <stdlib.h>

#include "bundles/sim/library/pce_logic.h"
#include "bundles/sim/library/qe3_logic.h"

enum { PUB_KEY_ID_SIZE = 32, UNSUPPORTED_MODE = 0xe03e };

/* With SGX_AESM_ADDR set at load, even to nothing, Intel's library asks the daemon instead of a QE of its
 * own; there is no such client here. */
static bool out_of_process;

__attribute__((constructor)) static void look_at_environment(void) {
    out_of_process = getenv("SGX_AESM_ADDR") != NULL;
}

Quote3Error sgx_qe_set_enclave_load_policy(int policy) {
    return out_of_process ? UNSUPPORTED_MODE : sgx_ql_set_enclave_load_policy(policy);
}

Quote3Error sgx_qe_get_target_info(SgxTargetInfo *ret_target_info) {
    if (out_of_process) {
        return QUOTE3_INTERFACE_UNAVAILABLE;
    }
    size_t size = 0;
    uint8_t pub_key_id[PUB_KEY_ID_SIZE];
    Quote3Error code = sgx_ql_init_quote(NULL, ret_target_info, false, &size, NULL);
    return code != QUOTE3_SUCCESS ? code : sgx_ql_init_quote(NULL, ret_target_info, false, &size, pub_key_id);
}

Quote3Error sgx_qe_get_quote_size(uint32_t *ret_size) {
    return out_of_process ? QUOTE3_INTERFACE_UNAVAILABLE : sgx_ql_get_quote_size(NULL, ret_size);
}

Quote3Error sgx_qe_get_quote(const SgxReport *report, uint32_t size, uint8_t *ret_quote) {
    return out_of_process ? QUOTE3_INTERFACE_UNAVAILABLE
                          : sgx_ql_get_quote(report, NULL, NULL, ret_quote, size);
}

/* With the ephemeral policy every call unloads behind itself, so there is nothing left to clean up. */
Quote3Error sgx_qe_cleanup_by_policy(void) {
    return out_of_process ? UNSUPPORTED_MODE : QUOTE3_SUCCESS;
}

Quote3Error sgx_ql_set_path(int path_type, const char *path) {
    if (out_of_process) {
        return UNSUPPORTED_MODE;
    }
    switch (path_type) {
    case QUOTE_LIBRARY_PATH_QE3:
        return sgx_set_qe3_path(path);
    case QUOTE_LIBRARY_PATH_PCE:
        return sgx_set_pce_path(path) == PCE_SUCCESS ? QUOTE3_SUCCESS : QUOTE3_ERROR_INVALID_PARAMETER;
    case QUOTE_LIBRARY_PATH_QPL:
        return sgx_set_qpl_path(path);
    case QUOTE_LIBRARY_PATH_IDE:
        return sgx_set_ide_path(path);
    default:
        return QUOTE3_ERROR_INVALID_PARAMETER;
    }
}
