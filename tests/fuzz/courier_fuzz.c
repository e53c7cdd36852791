/* SPDX-License-Identifier: Apache-2.0
 *
 * Any messages of a courier that has been taken over: the fetch ends in a failure, or with no more bytes than
 * were allowed, each in its place. A message is its size in two bytes, little endian, and itself; the first
 * byte of the input chooses what is asked for. */
/* link: psw-manager-core */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "manager/courier.h"

enum { SIZE_ALLOWED = 64, OFFSET = 16 };

typedef struct Sunk {
    uint64_t at;
    bool begun;
    bool picky;
} Sunk;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool begin(void *context, const CourierHead *head, Error *err) {
    Sunk *sunk = context;
    assert(strlen(head->issuer_chain) < COURIER_CHAIN_MAX);
    assert(head->offset == 0 || head->offset == (sunk->begun ? sunk->at : OFFSET));
    sunk->begun = true;
    sunk->at = head->offset;
    return !sunk->picky || head->total < SIZE_ALLOWED || error_set(err, ERROR_LIMIT, "too large");
}

static bool take(void *context, const void *data, size_t size, Error *err) {
    Sunk *sunk = context;
    (void)data, (void)err;
    assert(sunk->begun && size <= SIZE_ALLOWED - sunk->at);
    sunk->at += size;
    return true;
}

/* All of them are there before the fetch begins; what the socket has no room for never comes. */
static void send_messages(int socket, Bytes rest) {
    Bytes message;
    uint16_t size = 0;
    while (bytes_take_le16(&rest, &size) && size > 0) {
        if (!bytes_take(&rest, size < rest.size ? size : rest.size, &message) ||
            send(socket, message.data, message.size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2];
    if (size == 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return 0;
    }
    AUTO_CLOSE int socket = ends[0];
    Sunk sunk = {.picky = (data[0] & 1) != 0};
    const CourierSink sink = {.begin = begin, .data = take, .context = &sunk};
    const CourierRequest request = {
        .path = "path", .offset = OFFSET, .size_max = SIZE_ALLOWED, .conditional = (data[0] & 2) != 0};
    CourierEnd end = {0};
    Error err = ERROR_INIT;
    send_messages(ends[1], (Bytes){data + 1, size - 1});
    (void)shutdown(ends[1], SHUT_WR);
    bool fetched = courier_fetch(socket, &request, &sink, &end, &err);
    (void)close(ends[1]);
    assert(fetched == (err.kind == ERROR_NONE));
    assert(!fetched || (end.outcome <= COURIER_UNCHANGED && (end.outcome != COURIER_ALL || sunk.begun) &&
                        (end.outcome != COURIER_UNCHANGED || request.conditional)));
    return 0;
}
