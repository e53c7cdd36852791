/* SPDX-License-Identifier: Apache-2.0
 *
 * Exchange: one request and its answer over a connection of its own, as every AESM client does it. Blocking,
 * with one limit for each of connecting, sending and receiving. It tells the ways to fail apart, because a
 * swap that refuses connections and one that cuts off answers are different faults.
 */
#ifndef TESTS_BENCH_EXCHANGE_H
#define TESTS_BENCH_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

typedef enum ExchangeOutcome {
    EXCHANGE_ANSWERED,
    EXCHANGE_NO_CONNECTION, /* refused, no such path, no permission, backlog full for too long */
    EXCHANGE_RESET,         /* the connection broke: ECONNRESET, EPIPE */
    EXCHANGE_END,           /* end of file before the whole answer */
    EXCHANGE_TIMEOUT,
    EXCHANGE_TOO_LARGE /* the answer announces more than the buffer takes */
} ExchangeOutcome;

typedef struct ExchangeServer {
    struct sockaddr_un address;
    socklen_t address_size;
    struct timeval timeout;
} ExchangeServer;

/* `path` of the socket, '@' first for an abstract name. ERROR_USAGE if it is too long. */
bool exchange_server_init(ExchangeServer *server, const char *path, uint64_t timeout_ms, Error *err)
    __attribute__((warn_unused_result));

/* `frame` is sent as it is, length included. The answer's body goes into buffer; ret_body is a view of it. */
ExchangeOutcome exchange_run(const ExchangeServer *server, Bytes frame, uint8_t *buffer, size_t buffer_size,
                             Bytes *ret_body);

#endif
