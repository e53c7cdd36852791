/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that show how things stand.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/metrics.h"
#include "bundles/base/text.h"
#include "bundles/diff.h"
#include "manager/api_handlers.h"
#include "manager/metrics_page.h"
#include "manager/timer.h"

/* Each with what relying parties make of quotes of its bundle, a digest or an object that has one. */
static bool put_verdicts(const ApiRequest *request, const json_t *list) {
    size_t index = 0;
    json_t *each = NULL;
    json_array_foreach(list, index, each) {
        const json_t *bundle = json_object_get(each, "bundle");
        const char *digest =
            json_string_value(json_is_object(bundle) ? json_object_get(bundle, "digest") : bundle);
        if (!json_put(each, "tcb",
                      advisor_bundle_json(request->api->advisor, digest != NULL ? digest : ""))) {
            return false;
        }
    }
    return true;
}

static void on_fresh(void *context) {
    ApiRequest *request = context;
    CLEANUP(json_freep) json_t *status = deployment_json(request->api->deployment);
    (void)api_answer(request,
                     put_verdicts(request, json_object_get(status, "generations")) &&
                             json_put(status, "updates", updates_json(request->api->updates, false)) &&
                             json_put(status, "tcb", advisor_json(request->api->advisor, false))
                         ? json_incref(status)
                         : NULL);
}

bool api_show_status(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    return deployment_refresh(request->api->deployment, on_fresh, request, err);
}

static void on_health(void *context) {
    ApiRequest *request = context;
    bool good = deployment_is_healthy(request->api->deployment);
    api_request_answer(request, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                       deployment_health_json(request->api->deployment));
}

bool api_show_health(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    return deployment_health_ask(request->api->deployment, on_health, request, err);
}

static void on_clients(void *context) {
    ApiRequest *request = context;
    CLEANUP(json_freep) json_t *clients = deployment_clients_json(request->api->deployment);
    bool good = put_verdicts(request, json_object_get(clients, "clients"));
    (void)api_answer(request, good ? TAKE(clients) : NULL);
}

bool api_show_clients(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    return deployment_clients_ask(request->api->deployment, on_clients, request, err);
}

static void measure_store(ApiRequest *request, MetricsPageSources *sources) {
    StoreList list;
    Error ignored = ERROR_INIT;
    if (!store_list(request->api->store, &list, &ignored)) {
        return;
    }
    sources->store_bundles = list.count;
    for (size_t i = 0; i < list.count; i++) {
        sources->store_bytes += list.entries[i].size;
    }
    store_list_done(&list);
}

static bool wants_openmetrics(const ApiRequest *request) {
    const char *accept =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    return accept != NULL && strstr(accept, "application/openmetrics-text") != NULL;
}

static void on_measured(void *context) {
    ApiRequest *request = context;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(METRICS_PAGE_SIZE_MAX);
    CLEANUP(json_freep) json_t *status = deployment_json(request->api->deployment);
    CLEANUP(json_freep) json_t *totals = totals_json(request->api->totals);
    CLEANUP(json_freep) json_t *swaps = journal_swaps_json(request->api->journal);
    MetricsPageSources sources = {.totals = totals, .status = status, .swaps = swaps};
    bool openmetrics = wants_openmetrics(request);
    measure_store(request, &sources);
    if (!json_put(status, "updates", updates_json(request->api->updates, false)) || totals == NULL ||
        swaps == NULL || !metrics_page_write(&sources, openmetrics, &text, &err)) {
        error_set(&err, ERROR_MEMORY, "out of memory");
        api_request_refuse(request, &err);
        return;
    }
    api_request_answer_text(request, openmetrics ? METRICS_CONTENT_TYPE_OPENMETRICS : METRICS_CONTENT_TYPE,
                            buffer_take_text(&text));
}

bool api_show_metrics(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    return deployment_measure(request->api->deployment, on_measured, request, err);
}

static json_t *bundle_json(ApiRequest *request, const StoreEntry *entry) {
    Error use = ERROR_INIT;
    const Journal *journal = request->api->journal;
    const char *former = journal->swap.former.digest; /* during a swap, what a rollback goes to */
    bool soaking = journal->swap.state != SWAP_IDLE && former[0] != '\0';
    bool free_to_go = deployment_may_remove(request->api->deployment, &entry->digest, &use);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:b, s:b, s:b}", "digest",
                     entry->digest_hex, "name", entry->manifest->name, "version", entry->manifest->version,
                     "vendor", entry->manifest->vendor != NULL ? entry->manifest->vendor : "", "description",
                     entry->manifest->description != NULL ? entry->manifest->description : "", "simulated",
                     entry->manifest->simulated, "size", (json_int_t)entry->size, "staged_at",
                     (json_int_t)entry->staged_at, "epc_kib", (json_int_t)entry->manifest->epc_kib, "serving",
                     strcmp(journal->serving.digest, entry->digest_hex) == 0, "previous",
                     strcmp(soaking ? former : journal->previous, entry->digest_hex) == 0, "in_use",
                     !free_to_go);
}

bool api_show_bundles(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    StoreList list;
    if (!store_list(request->api->store, &list, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *bundles = json_array();
    bool good = bundles != NULL;
    for (size_t i = 0; i < list.count && good; i++) {
        good = json_array_append_new(bundles, bundle_json(request, &list.entries[i])) == 0;
    }
    store_list_done(&list);
    return api_answer(request, good ? json_pack("{s:O}", "bundles", bundles) : NULL);
}

/* What a swap to the bundle would change. */
bool api_show_diff(ApiRequest *request, const char *rest, Error *err) {
    StoreEntry from, to;
    const char *serving = request->api->journal->serving.digest;
    if (serving[0] == '\0') {
        return error_set(err, ERROR_NOT_FOUND, "nothing serves that could be compared with");
    }
    if (!store_find(request->api->store, serving, &from, err)) {
        return false;
    }
    bool found = store_find(request->api->store, rest, &to, err);
    json_t *diff = NULL;
    if (found) {
        diff = diff_json(&(DiffSide){.manifest = from.manifest}, &(DiffSide){.manifest = to.manifest});
        store_entry_done(&to);
    }
    store_entry_done(&from);
    return found && api_answer(request, diff);
}

bool api_show_operations(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return api_answer(request, json_pack("{s:o}", "operations", operations_json(request->api->operations)));
}

static int on_waited(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    ApiRequest *request = context;
    const Operation *operation = operation_find(request->api->operations, request->wait_operation);
    (void)api_answer(request, operation != NULL ? operation_json(operation) : NULL);
    return 0;
}

static bool argument(ApiRequest *request, const char *name, uint64_t max, uint64_t fallback,
                     uint64_t *ret_value, Error *err) {
    const char *text = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    *ret_value = fallback;
    return text == NULL || text_parse_u64(text, 0, max, ret_value) ||
           error_set(err, ERROR_USAGE, "%s: '%.32s' is not a number from 0 to %llu", name, text,
                     (unsigned long long)max);
}

bool api_show_operation(ApiRequest *request, const char *rest, Error *err) {
    uint64_t id = 0, wait_s = 0, after = 0;
    if (!text_parse_u64(rest, 1, INT64_MAX, &id)) {
        return error_set(err, ERROR_USAGE, "'%.32s' is not the number of an operation", rest);
    }
    const Operation *operation = operation_find(request->api->operations, id);
    if (operation == NULL) {
        return error_set(err, ERROR_NOT_FOUND, "operation %llu is not remembered: see the journal",
                         (unsigned long long)id);
    }
    if (!argument(request, "wait", API_WAIT_MAX_S, 0, &wait_s, err) ||
        !argument(request, "after", INT64_MAX, operation->revision, &after, err)) {
        return false;
    }
    /* A revision that we never gave is from the manager before us. */
    if (operation->state != OPERATION_RUNNING || wait_s == 0 || operation->revision != after) {
        return api_answer(request, operation_json(operation));
    }
    request->wait_operation = id;
    request->wait_revision = after;
    return timer_start(request->api->event, &request->wait_timer, wait_s * 1000, on_waited, request) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

bool api_show_journal(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return api_answer(request, json_pack("{s:o}", "events", journal_history_json(request->api->journal)));
}

bool api_show_update(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return api_answer(request, updates_json(request->api->updates, true));
}

bool api_show_tcb(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return api_answer(request, advisor_json(request->api->advisor, true));
}
