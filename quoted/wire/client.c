/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/client.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/sgx/att_key_id.h"
#include "quoted/wire/request.h"
#include "quoted/wire/response.h"

enum { REQUEST_SIZE_MAX = 4096, RESPONSE_SIZE_MAX = 1024 * 1024, PUB_KEY_ID_SIZE = 32 };

static bool set_address(const char *path, struct sockaddr_un *address, socklen_t *size, Error *err) {
    size_t length = strlen(path);
    if (length >= sizeof address->sun_path) {
        return error_set(err, ERROR_USAGE, "socket '%s': the path is longer than %zu bytes", path,
                         sizeof address->sun_path - 1);
    }
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path, path, length);
    /* An abstract name is padded with NULs to its full length, as Gramine asks for it. */
    if (path[0] == '@') {
        address->sun_path[0] = 0;
    }
    *size = sizeof *address;
    return true;
}

static bool wait_for(const AesmClient *client, int fd, short events, uint64_t deadline, Error *err) {
    struct pollfd poller = {.fd = fd, .events = events};
    int ready;
    do {
        ready = poll(&poller, 1, clock_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        return error_set(err, ERROR_TIMEOUT, "socket '%s': no answer within %d ms", client->path,
                         client->timeout_ms);
    }
    return ready > 0 || error_set_errno(err, errno, "socket '%s': poll", client->path);
}

static bool unreachable(const AesmClient *client, int errnum, Error *err) {
    error_set_errno(err, errnum, "socket '%s': cannot connect", client->path);
    if (err != NULL && (errnum == ENOENT || errnum == ECONNREFUSED)) {
        err->kind = ERROR_UNAVAILABLE;
    }
    return false;
}

/* A blocking connect, so that a full backlog is waited for; SO_SNDTIMEO bounds it, and 0 would be no bound.
 */
static bool connect_in_time(int fd, const struct sockaddr_un *address, socklen_t size, uint64_t deadline) {
    int result;
    do {
        int left = clock_left_ms(deadline);
        struct timeval limit = {.tv_sec = left / 1000, .tv_usec = left > 0 ? left % 1000 * 1000 : 1};
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
            return false;
        }
        result = connect(fd, (const struct sockaddr *)address, size);
    } while (result != 0 && errno == EINTR);
    return result == 0;
}

static int open_connection(const AesmClient *client, uint64_t deadline, Error *err) {
    struct sockaddr_un address;
    socklen_t size = 0;
    if (client->connect != NULL) {
        return client->connect(client->context, err);
    }
    if (!set_address(client->path, &address, &size, err)) {
        return -1;
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error_set_errno(err, errno, "socket '%s'", client->path);
        return -1;
    }
    if (!connect_in_time(fd, &address, size, deadline)) {
        unreachable(client, errno == EAGAIN ? ETIMEDOUT : errno, err);
        return -1;
    }
    return TAKE_FD(fd);
}

static bool send_all(const AesmClient *client, int fd, Bytes data, uint64_t deadline, Error *err) {
    while (data.size > 0) {
        if (!wait_for(client, fd, POLLOUT, deadline, err)) {
            return false;
        }
        ssize_t sent = send(fd, data.data, data.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return error_set_errno(err, errno, "socket '%s': cannot send", client->path);
        }
        data.data += sent > 0 ? sent : 0;
        data.size -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static bool receive_exactly(const AesmClient *client, int fd, uint8_t *data, size_t size, uint64_t deadline,
                            Error *err) {
    size_t done = 0;
    while (done < size) {
        if (!wait_for(client, fd, POLLIN, deadline, err)) {
            return false;
        }
        ssize_t got = recv(fd, data + done, size - done, MSG_DONTWAIT);
        if (got == 0) {
            return error_set(err, ERROR_UNAVAILABLE, "socket '%s': closed in the middle of an answer",
                             client->path);
        }
        if (got < 0 && errno != EAGAIN && errno != EINTR) {
            return error_set_errno(err, errno, "socket '%s': cannot receive", client->path);
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool receive_body(const AesmClient *client, int fd, uint64_t deadline, Buffer *body, Error *err) {
    uint8_t header[AESM_FRAME_HEADER_SIZE];
    if (!receive_exactly(client, fd, header, sizeof header, deadline, err)) {
        return false;
    }
    uint32_t size = bytes_le32(header);
    buffer_clear(body);
    if (!buffer_append_zeros(body, size)) {
        return error_set(err, ERROR_LIMIT, "socket '%s': an answer of %u bytes is announced", client->path,
                         size);
    }
    return receive_exactly(client, fd, body->data, size, deadline, err);
}

/* One connection, one request, one answer. The fields borrow `body`. */
static bool exchange(const AesmClient *client, const AesmRequest *request, Buffer *body,
                     AesmField fields[AESM_FIELDS_END], AesmCode *ret_code, Error *err) {
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)client->timeout_ms;
    CLEANUP(buffer_done) Buffer frame = BUFFER_INIT(REQUEST_SIZE_MAX);
    if (!aesm_request_write(request, &frame)) {
        return error_set(err, ERROR_MEMORY, "out of memory for a request");
    }
    AUTO_CLOSE int fd = open_connection(client, deadline, err);
    if (fd < 0 || !send_all(client, fd, buffer_bytes(&frame), deadline, err) ||
        !receive_body(client, fd, deadline, body, err)) {
        return false;
    }
    if (!aesm_response_read(buffer_bytes(body), request->number, fields)) {
        return error_set(err, ERROR_INPUT, "socket '%s': the answer is not one to %s", client->path,
                         aesm_number_name((unsigned)request->number));
    }
    *ret_code = (AesmCode)fields[1].value;
    return true;
}

static AesmField number_field(uint64_t value) {
    return (AesmField){.present = true, .value = value};
}

static AesmField bytes_field(const void *data, size_t size) {
    return (AesmField){.present = true, .bytes = {data, size}};
}

static AesmField key_id_field(void) {
    return bytes_field(&sgx_att_key_id_ecdsa, sizeof sgx_att_key_id_ecdsa);
}

static bool malformed(const AesmClient *client, const char *what, Error *err) {
    return error_set(err, ERROR_INPUT, "socket '%s': the answer has no %s of the right size", client->path,
                     what);
}

bool aesm_client_init_quote(const AesmClient *client, AesmCode *ret_code, SgxTargetInfo *ret_target_info,
                            uint8_t *ret_pub_key_id, Error *err) {
    AesmRequest request = {
        .number = AESM_INIT_QUOTE,
        .fields = {[1] = key_id_field(), [3] = number_field(1), [4] = number_field(PUB_KEY_ID_SIZE)}};
    CLEANUP(buffer_done) Buffer body = BUFFER_INIT(RESPONSE_SIZE_MAX);
    AesmField fields[AESM_FIELDS_END];
    AesmCode code = 0;
    if (!exchange(client, &request, &body, fields, &code, err)) {
        return false;
    }
    if (code == AESM_SUCCESS) {
        if (fields[2].bytes.size != sizeof *ret_target_info || fields[4].bytes.size != PUB_KEY_ID_SIZE) {
            return malformed(client, "target info and key id", err);
        }
        memcpy(ret_target_info, fields[2].bytes.data, sizeof *ret_target_info);
        if (ret_pub_key_id != NULL) {
            memcpy(ret_pub_key_id, fields[4].bytes.data, PUB_KEY_ID_SIZE);
        }
    }
    *ret_code = code;
    return true;
}

/* For the answers whose only news is the number in field 2. */
static bool ask_number(const AesmClient *client, const AesmRequest *request, AesmCode *ret_code,
                       uint32_t *ret_number, Error *err) {
    CLEANUP(buffer_done) Buffer body = BUFFER_INIT(RESPONSE_SIZE_MAX);
    AesmField fields[AESM_FIELDS_END];
    AesmCode code = 0;
    if (!exchange(client, request, &body, fields, &code, err)) {
        return false;
    }
    if (code == AESM_SUCCESS) {
        if (!fields[2].present) {
            return malformed(client, "number", err);
        }
        *ret_number = (uint32_t)fields[2].value;
    }
    *ret_code = code;
    return true;
}

bool aesm_client_quote_size(const AesmClient *client, AesmCode *ret_code, uint32_t *ret_size, Error *err) {
    AesmRequest request = {.number = AESM_QUOTE_SIZE, .fields = {[1] = key_id_field()}};
    return ask_number(client, &request, ret_code, ret_size, err);
}

bool aesm_client_quote(const AesmClient *client, const SgxReport *report, uint32_t buffer_size,
                       SgxQeReportInfo *info, AesmCode *ret_code, Buffer *ret_quote, Error *err) {
    AesmRequest request = {.number = AESM_QUOTE,
                           .fields = {[1] = bytes_field(report, sizeof *report),
                                      [2] = key_id_field(),
                                      [4] = number_field(buffer_size)}};
    if (info != NULL) {
        request.fields[3] = bytes_field(info, sizeof *info);
    }
    CLEANUP(buffer_done) Buffer body = BUFFER_INIT(RESPONSE_SIZE_MAX);
    AesmField fields[AESM_FIELDS_END];
    AesmCode code = 0;
    if (!exchange(client, &request, &body, fields, &code, err)) {
        return false;
    }
    if (code == AESM_SUCCESS) {
        if (fields[2].bytes.size != buffer_size || (info != NULL && fields[3].bytes.size != sizeof *info)) {
            return malformed(client, "quote", err);
        }
        buffer_clear(ret_quote);
        if (!buffer_append(ret_quote, fields[2].bytes.data, fields[2].bytes.size)) {
            return error_set(err, ERROR_LIMIT, "a quote of %u bytes is more than the caller takes",
                             buffer_size);
        }
        if (info != NULL) {
            memcpy(info, fields[3].bytes.data, sizeof *info);
        }
    }
    *ret_code = code;
    return true;
}
