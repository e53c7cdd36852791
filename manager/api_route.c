/* SPDX-License-Identifier: Apache-2.0
 *
 * The API's requests: one table.
 */
#include <string.h>

#include "manager/api_handlers.h"

typedef struct Route {
    const char *method;
    const char *path; /* ends in '/': what follows is handed to the function */
    bool (*handle)(ApiRequest *request, const char *rest, Error *err);
    bool open; /* also at metrics.listen */
} Route;

bool api_answer(ApiRequest *request, json_t *json) {
    api_request_answer(request, MHD_HTTP_OK, json);
    return true;
}

bool api_answer_operation(ApiRequest *request, const Operation *operation) {
    if (operation == NULL) {
        return false;
    }
    api_request_answer(request, operation->state == OPERATION_RUNNING ? MHD_HTTP_ACCEPTED : MHD_HTTP_OK,
                       operation_json(operation));
    return true;
}

static const Route routes[] = {
    {"GET", "/metrics", api_show_metrics, true},
    {"GET", "/v1/health", api_show_health, true},
    {"GET", "/v1/clients", api_show_clients, false},
    {"GET", "/v1/status", api_show_status, false},
    {"GET", "/v1/bundles", api_show_bundles, false},
    {"GET", "/v1/diff/", api_show_diff, false},
    {"GET", "/v1/operations", api_show_operations, false},
    {"GET", "/v1/operations/", api_show_operation, false},
    {"GET", "/v1/journal", api_show_journal, false},
    {"POST", "/v1/stage", api_begin_stage, false},
    {"POST", "/v1/fetch", api_begin_fetch, false},
    {"POST", "/v1/test", api_begin_test, false},
    {"POST", "/v1/swap", api_begin_swap, false},
    {"POST", "/v1/commit", api_begin_commit, false},
    {"GET", "/v1/update", api_show_update, false},
    {"POST", "/v1/check", api_begin_check, false},
    {"POST", "/v1/update", api_begin_update, false},
    {"POST", "/v1/rollback", api_begin_rollback, false},
    {"GET", "/v1/tcb", api_show_tcb, false},
    {"POST", "/v1/tcb", api_begin_tcb, false},
    {"POST", "/v1/adopt", api_begin_adopt, false},
    {"DELETE", "/v1/bundles/", api_remove_bundle, false},
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
