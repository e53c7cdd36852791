/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/ereport.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <string.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"

CLEANUP_DEFINE(EVP_MAC, EVP_MAC_free)
CLEANUP_DEFINE(EVP_MAC_CTX, EVP_MAC_CTX_free)

enum { MAC_SIZE = 16 };

/* It is nobody's, so its measurements only have to be stable. */
const SimIdentity sim_ereport_application = {
    .mr_enclave = "simulated application, mrenclave",
    .mr_signer = "simulated application, mrsigner",
    .attributes = {SGX_FLAGS_INIT | SGX_FLAGS_MODE64BIT, 3},
    .isv_prod_id = 1,
    .isv_svn = 1,
};

static EVP_MAC_CTX *cmac_new(const uint8_t key[SIM_REPORT_KEY_SIZE]) {
    CLEANUP(EVP_MAC_freep) EVP_MAC *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
    CLEANUP(EVP_MAC_CTX_freep) EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    char cipher[] = "AES-128-CBC";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
                                 OSSL_PARAM_construct_end()};
    if (context == NULL || EVP_MAC_init(context, key, SIM_REPORT_KEY_SIZE, params) != 1) {
        return NULL;
    }
    return TAKE(context);
}

/* With the context's key; it can be used again afterwards. */
static bool cmac_of(EVP_MAC_CTX *context, const SgxReportBody *body, uint8_t ret_mac[MAC_SIZE]) {
    size_t size = 0;
    return EVP_MAC_init(context, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(context, (const unsigned char *)body, sizeof *body) == 1 &&
           EVP_MAC_final(context, ret_mac, &size, MAC_SIZE) == 1 && size == MAC_SIZE;
}

EVP_MAC_CTX *sim_ereport_checker_new(const uint8_t seed[SIM_SEED_SIZE],
                                     const uint8_t cpu_svn[SIM_CPU_SVN_SIZE], const SgxTargetInfo *target,
                                     const uint8_t key_id[32]) {
    uint8_t key[SIM_REPORT_KEY_SIZE];
    if (!sim_secret_report_key(seed, target, cpu_svn, key_id, key)) {
        return NULL;
    }
    EVP_MAC_CTX *checker = cmac_new(key);
    bytes_cleanse(key, sizeof key);
    return checker;
}

bool sim_ereport_checker_accepts(EVP_MAC_CTX *checker, const SgxReport *report) {
    uint8_t mac[MAC_SIZE];
    return cmac_of(checker, &report->body, mac) && CRYPTO_memcmp(mac, report->mac, sizeof mac) == 0;
}

bool sim_ereport_check(const uint8_t seed[SIM_SEED_SIZE], const uint8_t cpu_svn[SIM_CPU_SVN_SIZE],
                       const SgxTargetInfo *target, const SgxReport *report) {
    CLEANUP(EVP_MAC_CTX_freep)
    EVP_MAC_CTX *checker = sim_ereport_checker_new(seed, cpu_svn, target, report->key_id);
    return checker != NULL && sim_ereport_checker_accepts(checker, report);
}

bool sim_ereport(const uint8_t seed[SIM_SEED_SIZE], const uint8_t cpu_svn[SIM_CPU_SVN_SIZE],
                 const SimIdentity *who, const SgxTargetInfo *target,
                 const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report) {
    SgxReport report = {.body = {.misc_select = who->misc_select,
                                 .attributes = who->attributes,
                                 .isv_prod_id = who->isv_prod_id,
                                 .isv_svn = who->isv_svn}};
    memcpy(report.body.cpu_svn, cpu_svn, sizeof report.body.cpu_svn);
    memcpy(report.body.mr_enclave, who->mr_enclave, sizeof report.body.mr_enclave);
    memcpy(report.body.mr_signer, who->mr_signer, sizeof report.body.mr_signer);
    memcpy(report.body.report_data, report_data, sizeof report.body.report_data);
    if (!sim_secret_key_id(seed, report.key_id)) {
        return false;
    }
    CLEANUP(EVP_MAC_CTX_freep)
    EVP_MAC_CTX *checker = sim_ereport_checker_new(seed, cpu_svn, target, report.key_id);
    if (checker == NULL || !cmac_of(checker, &report.body, report.mac)) {
        return false;
    }
    *ret_report = report;
    return true;
}
