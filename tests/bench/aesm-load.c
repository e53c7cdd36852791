/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "tests/bench/flow.h"
#include "tests/bench/options.h"
#include "tests/bench/report.h"

enum { EXIT_FAILED = 1 };

CLEANUP_DEFINE(SimReporter, sim_reporter_close)

static const size_t client_stack_size = (size_t)256 * 1024;

static void *client_main(void *argument) {
    flow_run(argument);
    return NULL;
}

/* Ends the run early and in order: what was measured so far is still reported. */
static void *signal_main(void *argument) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    int number = 0;
    (void)sigwait(&set, &number);
    schedule_stop(argument);
    return NULL;
}

static bool block_signals(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    return pthread_sigmask(SIG_BLOCK, &set, NULL) == 0;
}

/* Spreads the caching clients evenly over the numbers. */
static bool client_caches(const Options *options, uint32_t number) {
    return (uint64_t)(number + 1) * options->cached_percent / 100 >
           (uint64_t)number * options->cached_percent / 100;
}

static double requests_per_flow(const Options *options) {
    uint64_t requests = 0;
    for (uint32_t i = 0; i < options->clients; i++) {
        requests += flow_requests(options->flow, client_caches(options, i));
    }
    return (double)requests / options->clients;
}

static bool load_target_info(const char *path, SgxTargetInfo *ret_target_info, Error *err) {
    CLEANUP(buffer_done) Buffer buffer = BUFFER_INIT(SGX_TARGET_INFO_SIZE);
    if (!file_read(AT_FDCWD, path, &buffer, err)) {
        return false;
    }
    if (buffer.size != sizeof *ret_target_info) {
        return error_set(err, ERROR_INPUT, "target info '%s': has %zu bytes, must have %zu", path,
                         buffer.size, sizeof *ret_target_info);
    }
    *ret_target_info = *(const SgxTargetInfo *)buffer.data;
    return true;
}

static bool plan_init(ClientPlan *plan, const Options *options, const SimReporter *reporter, Error *err) {
    *plan = (ClientPlan){.reporter = reporter,
                         .verify = options->verify,
                         .signatures_every = options->signatures_every,
                         .retry_42 = options->retry_42,
                         .expected_qes_count = options->expected_qes_count};
    memcpy(plan->expected_qes, options->expected_qes, sizeof plan->expected_qes);
    if (!exchange_server_init(&plan->server, options->socket, options->timeout_ms, err)) {
        return false;
    }
    if (options->target_info_file != NULL) {
        return load_target_info(options->target_info_file, &plan->cached, err);
    }
    return reporter == NULL || options->cached_percent == 0 ||
           client_take_target_info(&plan->server, &plan->cached, err);
}

static void free_flows(Flow *flows, uint32_t count) {
    for (uint32_t i = 0; flows != NULL && i < count; i++) {
        tally_free(flows[i].client.tally);
    }
    free(flows);
}

static Flow *make_flows(const Options *options, const ClientPlan *plan, Schedule *schedule) {
    Flow *flows = calloc(options->clients, sizeof *flows);
    for (uint32_t i = 0; flows != NULL && i < options->clients; i++) {
        flows[i].kind = options->flow;
        flows[i].schedule = schedule;
        flows[i].client.plan = plan;
        flows[i].client.number = i;
        flows[i].client.caches = client_caches(options, i);
        flows[i].client.tally = tally_new(options->timeline != NULL);
        if (flows[i].client.tally == NULL) {
            free_flows(flows, i);
            return NULL;
        }
    }
    return flows;
}

/* Starts a thread for each client and waits for all; a thread that cannot be started ends the run. */
static bool run_flows(const Options *options, Schedule *schedule, Flow *flows, Error *err) {
    AUTO_FREE pthread_t *threads = calloc(options->clients, sizeof *threads);
    pthread_attr_t attributes;
    pthread_t watcher;
    if (threads == NULL || pthread_attr_init(&attributes) != 0) {
        return error_set(err, ERROR_MEMORY, "clients: out of memory");
    }
    (void)pthread_attr_setstacksize(&attributes, client_stack_size);
    /* Open-loop clients sleep until a request is due: the default slack of 50 us would count as latency. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    int failure = pthread_create(&watcher, &attributes, signal_main, schedule);
    bool watched = failure == 0;
    uint32_t started = 0;
    while (failure == 0 && started < options->clients) {
        failure = pthread_create(&threads[started], &attributes, client_main, &flows[started]);
        started += failure == 0;
    }
    if (failure != 0) {
        schedule_stop(schedule);
    }
    for (uint32_t i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    if (watched) {
        (void)pthread_cancel(watcher);
        (void)pthread_join(watcher, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
    return failure == 0 || error_set_errno(err, failure, "client %" PRIu32 ": starting its thread", started);
}

static bool print_report(const Options *options, const Schedule *schedule, uint64_t elapsed_ns, Tally *tally,
                         Error *err) {
    char target[24];
    ReportFacts facts = {.socket = options->socket,
                         .flow = options_flow_name(options->flow),
                         .target = options_target_name(options, target, sizeof target),
                         .clients = options->clients,
                         .rate = options->rate,
                         .start_ns = schedule->start_ns,
                         .elapsed_ns = elapsed_ns};
    if (!options->json) {
        report_text(stdout, &facts, tally);
    } else {
        CLEANUP(json_freep) json_t *json = report_json(&facts, tally);
        AUTO_FREE char *text = json == NULL ? NULL : json_format(json, true);
        if (text == NULL) {
            return error_set(err, ERROR_MEMORY, "report: out of memory");
        }
        (void)puts(text);
    }
    return options->timeline == NULL || report_timeline(options->timeline, tally, err);
}

static bool run(const Options *options, uint64_t *ret_requests, uint64_t *ret_failed, Error *err) {
    CLEANUP(sim_reporter_closep) SimReporter *reporter = NULL;
    if (options->platform != NULL && (reporter = sim_reporter_open(options->platform, err)) == NULL) {
        return false;
    }
    ClientPlan plan;
    if (!plan_init(&plan, options, reporter, err)) {
        return false;
    }
    Schedule schedule;
    double each = requests_per_flow(options);
    schedule_init(&schedule, options->rate / each, options->duration_ms,
                  (uint64_t)((double)options->requests / each + 0.999));
    Flow *flows = make_flows(options, &plan, &schedule);
    if (flows == NULL) {
        return error_set(err, ERROR_MEMORY, "clients: out of memory; ask for fewer");
    }
    Tally *tally = flows[0].client.tally;
    bool ok = run_flows(options, &schedule, flows, err);
    uint64_t elapsed_ns = clock_monotonic_ns() - schedule.start_ns;
    for (uint32_t i = 1; ok && i < options->clients; i++) {
        ok = tally_merge(tally, flows[i].client.tally) ||
             error_set(err, ERROR_MEMORY, "report: out of memory");
    }
    ok = ok && print_report(options, &schedule, elapsed_ns, tally, err);
    *ret_requests = tally_requests(tally);
    *ret_failed = tally_failed(tally);
    free_flows(flows, options->clients);
    return ok;
}

int main(int argc, char **argv) {
    Error err = ERROR_INIT;
    Options options;
    uint64_t requests = 0;
    uint64_t failed = 0;
    if (!options_parse(argc, argv, &options, &err)) {
        (void)fprintf(stderr, "aesm-load: %s\n", err.text);
        return error_kind_exit_status(err.kind);
    }
    if (options.help || options.version) {
        (void)fputs(options.help ? options_help() : "aesm-load " PSW_VERSION "\n", stdout);
        return EXIT_SUCCESS;
    }
    if (!block_signals() || !run(&options, &requests, &failed, &err)) {
        (void)fprintf(stderr, "aesm-load: %s\n", err.text);
        return error_kind_exit_status(err.kind);
    }
    if (requests == 0) {
        (void)fprintf(stderr, "aesm-load: no request was made: the run ended too early\n");
    }
    return failed > 0 || requests == 0 ? EXIT_FAILED : EXIT_SUCCESS;
}
