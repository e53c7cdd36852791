/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a connection: connection.c is its life, connection_admit.c counts it in, connection_pieces.c
 * takes a request that does not come whole otherwise.
 */
#ifndef QUOTED_CONNECTION_PRIVATE_H
#define QUOTED_CONNECTION_PRIVATE_H

#include <poll.h>

#include "quoted/pool_private.h"

/* From so many bytes in so many pieces a sender that looks for room before it writes may see none. */
enum {
    CRUMBS_MIN = 64,
    CRUMBS_PIECES = 3,
    CRUMBS_PATIENCE_SHORT_MS = 500, /* with what came in so many pieces or more */
    CRUMBS_PATIENCE_MS = 5000
};

typedef enum Look { LOOK_WAIT, LOOK_ENDED, LOOK_TOO_LONG, LOOK_WHOLE } Look;

typedef enum Admission {
    ADMISSION_FULL,
    ADMISSION_BUSY,   /* over a limit: to be answered busy */
    ADMISSION_NONE,   /* far over it: only if it can be answered at once */
    ADMISSION_REFUSED /* not in the lists of who may ask: to be told so */
} Admission;

/* A connection as it was counted. */
typedef struct Entry {
    int fd;
    QueueClient *client;
    Admission admission;
    uint64_t since_ns; /* when its request was seen whole, or it was begun if it is not */
} Entry;

/* No more bytes will come, or nobody is there to read an answer. */
static inline bool has_ended(int fd) {
    struct pollfd state = {.fd = fd, .events = POLLRDHUP};
    return poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Counts a new connection in; `client` is NULL when out of memory. */
Entry connection_admit(Pool *pool, int fd);

/* Half a request is there, and perhaps no more comes before it is taken out of the socket. */
bool connection_is_stuck(Pool *pool, Connection *connection);
/* From now on it is taken piece by piece. False: too much memory is used like that already, or there is none.
 */
bool connection_begin_pieces(Pool *pool, Connection *connection);
/* What is there of such a request. The body and its size are in the worker's scratch when it is whole. */
Look connection_take_pieces(Worker *worker, Connection *connection, size_t *ret_size);

#endif
