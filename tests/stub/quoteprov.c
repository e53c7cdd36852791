/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/stub/stub.h"

const char stub_soname[] = "libdcap_quoteprov.so.1";

/* sgx_ql_config_t */
typedef struct __attribute__((packed)) Config {
    uint32_t version;
    uint8_t cpu_svn[16];
    uint16_t pce_isv_svn;
    uint32_t size;
    uint8_t *data;
} Config;

uint32_t sgx_qcnl_get_pck_cert_chain(uint32_t *size);
uint32_t sgx_ql_get_quote_config(const void *id, Config **ret_config);
uint32_t sgx_ql_free_quote_config(Config *config);

uint32_t sgx_ql_get_quote_config(const void *id, Config **ret_config) {
    static uint8_t chain[4096];
    static Config config = {.version = 1, .pce_isv_svn = 16, .data = chain};
    uint32_t size = 0;
    (void)id;
    uint32_t code = sgx_qcnl_get_pck_cert_chain(&size);
    stub_call("sgx_ql_get_quote_config", "0x%x", code);
    if (code == 0) {
        memset(chain, 'c', size);
        config.size = size;
        *ret_config = &config;
    }
    return code;
}

uint32_t sgx_ql_free_quote_config(Config *config) {
    (void)config;
    return 0;
}
