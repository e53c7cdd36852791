/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/api_peer.h"
#include "manager/api_request.h"
#include "manager/timer.h"

enum { COMPLAINT_PAUSE_MS = 10 * 1000 };

/* One HTTP server: of the API's socket, or of the metrics alone. */
struct ApiServer {
    Api *api;
    bool open; /* to everybody, and only metrics and health */
    struct MHD_Daemon *daemon;
    sd_event_source *source, *timer;
};

struct Api {
    ApiSpec spec;
    ApiServer own, metrics;
    ApiRequest *waiting;
    LogPace complaints;
};

static void run(ApiServer *server);

static int on_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    ApiServer *server = context;
    timer_stop(&server->timer);
    run(server);
    return 0;
}

static int on_epoll(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)source, (void)fd, (void)events;
    run(context);
    return 0;
}

static void run_later(ApiServer *server, uint64_t milliseconds) {
    if (!timer_start(server->api->spec.event, &server->timer, milliseconds, on_timer, server)) {
        log_error("api-timer", "error=\"out of memory\"");
    }
}

static bool is_full(const ApiServer *server) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL && info->num_connections >= API_CONNECTIONS_MAX;
}

static void run(ApiServer *server) {
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    bool was_full = false;
    do { /* Full it does not listen, and begins to again only when it is run: perhaps in a minute. */
        was_full = is_full(server);
        (void)MHD_run(server->daemon);
    } while (was_full && !is_full(server));
    if (MHD_get_timeout(server->daemon, &timeout) == MHD_YES) {
        run_later(server, timeout);
    }
}

static void unlink_waiting(Api *api, ApiRequest *request) {
    for (ApiRequest **at = &api->waiting; *at != NULL; at = &(*at)->next) {
        if (*at == request) {
            *at = request->next;
            return;
        }
    }
}

static void request_free(ApiRequest *request) {
    timer_stop(&request->wait_timer);
    buffer_done(&request->body);
    cleanup_close(&request->upload);
    json_decref(request->answer);
    free(request->text);
    free(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    (void)connection, (void)code;
    if (*state != NULL) {
        const ApiServer *server = context;
        unlink_waiting(server->api, *state);
        request_free(*state);
        *state = NULL;
    }
}

static void answered(ApiRequest *request, unsigned status) {
    request->answered = true;
    request->status = status;
    timer_stop(&request->wait_timer);
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->connection);
        /* Outside its own threads the HTTP server notices that only when it is run. */
        run_later(request->owner, 0);
    }
}

void api_request_answer(ApiRequest *request, unsigned status, json_t *answer) {
    request->answer = answer;
    answered(request, answer != NULL ? status : MHD_HTTP_INTERNAL_SERVER_ERROR);
}

void api_request_answer_text(ApiRequest *request, const char *content_type, char *text) {
    request->text = text;
    request->content_type = content_type;
    answered(request, text != NULL ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR);
}

void api_request_refuse(ApiRequest *request, const Error *error) {
    api_request_answer(request, (unsigned)error_kind_http_status(error->kind),
                       json_pack("{s:o, s:s}", "error", operation_text_json(error->text), "kind",
                                 error_kind_name(error->kind)));
}

static enum MHD_Result respond(ApiRequest *request) {
    static const char no_memory[] = "{\"error\": \"out of memory\", \"kind\": \"memory\"}\n";
    AUTO_FREE char *text = request->answer != NULL ? json_format(request->answer, false) : NULL;
    AUTO_FREE char *line = request->text != NULL ? TAKE(request->text)
                           : text != NULL        ? text_format("%s\n", text)
                                                 : NULL;
    struct MHD_Response *response =
        line != NULL ? MHD_create_response_from_buffer(strlen(line), line, MHD_RESPMEM_MUST_COPY)
                     : MHD_create_response_from_buffer(strlen(no_memory), (void *)(uintptr_t)no_memory,
                                                       MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  request->content_type != NULL ? request->content_type : "application/json");
    enum MHD_Result result = MHD_queue_response(
        request->connection, line != NULL ? request->status : MHD_HTTP_INTERNAL_SERVER_ERROR, response);
    MHD_destroy_response(response);
    return result;
}

static bool is_too_large(const ApiRequest *request) {
    const char *length =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t size = 0;
    uint64_t max = request->wants_upload ? request->api->config->fetch_size_max : API_BODY_MAX;
    return length != NULL && (!text_parse_u64(length, 0, UINT64_MAX, &size) || size > max);
}

static bool may_come(const ApiServer *server, struct MHD_Connection *connection, ApiRequest *request,
                     Error *err) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (server->open) {
        return !request->wants_upload || error_set(err, ERROR_USAGE, "here is nothing to upload to");
    }
    return info == NULL
               ? error_set(err, ERROR_SYSTEM, "the connection is gone")
               : api_peer_check(info->connect_fd, server->api->spec.config->api_group, &request->who, err);
}

static void complain(Api *api, const Error *err) {
    unsigned left_out = 0;
    if (log_may(&api->complaints, COMPLAINT_PAUSE_MS, &left_out)) {
        log_warning("api-refused", "error=\"%s\" others=%u", err->text, left_out);
    }
}

static enum MHD_Result begin(ApiServer *server, struct MHD_Connection *connection, const char *url,
                             const char *method, void **state) {
    Api *api = server->api;
    ApiRequest *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return MHD_NO;
    }
    *request = (ApiRequest){.owner = server,
                            .open = server->open,
                            .api = &api->spec,
                            .connection = connection,
                            .method = method,
                            .body = BUFFER_INIT(API_BODY_MAX),
                            .upload = -1};
    *state = request;
    const char *type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
    request->wants_upload = type != NULL && strcmp(type, "application/octet-stream") == 0;
    Error err = ERROR_INIT;
    if (!may_come(server, connection, request, &err)) {
        complain(api, &err);
    } else if (!text_copy(request->path, sizeof request->path, url)) {
        error_set(&err, ERROR_NOT_FOUND, "there is no such path");
    } else if (is_too_large(request)) {
        error_set(
            &err, ERROR_LIMIT, "the body is larger than the %llu bytes that are allowed",
            (unsigned long long)(request->wants_upload ? api->spec.config->fetch_size_max : API_BODY_MAX));
    }
    if (err.kind != ERROR_NONE) {
        api_request_refuse(request, &err);
        return respond(request); /* before the body: nothing of it is taken in */
    }
    return MHD_YES;
}

static enum MHD_Result take_body(ApiRequest *request, const char *data, size_t *size) {
    Error *err = &request->error;
    size_t count = *size;
    *size = 0;
    if (request->wants_upload && count > request->api->config->fetch_size_max - request->upload_size) {
        return MHD_NO; /* chunked and endless */
    }
    request->upload_size += count;
    if (err->kind != ERROR_NONE) {
        return MHD_YES; /* an answer can be given only after the body */
    }
    if (!request->wants_upload) {
        return buffer_append(&request->body, data, count) ? MHD_YES : MHD_NO;
    }
    if (request->upload < 0) {
        request->upload = jobs_spool(request->api->jobs, err);
    }
    if (request->upload >= 0 && !file_write_fd(request->upload, "upload", data, count, err)) {
        cleanup_close(&request->upload);
        request->upload = -1;
    }
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **state) {
    (void)version;
    ApiServer *server = context;
    Api *api = server->api;
    ApiRequest *request = *state;
    if (request == NULL) {
        return begin(server, connection, url, method, state);
    }
    if (*size > 0) {
        return take_body(request, data, size);
    }
    if (!request->answered && request->error.kind != ERROR_NONE) {
        api_request_refuse(request, &request->error);
    } else if (!request->answered) {
        api_route(request);
    }
    if (request->answered) {
        unlink_waiting(api, request);
        return respond(request);
    }
    request->suspended = true;
    request->next = api->waiting;
    api->waiting = request;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

void api_operation_changed(Api *api, const Operation *operation) {
    if (api == NULL) {
        return;
    }
    for (ApiRequest *request = api->waiting; request != NULL; request = request->next) {
        if (request->suspended && request->wait_operation == operation->id &&
            operation->revision != request->wait_revision) {
            api_request_answer(request, MHD_HTTP_OK, operation_json(operation));
        }
    }
}

static bool start_server(Api *api, ApiServer *server, int listener, Error *err) {
    server->api = api;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
        listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)API_IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server->daemon != NULL ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (info == NULL) {
        return error_set(err, ERROR_SYSTEM, "the API's HTTP server does not start");
    }
    return sd_event_add_io(api->spec.event, &server->source, info->epoll_fd, EPOLLIN, on_epoll, server) >=
               0 ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

static void stop_server(ApiServer *server) {
    timer_stop(&server->timer);
    server->source = sd_event_source_disable_unref(server->source);
    if (server->daemon != NULL) {
        MHD_stop_daemon(server->daemon);
    }
}

/* A port that is taken must not keep the node from its quotes. */
static void start_metrics(Api *api) {
    const Config *config = api->spec.config;
    Error err = ERROR_INIT;
    if (config->metrics_listen_size == 0) {
        return;
    }
    AUTO_CLOSE int listener = api_peer_listen_tcp((const struct sockaddr *)&config->metrics_listen,
                                                  config->metrics_listen_size, &err);
    api->metrics.open = true;
    if (listener < 0 || !start_server(api, &api->metrics, listener, &err)) {
        log_error("metrics-not-served", "error=\"%s\"", err.text);
        deployment_note_metrics(api->spec.deployment, &err);
        return;
    }
    (void)TAKE_FD(listener);
}

Api *api_new(const ApiSpec *spec, Error *err) {
    CLEANUP(api_freep) Api *api = calloc(1, sizeof *api);
    AUTO_FREE char *path = config_api_path(spec->config->runtime);
    if (api == NULL || path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    api->spec = *spec;
    AUTO_CLOSE int listener = api_peer_listen(path, spec->config->api_group, err);
    if (listener < 0 || !start_server(api, &api->own, listener, err)) {
        return NULL;
    }
    (void)TAKE_FD(listener); /* the HTTP server closes it */
    start_metrics(api);
    return TAKE(api);
}

void api_free(Api *api) {
    if (api == NULL) {
        return;
    }
    for (ApiRequest *request = api->waiting; request != NULL; request = request->next) {
        if (request->suspended) {
            request->suspended = false;
            MHD_resume_connection(request->connection);
        }
    }
    stop_server(&api->own);
    stop_server(&api->metrics);
    free(api);
}
