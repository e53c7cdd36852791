/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/library/quoting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bundles/base/cleanup.h"
#include "bundles/sgx/quote.h"
#include "bundles/sim/ereport.h"

enum { SIGNATURE_AT = QUOTE_SIGNED_SIZE + 4, HEADER_QE_SVN = 8, HEADER_PCE_SVN = 10 };

/* Version 3, key type ECDSA P-256, and Intel's QE vendor id, which verifiers insist on. */
static const uint8_t header_start[QUOTE_HEADER_SIZE] = {
    3,    0,    2,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0x93, 0x9a,
    0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

/* Intel's library has a trace callback; this one says on standard error why an enclave or the platform is
 * unusable. */
void quoting_complain(const Error *err) {
    (void)fprintf(stderr, "libsgx_qe3_logic (simulated): %s\n", err->text);
}

static void delay(uint64_t microseconds) {
    struct timespec left = {.tv_sec = (time_t)(microseconds / 1000000),
                            .tv_nsec = (long)(microseconds % 1000000) * 1000};
    while (microseconds != 0 && nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Delay, then faults: of the platform, then of the bundle. */
static Quote3Error suffer(Quoting *quoting, SimCall call, uint64_t delay_us) {
    uint64_t number = atomic_fetch_add(&quoting->calls[call], 1) + 1;
    delay(delay_us);
    uint32_t code = sim_faults_strike(&quoting->platform->knobs.faults, call, number);
    return code != 0 ? code : sim_faults_strike(&quoting->home.faults, call, number);
}

static bool open_platform(Quoting *quoting) {
    Error err = ERROR_INIT;
    if (quoting->platform != NULL && sim_platform_refresh(quoting->platform, &err)) {
        return true;
    }
    if (quoting->platform == NULL &&
        (quoting->home.directory != NULL || sim_home_find(header_start, &quoting->home, &err))) {
        quoting->platform = sim_platform_open(quoting->home.platform, &err);
        if (quoting->platform != NULL) {
            return true;
        }
    }
    quoting_complain(&err);
    return false;
}

Quote3Error quoting_start(Quoting *quoting, SimLoaded *enclave) {
    Error err = ERROR_INIT;
    switch (sim_loaded_start(enclave, quoting->home.directory, quoting->platform, &quoting->epc, &err)) {
    case SIM_LOAD_DONE:
        return QUOTE3_SUCCESS;
    case SIM_LOAD_NO_EPC:
        quoting_complain(&err);
        return QUOTE3_OUT_OF_EPC;
    case SIM_LOAD_REFUSED:
        break;
    }
    quoting_complain(&err);
    return QUOTE3_ENCLAVE_LOAD_ERROR;
}

static Quote3Error start_qe(Quoting *quoting) {
    if (quoting->qe.running) {
        return QUOTE3_SUCCESS;
    }
    Quote3Error code = suffer(quoting, SIM_CALL_LOAD, quoting->platform->knobs.load_us);
    return code != QUOTE3_SUCCESS ? code : quoting_start(quoting, &quoting->qe);
}

static bool ask_provider(Quoting *quoting) {
    Error err = ERROR_INIT;
    quoting->chain.max = SIM_PROVIDER_CHAIN_MAX;
    bool done = sim_provider_find(quoting->platform, quoting->pce_isv_svn, &quoting->provider,
                                  &quoting->provider_tcb, &quoting->chain, &err);
    if (!done) {
        quoting_complain(&err);
    }
    return done;
}

static bool same_tcb(const SimTcb *a, const SimTcb *b) {
    return a->pce_svn == b->pce_svn && memcmp(a->cpu_svn, b->cpu_svn, sizeof a->cpu_svn) == 0;
}

/* What keeps the platform from certifying a key. */
static Quote3Error certification_obstacle(const Quoting *quoting) {
    if (quoting->pce_code != QUOTE3_SUCCESS) {
        return quoting->pce_code;
    }
    if (quoting->provider == SIM_PROVIDER_NONE) {
        return QUOTE3_NO_PLATFORM_CERT_DATA;
    }
    bool fits = quoting->chain.size >= QUOTING_CHAIN_MIN && quoting->chain.size <= QUOTING_CHAIN_MAX;
    return quoting->provider == SIM_PROVIDER_ABSENT || fits ? QUOTE3_SUCCESS
                                                            : QUOTE3_ATT_KEY_CERT_DATA_INVALID;
}

/* Is the blob's key certified with what the provider gives at present? */
static Quote3Error certification_state(const Quoting *quoting) {
    Quote3Error code = certification_obstacle(quoting);
    if (code != QUOTE3_SUCCESS) {
        return code;
    }
    bool with_chain = quoting->provider == SIM_PROVIDER_FOUND;
    bool is_certified = with_chain == quoting->blob.with_chain &&
                        (!with_chain || same_tcb(&quoting->provider_tcb, &quoting->blob.tcb));
    return is_certified ? QUOTE3_SUCCESS : QUOTE3_ATT_KEY_NOT_INITIALIZED;
}

static bool set_tcs(Quoting *quoting) {
    const SgxTargetInfo target = sim_image_target(&quoting->qe.identity);
    const SimTcsSpec spec = {.count = quoting->platform->knobs.tcs,
                             .seed = quoting->platform->seed,
                             .cpu_svn = quoting->platform->knobs.cpu_svn,
                             .key_id = quoting->key_id,
                             .target = &target,
                             .key = quoting->blob.key};
    return sim_secret_key_id(quoting->platform->seed, quoting->key_id) &&
           sim_tcs_pool_set(&quoting->tcs, &spec);
}

static bool look_around(Quoting *quoting) {
    if (!open_platform(quoting)) {
        return false;
    }
    uint32_t code = sgx_pce_get_target(&quoting->pce_target, &quoting->pce_isv_svn);
    quoting->pce_code = code == PCE_SUCCESS ? QUOTE3_SUCCESS : QUOTE3_INTERFACE_UNAVAILABLE;
    if (quoting->pce_code == QUOTE3_SUCCESS && !ask_provider(quoting)) {
        quoting->pce_code = QUOTE3_PLATFORM_LIB_UNAVAILABLE;
    }
    return true;
}

/* Another file may have taken the QE's place while it was not running. */
static bool is_same_qe(const Quoting *quoting) {
    const SimIdentity *now = &quoting->qe.identity;
    return memcmp(now->mr_enclave, quoting->qe_seen.mr_enclave, sizeof now->mr_enclave) == 0 &&
           memcmp(now->mr_signer, quoting->qe_seen.mr_signer, sizeof now->mr_signer) == 0 &&
           now->isv_svn == quoting->qe_seen.isv_svn;
}

/* With the lock alone: everything that size and quote need is looked up and kept. */
static Quote3Error prepare(Quoting *quoting) {
    if (!quoting->usable || !sim_platform_is_current(quoting->platform)) {
        quoting->usable = false;
        if (!look_around(quoting)) {
            return QUOTE3_ENCLAVE_LOAD_ERROR;
        }
    }
    Quote3Error code = start_qe(quoting);
    if (code != QUOTE3_SUCCESS || (quoting->usable && is_same_qe(quoting))) {
        return code;
    }
    bool opens = sim_blob_unseal(&quoting->blob, &quoting->qe.identity, quoting->platform->knobs.cpu_svn);
    quoting->readiness = opens ? certification_state(quoting) : QUOTE3_ATT_KEY_NOT_INITIALIZED;
    quoting->qe_seen = quoting->qe.identity;
    quoting->usable = set_tcs(quoting);
    return quoting->usable ? QUOTE3_SUCCESS : QUOTE3_ERROR_OUT_OF_MEMORY;
}

static void leave(Quoting *quoting) {
    (void)pthread_rwlock_unlock(&quoting->lock);
}

static void leave_alone(Quoting *quoting) {
    if (quoting->policy == QUOTE_LIBRARY_EPHEMERAL) {
        sim_loaded_stop(&quoting->qe, &quoting->epc);
    }
    leave(quoting);
}

static bool is_ready(const Quoting *quoting) {
    return quoting->usable && quoting->policy == QUOTE_LIBRARY_PERSISTENT && quoting->qe.running &&
           sim_platform_is_current(quoting->platform);
}

typedef Quote3Error (*ReadyCall)(Quoting *quoting, SimTcs *tcs, void *context);

/* Runs the call in a TCS: beside others if nothing has to be prepared, else alone. */
static Quote3Error with_tcs(Quoting *quoting, ReadyCall call, void *context) {
    (void)pthread_rwlock_rdlock(&quoting->lock);
    bool shared = is_ready(quoting);
    Quote3Error code = QUOTE3_SUCCESS;
    if (!shared) {
        leave(quoting);
        (void)pthread_rwlock_wrlock(&quoting->lock);
        code = prepare(quoting);
    }
    if (code == QUOTE3_SUCCESS) {
        SimTcs *tcs = sim_tcs_enter(&quoting->tcs);
        code = call(quoting, tcs, context);
        sim_tcs_leave(&quoting->tcs, tcs);
    }
    if (shared) {
        leave(quoting);
    } else {
        leave_alone(quoting);
    }
    return code;
}

static uint32_t quote_size(const Quoting *quoting) {
    return (uint32_t)(QUOTE_SIGNED_SIZE + quoting->blob.tail.size);
}

static Quote3Error size_call(Quoting *quoting, SimTcs *tcs, void *context) {
    (void)tcs;
    Quote3Error code = suffer(quoting, SIM_CALL_SIZE, 0);
    if (code == QUOTE3_SUCCESS) {
        code = quoting->readiness;
    }
    if (code == QUOTE3_SUCCESS) {
        *(uint32_t *)context = quote_size(quoting);
    }
    return code;
}

Quote3Error quoting_size(Quoting *quoting, uint32_t *ret_size) {
    return with_tcs(quoting, size_call, ret_size);
}

typedef struct QuoteCall {
    const SgxReport *report;
    SgxQeReportInfo *info;
    uint8_t *quote;
    uint32_t size;
} QuoteCall;

static bool sign(Quoting *quoting, SimTcs *tcs, const SgxReport *report, uint8_t *quote) {
    uint8_t hash[SIM_KEY_HASH_SIZE];
    memcpy(quote, header_start, sizeof header_start);
    bytes_put_le16(quote + HEADER_QE_SVN, quoting->qe.identity.isv_svn);
    bytes_put_le16(quote + HEADER_PCE_SVN, quoting->pce_isv_svn);
    memcpy(quote + 28, quoting->qe_id, sizeof quoting->qe_id);
    memcpy(quote + QUOTE_HEADER_SIZE, &report->body, sizeof report->body);
    memcpy(quote + QUOTE_SIGNED_SIZE, quoting->blob.tail.data, quoting->blob.tail.size);
    return sim_tcs_hash(tcs, quote, QUOTE_SIGNED_SIZE, "", 0, hash) &&
           sim_key_sign(tcs->signer, hash, quote + SIGNATURE_AT);
}

/* The QE's own report, for the caller's enclave, over nonce and quote. */
static bool report_quote(Quoting *quoting, SimTcs *tcs, SgxQeReportInfo *info, const uint8_t *quote,
                         uint32_t size) {
    uint8_t hash[SGX_HASH_SIZE];
    return sim_tcs_hash(tcs, info->nonce, sizeof info->nonce, quote, size, hash) &&
           quoting_report(quoting, &info->app_target_info, hash, sizeof hash, &info->qe_report);
}

static Quote3Error quote_call(Quoting *quoting, SimTcs *tcs, void *context) {
    const QuoteCall *call = context;
    Quote3Error code = suffer(quoting, SIM_CALL_QUOTE, quoting->platform->knobs.quote_us);
    if (code == QUOTE3_SUCCESS) {
        code = quoting->readiness;
    }
    if (code != QUOTE3_SUCCESS) {
        return code;
    }
    const uint32_t size = quote_size(quoting);
    if (call->size < size) {
        return QUOTE3_ERROR_INVALID_PARAMETER;
    }
    /* All reports made on this platform have its key id. */
    if (memcmp(call->report->key_id, quoting->key_id, sizeof quoting->key_id) != 0 ||
        !sim_ereport_checker_accepts(tcs->checker, call->report)) {
        return QUOTE3_INVALID_REPORT;
    }
    if (!sign(quoting, tcs, call->report, call->quote)) {
        return QUOTE3_ERROR_UNEXPECTED;
    }
    if (call->info != NULL && !report_quote(quoting, tcs, call->info, call->quote, size)) {
        return QUOTE3_UNABLE_TO_GENERATE_QE_REPORT;
    }
    return QUOTE3_SUCCESS;
}

Quote3Error quoting_quote(Quoting *quoting, const SgxReport *report, SgxQeReportInfo *info,
                          uint8_t *ret_quote, uint32_t size) {
    QuoteCall call = {report, info, ret_quote, size};
    return with_tcs(quoting, quote_call, &call);
}

static Quote3Error init_alone(Quoting *quoting, SgxTargetInfo *ret_target_info, uint8_t *ret_pub_key_id) {
    Quote3Error code = prepare(quoting);
    if (code == QUOTE3_SUCCESS) {
        code = suffer(quoting, SIM_CALL_INIT, quoting->platform->knobs.init_us);
    }
    if (code == QUOTE3_SUCCESS) {
        code = certification_obstacle(quoting);
    }
    if (code == QUOTE3_SUCCESS) {
        code = quoting_certify(quoting);
    }
    if (code == QUOTE3_SUCCESS) {
        quoting->readiness = certification_state(quoting);
        code = set_tcs(quoting) ? QUOTE3_SUCCESS : QUOTE3_ERROR_OUT_OF_MEMORY;
        quoting->usable = code == QUOTE3_SUCCESS;
    }
    if (code == QUOTE3_SUCCESS) {
        *ret_target_info = sim_image_target(&quoting->qe.identity);
        memcpy(ret_pub_key_id, quoting->blob.pub_key_id, QUOTING_PUB_KEY_ID_SIZE);
    }
    return code;
}

Quote3Error quoting_init(Quoting *quoting, SgxTargetInfo *ret_target_info, uint8_t *ret_pub_key_id) {
    (void)pthread_rwlock_wrlock(&quoting->lock);
    Quote3Error code = init_alone(quoting, ret_target_info, ret_pub_key_id);
    leave_alone(quoting);
    return code;
}

bool quoting_report(const Quoting *quoting, const SgxTargetInfo *target, const void *report_data, size_t size,
                    SgxReport *ret_report) {
    uint8_t data[SGX_REPORT_DATA_SIZE] = {0};
    memcpy(data, report_data, size);
    return sim_ereport(quoting->platform->seed, quoting->platform->knobs.cpu_svn, &quoting->qe.identity,
                       target, data, ret_report);
}

Quote3Error quoting_trial_report(Quoting *quoting, const SgxTargetInfo *target,
                                 const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report) {
    (void)pthread_rwlock_rdlock(&quoting->lock);
    if (quoting->platform == NULL || !sim_platform_is_current(quoting->platform)) {
        leave(quoting);
        (void)pthread_rwlock_wrlock(&quoting->lock);
        quoting->usable = false;
        if (!open_platform(quoting)) {
            leave(quoting);
            return QUOTE3_ENCLAVE_LOAD_ERROR;
        }
    }
    bool made = sim_ereport(quoting->platform->seed, quoting->platform->knobs.cpu_svn,
                            &sim_ereport_application, target, report_data, ret_report);
    leave(quoting);
    return made ? QUOTE3_SUCCESS : QUOTE3_ERROR_OUT_OF_MEMORY;
}

Quote3Error quoting_set_policy(Quoting *quoting, int policy) {
    if (policy != QUOTE_LIBRARY_PERSISTENT && policy != QUOTE_LIBRARY_EPHEMERAL) {
        return QUOTE3_UNSUPPORTED_LOADING_POLICY;
    }
    (void)pthread_rwlock_wrlock(&quoting->lock);
    quoting->policy = policy;
    quoting->usable = false; /* paths that were set count from the next load on */
    (void)sgx_set_pce_enclave_load_policy(policy);
    leave_alone(quoting);
    return QUOTE3_SUCCESS;
}

Quote3Error quoting_set_path(Quoting *quoting, SimLoaded *enclave, const char *path) {
    (void)pthread_rwlock_wrlock(&quoting->lock);
    bool done = sim_loaded_set_path(enclave, path);
    leave(quoting);
    return done ? QUOTE3_SUCCESS : QUOTE3_ERROR_INVALID_PARAMETER;
}

void quoting_done(Quoting *quoting) {
    sim_tcs_pool_done(&quoting->tcs);
    sim_blob_done(&quoting->blob);
    buffer_done(&quoting->chain);
    sim_epc_done(&quoting->epc);
    sim_platform_close(TAKE(quoting->platform));
    sim_home_done(&quoting->home);
    quoting->usable = false;
}
