/* SPDX-License-Identifier: Apache-2.0
 *
 * The API's requests: one table, one function each.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/metrics.h"
#include "bundles/base/text.h"
#include "bundles/diff.h"
#include "manager/api_request.h"
#include "manager/metrics_page.h"
#include "manager/timer.h"

typedef bool (*RouteFn)(ApiRequest *request, const char *rest, Error *err);

typedef struct Route {
    const char *method;
    const char *path; /* ends in '/': what follows is handed to the function */
    RouteFn handle;   /* false: `err` is the answer */
    bool open;        /* also at metrics.listen */
} Route;

static bool answer(ApiRequest *request, json_t *json) {
    api_request_answer(request, MHD_HTTP_OK, json);
    return true;
}

/* 202 while it runs, so that a script can tell "begun" from "done". */
static bool answer_operation(ApiRequest *request, const Operation *operation) {
    if (operation == NULL) {
        return false;
    }
    api_request_answer(request, operation->state == OPERATION_RUNNING ? MHD_HTTP_ACCEPTED : MHD_HTTP_OK,
                       operation_json(operation));
    return true;
}

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
    (void)answer(request, put_verdicts(request, json_object_get(status, "generations")) &&
                                  json_put(status, "updates", updates_json(request->api->updates, false)) &&
                                  json_put(status, "tcb", advisor_json(request->api->advisor, false))
                              ? json_incref(status)
                              : NULL);
}

static bool get_status(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    return deployment_refresh(request->api->deployment, on_fresh, request, err);
}

static void on_health(void *context) {
    ApiRequest *request = context;
    bool good = deployment_is_healthy(request->api->deployment);
    api_request_answer(request, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                       deployment_health_json(request->api->deployment));
}

static bool get_health(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    return deployment_health_ask(request->api->deployment, on_health, request, err);
}

static void on_clients(void *context) {
    ApiRequest *request = context;
    CLEANUP(json_freep) json_t *clients = deployment_clients_json(request->api->deployment);
    bool good = put_verdicts(request, json_object_get(clients, "clients"));
    (void)answer(request, good ? TAKE(clients) : NULL);
}

static bool get_clients(ApiRequest *request, const char *rest, Error *err) {
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

static bool get_metrics(ApiRequest *request, const char *rest, Error *err) {
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

static bool get_bundles(ApiRequest *request, const char *rest, Error *err) {
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
    return answer(request, good ? json_pack("{s:O}", "bundles", bundles) : NULL);
}

/* What a swap to the bundle would change. */
static bool get_diff(ApiRequest *request, const char *rest, Error *err) {
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
    return found && answer(request, diff);
}

static bool get_operations(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return answer(request, json_pack("{s:o}", "operations", operations_json(request->api->operations)));
}

static int on_waited(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    ApiRequest *request = context;
    const Operation *operation = operation_find(request->api->operations, request->wait_operation);
    (void)answer(request, operation != NULL ? operation_json(operation) : NULL);
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

static bool get_operation(ApiRequest *request, const char *rest, Error *err) {
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
        return answer(request, operation_json(operation));
    }
    request->wait_operation = id;
    request->wait_revision = after;
    return timer_start(request->api->event, &request->wait_timer, wait_s * 1000, on_waited, request) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static bool get_journal(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return answer(request, json_pack("{s:o}", "events", journal_history_json(request->api->journal)));
}

static bool knows(const char *const *keys, const char *key) {
    for (; *keys != NULL; keys++) {
        if (strcmp(*keys, key) == 0) {
            return true;
        }
    }
    return false;
}

/* The body as an object with no other keys than these (NULL-terminated). An empty body is an empty object. */
static json_t *body(ApiRequest *request, const char *const *keys, Error *err) {
    const char *key = NULL;
    json_t *value = NULL;
    if (request->wants_upload) {
        error_set(err, ERROR_USAGE, "this request takes JSON");
        return NULL;
    }
    CLEANUP(json_freep)
    json_t *object =
        request->body.size == 0 ? json_object() : json_parse(buffer_bytes(&request->body), "body", err);
    if (object == NULL || !json_is_object(object)) {
        if (err->kind == ERROR_NONE) {
            error_set(err, ERROR_USAGE, "the body is not a JSON object");
        }
        err->kind = ERROR_USAGE;
        return NULL;
    }
    json_object_foreach(object, key, value) {
        if (!knows(keys, key)) {
            error_set(err, ERROR_USAGE, "the body has a key '%.32s' that means nothing here", key);
            return NULL;
        }
    }
    return TAKE(object);
}

static bool take_text(const json_t *object, const char *key, const char **ret_text, Error *err) {
    *ret_text = json_string_value(json_object_get(object, key));
    return *ret_text != NULL || error_set(err, ERROR_USAGE, "the body must have '%s', a string", key);
}

/* "soak": a duration as in manager.yaml; left out: the default. */
static bool take_soak(const json_t *object, uint64_t *ret_soak_ms, Error *err) {
    const json_t *value = json_object_get(object, "soak");
    *ret_soak_ms = UINT64_MAX;
    if (value == NULL) {
        return true;
    }
    return (json_is_string(value) && text_parse_duration(json_string_value(value), ret_soak_ms) &&
            *ret_soak_ms <= UINT64_C(7) * 24 * 3600 * 1000) ||
           error_set(err, ERROR_USAGE,
                     "'soak' must be a duration of at most 7d, such as \"30s\", \"5m\" or \"0\"");
}

static bool post_stage(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *sha256 = NULL;
    static const char *const keys[] = {"sha256", NULL};
    if (request->wants_upload) {
        if (request->upload < 0) {
            return error_set(err, ERROR_INPUT, "the bundle file is empty: fetch it again");
        }
        return answer_operation(request,
                                jobs_stage(request->api->jobs, TAKE_FD(request->upload), request->who, err));
    }
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL && take_text(object, "sha256", &sha256, err) &&
           answer_operation(request, jobs_stage_fetched(request->api->jobs, sha256, request->who, err));
}

static bool post_fetch(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *url = NULL, *sha256 = NULL;
    static const char *const keys[] = {"url", "sha256", "stage", NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    if (object == NULL || !take_text(object, "url", &url, err) ||
        !take_text(object, "sha256", &sha256, err)) {
        return false;
    }
    if (!text_is_printable(url, 2048)) {
        return error_set(err, ERROR_USAGE, "'url' must be printable ASCII of at most 2048 bytes");
    }
    return answer_operation(request,
                            jobs_fetch(request->api->jobs, url, sha256,
                                       json_is_true(json_object_get(object, "stage")), request->who, err));
}

enum { DOWNGRADES_MAX = 8 };

/* "allow_downgrade": a list of names; left out: none. The names live as long as the object. */
static bool take_downgrades(const json_t *object, const char *names[DOWNGRADES_MAX], size_t *ret_count,
                            Error *err) {
    const json_t *list = json_object_get(object, "allow_downgrade");
    size_t index = 0;
    json_t *name = NULL;
    *ret_count = 0;
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > DOWNGRADES_MAX)) {
        return error_set(err, ERROR_USAGE, "'allow_downgrade' must be a list of at most %d names",
                         DOWNGRADES_MAX);
    }
    json_array_foreach(list, index, name) {
        if (!json_is_string(name)) {
            return error_set(err, ERROR_USAGE, "'allow_downgrade' must be a list of names");
        }
        names[(*ret_count)++] = json_string_value(name);
    }
    return true;
}

static bool post_swap(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *what = NULL;
    const char *names[DOWNGRADES_MAX];
    DeploymentDowngrades downgrades = {.names = names};
    uint64_t soak_ms = 0;
    static const char *const keys[] = {"bundle", "soak", "allow_downgrade", NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL && take_text(object, "bundle", &what, err) && take_soak(object, &soak_ms, err) &&
           take_downgrades(object, names, &downgrades.count, err) &&
           answer_operation(request, deployment_swap(request->api->deployment, what, soak_ms, downgrades,
                                                     request->who, err));
}

static bool post_adopt(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *what = NULL;
    uint64_t soak_ms = 0;
    static const char *const keys[] = {"bundle", "soak", NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL && take_text(object, "bundle", &what, err) && take_soak(object, &soak_ms, err) &&
           answer_operation(request,
                            deployment_takeover(request->api->deployment, what, soak_ms, request->who, err));
}

static bool post_rollback(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    uint64_t soak_ms = 0;
    static const char *const keys[] = {"soak", NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL && take_soak(object, &soak_ms, err) &&
           answer_operation(request,
                            deployment_rollback(request->api->deployment, soak_ms, request->who, err));
}

static bool post_commit(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    static const char *const keys[] = {NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL &&
           answer_operation(request, deployment_commit(request->api->deployment, request->who, err));
}

static bool post_test(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *what = NULL;
    static const char *const keys[] = {"bundle", NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL && take_text(object, "bundle", &what, err) &&
           answer_operation(request, deployment_test(request->api->deployment, what, request->who, err));
}

static bool get_update(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return answer(request, updates_json(request->api->updates, true));
}

static bool post_check(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    static const char *const keys[] = {NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL &&
           answer_operation(request, updates_check(request->api->updates, request->who, err));
}

/* With an offline file as the body, the wishes stand in the query. */
static bool post_update_file(ApiRequest *request, Error *err) {
    const char *version = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "version");
    const char *soak = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "soak");
    const char *only = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "stage_only");
    UpdatesWish wish = {.version = version, .soak_ms = UINT64_MAX, .file = -1};
    CLEANUP(json_freep) json_t *object = soak != NULL ? json_pack("{s:s}", "soak", soak) : json_object();
    if (request->upload < 0) {
        return error_set(err, ERROR_USAGE, "the body is empty: it must be the offline file");
    }
    if (!take_soak(object, &wish.soak_ms, err)) {
        return false;
    }
    if (only != NULL && !text_parse_bool(only, &wish.stage_only)) {
        return error_set(err, ERROR_USAGE, "'stage_only' must be true or false");
    }
    wish.file = TAKE_FD(request->upload);
    return answer_operation(request, updates_update(request->api->updates, &wish, request->who, err));
}

static bool post_update(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *names[DOWNGRADES_MAX];
    static const char *const keys[] = {"version", "stage_only", "soak", "allow_downgrade", "directory", NULL};
    if (request->wants_upload) {
        return post_update_file(request, err);
    }
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    UpdatesWish wish = {.version = json_string_value(json_object_get(object, "version")),
                        .stage_only = json_is_true(json_object_get(object, "stage_only")),
                        .downgrades = {.names = names},
                        .directory = json_string_value(json_object_get(object, "directory")),
                        .file = -1};
    if (object == NULL || !take_soak(object, &wish.soak_ms, err) ||
        !take_downgrades(object, names, &wish.downgrades.count, err)) {
        return false;
    }
    if (wish.directory != NULL && wish.directory[0] != '/') {
        return error_set(err, ERROR_USAGE, "'directory' must be an absolute path");
    }
    return answer_operation(request, updates_update(request->api->updates, &wish, request->who, err));
}

static bool get_tcb(ApiRequest *request, const char *rest, Error *err) {
    (void)rest, (void)err;
    return answer(request, advisor_json(request->api->advisor, true));
}

static bool post_tcb(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    static const char *const keys[] = {NULL};
    CLEANUP(json_freep) json_t *object = body(request, keys, err);
    return object != NULL &&
           answer_operation(request, advisor_look(request->api->advisor, request->who, err));
}

static bool delete_bundle(ApiRequest *request, const char *rest, Error *err) {
    return answer_operation(request, jobs_remove(request->api->jobs, rest, request->who, err));
}

static const Route routes[] = {
    {"GET", "/metrics", get_metrics, true},
    {"GET", "/v1/health", get_health, true},
    {"GET", "/v1/clients", get_clients, false},
    {"GET", "/v1/status", get_status, false},
    {"GET", "/v1/bundles", get_bundles, false},
    {"GET", "/v1/diff/", get_diff, false},
    {"GET", "/v1/operations", get_operations, false},
    {"GET", "/v1/operations/", get_operation, false},
    {"GET", "/v1/journal", get_journal, false},
    {"POST", "/v1/stage", post_stage, false},
    {"POST", "/v1/fetch", post_fetch, false},
    {"POST", "/v1/test", post_test, false},
    {"POST", "/v1/swap", post_swap, false},
    {"POST", "/v1/commit", post_commit, false},
    {"GET", "/v1/update", get_update, false},
    {"POST", "/v1/check", post_check, false},
    {"POST", "/v1/update", post_update, false},
    {"POST", "/v1/rollback", post_rollback, false},
    {"GET", "/v1/tcb", get_tcb, false},
    {"POST", "/v1/tcb", post_tcb, false},
    {"POST", "/v1/adopt", post_adopt, false},
    {"DELETE", "/v1/bundles/", delete_bundle, false},
};

static bool fits(const Route *route, const char *path, const char **ret_rest) {
    size_t length = strlen(route->path);
    if (route->path[length - 1] != '/') {
        *ret_rest = "";
        return strcmp(route->path, path) == 0;
    }
    *ret_rest = path + length;
    return strncmp(route->path, path, length) == 0 && path[length] != '\0';
}

void api_route(ApiRequest *request) {
    Error err = ERROR_INIT;
    bool known = false;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const char *rest = NULL;
        if ((request->open && !routes[i].open) || !fits(&routes[i], request->path, &rest)) {
            continue;
        }
        known = true;
        if (strcmp(routes[i].method, request->method) == 0) {
            if (!routes[i].handle(request, rest, &err)) {
                api_request_refuse(request, &err);
            }
            return;
        }
    }
    if (known) {
        error_set(&err, ERROR_USAGE, "%s does not take %.16s", request->path, request->method);
    } else {
        error_set(&err, ERROR_NOT_FOUND, "there is no %s: the requests are listed in docs/operating.md",
                  request->path);
    }
    api_request_refuse(request, &err);
}
