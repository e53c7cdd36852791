/* SPDX-License-Identifier: Apache-2.0
 *
 * The request of a connection: what of it is there, and what follows from it.
 *
 * It is looked at and left in the socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "quoted/connection_private.h"

static void answer_busy(Worker *worker, const Entry *entry, const AesmRequest *request, CountersBusy reason) {
    counters_add(&worker->pool->spec.counters->busy[reason], 1);
    answer_error(request, AESM_BUSY, &worker->response);
    connection_answer(worker, entry->fd, entry->client,
                      (Answered){request->number, AESM_BUSY, entry->since_ns});
}

static void answer_refused(Worker *worker, const Entry *entry, const AesmRequest *request) {
    answer_error(request, AESM_SERVICE_UNAVAILABLE, &worker->response);
    connection_answer(worker, entry->fd, entry->client,
                      (Answered){request->number, AESM_SERVICE_UNAVAILABLE, entry->since_ns});
}

/* A quote goes into the queue; its thread need not be this one. */
static void enqueue(Worker *worker, const Entry *entry, const AesmRequest *request) {
    Pool *pool = worker->pool;
    Job *job = malloc(sizeof *job);
    bool queued = false;
    if (job != NULL) {
        job->link.since_ns = entry->since_ns;
        job->fd = entry->fd;
        job->client = entry->client;
        job->abandoned = job->own_too_small = false;
        job->rounds = 0;
        answer_quote_take(request, &job->quote);
        (void)pthread_mutex_lock(&pool->lock);
        queued = queue_put(pool->queue, QUEUE_ENGINE, &job->link, entry->client);
        /* Any other thread than the attendant looks for work next by itself. */
        if (queued && worker == pool_attendant(pool)) {
            (void)pool_wake_one(pool);
        }
        (void)pthread_mutex_unlock(&pool->lock);
    }
    if (!queued) {
        free(job);
        answer_busy(worker, entry, request, COUNTERS_BUSY_QUEUE);
    }
}

/* A whole request, of which the body's size is given. */
static void handle(Worker *worker, const Entry *entry, size_t size) {
    AesmRequest request;
    AesmCode code = 0;
    uint8_t *body = worker->scratch + AESM_FRAME_HEADER_SIZE;
    memset(body + size, 0, AESM_BODY_SLACK);
    if (!aesm_request_read(body, size, &request)) {
        counters_add(&worker->pool->spec.counters->unreadable, 1);
        connection_end_read(worker, entry->fd, entry->client);
        return;
    }
    if (entry->admission == ADMISSION_REFUSED) {
        answer_refused(worker, entry, &request);
        return;
    }
    if (entry->admission != ADMISSION_FULL) {
        answer_busy(worker, entry, &request, COUNTERS_BUSY_CONNECTIONS);
        return;
    }
    AnswerFacts facts;
    engine_facts(worker->pool->spec.engine, &facts.engine);
    uint32_t ducks = atomic_load_explicit(&worker->pool->duck_quote_size, memory_order_relaxed);
    facts.quote_size = facts.engine.quote_size > ducks ? facts.engine.quote_size : ducks;
    facts.ducks = ducks > 0;
    if (answer_request(&request, &facts, &worker->response, &code) == ANSWER_NEEDS_QUOTE) {
        enqueue(worker, entry, &request);
    } else {
        connection_answer(worker, entry->fd, entry->client,
                          (Answered){request.number, code, entry->since_ns});
    }
}

Look connection_look(Worker *worker, int fd, uint32_t *wanted, size_t *ret_size) {
    int available = 0;
    if (*wanted > 0 && ioctl(fd, FIONREAD, &available) == 0 && (uint32_t)available < *wanted) {
        return has_ended(fd) ? LOOK_ENDED : LOOK_WAIT;
    }
    ssize_t got = recv(fd, worker->scratch, SCRATCH_SIZE, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return LOOK_WAIT;
    }
    if (got <= 0) {
        return LOOK_ENDED; /* also who connects only to see whether we are there */
    }
    uint32_t size = got < AESM_FRAME_HEADER_SIZE ? 0 : bytes_le32(worker->scratch);
    if (size > worker->pool->spec.config->request_size) {
        return LOOK_TOO_LONG;
    }
    *wanted = got < AESM_FRAME_HEADER_SIZE ? AESM_FRAME_HEADER_SIZE : AESM_FRAME_HEADER_SIZE + size;
    *ret_size = size;
    if (got >= AESM_FRAME_HEADER_SIZE && (size_t)got >= *wanted) {
        return LOOK_WHOLE;
    }
    return has_ended(fd) ? LOOK_ENDED : LOOK_WAIT;
}

void connection_answer_late(Worker *worker, int fd, QueueClient *client, uint64_t since_ns) {
    const Entry entry = {.fd = fd, .client = client, .since_ns = since_ns};
    AesmRequest request = {.number = AESM_QUOTE};
    uint32_t wanted = 0;
    size_t size = 0;
    if (connection_look(worker, fd, &wanted, &size) == LOOK_WHOLE) {
        uint8_t *body = worker->scratch + AESM_FRAME_HEADER_SIZE;
        memset(body + size, 0, AESM_BODY_SLACK);
        if (!aesm_request_read(body, size, &request)) {
            request = (AesmRequest){.number = AESM_QUOTE};
        }
    }
    answer_busy(worker, &entry, &request,
                COUNTERS_BUSY_QUEUE_TIMEOUT); /* else it was read piece by piece, and is incomplete here */
}

void connection_settle(Worker *worker, const Entry *entry, Look seen, size_t size) {
    if (seen == LOOK_WHOLE) {
        handle(worker, entry, size);
        return;
    }
    if (seen == LOOK_TOO_LONG) {
        counters_add(&worker->pool->spec.counters->unreadable, 1);
    } else if (seen == LOOK_NO_ROOM) {
        counters_add(&worker->pool->spec.counters->limit_closed, 1);
    } else {
        counters_add(&worker->pool->spec.counters->silent, 1);
    }
    connection_end_read(worker, entry->fd, entry->client);
}

void connection_begin(Worker *worker, int fd, bool adopted) {
    Pool *pool = worker->pool;
    uint32_t wanted = 0;
    size_t body_size = 0;
    const Entry entry = connection_admit(pool, fd);
    if (entry.client == NULL) {
        (void)close(fd);
        return;
    }
    counters_add(&worker->share->accepted, 1);
    if (adopted) {
        counters_add(&pool->spec.counters->adopted, 1);
    }
    Look seen = connection_look(worker, fd, &wanted, &body_size);
    const Buffer nothing = BUFFER_INIT(0);
    if (seen != LOOK_WAIT) {
        connection_settle(worker, &entry, seen, body_size);
    } else if (!connection_kept_add(pool, &entry, wanted, &nothing)) {
        counters_add(&pool->spec.counters->limit_closed, 1);
        connection_end(worker, fd, entry.client);
    }
}

Look connection_look_again(Worker *worker, Connection *connection, size_t *ret_size) {
    Pool *pool = worker->pool;
    if (connection->taken.max == 0) {
        Look seen = connection_look(worker, connection->fd, &connection->wanted, ret_size);
        if (seen != LOOK_WAIT || !connection_is_stuck(pool, connection)) {
            return seen;
        }
        if (!connection_begin_pieces(pool, connection)) {
            return LOOK_NO_ROOM;
        }
    }
    return connection_take_pieces(worker, connection, ret_size);
}

void connection_continue(Worker *worker, Connection *connection) {
    if (connection->rest.size > 0) {
        connection_answer_go_on(worker, connection);
        return;
    }
    size_t body_size = 0;
    Look seen = connection_look_again(worker, connection, &body_size);
    if (seen != LOOK_WAIT) {
        const Entry entry = connection_kept_release(worker->pool, connection);
        connection_settle(worker, &entry, seen, body_size);
    }
}
