/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/sgx/quote.h"
#include "bundles/sim/library/quoting.h"

CLEANUP_DEFINE(BIO, BIO_free_all)
CLEANUP_DEFINE(BIGNUM, BN_free)
CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)

enum { CERTIFICATION_ENCRYPTED_PPID = 3, PEM_MAX = 8 * 1024 };

static Quote3Error from_pce(uint32_t code) {
    switch (code) {
    case PCE_SUCCESS:
        return QUOTE3_SUCCESS;
    case PCE_OUT_OF_EPC:
        return QUOTE3_OUT_OF_EPC;
    case PCE_INTERFACE_UNAVAILABLE:
        return QUOTE3_INTERFACE_UNAVAILABLE;
    case PCE_INVALID_PRIVILEGE:
        return QUOTE3_ERROR_INVALID_PRIVILEGE;
    case PCE_INVALID_TCB:
        return QUOTE3_KEY_CERTIFICATION_ERROR;
    default:
        return QUOTE3_ERROR_UNEXPECTED;
    }
}

/* The ID enclave is in the EPC only for as long as this takes. */
static Quote3Error learn_qe_id(Quoting *quoting) {
    if (quoting->qe_id_known) {
        return QUOTE3_SUCCESS;
    }
    Quote3Error code = quoting_start(quoting, &quoting->id_enclave);
    if (code != QUOTE3_SUCCESS) {
        return code;
    }
    quoting->qe_id_known =
        sim_secret_qe_id(quoting->platform->seed, quoting->id_enclave.identity.mr_signer, quoting->qe_id);
    sim_loaded_stop(&quoting->id_enclave, &quoting->epc);
    return quoting->qe_id_known ? QUOTE3_SUCCESS : QUOTE3_ERROR_OUT_OF_MEMORY;
}

/* The certificate service's key, as the PCE takes it. */
static bool load_ppid_key(const Quoting *quoting, uint8_t ret_key[PCE_PUBLIC_KEY_SIZE], Error *err) {
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(PEM_MAX);
    if (!file_read(quoting->platform->dir_fd, SIM_PLATFORM_PPID_KEY_NAME, &pem, err)) {
        return false;
    }
    CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIGNUM *read_n = NULL;
    BIGNUM *read_e = NULL;
    if (key != NULL) {
        (void)EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &read_n);
        (void)EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &read_e);
    }
    CLEANUP(BN_freep) BIGNUM *n = read_n;
    CLEANUP(BN_freep) BIGNUM *e = read_e;
    const int e_size = PCE_PUBLIC_KEY_SIZE - SIM_RSA_SIZE;
    return (n != NULL && e != NULL && BN_bn2binpad(n, ret_key, SIM_RSA_SIZE) == SIM_RSA_SIZE &&
            BN_bn2binpad(e, ret_key + SIM_RSA_SIZE, e_size) == e_size) ||
           error_set(err, ERROR_CONFIG, "%s: not an RSA key of 3072 bits", SIM_PLATFORM_PPID_KEY_NAME);
}

static Quote3Error ask_ppid(Quoting *quoting, const uint8_t public_key[PCE_PUBLIC_KEY_SIZE]) {
    uint8_t message[1 + PCE_PUBLIC_KEY_SIZE] = {PCE_SUITE_RSA_OAEP_3072};
    Digest digest;
    SgxReport report;
    memcpy(message + 1, public_key, PCE_PUBLIC_KEY_SIZE);
    if (!digest_of(message, sizeof message, &digest) ||
        !quoting_report(quoting, &quoting->pce_target, digest.bytes, sizeof digest.bytes, &report)) {
        return QUOTE3_ERROR_OUT_OF_MEMORY;
    }
    uint32_t size = 0;
    uint16_t isv_svn = 0;
    uint16_t pce_id = 0;
    uint8_t scheme = 0;
    Quote3Error code = from_pce(sgx_get_pce_info(
        &report, public_key, PCE_PUBLIC_KEY_SIZE, PCE_SUITE_RSA_OAEP_3072, quoting->encrypted_ppid,
        sizeof quoting->encrypted_ppid, &size, &isv_svn, &pce_id, &scheme));
    quoting->ppid_known = code == QUOTE3_SUCCESS;
    return code;
}

/* Only quotes without a chain carry it. */
static Quote3Error learn_ppid(Quoting *quoting) {
    uint8_t public_key[PCE_PUBLIC_KEY_SIZE];
    Error err = ERROR_INIT;
    if (quoting->ppid_known || quoting->provider == SIM_PROVIDER_FOUND) {
        return QUOTE3_SUCCESS;
    }
    if (!load_ppid_key(quoting, public_key, &err)) {
        quoting_complain(&err);
        return QUOTE3_FILE_ACCESS_ERROR;
    }
    return ask_ppid(quoting, public_key);
}

static bool append_u16(Buffer *buffer, size_t value) {
    const uint16_t number = (uint16_t)value;
    return buffer_append(buffer, &number, sizeof number);
}

static bool append_u32(Buffer *buffer, size_t value) {
    const uint32_t number = (uint32_t)value;
    return buffer_append(buffer, &number, sizeof number);
}

static bool append_certification_data(const Quoting *quoting, Buffer *tail) {
    if (quoting->provider == SIM_PROVIDER_FOUND) {
        return append_u16(tail, QUOTE_CERTIFICATION_PCK_CHAIN) && append_u32(tail, quoting->chain.size) &&
               buffer_append(tail, quoting->chain.data, quoting->chain.size);
    }
    const SimTcb *tcb = &quoting->blob.tcb;
    return append_u16(tail, CERTIFICATION_ENCRYPTED_PPID) &&
           append_u32(tail, PCE_ENCRYPTED_PPID_SIZE + sizeof tcb->cpu_svn + 2 * sizeof(uint16_t)) &&
           buffer_append(tail, quoting->encrypted_ppid, PCE_ENCRYPTED_PPID_SIZE) &&
           buffer_append(tail, tcb->cpu_svn, sizeof tcb->cpu_svn) && append_u16(tail, tcb->pce_svn) &&
           append_u16(tail, 0);
}

/* Size of what follows, place of the quote's signature, key, QE report and its signature, authentication
 * data, certification data (Intel SGX ECDSA QuoteLibReference, appendix A.4). */
static bool build_tail(Quoting *quoting, const SgxReport *report, const uint8_t *report_signature) {
    SimBlob *blob = &quoting->blob;
    Buffer *tail = &blob->tail;
    buffer_clear(tail);
    if (!append_u32(tail, 0) || !buffer_append_zeros(tail, SIM_KEY_SIGNATURE_SIZE) ||
        !buffer_append(tail, blob->public_key, sizeof blob->public_key) ||
        !buffer_append(tail, &report->body, sizeof report->body) ||
        !buffer_append(tail, report_signature, PCE_SIGNATURE_SIZE) || !append_u16(tail, SIM_AUTH_DATA_SIZE) ||
        !buffer_append(tail, sim_blob_auth_data, SIM_AUTH_DATA_SIZE) ||
        !append_certification_data(quoting, tail)) {
        return false;
    }
    bytes_put_le32(tail->data, (uint32_t)(tail->size - sizeof(uint32_t)));
    return true;
}

/* The PCE signs a report of the QE that binds the attestation key. */
static Quote3Error certify_key(Quoting *quoting) {
    SimBlob *blob = &quoting->blob;
    const bool with_chain = quoting->provider == SIM_PROVIDER_FOUND;
    SimTcb tcb = {.pce_svn = quoting->pce_isv_svn};
    memcpy(tcb.cpu_svn, quoting->platform->knobs.cpu_svn, sizeof tcb.cpu_svn);
    if (with_chain) {
        tcb = quoting->provider_tcb;
    }
    SgxReport report;
    uint8_t signature[PCE_SIGNATURE_SIZE];
    uint32_t size = 0;
    if (!quoting_report(quoting, &quoting->pce_target, blob->pub_key_id, sizeof blob->pub_key_id, &report)) {
        return QUOTE3_ERROR_OUT_OF_MEMORY;
    }
    Quote3Error code =
        from_pce(sgx_pce_sign_report(&tcb.pce_svn, tcb.cpu_svn, &report, signature, sizeof signature, &size));
    if (code != QUOTE3_SUCCESS) {
        return code;
    }
    blob->tcb = tcb;
    blob->with_chain = with_chain;
    blob->qe_isv_svn = quoting->qe.identity.isv_svn;
    blob->pce_isv_svn = quoting->pce_isv_svn;
    blob->pce_target = quoting->pce_target;
    memcpy(blob->raw_cpu_svn, quoting->platform->knobs.cpu_svn, sizeof blob->raw_cpu_svn);
    return build_tail(quoting, &report, signature) ? QUOTE3_SUCCESS : QUOTE3_ERROR_OUT_OF_MEMORY;
}

/* readiness has told whether this QE can open the blob. */
static bool needs_new_key(const Quoting *quoting) {
    const SimBlob *blob = &quoting->blob;
    return blob->key == NULL || blob->tail.size == 0 ||
           blob->with_chain != (quoting->provider == SIM_PROVIDER_FOUND) ||
           quoting->qe.identity.isv_svn > blob->qe_isv_svn ||
           blob->seal_qe_isv_svn > quoting->qe.identity.isv_svn ||
           memcmp(blob->mr_signer, quoting->qe.identity.mr_signer, sizeof blob->mr_signer) != 0 ||
           memcmp(blob->raw_cpu_svn, quoting->platform->knobs.cpu_svn, sizeof blob->raw_cpu_svn) != 0 ||
           memcmp(&blob->pce_target, &quoting->pce_target, sizeof blob->pce_target) != 0;
}

static bool needs_certification(const Quoting *quoting) {
    const SimBlob *blob = &quoting->blob;
    return quoting->provider == SIM_PROVIDER_FOUND
               ? blob->tcb.pce_svn != quoting->provider_tcb.pce_svn ||
                     memcmp(blob->tcb.cpu_svn, quoting->provider_tcb.cpu_svn, sizeof blob->tcb.cpu_svn) != 0
               : quoting->pce_isv_svn > blob->pce_isv_svn;
}

Quote3Error quoting_certify(Quoting *quoting) {
    bool new_key = needs_new_key(quoting);
    if (!new_key && !needs_certification(quoting)) {
        return QUOTE3_SUCCESS;
    }
    Quote3Error code = learn_qe_id(quoting);
    if (code == QUOTE3_SUCCESS) {
        code = learn_ppid(quoting);
    }
    if (code != QUOTE3_SUCCESS) {
        return code;
    }
    /* The TCS hold contexts of the key. */
    quoting->usable = false;
    if (new_key && !sim_blob_make_key(&quoting->blob, quoting->platform, &quoting->qe.identity)) {
        return QUOTE3_ERROR_OUT_OF_MEMORY;
    }
    code = certify_key(quoting);
    if (code != QUOTE3_SUCCESS && new_key) {
        sim_blob_done(&quoting->blob);
    }
    return code;
}
