/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ctl/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bundles/base/buffer.h"
#include "bundles/base/json.h"
#include "manager/ctl/http.h"

struct CtlClient {
    Http *http;
};

CtlClient *ctl_client_open(const char *socket_path, Error *err) {
    CLEANUP(ctl_client_closep) CtlClient *client = calloc(1, sizeof *client);
    if (client == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    client->http = http_open(socket_path, err);
    return client->http != NULL ? TAKE(client) : NULL;
}

void ctl_client_close(CtlClient *client) {
    if (client != NULL) {
        http_close(client->http);
        free(client);
    }
}

static json_t *perform(CtlClient *client, const HttpRequest *request, Error *err) {
    unsigned status = 0;
    ErrorKind kind = ERROR_SYSTEM;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(JSON_SIZE_MAX);
    if (!http_exchange(client->http, request, &text, &status, err)) {
        return NULL;
    }
    CLEANUP(json_freep) json_t *answer = json_parse(buffer_bytes(&text), "the manager's answer", err);
    if (answer == NULL || (status >= 200 && status < 300)) {
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

json_t *ctl_client_call(CtlClient *client, const char *method, const char *path, const json_t *body,
                        Error *err) {
    AUTO_FREE char *text = body != NULL ? json_format(body, false) : NULL;
    if (body != NULL && text == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return perform(client, &(HttpRequest){.method = method, .path = path, .body = text, .fd = -1}, err);
}

json_t *ctl_client_upload(CtlClient *client, const char *path, int fd, CtlProgressFn progress, void *context,
                          Error *err) {
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        error_set_errno(err, errno, "the file");
        return NULL;
    }
    const HttpRequest request = {.method = "POST",
                                 .path = path,
                                 .fd = fd,
                                 .size = (uint64_t)facts.st_size,
                                 .progress = progress,
                                 .context = context};
    return perform(client, &request, err);
}
