/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/metrics_page.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/metrics.h"
#include "quoted/control/counts.h"

typedef struct Writer {
    MetricsPage page;
    const MetricsPageSources *sources;
} Writer;

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static json_int_t number_of(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static bool is_set(const json_t *object, const char *key) {
    return json_is_true(json_object_get(object, key));
}

static void one(Writer *writer, const MetricsFamily *family, double number) {
    metrics_family(&writer->page, family);
    metrics_sample(&writer->page, NULL, number);
}

static const MetricsFamily own_counters[] = {
    {METRICS_PAGE_SWAPS, METRICS_COUNTER, "outcome", "Swaps that have ended, by outcome."},
    {METRICS_PAGE_CRASHES, METRICS_COUNTER, "role",
     "Generations that ended without having been told to, by role."},
    {METRICS_PAGE_RETIRED, METRICS_COUNTER, "reason",
     "Lame ducks that went although reports for their QE may come, by why."},
    {METRICS_PAGE_RECALLS, METRICS_COUNTER, "result",
     "Lame ducks that were gone and were wanted again, by what came of it."},
};

static void write_counters(Writer *writer) {
    for (size_t i = 0; i < COUNTS_FAMILIES_COUNT; i++) {
        metrics_family_json(&writer->page, &counts_families[i],
                            json_object_get(writer->sources->totals, counts_families[i].name));
    }
    for (size_t i = 0; i < sizeof own_counters / sizeof *own_counters; i++) {
        metrics_family_json(&writer->page, &own_counters[i],
                            json_object_get(writer->sources->totals, own_counters[i].name));
    }
}

static const MetricsFamily manager_info = {"psw_manager_info", METRICS_GAUGE, "version",
                                           "The manager's version; always 1."};
static const MetricsFamily serving = {"psw_serving", METRICS_GAUGE, "", "1 if a generation serves, else 0."};
static const MetricsFamily simulated = {
    "psw_simulated", METRICS_GAUGE, "",
    "1 if the serving bundle is a simulated one, whose quotes prove nothing, else 0."};
static const MetricsFamily healthy = {
    "psw_healthy", METRICS_GAUGE, "",
    "1 if the last trial quote of the generation that serves now was good, else 0."};
static const MetricsFamily trial_at = {
    "psw_trial_timestamp_seconds", METRICS_GAUGE, "",
    "Time of the last trial quote of the serving generation; 0: none yet."};
static const MetricsFamily trial_duration = {
    "psw_trial_duration_seconds", METRICS_GAUGE, "",
    "How long the last good trial quote of the serving generation took."};
static const MetricsFamily swap_at = {"psw_last_swap_timestamp_seconds", METRICS_GAUGE, "outcome",
                                      "Time at which the last swap of this outcome ended."};
static const MetricsFamily soak_left = {"psw_soak_remaining_seconds", METRICS_GAUGE, "",
                                        "Time left of the soak under way; 0: none."};

static void write_node(Writer *writer) {
    const json_t *status = writer->sources->status, *health = json_object_get(status, "health");
    const char *version[] = {text_of(status, "version")};
    const char *outcome = NULL;
    json_t *at = NULL;
    metrics_family(&writer->page, &manager_info);
    metrics_sample(&writer->page, version, 1);
    one(writer, &serving, strcmp(text_of(status, "state"), "serving") == 0);
    one(writer, &simulated, is_set(status, "simulated"));
    one(writer, &healthy, is_set(health, "healthy"));
    one(writer, &trial_at, (double)number_of(health, "trial_at"));
    one(writer, &trial_duration, (double)number_of(health, "microseconds") / 1e6);
    one(writer, &soak_left, (double)number_of(status, "soak_left_ms") / 1e3);
    metrics_family(&writer->page, &swap_at);
    json_object_foreach((json_t *)(uintptr_t)writer->sources->swaps, outcome, at) {
        metrics_sample(&writer->page, &outcome, (double)json_integer_value(at));
    }
}

static const MetricsFamily generations = {"psw_generations", METRICS_GAUGE, "role",
                                          "Generations that run now, by role."};
static const MetricsFamily generation_info = {
    "psw_generation_info", METRICS_GAUGE,
    "generation,role,bundle,version,digest,qe,qe_isv_svn,pce_isv_svn,simulated",
    "Who runs; always 1. digest and qe are the first 16 digits of the bundle's digest and of the QE's "
    "MRENCLAVE."};
static const MetricsFamily started_at = {"psw_generation_start_timestamp_seconds", METRICS_GAUGE,
                                         "generation", "Time at which the generation was started."};
static const MetricsFamily connections = {"psw_open_connections", METRICS_GAUGE, "generation",
                                          "Connections that are open now."};
static const MetricsFamily waiting = {"psw_queue_length", METRICS_GAUGE, "generation",
                                      "Quotes that wait now for engine or lame ducks."};

static void write_roles(Writer *writer, const json_t *list) {
    static const char *const roles[] = {"candidate",      "restarting", "serving", "former",  "lame-duck",
                                        "starting-again", "spare",      "test",    "retiring"};
    metrics_family(&writer->page, &generations);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        unsigned count = 0;
        size_t index = 0;
        const json_t *generation = NULL;
        json_array_foreach(list, index, generation) {
            count += strcmp(text_of(generation, "role"), roles[i]) == 0;
        }
        metrics_sample(&writer->page, &roles[i], count);
    }
}

static void write_info(Writer *writer, const json_t *generation) {
    const json_t *bundle = json_object_get(generation, "bundle"),
                 *status = json_object_get(generation, "status");
    char number[16], digest[17], qe[17], qe_svn[16], pce_svn[16];
    (void)snprintf(number, sizeof number, "%lld", (long long)number_of(generation, "generation"));
    (void)snprintf(digest, sizeof digest, "%.16s", text_of(bundle, "digest"));
    (void)snprintf(qe, sizeof qe, "%.16s", text_of(generation, "qe"));
    (void)snprintf(qe_svn, sizeof qe_svn, "%lld",
                   (long long)number_of(json_object_get(status, "qe"), "isv_svn"));
    (void)snprintf(pce_svn, sizeof pce_svn, "%lld",
                   (long long)number_of(json_object_get(status, "pce"), "isv_svn"));
    const char *values[] = {number,
                            text_of(generation, "role"),
                            text_of(bundle, "name"),
                            text_of(bundle, "version"),
                            digest,
                            qe,
                            qe_svn,
                            pce_svn,
                            is_set(status, "simulated") ? "true" : "false"};
    metrics_sample(&writer->page, values, 1);
}

/* A number of the generations' own status documents. */
static void write_each(Writer *writer, const MetricsFamily *family, const json_t *list, const char *key) {
    size_t index = 0;
    const json_t *generation = NULL;
    metrics_family(&writer->page, family);
    json_array_foreach(list, index, generation) {
        const json_t *value = json_object_get(json_object_get(generation, "status"), key);
        char number[16];
        const char *values[] = {number};
        int64_t at = 0;
        (void)snprintf(number, sizeof number, "%lld", (long long)number_of(generation, "generation"));
        if (json_is_integer(value)) {
            metrics_sample(&writer->page, values, (double)json_integer_value(value));
        } else if (json_is_string(value) && clock_parse(json_string_value(value), &at)) {
            metrics_sample(&writer->page, values, (double)at);
        }
    }
}

static void write_generations(Writer *writer) {
    const json_t *list = json_object_get(writer->sources->status, "generations");
    size_t index = 0;
    const json_t *generation = NULL;
    write_roles(writer, list);
    metrics_family(&writer->page, &generation_info);
    json_array_foreach(list, index, generation) {
        write_info(writer, generation);
    }
    write_each(writer, &started_at, list, "started_at");
    write_each(writer, &connections, list, "connections");
    write_each(writer, &waiting, list, "waiting");
}

static const MetricsFamily rescued = {"psw_rescued_connections_total", METRICS_COUNTER, "result",
                                      "Connections that outlived their generation, by what became of them."};
static const MetricsFamily clients = {
    "psw_former_qe_clients", METRICS_GAUGE, "state",
    "Processes that hold target info of a former QE, by what becomes of their reports."};
static const MetricsFamily store_bytes = {"psw_store_bytes", METRICS_GAUGE, "",
                                          "Size of the staged bundles."};
static const MetricsFamily store_bundles = {"psw_store_bundles", METRICS_GAUGE, "", "Staged bundles."};
static const MetricsFamily problems = {"psw_problems", METRICS_GAUGE, "what",
                                       "Problems that 'pswctl status' shows now, by kind."};

static void write_problems(Writer *writer) {
    enum { LISTS = 2 };
    static const char *const kinds[] = {"empty",   "down",       "socket", "alarm", "health",
                                        "serving", "repository", "clock",  "expiry"};
    const json_t *status = writer->sources->status;
    const json_t *lists[LISTS] = {json_object_get(status, "problems"),
                                  json_object_get(json_object_get(status, "updates"), "problems")};
    metrics_family(&writer->page, &problems);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        unsigned count = 0;
        for (size_t i = 0; i < LISTS; i++) {
            size_t index = 0;
            const json_t *problem = NULL;
            json_array_foreach(lists[i], index, problem) {
                count += strcmp(text_of(problem, "what"), kinds[kind]) == 0;
            }
        }
        metrics_sample(&writer->page, &kinds[kind], count);
    }
}

static void write_rest(Writer *writer) {
    static const char *const results[] = {"found", "adopted", "departed", "lost"};
    const json_t *rescue = json_object_get(writer->sources->status, "rescue");
    metrics_family(&writer->page, &rescued);
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        metrics_sample(&writer->page, &results[i], (double)number_of(rescue, results[i]));
    }
    static const char *const states[] = {"answered", "refused"};
    const json_t *count = json_object_get(writer->sources->status, "clients");
    metrics_family(&writer->page, &clients);
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        metrics_sample(&writer->page, &states[i], (double)number_of(count, states[i]));
    }
    one(writer, &store_bytes, (double)writer->sources->store_bytes);
    one(writer, &store_bundles, (double)writer->sources->store_bundles);
    write_problems(writer);
}

static const MetricsFamily checked_at = {"psw_update_check_timestamp_seconds", METRICS_GAUGE, "",
                                         "Time of the last look into the repository; 0: none yet."};
static const MetricsFamily check_success = {"psw_update_check_success", METRICS_GAUGE, "",
                                            "1 if the last look into the repository succeeded, else 0."};
static const MetricsFamily next_check = {
    "psw_update_next_check_timestamp_seconds", METRICS_GAUGE, "",
    "Time at which the repository is looked at next; 0: only when asked."};
static const MetricsFamily expires_at = {
    "psw_update_metadata_expiry_timestamp_seconds", METRICS_GAUGE, "",
    "Time at which the first of the repository's trusted metadata expires."};
static const MetricsFamily offered = {
    "psw_update_offered", METRICS_GAUGE, "version",
    "1 for the version that the repository offers to this node; absent: none."};

/* Without a repository there is nothing to tell. */
static void write_updates(Writer *writer) {
    const json_t *updates = json_object_get(writer->sources->status, "updates");
    const json_t *metadata = json_object_get(updates, "metadata"), *offer = json_object_get(updates, "offer");
    if (!json_is_string(json_object_get(updates, "repository"))) {
        return;
    }
    json_int_t at = number_of(updates, "checked_at");
    one(writer, &checked_at, (double)at);
    one(writer, &check_success, at != 0 && !json_is_object(json_object_get(updates, "failure")));
    one(writer, &next_check, (double)number_of(updates, "next_check_at"));
    if (number_of(metadata, "expires") != 0) {
        one(writer, &expires_at, (double)number_of(metadata, "expires"));
    }
    if (json_is_object(offer)) {
        const char *version[] = {text_of(offer, "version")};
        metrics_family(&writer->page, &offered);
        metrics_sample(&writer->page, version, 1);
    }
}

bool metrics_page_write(const MetricsPageSources *sources, bool openmetrics, Buffer *text, Error *err) {
    Writer writer = {.page = {.text = text, .openmetrics = openmetrics}, .sources = sources};
    write_node(&writer);
    write_generations(&writer);
    write_counters(&writer);
    write_rest(&writer);
    write_updates(&writer);
    return metrics_end(&writer.page) || error_set(err, ERROR_MEMORY, "metrics: out of memory");
}
