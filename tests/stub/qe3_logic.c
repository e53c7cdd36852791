/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "bundles/sgx/quote_library.h"
#include "tests/stub/stub.h"

const char stub_soname[] = "libsgx_qe3_logic.so";

enum {
    PPID_SIZE = 404, /* in place of a chain of certificates where there is no provider */
    OVERHEAD = 1052, /* of a quote, over what vouches for its key */
    HEADER_SIZE = 48,
    SIGNATURE_AT = 436,
    PATH_SIZE = 260,
    QE = 0x5a /* the bytes of its MRENCLAVE, and of the MAC of reports for it */
};

static char qe3_path[PATH_SIZE], ide_path[PATH_SIZE], qpl_path[PATH_SIZE];

typedef struct __attribute__((packed)) Config {
    uint32_t version;
    uint8_t cpu_svn[16];
    uint16_t pce_isv_svn;
    uint32_t size;
    uint8_t *data;
} Config;

int sgx_create_enclave(const char *path);
uint32_t sgx_pce_get_target(void *target_info, uint16_t *isv_svn);
uint32_t sgx_get_pce_info(void);
uint32_t sgx_pce_sign_report(void);
void *get_qpl_handle(void);
Quote3Error sgx_set_qe3_path(const char *path);
Quote3Error sgx_set_ide_path(const char *path);
Quote3Error sgx_set_qpl_path(const char *path);
Quote3Error sgx_ql_set_enclave_load_policy(int policy);
Quote3Error sgx_ql_get_keyid(void *id);
Quote3Error sgx_ql_init_quote(const void *id, SgxTargetInfo *target_info, bool refresh, size_t *size,
                              uint8_t *pub_key_id);
Quote3Error sgx_ql_get_quote_size(const void *id, uint32_t *ret_size);
Quote3Error sgx_ql_get_quote(const SgxReport *report, const void *id, SgxQeReportInfo *info, uint8_t *quote,
                             uint32_t size);

static Quote3Error keep(char place[PATH_SIZE], const char *path) {
    return snprintf(place, PATH_SIZE, "%s", path) < PATH_SIZE ? QUOTE3_SUCCESS
                                                              : QUOTE3_ERROR_INVALID_PARAMETER;
}

Quote3Error sgx_set_qe3_path(const char *path) {
    stub_call("sgx_set_qe3_path", "%s", path);
    return keep(qe3_path, path);
}

Quote3Error sgx_set_ide_path(const char *path) {
    stub_call("sgx_set_ide_path", "%s", path);
    return keep(ide_path, path);
}

Quote3Error sgx_set_qpl_path(const char *path) {
    stub_call("sgx_set_qpl_path", "%s", path);
    return keep(qpl_path, path);
}

Quote3Error sgx_ql_set_enclave_load_policy(int policy) {
    stub_call("sgx_ql_set_enclave_load_policy", "%d", policy);
    return QUOTE3_SUCCESS;
}

Quote3Error sgx_ql_get_keyid(void *id) {
    (void)id;
    return QUOTE3_SUCCESS;
}

void *get_qpl_handle(void) {
    if (qpl_path[0] != 0) {
        return dlopen(qpl_path, RTLD_LAZY);
    }
    void *handle = dlopen("libdcap_quoteprov.so.1", RTLD_LAZY);
    return handle != NULL ? handle : dlopen("libdcap_quoteprov.so", RTLD_LAZY);
}

/* Opened and closed around every use; without it the PPID takes the certificates' place. */
static Quote3Error certification(uint32_t *ret_size) {
    uint32_t (*get)(const void *, Config **) = NULL;
    Config *config = NULL;
    void *provider = get_qpl_handle();
    if (provider == NULL) {
        *ret_size = PPID_SIZE;
        return QUOTE3_SUCCESS;
    }
    void *symbol = dlsym(provider, "sgx_ql_get_quote_config");
    memcpy(&get, &symbol, sizeof symbol);
    Quote3Error code = get != NULL ? get(NULL, &config) : QUOTE3_PLATFORM_LIB_UNAVAILABLE;
    *ret_size = code == QUOTE3_SUCCESS ? config->size : 0;
    (void)dlclose(provider);
    return code;
}

static Quote3Error prepare(uint32_t *ret_size) {
    static bool loaded;
    uint16_t isv_svn = 0;
    if (!loaded) {
        loaded = sgx_create_enclave(qe3_path) == 0 && sgx_create_enclave(ide_path) == 0 &&
                 sgx_get_pce_info() == 0 && sgx_pce_sign_report() == 0;
    }
    (void)sgx_pce_get_target(NULL, &isv_svn);
    return certification(ret_size);
}

Quote3Error sgx_ql_init_quote(const void *id, SgxTargetInfo *target_info, bool refresh, size_t *size,
                              uint8_t *pub_key_id) {
    uint32_t certificates = 0;
    (void)refresh;
    stub_call("sgx_ql_init_quote", "%s", id == NULL ? "default" : "named");
    if (pub_key_id == NULL) {
        *size = 32;
        return QUOTE3_SUCCESS;
    }
    Quote3Error code = stub_effect("init");
    code = code != QUOTE3_SUCCESS ? code : prepare(&certificates);
    if (code == QUOTE3_SUCCESS) {
        memset(target_info, 0, sizeof *target_info);
        memset(target_info->mr_enclave, QE, sizeof target_info->mr_enclave);
        memset(pub_key_id, 0x33, 32);
    }
    return code;
}

Quote3Error sgx_ql_get_quote_size(const void *id, uint32_t *ret_size) {
    uint32_t certificates = 0;
    (void)id;
    Quote3Error code = stub_effect("size");
    code = code != QUOTE3_SUCCESS ? code : prepare(&certificates);
    *ret_size = OVERHEAD + certificates;
    return code;
}

Quote3Error sgx_ql_get_quote(const SgxReport *report, const void *id, SgxQeReportInfo *info, uint8_t *quote,
                             uint32_t size) {
    static const uint8_t header[HEADER_SIZE] = {3, 0, 2, 0, 0, 0, 0, 0, 11, 0, 16};
    uint32_t certificates = 0;
    uint8_t mac[sizeof report->mac];
    memset(mac, QE, sizeof mac);
    stub_call("sgx_ql_get_quote", "%s size %u%s", id == NULL ? "default" : "named", size,
              info != NULL ? " nonce" : "");
    if (memcmp(report->mac, mac, sizeof mac) != 0) {
        return QUOTE3_INVALID_REPORT;
    }
    uint32_t effect = stub_effect("quote");
    if (effect != 0 && effect != STUB_OVERFLOW && effect != STUB_FOREIGN) {
        return effect;
    }
    Quote3Error code = prepare(&certificates);
    uint32_t made = OVERHEAD + certificates;
    if (code != QUOTE3_SUCCESS || size < made) {
        return code != QUOTE3_SUCCESS ? code : QUOTE3_ERROR_INVALID_PARAMETER;
    }
    memset(quote, 'q', made + (effect == STUB_OVERFLOW ? 8 : 0));
    memcpy(quote, header, sizeof header);
    memcpy(quote + HEADER_SIZE, &report->body, sizeof report->body);
    quote[HEADER_SIZE] = (uint8_t)(quote[HEADER_SIZE] + (effect == STUB_FOREIGN ? 1 : 0));
    for (int i = 0; i < 4; i++) {
        quote[SIGNATURE_AT - 4 + i] = (uint8_t)((made - SIGNATURE_AT) >> (8 * i));
    }
    if (info != NULL) {
        memset(&info->qe_report, 'r', sizeof info->qe_report);
    }
    return QUOTE3_SUCCESS;
}
