/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/library/pce_logic.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/sgx/quote_library.h"
#include "bundles/sim/ereport.h"
#include "bundles/sim/home.h"
#include "bundles/sim/key.h"
#include "bundles/sim/library/loaded.h"

CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)
CLEANUP_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
CLEANUP_DEFINE(BIGNUM, BN_free)
CLEANUP_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
CLEANUP_DEFINE(OSSL_PARAM, OSSL_PARAM_free)

/* The ABI has no handles: what a process knows of its PCE is here, as in Intel's library. */
typedef struct Pce {
    pthread_mutex_t lock;
    SimHome home;
    SimPlatform *platform;
    SimEpc epc;
    SimLoaded enclave;
    int policy;
} Pce;

static Pce pce = {.lock = PTHREAD_MUTEX_INITIALIZER,
                  .epc = SIM_EPC_INIT,
                  .enclave = {.role = SIM_ROLE_PCE},
                  .policy = QUOTE_LIBRARY_PERSISTENT};

static void complain(const Error *err) {
    (void)fprintf(stderr, "libsgx_pce_logic (simulated): %s\n", err->text);
}

static bool open_platform(Error *err) {
    if (pce.platform == NULL) {
        if (pce.home.directory == NULL && !sim_home_find(&pce, &pce.home, err)) {
            return false;
        }
        pce.platform = sim_platform_open(pce.home.platform, err);
        return pce.platform != NULL;
    }
    return sim_platform_refresh(pce.platform, err);
}

/* Every call: locks, opens the platform, starts the enclave unless the call needs only its file. */
static uint32_t enter(bool start) {
    Error err = ERROR_INIT;
    (void)pthread_mutex_lock(&pce.lock);
    if (!open_platform(&err)) {
        complain(&err);
        return PCE_INTERFACE_UNAVAILABLE;
    }
    if (!start) {
        return PCE_SUCCESS;
    }
    SimLoadAnswer answer = sim_loaded_start(&pce.enclave, pce.home.directory, pce.platform, &pce.epc, &err);
    if (answer != SIM_LOAD_DONE) {
        complain(&err);
    }
    return answer == SIM_LOAD_DONE     ? PCE_SUCCESS
           : answer == SIM_LOAD_NO_EPC ? PCE_OUT_OF_EPC
                                       : PCE_INTERFACE_UNAVAILABLE;
}

static void leave(void) {
    if (pce.policy == QUOTE_LIBRARY_EPHEMERAL) {
        sim_loaded_stop(&pce.enclave, &pce.epc);
    }
    (void)pthread_mutex_unlock(&pce.lock);
}

static uint32_t target_of_file(SgxTargetInfo *ret_target_info, uint16_t *ret_isv_svn) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    struct stat file;
    SimSigstruct sigstruct;
    SimIdentity identity;
    Error err = ERROR_INIT;
    if (pce.enclave.running) {
        identity = pce.enclave.identity;
    } else if (sim_loaded_read(&pce.enclave, pce.home.directory, &bytes, &file, &err) &&
               sim_image_sigstruct(buffer_bytes(&bytes), &sigstruct, &err)) {
        sim_image_identity(&sigstruct, &identity);
    } else {
        complain(&err);
        return PCE_INTERFACE_UNAVAILABLE;
    }
    *ret_target_info = sim_image_target(&identity);
    *ret_isv_svn = identity.isv_svn;
    return PCE_SUCCESS;
}

uint32_t sgx_pce_get_target(SgxTargetInfo *ret_target_info, uint16_t *ret_isv_svn) {
    if (ret_target_info == NULL || ret_isv_svn == NULL) {
        return PCE_INVALID_PARAMETER;
    }
    uint32_t code = enter(false);
    if (code == PCE_SUCCESS) {
        code = target_of_file(ret_target_info, ret_isv_svn);
    }
    leave();
    return code;
}

/* Was the report made for this PCE, by an enclave that may use provisioning keys? */
static uint32_t check_report(const SgxReport *report) {
    SgxTargetInfo target = sim_image_target(&pce.enclave.identity);
    if (!sim_ereport_check(pce.platform->seed, pce.platform->knobs.cpu_svn, &target, report)) {
        return PCE_INVALID_REPORT;
    }
    return (report->body.attributes.flags & SGX_FLAGS_PROVISION_KEY) != 0 ? PCE_SUCCESS
                                                                          : PCE_INVALID_PRIVILEGE;
}

static EVP_PKEY *rsa_key(const uint8_t public_key[PCE_PUBLIC_KEY_SIZE]) {
    CLEANUP(BN_freep) BIGNUM *n = BN_bin2bn(public_key, SIM_RSA_SIZE, NULL);
    CLEANUP(BN_freep)
    BIGNUM *e = BN_bin2bn(public_key + SIM_RSA_SIZE, PCE_PUBLIC_KEY_SIZE - SIM_RSA_SIZE, NULL);
    CLEANUP(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (n == NULL || e == NULL || builder == NULL ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1) {
        return NULL;
    }
    CLEANUP(OSSL_PARAM_freep) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    CLEANUP(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    if (params == NULL || context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        return NULL;
    }
    return key;
}

static uint32_t encrypt_ppid(const uint8_t public_key[PCE_PUBLIC_KEY_SIZE],
                             uint8_t ret_encrypted[PCE_ENCRYPTED_PPID_SIZE]) {
    uint8_t ppid[SIM_ID_SIZE];
    size_t size = PCE_ENCRYPTED_PPID_SIZE;
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = rsa_key(public_key);
    CLEANUP(EVP_PKEY_CTX_freep)
    EVP_PKEY_CTX *context = key == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool done = context != NULL && sim_secret_ppid(pce.platform->seed, ppid) &&
                EVP_PKEY_encrypt_init(context) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_encrypt(context, ret_encrypted, &size, ppid, sizeof ppid) == 1 &&
                size == PCE_ENCRYPTED_PPID_SIZE;
    return done ? PCE_SUCCESS : PCE_CRYPTO_ERROR;
}

static bool binds_key(const SgxReport *report, uint8_t suite, const uint8_t public_key[PCE_PUBLIC_KEY_SIZE]) {
    uint8_t message[1 + PCE_PUBLIC_KEY_SIZE] = {suite};
    Digest digest;
    memcpy(message + 1, public_key, PCE_PUBLIC_KEY_SIZE);
    return digest_of(message, sizeof message, &digest) &&
           memcmp(digest.bytes, report->body.report_data, sizeof digest.bytes) == 0;
}

uint32_t sgx_get_pce_info(const SgxReport *report, const uint8_t *public_key, uint32_t public_key_size,
                          uint8_t crypto_suite, uint8_t *ret_encrypted_ppid, uint32_t size,
                          uint32_t *ret_size, uint16_t *ret_isv_svn, uint16_t *ret_pce_id,
                          uint8_t *ret_signature_scheme) {
    if (report == NULL || public_key == NULL || public_key_size != PCE_PUBLIC_KEY_SIZE ||
        crypto_suite != PCE_SUITE_RSA_OAEP_3072 || ret_encrypted_ppid == NULL ||
        size < PCE_ENCRYPTED_PPID_SIZE || ret_size == NULL || ret_isv_svn == NULL || ret_pce_id == NULL ||
        ret_signature_scheme == NULL) {
        return PCE_INVALID_PARAMETER;
    }
    uint32_t code = enter(true);
    if (code == PCE_SUCCESS) {
        code = check_report(report);
    }
    if (code == PCE_SUCCESS && !binds_key(report, crypto_suite, public_key)) {
        code = PCE_INVALID_REPORT;
    }
    if (code == PCE_SUCCESS) {
        code = encrypt_ppid(public_key, ret_encrypted_ppid);
    }
    if (code == PCE_SUCCESS) {
        *ret_size = PCE_ENCRYPTED_PPID_SIZE;
        *ret_isv_svn = pce.enclave.identity.isv_svn;
        *ret_pce_id = 0;
        *ret_signature_scheme = PCE_SCHEME_ECDSA_P256;
    }
    leave();
    return code;
}

uint32_t sgx_get_pce_info_without_ppid(uint16_t *ret_isv_svn, uint16_t *ret_pce_id) {
    if (ret_isv_svn == NULL || ret_pce_id == NULL) {
        return PCE_INVALID_PARAMETER;
    }
    uint32_t code = enter(true);
    if (code == PCE_SUCCESS) {
        *ret_isv_svn = pce.enclave.identity.isv_svn;
        *ret_pce_id = 0;
    }
    leave();
    return code;
}

/* Keys can be had for the present TCB and for older ones. */
static bool tcb_is_reachable(uint16_t isv_svn, const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]) {
    for (size_t i = 0; i < SIM_CPU_SVN_SIZE; i++) {
        if (cpu_svn[i] > pce.platform->knobs.cpu_svn[i]) {
            return false;
        }
    }
    return isv_svn <= pce.enclave.identity.isv_svn;
}

static uint32_t sign_report(uint16_t isv_svn, const uint8_t cpu_svn[SIM_CPU_SVN_SIZE],
                            const SgxReport *report, uint8_t ret_signature[PCE_SIGNATURE_SIZE]) {
    uint32_t code = check_report(report);
    if (code != PCE_SUCCESS) {
        return code;
    }
    if (!tcb_is_reachable(isv_svn, cpu_svn)) {
        return PCE_INVALID_TCB;
    }
    CLEANUP(EVP_PKEY_freep)
    EVP_PKEY *key = sim_secret_pck_key(pce.platform->seed, pce.enclave.identity.mr_signer, isv_svn, cpu_svn);
    return key != NULL && sim_key_sign_message(key, &report->body, sizeof report->body, ret_signature)
               ? PCE_SUCCESS
               : PCE_CRYPTO_ERROR;
}

uint32_t sgx_pce_sign_report(const uint16_t *isv_svn, const uint8_t cpu_svn[16], const SgxReport *report,
                             uint8_t *ret_signature, uint32_t size, uint32_t *ret_size) {
    if (isv_svn == NULL || cpu_svn == NULL || report == NULL || ret_signature == NULL ||
        size < PCE_SIGNATURE_SIZE || ret_size == NULL) {
        return PCE_INVALID_PARAMETER;
    }
    uint32_t code = enter(true);
    if (code == PCE_SUCCESS) {
        code = sign_report(*isv_svn, cpu_svn, report, ret_signature);
    }
    if (code == PCE_SUCCESS) {
        *ret_size = PCE_SIGNATURE_SIZE;
    }
    leave();
    return code;
}

uint32_t sgx_set_pce_enclave_load_policy(int policy) {
    if (policy != QUOTE_LIBRARY_PERSISTENT && policy != QUOTE_LIBRARY_EPHEMERAL) {
        return PCE_INVALID_PARAMETER;
    }
    (void)pthread_mutex_lock(&pce.lock);
    pce.policy = policy;
    leave();
    return PCE_SUCCESS;
}

uint32_t sgx_set_pce_path(const char *path) {
    (void)pthread_mutex_lock(&pce.lock);
    bool done = sim_loaded_set_path(&pce.enclave, path);
    (void)pthread_mutex_unlock(&pce.lock);
    return done ? PCE_SUCCESS : PCE_INVALID_PARAMETER;
}

/* A process may close the library and open another bundle's. At its end a call may still be under way: that
 * one keeps what it works with. */
__attribute__((destructor)) static void release(void) {
    if (pthread_mutex_trylock(&pce.lock) == 0) {
        sim_epc_done(&pce.epc);
        sim_platform_close(TAKE(pce.platform));
        sim_home_done(&pce.home);
        (void)pthread_mutex_unlock(&pce.lock);
    }
}
