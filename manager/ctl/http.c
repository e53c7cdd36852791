/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ctl/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundles/base/text.h"

enum { SILENCE_S = 120, HEAD_MAX = 16 * 1024, PIECE_SIZE = 64 * 1024 };

struct Http {
    char *socket_path;
    int fd;    /* -1: no connection */
    bool kept; /* it has served a request */
};

static void drop_connection(Http *http) {
    cleanup_close(&http->fd);
    http->fd = -1;
    http->kept = false;
}

static bool connect_anew(Http *http, Error *err) {
    const struct timeval silence = {.tv_sec = SILENCE_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !text_copy(address.sun_path, sizeof address.sun_path, http->socket_path)) {
        return error_set_errno(err, fd < 0 ? errno : ENAMETOOLONG, "%s", http->socket_path);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof silence) != 0) {
        return error_set_errno(err, errno, "%s", http->socket_path);
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return errno == EACCES
                   ? error_set(err, ERROR_PERMISSION,
                               "%s is not open to you: be root, or a member of the group that api.group "
                               "names",
                               http->socket_path)
                   : error_set(err, ERROR_UNAVAILABLE,
                               "psw-manager does not run (nobody listens on %s): start it with 'systemctl "
                               "start psw-manager', or name its configuration with --config",
                               http->socket_path);
    }
    http->fd = TAKE_FD(fd);
    return true;
}

Http *http_open(const char *socket_path, Error *err) {
    CLEANUP(http_closep) Http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    http->fd = -1;
    http->socket_path = strdup(socket_path);
    if (http->socket_path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return connect_anew(http, err) ? TAKE(http) : NULL;
}

void http_close(Http *http) {
    if (http != NULL) {
        cleanup_close(&http->fd);
        free(http->socket_path);
        free(http);
    }
}

static bool lost(const Http *http, int errnum, Error *err) {
    const bool silent = errnum == EAGAIN || errnum == EWOULDBLOCK;
    return error_set(err, silent ? ERROR_TIMEOUT : ERROR_UNAVAILABLE, "psw-manager did not answer on %s: %s",
                     http->socket_path,
                     silent        ? "it says nothing"
                     : errnum == 0 ? "it closed the connection"
                                   : strerrordesc_np(errnum));
}

static bool send_all(const Http *http, Bytes bytes, Error *err) {
    for (size_t at = 0; at < bytes.size;) {
        ssize_t sent = TEMP_FAILURE_RETRY(send(http->fd, bytes.data + at, bytes.size - at, MSG_NOSIGNAL));
        if (sent < 0) {
            return lost(http, errno, err);
        }
        at += (size_t)sent;
    }
    return true;
}

/* A manager that refuses does so before the end, and then reads no more: what it said is to be read. */
static bool send_file(const Http *http, const HttpRequest *request, Error *err) {
    AUTO_FREE uint8_t *piece = malloc(PIECE_SIZE);
    if (piece == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (uint64_t done = 0; done < request->size;) {
        uint64_t left = request->size - done;
        ssize_t size =
            TEMP_FAILURE_RETRY(read(request->fd, piece, left < PIECE_SIZE ? (size_t)left : PIECE_SIZE));
        if (size <= 0) {
            return size < 0 ? error_set_errno(err, errno, "the file")
                            : error_set(err, ERROR_INPUT, "the file got shorter while it was read");
        }
        Error cut = ERROR_INIT;
        if (!send_all(http, (Bytes){piece, (size_t)size}, &cut)) {
            *err = cut.kind == ERROR_UNAVAILABLE ? ERROR_INIT : cut;
            return cut.kind == ERROR_UNAVAILABLE;
        }
        done += (uint64_t)size;
        if (request->progress != NULL) {
            request->progress(request->context, done, request->size);
        }
    }
    return true;
}

static bool send_request(const Http *http, const HttpRequest *request, Error *err) {
    const bool file = request->fd >= 0;
    const size_t size = request->body != NULL ? strlen(request->body) : 0;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(size + HEAD_MAX);
    if (!buffer_append_format(&text, "%s %s HTTP/1.1\r\nHost: psw-manager\r\n", request->method,
                              request->path) ||
        !buffer_append_format(&text, "Content-Type: %s\r\nContent-Length: %llu\r\n\r\n",
                              file ? "application/octet-stream" : "application/json",
                              (unsigned long long)(file ? request->size : size)) ||
        !buffer_append(&text, request->body != NULL ? request->body : "", size)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return send_all(http, buffer_bytes(&text), err) && (!file || send_file(http, request, err));
}

/* What the head of an answer says. */
typedef struct Head {
    size_t size; /* of the head itself */
    unsigned status;
    uint64_t length; /* of the body */
    bool last;       /* the connection ends with it */
} Head;

static bool parse_length(const char *line, uint64_t *ret_length) {
    static const char name[] = "Content-Length:";
    char digits[24] = "";
    if (strncasecmp(line, name, sizeof name - 1) != 0) {
        return false;
    }
    const char *value = line + sizeof name - 1;
    value += strspn(value, " ");
    size_t size = strspn(value, "0123456789");
    if (size == 0 || size >= sizeof digits) {
        return false;
    }
    memcpy(digits, value, size);
    return text_parse_u64(digits, 0, UINT64_MAX, ret_length);
}

/* `text` begins with a whole head. Without a length the answer is not one of our manager's. */
static bool parse_head(const char *text, Head *ret_head) {
    static const char version[] = "HTTP/1.1 ", close[] = "Connection: close";
    Head head = {.size = (size_t)(strstr(text, "\r\n\r\n") - text) + 4};
    char digits[4] = "";
    uint64_t status = 0;
    bool has_length = false;
    if (strncmp(text, version, sizeof version - 1) != 0) {
        return false;
    }
    (void)memcpy(digits, text + sizeof version - 1, 3);
    if (!text_parse_u64(digits, 100, 599, &status)) {
        return false;
    }
    for (const char *line = strstr(text, "\r\n") + 2; line < text + head.size - 2;
         line = strstr(line, "\r\n") + 2) {
        has_length = parse_length(line, &head.length) || has_length;
        head.last = head.last || strncasecmp(line, close, sizeof close - 1) == 0;
    }
    head.status = (unsigned)status;
    *ret_head = head;
    return has_length || status < 200;
}

/* More bytes of the answer. */
static bool receive(const Http *http, Buffer *bytes, size_t most, Error *err) {
    uint8_t piece[16 * 1024];
    ssize_t size = TEMP_FAILURE_RETRY(recv(http->fd, piece, most < sizeof piece ? most : sizeof piece, 0));
    if (size <= 0) {
        return lost(http, size == 0 ? 0 : errno, err);
    }
    return buffer_append(bytes, piece, (size_t)size) ||
           error_set(err, ERROR_LIMIT, "the manager's answer is larger than allowed");
}

/* Interim answers (1xx) are passed over. */
static bool receive_head(const Http *http, Buffer *bytes, Head *ret_head, Error *err) {
    for (;;) {
        while (strstr(buffer_text(bytes), "\r\n\r\n") == NULL) {
            if (bytes->size > HEAD_MAX) {
                return error_set(err, ERROR_SYSTEM, "what listens on %s is not psw-manager",
                                 http->socket_path);
            }
            if (!receive(http, bytes, SIZE_MAX, err)) {
                return false;
            }
        }
        if (!parse_head(buffer_text(bytes), ret_head)) {
            return error_set(err, ERROR_SYSTEM, "what listens on %s is not psw-manager", http->socket_path);
        }
        buffer_consume(bytes, ret_head->size);
        if (ret_head->status >= 200) {
            return true;
        }
    }
}

static bool exchange(Http *http, const HttpRequest *request, Buffer *answer, unsigned *ret_status,
                     Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(answer->max + 2 * HEAD_MAX);
    Head head = {0};
    if (!send_request(http, request, err) || !receive_head(http, &bytes, &head, err)) {
        return false;
    }
    while (bytes.size < head.length) {
        if (!receive(http, &bytes, (size_t)(head.length - bytes.size), err)) {
            return false;
        }
    }
    http->kept = true;
    if (head.last || bytes.size > head.length) {
        drop_connection(http);
    }
    *ret_status = head.status;
    return buffer_append(answer, bytes.data, (size_t)head.length) ||
           error_set(err, ERROR_LIMIT, "the manager's answer is larger than allowed");
}

bool http_exchange(Http *http, const HttpRequest *request, Buffer *answer, unsigned *ret_status, Error *err) {
    if (http->fd < 0 && !connect_anew(http, err)) {
        return false;
    }
    const bool kept = http->kept;
    if (exchange(http, request, answer, ret_status, err)) {
        return true;
    }
    drop_connection(http);
    if (!kept || strcmp(request->method, "GET") != 0 || err->kind != ERROR_UNAVAILABLE) {
        return false;
    }
    *err = ERROR_INIT;
    return connect_anew(http, err) && exchange(http, request, answer, ret_status, err);
}
