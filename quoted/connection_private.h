/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a connection: connection.c is its request, from the first look to what follows from it,
 * connection_admit.c counts it in, connection_pieces.c takes a request that does not come whole otherwise,
 * connection_kept.c keeps it while it waits for its client, connection_answer.c is its answer and its end.
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

/* Bytes of all requests together that are taken piece by piece. */
enum { TAKEN_MAX = 16 << 20 };

typedef enum Look { LOOK_WAIT, LOOK_ENDED, LOOK_TOO_LONG, LOOK_NO_ROOM, LOOK_WHOLE } Look;

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

/* connection.c: looks at the request without taking it out of the socket. *wanted: bytes that make it whole,
 * 0 as long as that is not known. The body and its size are in the worker's scratch. */
Look connection_look(Worker *worker, int fd, uint32_t *wanted, size_t *ret_size);
/* The same with one that is kept; takes it piece by piece if it is stuck. */
Look connection_look_again(Worker *worker, Connection *connection, size_t *ret_size);
/* What follows from a look that is not LOOK_WAIT. */
void connection_settle(Worker *worker, const Entry *entry, Look seen, size_t size);

/* connection_answer.c: goes on writing what the client's buffer did not take before. */
void connection_answer_go_on(Worker *worker, Connection *connection);
/* Ends it, and reads off before what is left unread until now. */
void connection_end_read(Worker *worker, int fd, QueueClient *client);
/* It is not counted any more. */
void connection_forget(Pool *pool, QueueClient *client);

/* connection_kept.c: leaves a connection that has to wait to the attendant. It owns `rest` afterwards; on
 * failure the caller does. */
bool connection_kept_add(Pool *pool, const Entry *entry, uint32_t wanted, const Buffer *rest);
/* Lets go of one without closing its descriptor. */
Entry connection_kept_release(Pool *pool, Connection *connection);

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
