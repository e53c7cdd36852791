/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"

enum { TIMEOUT_S = 120, CONNECT_TIMEOUT_S = 10 };

struct CtlClient {
    CURL *curl;
    char *socket_path;
    CtlProgressFn progress;
    void *context;
};

/* What one exchange is about. */
typedef struct Exchange {
    CtlClient *client;
    Buffer answer;
    char *body; /* JSON */
    int fd;     /* upload, or -1 */
    uint64_t size;
    struct curl_slist *headers;
} Exchange;

static void exchange_done(Exchange *exchange) {
    buffer_done(&exchange->answer);
    free(exchange->body);
    curl_slist_free_all(exchange->headers);
}

static size_t on_answer(char *data, size_t one, size_t size, void *context) {
    (void)one;
    Exchange *exchange = context;
    return buffer_append(&exchange->answer, data, size) ? size : 0;
}

static size_t on_read(char *data, size_t one, size_t size, void *context) {
    (void)one;
    const Exchange *exchange = context;
    ssize_t count = TEMP_FAILURE_RETRY(read(exchange->fd, data, size));
    return count >= 0 ? (size_t)count : CURL_READFUNC_ABORT;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t total,
                       curl_off_t done) {
    (void)down_total, (void)down;
    const Exchange *exchange = context;
    if (exchange->client->progress != NULL && total > 0) {
        exchange->client->progress(exchange->client->context, (uint64_t)done, (uint64_t)total);
    }
    return 0;
}

static bool probe(const char *path, Error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !text_copy(address.sun_path, sizeof address.sun_path, path)) {
        return error_set_errno(err, fd < 0 ? errno : ENAMETOOLONG, "%s", path);
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        return true;
    }
    if (errno == EACCES) {
        return error_set(err, ERROR_PERMISSION,
                         "%s is not open to you: be root, or a member of the group that api.group names",
                         path);
    }
    return error_set(err, ERROR_UNAVAILABLE,
                     "psw-manager does not run (nobody listens on %s): start it with 'systemctl start "
                     "psw-manager', or name its configuration with --config",
                     path);
}

CtlClient *ctl_client_open(const char *socket_path, Error *err) {
    if (!probe(socket_path, err)) {
        return NULL;
    }
    CLEANUP(ctl_client_closep) CtlClient *client = calloc(1, sizeof *client);
    if (client != NULL) {
        client->curl = curl_easy_init();
        client->socket_path = strdup(socket_path);
    }
    if (client == NULL || client->curl == NULL || client->socket_path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return TAKE(client);
}

void ctl_client_close(CtlClient *client) {
    if (client != NULL) {
        curl_easy_cleanup(client->curl);
        free(client->socket_path);
        free(client);
    }
}

static bool add_header(Exchange *exchange, const char *header) {
    struct curl_slist *longer = curl_slist_append(exchange->headers, header);
    exchange->headers = longer != NULL ? longer : exchange->headers;
    return longer != NULL;
}

static bool set_body(Exchange *exchange, const char *method) {
    CURL *curl = exchange->client->curl;
    if (exchange->fd >= 0) {
        return add_header(exchange, "Content-Type: application/octet-stream") &&
               add_header(exchange, "Expect:") && curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_READDATA, exchange) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)exchange->size) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_XFERINFODATA, exchange) == CURLE_OK;
    }
    if (strcmp(method, "POST") == 0) {
        return add_header(exchange, "Content-Type: application/json") &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDS, exchange->body ? exchange->body : "") == CURLE_OK;
    }
    return curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK;
}

static bool set_options(Exchange *exchange, const char *method, const char *url) {
    CURL *curl = exchange->client->curl;
    curl_easy_reset(curl);
    return curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, exchange->client->socket_path) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S) == CURLE_OK &&
           (exchange->fd >= 0 || curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK && set_body(exchange, method) &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers) == CURLE_OK;
}

static json_t *take_answer(const Exchange *exchange, Error *err) {
    long status = 0;
    ErrorKind kind = ERROR_SYSTEM;
    CLEANUP(json_freep)
    json_t *answer = json_parse(buffer_bytes(&exchange->answer), "the manager's answer", err);
    if (answer == NULL) {
        return NULL;
    }
    (void)curl_easy_getinfo(exchange->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) {
        return TAKE(answer);
    }
    const char *words = json_string_value(json_object_get(answer, "error"));
    const char *name = json_string_value(json_object_get(answer, "kind"));
    if (name == NULL || !error_kind_parse(name, &kind) || kind == ERROR_NONE) {
        kind = ERROR_SYSTEM;
    }
    error_set(err, kind, "%s", words != NULL ? words : "the manager refused without a reason");
    return NULL;
}

static json_t *perform(Exchange *exchange, const char *method, const char *path, Error *err) {
    AUTO_FREE char *url = text_format("http://psw-manager%s", path);
    if (url == NULL || !set_options(exchange, method, url)) {
        error_set(err, ERROR_MEMORY, "cannot prepare the request");
        return NULL;
    }
    CURLcode code = curl_easy_perform(exchange->client->curl);
    if (code != CURLE_OK && exchange->answer.size == 0) {
        error_set(err, code == CURLE_OPERATION_TIMEDOUT ? ERROR_TIMEOUT : ERROR_UNAVAILABLE,
                  "psw-manager did not answer on %s: %s", exchange->client->socket_path,
                  curl_easy_strerror(code));
        return NULL;
    }
    return take_answer(exchange, err);
}

json_t *ctl_client_call(CtlClient *client, const char *method, const char *path, const json_t *body,
                        Error *err) {
    CLEANUP(exchange_done)
    Exchange exchange = {.client = client, .answer = BUFFER_INIT(JSON_SIZE_MAX), .fd = -1};
    exchange.body = body != NULL ? json_format(body, false) : NULL;
    if (body != NULL && exchange.body == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return perform(&exchange, method, path, err);
}

json_t *ctl_client_upload(CtlClient *client, const char *path, int fd, CtlProgressFn progress, void *context,
                          Error *err) {
    struct stat facts;
    CLEANUP(exchange_done)
    Exchange exchange = {.client = client, .answer = BUFFER_INIT(JSON_SIZE_MAX), .fd = fd};
    if (fstat(fd, &facts) != 0) {
        error_set_errno(err, errno, "the file");
        return NULL;
    }
    exchange.size = (uint64_t)facts.st_size;
    client->progress = progress;
    client->context = context;
    return perform(&exchange, "POST", path, err);
}
