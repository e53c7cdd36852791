/* SPDX-License-Identifier: Apache-2.0
 *
 * Engine-bench: how many quotes a second a bundle's quote library makes with nothing around it. It loads the
 * library through the published ABI, as quoted does, and calls it from several threads in one process. What
 * it reaches is the limit of any quote daemon on this machine.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/manifest.h"
#include "bundles/sgx/quote_library.h"
#include "tests/bench/histogram.h"

enum { THREADS_MAX = 64, QUOTE_BUFFER_MAX = 64 * 1024 };

typedef struct Engine {
    void *handle;
    SgxQlSetPathFn set_path;
    SgxQeGetTargetInfoFn get_target_info;
    SgxQeGetQuoteSizeFn get_quote_size;
    SgxQeGetQuoteFn get_quote;
    PswTrialReportFn trial_report;
    SgxTargetInfo target_info;
    uint32_t quote_size;
    uint64_t load_us;
} Engine;

typedef struct Worker {
    const Engine *engine;
    uint64_t end_ns;
    Histogram latency;
    Quote3Error failure;
    pthread_t thread;
} Worker;

CLEANUP_DEFINE(Manifest, manifest_free)

static bool find_symbol(const Engine *engine, const char *name, void *ret_function, Error *err) {
    void *found = dlsym(engine->handle, name);
    if (found == NULL) {
        return error_set(err, ERROR_ENGINE, "the quote library lacks %s", name);
    }
    memcpy(ret_function, &found, sizeof found);
    return true;
}

static bool find_symbols(Engine *engine, Error *err) {
    return find_symbol(engine, "sgx_ql_set_path", &engine->set_path, err) &&
           find_symbol(engine, "sgx_qe_get_target_info", &engine->get_target_info, err) &&
           find_symbol(engine, "sgx_qe_get_quote_size", &engine->get_quote_size, err) &&
           find_symbol(engine, "sgx_qe_get_quote", &engine->get_quote, err) &&
           find_symbol(engine, QUOTE_LIBRARY_TRIAL_REPORT, &engine->trial_report, err);
}

static char *path_of(const char *bundle, const Manifest *manifest, ManifestRole role) {
    const ManifestFile *file = manifest_find(manifest, role);
    return file == NULL ? NULL : text_format("%s/%s", bundle, file->path);
}

static bool set_enclave(const Engine *engine, const char *bundle, const Manifest *manifest, ManifestRole role,
                        int path_type, Error *err) {
    AUTO_FREE char *path = path_of(bundle, manifest, role);
    Quote3Error code = path == NULL ? QUOTE3_FILE_ACCESS_ERROR : engine->set_path(path_type, path);
    return code == QUOTE3_SUCCESS ||
           error_set(err, ERROR_ENGINE, "%s: the library refused its path with 0x%" PRIx32,
                     manifest_role_name(role), code);
}

static bool engine_load(Engine *engine, const char *bundle, Error *err) {
    AUTO_CLOSE int directory = file_open_directory(AT_FDCWD, bundle, err);
    CLEANUP(manifest_freep) Manifest *manifest = directory < 0 ? NULL : manifest_load(directory, err);
    if (manifest == NULL) {
        return false;
    }
    uint64_t start_ns = clock_monotonic_ns();
    AUTO_FREE char *library = path_of(bundle, manifest, MANIFEST_ROLE_QUOTE_LIBRARY);
    engine->handle = library == NULL ? NULL : dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (engine->handle == NULL) {
        return error_set(err, ERROR_ENGINE, "%s", library == NULL ? "out of memory" : dlerror());
    }
    if (!find_symbols(engine, err) ||
        !set_enclave(engine, bundle, manifest, MANIFEST_ROLE_QE3, QUOTE_LIBRARY_PATH_QE3, err) ||
        !set_enclave(engine, bundle, manifest, MANIFEST_ROLE_PCE, QUOTE_LIBRARY_PATH_PCE, err) ||
        !set_enclave(engine, bundle, manifest, MANIFEST_ROLE_ID_ENCLAVE, QUOTE_LIBRARY_PATH_IDE, err)) {
        return false;
    }
    Quote3Error code = engine->get_target_info(&engine->target_info);
    if (code == QUOTE3_SUCCESS) {
        code = engine->get_quote_size(&engine->quote_size);
    }
    engine->load_us = (clock_monotonic_ns() - start_ns) / 1000;
    if (code != QUOTE3_SUCCESS || engine->quote_size > QUOTE_BUFFER_MAX) {
        return error_set(err, ERROR_ENGINE, "the quote library does not start: 0x%" PRIx32, code);
    }
    return true;
}

static void *worker_main(void *argument) {
    Worker *worker = argument;
    const Engine *engine = worker->engine;
    uint8_t quote[QUOTE_BUFFER_MAX];
    uint8_t report_data[SGX_REPORT_DATA_SIZE] = {0};
    SgxReport report;
    worker->failure = engine->trial_report(&engine->target_info, report_data, &report);
    uint64_t now_ns = clock_monotonic_ns();
    while (worker->failure == QUOTE3_SUCCESS && now_ns < worker->end_ns) {
        worker->failure = engine->get_quote(&report, engine->quote_size, quote);
        uint64_t after_ns = clock_monotonic_ns();
        histogram_add(&worker->latency, after_ns - now_ns);
        now_ns = after_ns;
    }
    return NULL;
}

static bool run(const Engine *engine, uint32_t threads, uint64_t duration_ms, Histogram *ret_latency,
                Error *err) {
    AUTO_FREE Worker *workers = calloc(threads, sizeof *workers);
    if (workers == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    uint64_t end_ns = clock_monotonic_ns() + duration_ms * 1000000;
    uint32_t started = 0;
    int failure = 0;
    while (failure == 0 && started < threads) {
        workers[started].engine = engine;
        workers[started].end_ns = end_ns;
        failure = pthread_create(&workers[started].thread, NULL, worker_main, &workers[started]);
        started += failure == 0;
    }
    bool ok = failure == 0 || error_set_errno(err, failure, "thread %" PRIu32, started);
    for (uint32_t i = 0; i < started; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        histogram_merge(ret_latency, &workers[i].latency);
        if (ok && workers[i].failure != QUOTE3_SUCCESS) {
            ok = error_set(err, ERROR_ENGINE, "a quote failed with 0x%" PRIx32, workers[i].failure);
        }
    }
    return ok;
}

int main(int argc, char **argv) {
    Error err = ERROR_INIT;
    uint32_t threads = 0;
    uint64_t duration_ms = 0;
    if (argc != 4 || !text_parse_u32(argv[2], 1, THREADS_MAX, &threads) ||
        !text_parse_duration(argv[3], &duration_ms) || duration_ms == 0) {
        (void)fprintf(stderr, "usage: engine-bench BUNDLE-DIRECTORY THREADS TIME\n");
        return error_kind_exit_status(ERROR_USAGE);
    }
    /* Set, it makes Intel's library ask a daemon instead of quoting by itself. */
    (void)unsetenv("SGX_AESM_ADDR");
    static Histogram latency;
    Engine engine = {.handle = NULL};
    if (!engine_load(&engine, argv[1], &err) || !run(&engine, threads, duration_ms, &latency, &err)) {
        (void)fprintf(stderr, "engine-bench: bundle '%s': %s\n", argv[1], err.text);
        return error_kind_exit_status(err.kind);
    }
    (void)printf("{\"threads\": %" PRIu32 ", \"load_us\": %" PRIu64 ", \"quote_size\": %" PRIu32
                 ", \"quotes\": %" PRIu64 ", \"per_second\": %.0f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
                 threads, engine.load_us, engine.quote_size, latency.count,
                 (double)latency.count * 1000 / (double)duration_ms,
                 (double)histogram_quantile(&latency, 0.5) / 1000,
                 (double)histogram_quantile(&latency, 0.99) / 1000);
    return EXIT_SUCCESS;
}
