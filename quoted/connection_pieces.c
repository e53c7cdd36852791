/* SPDX-License-Identifier: Apache-2.0
 *
 * A request that is taken out of its socket piece by piece, because it would not come whole otherwise.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bundles/base/clock.h"
#include "quoted/connection_private.h"

/* Half a request is there, and perhaps no more comes before it is taken out of the socket: because of a
 * descriptor that was sent along, behind which nothing is seen, or because it came in so many pieces that the
 * sender's account is full. How many they were is not to be had; a piece has at least one byte, and not every
 * one is seen apart. */
bool connection_is_stuck(Pool *pool, Connection *connection) {
    int available = 0;
    if (ioctl(connection->fd, FIONREAD, &available) != 0 || available <= 0) {
        return false;
    }
    if (connection->wanted > 0 && (uint32_t)available >= connection->wanted) {
        return true;
    }
    connection->pieces += (uint32_t)available > connection->seen;
    connection->seen = (uint32_t)available;
    if (available < CRUMBS_MIN) {
        return false;
    }
    uint64_t now_ms = clock_monotonic_ms();
    if (connection->crumbs_ms == 0) {
        bool few = connection->pieces < CRUMBS_PIECES;
        connection->crumbs_ms = now_ms + (few ? CRUMBS_PATIENCE_MS : CRUMBS_PATIENCE_SHORT_MS);
        pool->crumbs++;
    }
    return now_ms >= connection->crumbs_ms;
}

bool connection_begin_pieces(Pool *pool, Connection *connection) {
    bool known = connection->wanted > AESM_FRAME_HEADER_SIZE;
    size_t most = known ? connection->wanted : AESM_FRAME_HEADER_SIZE + pool->spec.config->request_size;
    if (pool->taken + most > TAKEN_MAX) {
        return false;
    }
    connection->taken = BUFFER_INIT(most);
    pool->taken += most;
    return buffer_reserve(&connection->taken, most);
}

/* The length is in hand; what is wanted now. False: it is too long. */
static bool take_length(Connection *connection) {
    uint32_t size = bytes_le32(connection->taken.data);
    if (size > connection->taken.max - AESM_FRAME_HEADER_SIZE) {
        return false;
    }
    connection->wanted += size;
    return true;
}

Look connection_take_pieces(Worker *worker, Connection *connection, size_t *ret_size) {
    Buffer *taken = &connection->taken;
    while (taken->size < connection->wanted) {
        ssize_t got =
            recv(connection->fd, taken->data + taken->size, connection->wanted - taken->size, MSG_DONTWAIT);
        if (got <= 0) {
            return got == 0 || has_ended(connection->fd) ? LOOK_ENDED : LOOK_WAIT;
        }
        taken->size += (size_t)got;
        if (taken->size == AESM_FRAME_HEADER_SIZE && connection->wanted == AESM_FRAME_HEADER_SIZE &&
            !take_length(connection)) {
            return LOOK_TOO_LONG;
        }
    }
    memcpy(worker->scratch, taken->data, taken->size);
    *ret_size = taken->size - AESM_FRAME_HEADER_SIZE;
    return LOOK_WHOLE;
}
