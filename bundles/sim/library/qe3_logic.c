/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/library/qe3_logic.h"

#include <string.h>
#include <sys/stat.h>

#include "bundles/sgx/att_key_id.h"
#include "bundles/sim/library/quoting.h"

/* The ABI has no handles: one QE a process, as with Intel's library. Writers go first, so that init cannot
 * starve behind quotes. */
static Quoting quoting = {.lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
                          .epc = SIM_EPC_INIT,
                          .qe = {.role = SIM_ROLE_QE3},
                          .id_enclave = {.role = SIM_ROLE_ID_ENCLAVE},
                          .policy = QUOTE_LIBRARY_PERSISTENT,
                          .tcs = SIM_TCS_POOL_INIT};

static bool key_is_ours(const void *att_key_id) {
    return att_key_id == NULL || memcmp(att_key_id, &sgx_att_key_id_ecdsa, SGX_ATT_KEY_ID_BASE_SIZE) == 0;
}

Quote3Error sgx_ql_init_quote(const void *att_key_id, SgxTargetInfo *ret_target_info, bool refresh,
                              size_t *pub_key_id_size, uint8_t *ret_pub_key_id) {
    (void)refresh; /* the key is derived: there is no other one */
    if (!key_is_ours(att_key_id) || pub_key_id_size == NULL || ret_target_info == NULL) {
        return QUOTE3_ERROR_INVALID_PARAMETER;
    }
    if (ret_pub_key_id == NULL) {
        *pub_key_id_size = QUOTING_PUB_KEY_ID_SIZE;
        return QUOTE3_SUCCESS;
    }
    if (*pub_key_id_size != QUOTING_PUB_KEY_ID_SIZE) { /* exactly, as Intel's */
        return QUOTE3_ERROR_INVALID_PARAMETER;
    }
    return quoting_init(&quoting, ret_target_info, ret_pub_key_id);
}

Quote3Error sgx_ql_get_quote_size(const void *att_key_id, uint32_t *ret_size) {
    return key_is_ours(att_key_id) && ret_size != NULL ? quoting_size(&quoting, ret_size)
                                                       : QUOTE3_ERROR_INVALID_PARAMETER;
}

Quote3Error sgx_ql_get_quote(const SgxReport *report, const void *att_key_id, SgxQeReportInfo *qe_report_info,
                             uint8_t *ret_quote, uint32_t size) {
    return report != NULL && key_is_ours(att_key_id) && ret_quote != NULL && size != 0
               ? quoting_quote(&quoting, report, qe_report_info, ret_quote, size)
               : QUOTE3_ERROR_INVALID_PARAMETER;
}

Quote3Error sgx_ql_set_enclave_load_policy(int policy) {
    return quoting_set_policy(&quoting, policy);
}

Quote3Error sgx_set_qe3_path(const char *path) {
    return quoting_set_path(&quoting, &quoting.qe, path);
}

Quote3Error sgx_set_ide_path(const char *path) {
    return quoting_set_path(&quoting, &quoting.id_enclave, path);
}

/* The platform is its own provider; the path is only checked. */
Quote3Error sgx_set_qpl_path(const char *path) {
    struct stat file;
    return path != NULL && strlen(path) < SIM_PATH_MAX && stat(path, &file) == 0 && S_ISREG(file.st_mode)
               ? QUOTE3_SUCCESS
               : QUOTE3_ERROR_INVALID_PARAMETER;
}

Quote3Error psw_trial_report(const SgxTargetInfo *target_info,
                             const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report) {
    return target_info != NULL && report_data != NULL && ret_report != NULL
               ? quoting_trial_report(&quoting, target_info, report_data, ret_report)
               : QUOTE3_ERROR_INVALID_PARAMETER;
}

/* A process may close the library and open another bundle's. At its end a call may still be under way: that
 * one keeps what it works with. */
__attribute__((destructor)) static void release(void) {
    if (pthread_rwlock_trywrlock(&quoting.lock) == 0) {
        quoting_done(&quoting);
        (void)pthread_rwlock_unlock(&quoting.lock);
    }
}
