/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/counters.h"

#include <stdio.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "quoted/control/counts.h"

enum { QUOTE3_BASE = 0xe000, REFUSAL_PAUSE_MS = 10 * 1000 };

static unsigned engine_index(Quote3Error code) {
    uint32_t index = code == QUOTE3_SUCCESS ? 0 : code - QUOTE3_BASE;
    bool known = code == QUOTE3_SUCCESS || (index > 0 && index < COUNTERS_ENGINE_CODES - 1);
    return known ? index : COUNTERS_ENGINE_CODES - 1;
}

static unsigned shares(const Counters *counters) {
    unsigned count = atomic_load_explicit(&counters->shares_count, memory_order_relaxed);
    return count > 0 ? count : COUNTERS_THREAD_SHARE;
}

/* Of all threads, the counter that stands at this offset in each share. */
static uint64_t sum(const Counters *counters, const _Atomic uint64_t *in_first) {
    uint64_t total = 0;
    ptrdiff_t offset = (const char *)in_first - (const char *)&counters->shares[0];
    for (unsigned i = 0; i < shares(counters); i++) {
        const void *at = (const char *)&counters->shares[i] + offset;
        total += counters_get(at);
    }
    return total;
}

static void clear(_Atomic uint64_t *from, const void *end) {
    for (_Atomic uint64_t *at = from; (const void *)at < end; at++) {
        atomic_store_explicit(at, 0, memory_order_relaxed);
    }
}

void counters_clear(Counters *counters) {
    for (unsigned i = 0; i < shares(counters); i++) {
        clear(&counters->shares[i].accepted, &counters->shares[i] + 1);
    }
    clear(&counters->adopted, counters + 1);
}

static void log_refusal(Counters *counters, Quote3Error code) {
    unsigned index = engine_index(code);
    uint64_t now = clock_monotonic_ms();
    uint64_t last = atomic_load(&counters->refusal_logged_ms[index]);
    if ((last == 0 || now - last >= REFUSAL_PAUSE_MS) &&
        atomic_compare_exchange_strong(&counters->refusal_logged_ms[index], &last, now)) {
        log_warning("engine-refused", "code=0x%x aesm=%u times=%llu", code, aesm_code_of_quote3(code),
                    (unsigned long long)sum(counters, &counters->shares[0].engine_codes[index]));
    }
}

void counters_engine(Counters *counters, CountersShare *share, Quote3Error code, uint64_t ns) {
    counters_add(&share->engine_codes[engine_index(code)], 1);
    metrics_observe(&share->engine, ns);
    /* A report that is not ours is an application's affair. */
    if (code != QUOTE3_SUCCESS && code != QUOTE3_INVALID_REPORT) {
        log_refusal(counters, code);
    }
}

static json_t *number(uint64_t value) {
    return json_integer((json_int_t)value);
}

uint64_t counters_accepted(const Counters *counters) {
    return sum(counters, &counters->shares[0].accepted);
}

static uint64_t sum_engine(const Counters *counters, uint64_t *ret_ns) {
    uint64_t values[METRICS_VALUES_COUNT] = {0}, calls = 0;
    for (unsigned i = 0; i < shares(counters); i++) {
        metrics_collect(&counters->shares[i].engine, values);
    }
    for (unsigned i = 0; i <= METRICS_BOUNDS_COUNT; i++) {
        calls += values[i];
    }
    *ret_ns = values[METRICS_BOUNDS_COUNT + 1];
    return calls;
}

/* Requests by name and answers by code: the rows and the columns of one table. */
static bool put_requests(json_t *status, const Counters *counters) {
    uint64_t by_code[AESM_CODES_COUNT] = {0};
    json_t *requests = json_object(), *answers = json_object();
    bool good = json_put(status, "requests", requests) && json_put(status, "answers", answers);
    for (unsigned type = 0; good && type < AESM_NUMBERS_END; type++) {
        uint64_t all = 0;
        for (unsigned code = 0; aesm_number_name(type) != NULL && code < AESM_CODES_COUNT; code++) {
            uint64_t count = sum(counters, &counters->shares[0].requests[type][code]);
            by_code[code] += count;
            all += count;
        }
        good = all == 0 || json_put(requests, aesm_number_name(type), number(all));
    }
    for (unsigned code = 0; good && code < AESM_CODES_COUNT; code++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%u", code);
        good = by_code[code] == 0 || json_put(answers, key, number(by_code[code]));
    }
    return good;
}

static void engine_key(unsigned index, char key[16]) {
    (void)snprintf(key, 16,
                   index == COUNTERS_ENGINE_CODES - 1 ? "other"
                   : index == 0                       ? "0"
                                                      : "0x%x",
                   (unsigned)QUOTE3_BASE + index);
}

static json_t *refusals_json(const Counters *counters) {
    json_t *refusals = json_object();
    for (unsigned index = 1; index < COUNTERS_ENGINE_CODES; index++) {
        uint64_t count = sum(counters, &counters->shares[0].engine_codes[index]);
        char key[16];
        engine_key(index, key);
        if (count > 0 && !json_put(refusals, key, number(count))) {
            json_decref(refusals);
            return NULL;
        }
    }
    return refusals;
}

static uint64_t sum_busy(const Counters *counters) {
    uint64_t total = 0;
    for (unsigned i = 0; i < COUNTERS_BUSY_COUNT; i++) {
        total += counters_get(&counters->busy[i]);
    }
    return total;
}

json_t *counters_status_json(const Counters *counters) {
    uint64_t engine_ns = 0, engine_calls = sum_engine(counters, &engine_ns);
    const struct {
        const char *name;
        uint64_t value;
    } plain[] = {{"accepted", counters_accepted(counters)},
                 {"adopted", counters_get(&counters->adopted)},
                 {"engine_calls", engine_calls},
                 {"engine_ns", engine_ns},
                 {"duck_answers", counters_get(&counters->duck_answers)},
                 {"duck_refusals", counters_get(&counters->duck_refusals)},
                 {"relayed", counters_get(&counters->relayed)},
                 {"departed", counters_get(&counters->departed)},
                 {"silent", counters_get(&counters->silent)},
                 {"unreadable", counters_get(&counters->unreadable)},
                 {"idle_closed", counters_get(&counters->idle_closed)},
                 {"busy", sum_busy(counters)},
                 {"limit_closed", counters_get(&counters->limit_closed)},
                 {"left", counters_get(&counters->left)}};
    CLEANUP(json_freep) json_t *status = json_object();
    bool good = status != NULL && put_requests(status, counters) &&
                json_put(status, "refusals", refusals_json(counters));
    for (size_t i = 0; good && i < sizeof plain / sizeof *plain; i++) {
        good = json_put(status, plain[i].name, number(plain[i].value));
    }
    return good ? TAKE(status) : NULL;
}

/* Shown as 0 before they occur, so that a share of them can be computed from the first moment on. */
static bool is_expected(unsigned type, AesmCode code) {
    bool ours = type >= AESM_INIT_QUOTE && type != AESM_LEGACY_UPDATE_STATUS;
    return ours && (code == AESM_SUCCESS ||
                    (type == AESM_QUOTE && (code == AESM_BUSY || code == AESM_ATT_KEY_NOT_INITIALIZED ||
                                            code == AESM_INVALID_REPORT)));
}

static bool put_histogram(json_t *series, const char *key, const Counters *counters,
                          const MetricsHistogram *in_first, bool even_empty) {
    uint64_t values[METRICS_VALUES_COUNT] = {0}, all = 0;
    ptrdiff_t offset = (const char *)in_first - (const char *)&counters->shares[0];
    for (unsigned i = 0; i < shares(counters); i++) {
        const void *at = (const char *)&counters->shares[i] + offset;
        metrics_collect(at, values);
    }
    json_t *array = json_array();
    bool good = array != NULL;
    for (unsigned i = 0; good && i < METRICS_VALUES_COUNT; i++) {
        all += values[i];
        good = json_array_append_new(array, number(values[i])) == 0;
    }
    if (all == 0 && !even_empty) {
        json_decref(array);
        return good;
    }
    return json_put(series, key, array) && good;
}

static bool put_types(const Counters *counters, json_t *requests, json_t *durations) {
    bool good = true;
    for (unsigned type = 0; good && type < AESM_NUMBERS_END; type++) {
        const char *name = aesm_number_name(type);
        for (AesmCode code = 0; good && name != NULL && code < AESM_CODES_COUNT; code++) {
            uint64_t count = sum(counters, &counters->shares[0].requests[type][code]);
            char key[64];
            (void)snprintf(key, sizeof key, "%s,%u", name, code);
            good = (count == 0 && !is_expected(type, code)) || json_put(requests, key, number(count));
        }
        good =
            good && (name == NULL || put_histogram(durations, name, counters,
                                                   &counters->shares[0].durations[type], type == AESM_QUOTE));
    }
    return good;
}

static bool put_engine(const Counters *counters, json_t *calls, json_t *durations, json_t *waits) {
    bool good = put_histogram(durations, "", counters, &counters->shares[0].engine, true) &&
                put_histogram(waits, "", counters, &counters->shares[0].waits, true);
    for (unsigned i = 0; good && i < COUNTERS_ENGINE_CODES; i++) {
        uint64_t count = sum(counters, &counters->shares[0].engine_codes[i]);
        char key[16];
        engine_key(i, key);
        good = (count == 0 && i != 0) || json_put(calls, key, number(count));
    }
    return good;
}

typedef struct Plain {
    CountsFamily family;
    const char *series;
    uint64_t value;
} Plain;

static bool put_plain(const Counters *counters, json_t *const families[COUNTS_FAMILIES_COUNT]) {
    uint64_t refusals = counters_get(&counters->duck_refusals),
             reinits = counters_get(&counters->duck_reinits);
    const Plain plain[] = {
        {COUNTS_CONNECTIONS, "", counters_accepted(counters)},
        {COUNTS_CONNECTIONS_ADOPTED, "", counters_get(&counters->adopted)},
        {COUNTS_CONNECTIONS_LOST, "departed", counters_get(&counters->departed)},
        {COUNTS_CONNECTIONS_LOST, "silent", counters_get(&counters->silent)},
        {COUNTS_CONNECTIONS_LOST, "unreadable", counters_get(&counters->unreadable)},
        {COUNTS_CONNECTIONS_LOST, "idle", counters_get(&counters->idle_closed)},
        {COUNTS_CONNECTIONS_LOST, "limit", counters_get(&counters->limit_closed)},
        {COUNTS_CONNECTIONS_LOST, "handed-on", counters_get(&counters->left)},
        {COUNTS_BUSY, "connections", counters_get(&counters->busy[COUNTERS_BUSY_CONNECTIONS])},
        {COUNTS_BUSY, "queue", counters_get(&counters->busy[COUNTERS_BUSY_QUEUE])},
        {COUNTS_BUSY, "queue-timeout", counters_get(&counters->busy[COUNTERS_BUSY_QUEUE_TIMEOUT])},
        {COUNTS_LAME_DUCK_ANSWERS, "quote", counters_get(&counters->duck_answers)},
        {COUNTS_LAME_DUCK_ANSWERS, "reinit", reinits},
        {COUNTS_LAME_DUCK_ANSWERS, "invalid", refusals > reinits ? refusals - reinits : 0},
        {COUNTS_LAME_DUCK_ANSWERS, "failed", counters_get(&counters->duck_failures)},
        {COUNTS_RELAYED, "", counters_get(&counters->relayed)},
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (!json_put(families[plain[i].family], plain[i].series, number(plain[i].value))) {
            return false;
        }
    }
    return true;
}

json_t *counters_counts_json(const Counters *counters) {
    CLEANUP(json_freep) json_t *counts = json_object();
    json_t *families[COUNTS_FAMILIES_COUNT]; /* borrowed from the document */
    for (int i = 0; i < COUNTS_FAMILIES_COUNT; i++) {
        families[i] = json_object();
        if (!json_put(counts, counts_families[i].name, families[i])) {
            return NULL;
        }
    }
    return put_types(counters, families[COUNTS_REQUESTS], families[COUNTS_REQUEST_DURATION]) &&
                   put_engine(counters, families[COUNTS_ENGINE_CALLS], families[COUNTS_ENGINE_DURATION],
                              families[COUNTS_QUEUE_WAIT]) &&
                   put_plain(counters, families)
               ? TAKE(counts)
               : NULL;
}
