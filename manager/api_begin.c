/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests that begin an operation.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/api_body.h"
#include "manager/api_handlers.h"

bool api_begin_stage(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *sha256 = NULL;
    static const char *const keys[] = {"sha256", NULL};
    if (request->wants_upload) {
        if (request->upload < 0) {
            return error_set(err, ERROR_INPUT, "the bundle file is empty: fetch it again");
        }
        return api_answer_operation(
            request, jobs_stage(request->api->jobs, TAKE_FD(request->upload), request->who, err));
    }
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL && api_body_text(object, "sha256", &sha256, err) &&
           api_answer_operation(request, jobs_stage_fetched(request->api->jobs, sha256, request->who, err));
}

bool api_begin_fetch(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *url = NULL, *sha256 = NULL;
    static const char *const keys[] = {"url", "sha256", "stage", NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    if (object == NULL || !api_body_text(object, "url", &url, err) ||
        !api_body_text(object, "sha256", &sha256, err)) {
        return false;
    }
    if (!text_is_printable(url, 2048)) {
        return error_set(err, ERROR_USAGE, "'url' must be printable ASCII of at most 2048 bytes");
    }
    return api_answer_operation(request, jobs_fetch(request->api->jobs, url, sha256,
                                                    json_is_true(json_object_get(object, "stage")),
                                                    request->who, err));
}

bool api_begin_swap(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *what = NULL;
    const char *names[API_BODY_DOWNGRADES_MAX];
    DeploymentDowngrades downgrades = {.names = names};
    uint64_t soak_ms = 0;
    static const char *const keys[] = {"bundle", "soak", "allow_downgrade", NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL && api_body_text(object, "bundle", &what, err) &&
           api_body_soak(object, &soak_ms, err) &&
           api_body_downgrades(object, names, &downgrades.count, err) &&
           api_answer_operation(request, deployment_swap(request->api->deployment, what, soak_ms, downgrades,
                                                         request->who, err));
}

bool api_begin_adopt(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *what = NULL;
    uint64_t soak_ms = 0;
    static const char *const keys[] = {"bundle", "soak", NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL && api_body_text(object, "bundle", &what, err) &&
           api_body_soak(object, &soak_ms, err) &&
           api_answer_operation(
               request, deployment_takeover(request->api->deployment, what, soak_ms, request->who, err));
}

bool api_begin_rollback(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    uint64_t soak_ms = 0;
    static const char *const keys[] = {"soak", NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL && api_body_soak(object, &soak_ms, err) &&
           api_answer_operation(request,
                                deployment_rollback(request->api->deployment, soak_ms, request->who, err));
}

bool api_begin_commit(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    static const char *const keys[] = {NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL &&
           api_answer_operation(request, deployment_commit(request->api->deployment, request->who, err));
}

bool api_begin_test(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *what = NULL;
    static const char *const keys[] = {"bundle", NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL && api_body_text(object, "bundle", &what, err) &&
           api_answer_operation(request, deployment_test(request->api->deployment, what, request->who, err));
}

bool api_begin_check(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    static const char *const keys[] = {NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL &&
           api_answer_operation(request, updates_check(request->api->updates, request->who, err));
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
    if (!api_body_soak(object, &wish.soak_ms, err)) {
        return false;
    }
    if (only != NULL && !text_parse_bool(only, &wish.stage_only)) {
        return error_set(err, ERROR_USAGE, "'stage_only' must be true or false");
    }
    wish.file = TAKE_FD(request->upload);
    return api_answer_operation(request, updates_update(request->api->updates, &wish, request->who, err));
}

bool api_begin_update(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    const char *names[API_BODY_DOWNGRADES_MAX];
    static const char *const keys[] = {"version", "stage_only", "soak", "allow_downgrade", "directory", NULL};
    if (request->wants_upload) {
        return post_update_file(request, err);
    }
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    UpdatesWish wish = {.version = json_string_value(json_object_get(object, "version")),
                        .stage_only = json_is_true(json_object_get(object, "stage_only")),
                        .downgrades = {.names = names},
                        .directory = json_string_value(json_object_get(object, "directory")),
                        .file = -1};
    if (object == NULL || !api_body_soak(object, &wish.soak_ms, err) ||
        !api_body_downgrades(object, names, &wish.downgrades.count, err)) {
        return false;
    }
    if (wish.directory != NULL && wish.directory[0] != '/') {
        return error_set(err, ERROR_USAGE, "'directory' must be an absolute path");
    }
    return api_answer_operation(request, updates_update(request->api->updates, &wish, request->who, err));
}

bool api_begin_tcb(ApiRequest *request, const char *rest, Error *err) {
    (void)rest;
    static const char *const keys[] = {NULL};
    CLEANUP(json_freep) json_t *object = api_body(request, keys, err);
    return object != NULL &&
           api_answer_operation(request, advisor_look(request->api->advisor, request->who, err));
}

bool api_remove_bundle(ApiRequest *request, const char *rest, Error *err) {
    return api_answer_operation(request, jobs_remove(request->api->jobs, rest, request->who, err));
}
