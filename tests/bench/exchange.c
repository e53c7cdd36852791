/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/exchange.h"

#include <errno.h>
#include <string.h>

#include "bundles/base/cleanup.h"

enum { LENGTH_SIZE = 4 };

bool exchange_server_init(ExchangeServer *server, const char *path, uint64_t timeout_ms, Error *err) {
    *server = (ExchangeServer){.address = {.sun_family = AF_UNIX},
                               .timeout = {.tv_sec = (time_t)(timeout_ms / 1000),
                                           .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)}};
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof server->address.sun_path) {
        return error_set(err, ERROR_USAGE, "socket path '%s': must have 1 to %zu bytes", path,
                         sizeof server->address.sun_path - 1);
    }
    memcpy(server->address.sun_path, path, size);
    server->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
    if (path[0] == '@') {
        /* Gramine's form of an abstract name: NULs up to the full size belong to the name. */
        server->address.sun_path[0] = '\0';
        server->address_size = sizeof server->address;
    }
    return true;
}

static ExchangeOutcome outcome_of(int errnum) {
    return errnum == EAGAIN || errnum == EWOULDBLOCK || errnum == EINPROGRESS ? EXCHANGE_TIMEOUT
                                                                              : EXCHANGE_RESET;
}

static ExchangeOutcome send_all(int fd, Bytes frame) {
    while (frame.size > 0) {
        ssize_t sent = send(fd, frame.data, frame.size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return outcome_of(errno);
        }
        frame.data += sent;
        frame.size -= (size_t)sent;
    }
    return EXCHANGE_ANSWERED;
}

static ExchangeOutcome receive_answer(int fd, uint8_t *buffer, size_t buffer_size, Bytes *ret_body) {
    size_t got = 0;
    size_t wanted = LENGTH_SIZE;
    while (got < wanted) {
        ssize_t received = recv(fd, buffer + got, buffer_size - got, 0);
        if (received < 0 && errno == EINTR) {
            continue;
        }
        if (received < 0) {
            return outcome_of(errno);
        }
        if (received == 0) {
            return EXCHANGE_END;
        }
        got += (size_t)received;
        if (got >= LENGTH_SIZE && wanted == LENGTH_SIZE) {
            wanted += bytes_le32(buffer);
        }
        if (wanted > buffer_size) {
            return EXCHANGE_TOO_LARGE;
        }
    }
    *ret_body = (Bytes){buffer + LENGTH_SIZE, wanted - LENGTH_SIZE};
    return EXCHANGE_ANSWERED;
}

ExchangeOutcome exchange_run(const ExchangeServer *server, Bytes frame, uint8_t *buffer, size_t buffer_size,
                             Bytes *ret_body) {
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &server->timeout, sizeof server->timeout) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &server->timeout, sizeof server->timeout) != 0 ||
        connect(fd, (const struct sockaddr *)&server->address, server->address_size) != 0) {
        return EXCHANGE_NO_CONNECTION;
    }
    ExchangeOutcome sent = send_all(fd, frame);
    if (sent == EXCHANGE_TIMEOUT) {
        return sent;
    }
    /* A server that refused to read may still have answered: what it said counts more than the EPIPE. */
    ExchangeOutcome received = receive_answer(fd, buffer, buffer_size, ret_body);
    return sent != EXCHANGE_ANSWERED && received != EXCHANGE_ANSWERED ? sent : received;
}
