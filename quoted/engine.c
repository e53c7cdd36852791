/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/engine.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/log.h"
#include "bundles/sgx/quote.h"
#include "quoted/library.h"
#include "quoted/refusal.h"

enum { LIBRARY_PATH_MAX = 259 }; /* the libraries copy paths into a buffer of 260 bytes */

/* Its place is the caller's stack. */
typedef struct EngineCall {
    struct EngineCall *previous, *next;
    uint64_t since_ms;
} EngineCall;

struct Engine {
    SgxQlSetPathFn set_path;
    SgxQeSetEnclaveLoadPolicyFn set_policy;
    SgxQlInitQuoteFn init_quote;         /* NULL: no logic library, target_info instead */
    SgxQlGetQuoteFn get_quote_with_info; /* NULL: no logic library */
    SgxQeGetTargetInfoFn target_info;
    SgxQeGetQuoteSizeFn quote_size;
    SgxQeGetQuoteFn quote;
    SgxQeCleanupByPolicyFn cleanup;
    PswTrialReportFn trial_report; /* NULL: not in this library */
    pthread_rwlock_t load;         /* unloading is not synchronised with calls in the library */
    bool resting;
    pthread_mutex_t renewal; /* held while the library makes the key anew, which may take its time */
    pthread_mutex_t lock;    /* over what follows; never held in the library */
    EngineFacts facts;
    uint64_t renewals;
    EngineCall *calls; /* under way, the newest first */
    bool closed;
};

/* Functions come out of dlsym as data pointers; POSIX guarantees the conversion. */
static bool find_function(void *library, const ManifestFile *file, const char *name, void *ret_function,
                          Error *err) {
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        return error_set(err, ERROR_ENGINE, "library '%s' lacks the function %s: it is no quote library",
                         file->path, name);
    }
    memcpy(ret_function, &symbol, sizeof symbol);
    return true;
}

static bool find_functions(Engine *engine, void *library, const ManifestFile *file, Error *err) {
    void *trial = dlsym(library, QUOTE_LIBRARY_TRIAL_REPORT);
    memcpy(&engine->trial_report, &trial, sizeof trial);
    return find_function(library, file, "sgx_ql_set_path", &engine->set_path, err) &&
           find_function(library, file, "sgx_qe_set_enclave_load_policy", &engine->set_policy, err) &&
           find_function(library, file, "sgx_qe_get_target_info", &engine->target_info, err) &&
           find_function(library, file, "sgx_qe_get_quote_size", &engine->quote_size, err) &&
           find_function(library, file, "sgx_qe_get_quote", &engine->quote, err) &&
           find_function(library, file, "sgx_qe_cleanup_by_policy", &engine->cleanup, err);
}

/* With them a nonce can be passed on, and the key's id is had. */
static bool find_logic(Engine *engine, void *library, const ManifestFile *file, Error *err) {
    if (engine->trial_report == NULL) {
        void *trial = dlsym(library, QUOTE_LIBRARY_TRIAL_REPORT);
        memcpy(&engine->trial_report, &trial, sizeof trial);
    }
    return find_function(library, file, "sgx_ql_init_quote", &engine->init_quote, err) &&
           find_function(library, file, "sgx_ql_get_quote", &engine->get_quote_with_info, err);
}

static bool set_path(Engine *engine, const char *directory, const ManifestFile *file, int path_type,
                     Error *err) {
    char path[LIBRARY_PATH_MAX + 1];
    int length = snprintf(path, sizeof path, "%s/%s", directory, file->path);
    if (length < 0 || (size_t)length >= sizeof path) {
        return error_set(err, ERROR_LIMIT,
                         "'%s/%s' is longer than the %d bytes that quote libraries take: put the store at a "
                         "shorter path",
                         directory, file->path, LIBRARY_PATH_MAX);
    }
    Quote3Error code = engine->set_path(path_type, path);
    return code == QUOTE3_SUCCESS ||
           error_set(err, ERROR_ENGINE, "the quote library refuses the path of '%s' with 0x%x", file->path,
                     code);
}

static bool set_paths(Engine *engine, const char *directory, const Manifest *manifest, bool host_provider,
                      Error *err) {
    static const struct {
        ManifestRole role;
        int path_type;
    } enclaves[] = {{MANIFEST_ROLE_QE3, QUOTE_LIBRARY_PATH_QE3},
                    {MANIFEST_ROLE_PCE, QUOTE_LIBRARY_PATH_PCE},
                    {MANIFEST_ROLE_ID_ENCLAVE, QUOTE_LIBRARY_PATH_IDE}};
    const ManifestFile *provider = host_provider ? NULL : libraries_find_provider(manifest);
    for (size_t i = 0; i < sizeof enclaves / sizeof *enclaves; i++) {
        const ManifestFile *file = manifest_find(manifest, enclaves[i].role);
        if (!set_path(engine, directory, file, enclaves[i].path_type, err)) {
            return false;
        }
    }
    return provider == NULL || set_path(engine, directory, provider, QUOTE_LIBRARY_PATH_QPL, err);
}

static bool start(Engine *engine, const EngineSpec *spec, Error *err) {
    const Manifest *manifest = spec->manifest;
    Libraries libraries;
    /* Its mere presence makes Intel's library ask another daemon instead of quoting itself. */
    (void)unsetenv("SGX_AESM_ADDR");
    return libraries_load(spec->directory, manifest, spec->host_provider, &libraries, err) &&
           find_functions(engine, libraries.quote, manifest_find(manifest, MANIFEST_ROLE_QUOTE_LIBRARY),
                          err) &&
           (libraries.logic == NULL ||
            find_logic(engine, libraries.logic, manifest_find(manifest, MANIFEST_ROLE_QE3_LOGIC), err)) &&
           set_paths(engine, spec->directory, manifest, spec->host_provider, err);
}

/* The library has called exit(). Going on with that would run destructors under the feet of other threads. */
static void on_exit_called(int status, void *context) {
    const Engine *engine = context;
    if (!engine->closed) {
        log_error("engine-exit", "status=%d error=\"the quote library ended the process\"", status);
        _exit(error_kind_exit_status(ERROR_ENGINE));
    }
}

void engine_close(Engine *engine) {
    if (engine != NULL) {
        engine->closed = true; /* what it loaded, and it itself, stays until the process is gone */
    }
}

Engine *engine_open(const EngineSpec *spec, Error *err) {
    AUTO_FREE Engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&engine->renewal, NULL);
    (void)pthread_mutex_init(&engine->lock, NULL);
    (void)pthread_rwlock_init(&engine->load, NULL);
    if (!start(engine, spec, err)) {
        return NULL;
    }
    /* After the libraries, so that it comes before their destructors. */
    if (on_exit(on_exit_called, engine) != 0) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return TAKE(engine);
}

/* Target info, key and size: what the library calls init. */
static Quote3Error ask_facts(Engine *engine, EngineFacts *ret_facts) {
    EngineFacts facts = {0};
    Quote3Error code;
    if (engine->init_quote != NULL) {
        size_t size = sizeof facts.pub_key_id;
        code = engine->init_quote(NULL, &facts.target_info, false, &size, facts.pub_key_id);
    } else {
        code = engine->target_info(&facts.target_info);
    }
    if (code == QUOTE3_SUCCESS) {
        code = engine->quote_size(&facts.quote_size);
    }
    if (code == QUOTE3_SUCCESS) {
        *ret_facts = facts;
    }
    return code;
}

bool engine_init(Engine *engine, Error *err) {
    EngineFacts facts;
    Quote3Error code = ask_facts(engine, &facts);
    if (code != QUOTE3_SUCCESS) {
        return error_set(err, ERROR_ENGINE,
                         "the quoting enclave does not start: the quote library says 0x%x%s", code,
                         refusal_hint(code));
    }
    (void)pthread_mutex_lock(&engine->lock);
    engine->facts = facts;
    (void)pthread_mutex_unlock(&engine->lock);
    return true;
}

void engine_facts(Engine *engine, EngineFacts *ret_facts) {
    (void)pthread_mutex_lock(&engine->lock);
    *ret_facts = engine->facts;
    (void)pthread_mutex_unlock(&engine->lock);
}

static uint64_t count_renewals(Engine *engine) {
    (void)pthread_mutex_lock(&engine->lock);
    uint64_t renewals = engine->renewals;
    (void)pthread_mutex_unlock(&engine->lock);
    return renewals;
}

/* The key's certificate changed below us. Of several threads that meet this at once, one asks anew; who asks
 * for what is constant is not kept waiting meanwhile. */
static Quote3Error renew(Engine *engine, uint64_t seen) {
    Quote3Error code = QUOTE3_SUCCESS;
    EngineFacts facts;
    (void)pthread_mutex_lock(&engine->renewal);
    if (count_renewals(engine) == seen) {
        code = ask_facts(engine, &facts);
        if (code == QUOTE3_SUCCESS) {
            (void)pthread_mutex_lock(&engine->lock);
            engine->facts = facts;
            engine->renewals++;
            (void)pthread_mutex_unlock(&engine->lock);
        }
    }
    (void)pthread_mutex_unlock(&engine->renewal);
    return code;
}

static Quote3Error quote_once(Engine *engine, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                              uint32_t size) {
    if (info == NULL) {
        return engine->quote(report, size, quote);
    }
    return engine->get_quote_with_info != NULL ? engine->get_quote_with_info(report, NULL, info, quote, size)
                                               : QUOTE3_UNABLE_TO_GENERATE_QE_REPORT;
}

/* Enters the library, after waking it up if it rests. */
static void enter(Engine *engine) {
    (void)pthread_rwlock_rdlock(&engine->load);
    while (engine->resting) {
        (void)pthread_rwlock_unlock(&engine->load);
        (void)pthread_rwlock_wrlock(&engine->load);
        (void)engine->set_policy(QUOTE_LIBRARY_PERSISTENT);
        engine->resting = false;
        (void)pthread_rwlock_unlock(&engine->load);
        (void)pthread_rwlock_rdlock(&engine->load);
    }
}

static void leave(Engine *engine) {
    (void)pthread_rwlock_unlock(&engine->load);
}

void engine_rest(Engine *engine) {
    (void)pthread_rwlock_wrlock(&engine->load);
    if (!engine->resting) {
        (void)engine->set_policy(QUOTE_LIBRARY_EPHEMERAL);
        (void)engine->cleanup();
        engine->resting = true;
    }
    (void)pthread_rwlock_unlock(&engine->load);
}

/* Intel's library keeps the id of an enclave that was lost (suspend, migration) until it is told to let go.
 */
static void let_go(Engine *engine, uint64_t seen) {
    (void)pthread_rwlock_wrlock(&engine->load);
    if (count_renewals(engine) == seen) {
        (void)engine->set_policy(QUOTE_LIBRARY_EPHEMERAL);
        (void)engine->cleanup();
        (void)engine->set_policy(QUOTE_LIBRARY_PERSISTENT);
        engine->resting = false;
    }
    (void)pthread_rwlock_unlock(&engine->load);
}

static Quote3Error quote_renewing(Engine *engine, const SgxReport *report, SgxQeReportInfo *info,
                                  uint8_t *quote, uint32_t size) {
    EngineFacts facts;
    uint64_t renewals = count_renewals(engine);
    enter(engine);
    Quote3Error code = quote_once(engine, report, info, quote, size);
    if (code == QUOTE3_ENCLAVE_LOST) {
        leave(engine);
        let_go(engine, renewals);
        enter(engine);
    }
    if (code == QUOTE3_ATT_KEY_NOT_INITIALIZED || code == QUOTE3_ENCLAVE_LOST) {
        code = renew(engine, renewals);
        engine_facts(engine, &facts);
        if (code == QUOTE3_SUCCESS) {
            code = facts.quote_size == size ? quote_once(engine, report, info, quote, size)
                                            : QUOTE3_ERROR_INVALID_PARAMETER;
        }
    }
    leave(engine);
    return code;
}

static void begin_call(Engine *engine, EngineCall *call) {
    *call = (EngineCall){.since_ms = clock_monotonic_ms()};
    (void)pthread_mutex_lock(&engine->lock);
    call->next = engine->calls;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    engine->calls = call;
    (void)pthread_mutex_unlock(&engine->lock);
}

static void end_call(Engine *engine, EngineCall *call) {
    (void)pthread_mutex_lock(&engine->lock);
    *(call->previous != NULL ? &call->previous->next : &engine->calls) = call->next;
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    (void)pthread_mutex_unlock(&engine->lock);
}

uint64_t engine_busy_ms(Engine *engine) {
    uint64_t since_ms = UINT64_MAX;
    (void)pthread_mutex_lock(&engine->lock);
    for (const EngineCall *call = engine->calls; call != NULL; call = call->next) {
        since_ms = call->since_ms < since_ms ? call->since_ms : since_ms;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return since_ms == UINT64_MAX ? 0 : clock_monotonic_ms() - since_ms + 1;
}

static const uint8_t guard[ENGINE_GUARD_SIZE] = {0x9d, 0x1c, 0xe5, 0x3f, 0x72, 0xb8, 0x06, 0xda,
                                                 0x51, 0x8e, 0xc3, 0x2b, 0xf4, 0x67, 0x90, 0xa9};

/* A process in whose memory somebody else writes must not go on. The request is unread still, so another
 * generation can answer it. */
static void check_quote(const SgxReport *report, const uint8_t *quote, uint32_t size, Quote3Error code) {
    bool overrun = memcmp(quote + size, guard, sizeof guard) != 0;
    bool foreign = code == QUOTE3_SUCCESS &&
                   (size < QUOTE_SIGNED_SIZE ||
                    memcmp(quote + QUOTE_HEADER_SIZE, &report->body, sizeof report->body) != 0);
    if (overrun || foreign) {
        log_error("engine-spoilt", "error=\"%s\"",
                  overrun ? "the quote library wrote beyond the quote" : "the quote is of another report");
        _exit(error_kind_exit_status(ERROR_ENGINE));
    }
}

Quote3Error engine_quote(Engine *engine, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                         uint32_t size) {
    EngineCall call;
    memcpy(quote + size, guard, sizeof guard);
    begin_call(engine, &call);
    Quote3Error code = quote_renewing(engine, report, info, quote, size);
    end_call(engine, &call);
    check_quote(report, quote, size, code);
    return code;
}

Quote3Error engine_trial_report(Engine *engine, const SgxTargetInfo *target,
                                const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report) {
    return engine->trial_report != NULL ? engine->trial_report(target, report_data, ret_report)
                                        : QUOTE3_INTERFACE_UNAVAILABLE;
}
