/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "tests/stub/stub.h"

const char stub_soname[] = "libsgx_pce_logic.so.1";

static char pce_path[512];

int sgx_create_enclave(const char *path);
int sgx_get_metadata(const char *path);
uint32_t sgx_set_pce_path(const char *path);
uint32_t sgx_set_pce_enclave_load_policy(int policy);
uint32_t sgx_pce_get_target(void *target_info, uint16_t *isv_svn);
uint32_t sgx_get_pce_info(void);
uint32_t sgx_get_pce_info_without_ppid(uint16_t *isv_svn, uint16_t *id);
uint32_t sgx_pce_sign_report(void);

uint32_t sgx_set_pce_path(const char *path) {
    stub_call("sgx_set_pce_path", "%s", path);
    (void)snprintf(pce_path, sizeof pce_path, "%s", path);
    return 0;
}

uint32_t sgx_set_pce_enclave_load_policy(int policy) {
    stub_call("sgx_set_pce_enclave_load_policy", "%d", policy);
    return 0;
}

uint32_t sgx_pce_get_target(void *target_info, uint16_t *isv_svn) {
    (void)target_info;
    (void)sgx_get_metadata(pce_path);
    *isv_svn = 16;
    return 0;
}

uint32_t sgx_get_pce_info(void) {
    return (uint32_t)sgx_create_enclave(pce_path);
}

uint32_t sgx_get_pce_info_without_ppid(uint16_t *isv_svn, uint16_t *id) {
    *isv_svn = 16;
    *id = 0;
    return 0;
}

uint32_t sgx_pce_sign_report(void) {
    return 0;
}
