/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "quoted/connection_private.h"
#include "quoted/handover.h"

static void forget(Pool *pool, QueueClient *client) {
    (void)pthread_mutex_lock(&pool->lock);
    queue_leave(pool->queue, client);
    pool->connections--;
    pool_check_drained(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

void connection_end(Worker *worker, int fd, QueueClient *client) {
    (void)close(fd);
    forget(worker->pool, client);
}

static void read_off(Worker *worker, int fd) {
    (void)!recv(fd, worker->scratch, SCRATCH_SIZE, MSG_DONTWAIT);
}

/* Reads off what is left unread until now, or closing would reset a client that has not read its answer, and
 * one that gets none would see a reset in place of an end. */
static void end_read(Worker *worker, int fd, QueueClient *client) {
    read_off(worker, fd);
    connection_end(worker, fd, client);
}

/* The lock is held. */
static void append(Pool *pool, Connection *connection) {
    connection->link.since_ms = clock_monotonic_ms();
    connection->deadline_ms = connection->link.since_ms + pool->spec.config->idle_timeout_ms;
    waiting_add(&pool->waiting, &connection->link);
    /* The attendant may have given away what it had, and this one comes late. */
    if (pool->draining && pool->handover_fd >= 0) {
        pool->handover = true;
        pool_wake_attendant(pool);
    }
}

/* Leaves a connection that has to wait to the attendant. Edge-triggered, because what is there stays unread.
 * It owns `rest` afterwards; on failure the caller does. */
static bool keep(Pool *pool, const Entry *entry, uint32_t wanted, const Buffer *rest) {
    Connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return false;
    }
    *connection = (Connection){.link = {.client = entry->client,
                                        .over_limit = entry->admission != ADMISSION_FULL,
                                        .refused = entry->admission == ADMISSION_REFUSED,
                                        .writing = rest->size > 0},
                               .fd = entry->fd,
                               .wanted = wanted,
                               .rest = *rest};
    uint32_t direction = rest->size > 0 ? EPOLLOUT : EPOLLIN;
    struct epoll_event event = {.events = direction | EPOLLET | EPOLLRDHUP, .data.ptr = connection};
    (void)pthread_mutex_lock(&pool->lock);
    /* The last descriptor has to become the spare one again. */
    bool kept = entry->admission != ADMISSION_NONE && pool_has_spare(pool) &&
                epoll_ctl(pool_attendant(pool)->epoll_fd, EPOLL_CTL_ADD, entry->fd, &event) == 0;
    if (kept) {
        append(pool, connection);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (!kept) {
        free(connection);
    }
    return kept;
}

/* Lets go of a kept connection without closing its descriptor. */
static Entry release(Pool *pool, Connection *connection) {
    const Entry entry = {.fd = connection->fd,
                         .client = connection->link.client,
                         .admission = connection->link.refused      ? ADMISSION_REFUSED
                                      : connection->link.over_limit ? ADMISSION_BUSY
                                                                    : ADMISSION_FULL,
                         .since_ns = clock_monotonic_ns()};
    (void)pthread_mutex_lock(&pool->lock);
    (void)epoll_ctl(pool_attendant(pool)->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    waiting_remove(&pool->waiting, &connection->link);
    (void)pthread_mutex_unlock(&pool->lock);
    pool->crumbs -= connection->crumbs_ms != 0;
    pool->taken -= connection->taken.max;
    buffer_done(&connection->taken);
    buffer_done(&connection->rest);
    free(connection);
    return entry;
}

static void count_answer(const Worker *worker, Answered answered) {
    AesmCode code = answered.code < AESM_CODES_COUNT ? answered.code : AESM_UNEXPECTED;
    counters_add(&worker->share->requests[answered.number][code], 1);
}

/* Keeps what the client's buffer does not take now. Once a part is written the request must not be found any
 * more: who gets the connection should this process die would begin anew behind that part. */
static void send_rest(Worker *worker, int fd, QueueClient *client, Bytes bytes) {
    const Entry entry = {.fd = fd, .client = client};
    Buffer rest = BUFFER_INIT(ANSWER_SIZE_MAX);
    if (!buffer_append(&rest, bytes.data, bytes.size) || !keep(worker->pool, &entry, 0, &rest)) {
        buffer_done(&rest);
        connection_end(worker, fd, client);
    }
}

void connection_answer(Worker *worker, int fd, QueueClient *client, Answered answered) {
    Bytes frame = aesm_response_end(&worker->response, answered.number);
    count_answer(worker, answered);
    ssize_t sent = send(fd, frame.data, frame.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    metrics_observe(&worker->share->durations[answered.number], clock_monotonic_ns() - answered.since_ns);
    if (sent < 0 && errno == EAGAIN) {
        sent = 0;
    }
    if (sent < 0 || frame.size == 0) {
        counters_add(&worker->pool->spec.counters->departed, 1);
        connection_end(worker, fd, client);
    } else if ((size_t)sent < frame.size) {
        if (sent > 0) {
            read_off(worker, fd);
        }
        send_rest(worker, fd, client, (Bytes){frame.data + sent, frame.size - (size_t)sent});
    } else {
        end_read(worker, fd, client);
    }
}

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
        end_read(worker, entry->fd, entry->client);
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

/* Looks at the request without taking it out of the socket. *wanted: bytes that make it whole, 0 as long as
 * that is not known. The body and its size are in the worker's scratch. */
static Look look(Worker *worker, int fd, uint32_t *wanted, size_t *ret_size) {
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
    if (look(worker, fd, &wanted, &size) == LOOK_WHOLE) {
        uint8_t *body = worker->scratch + AESM_FRAME_HEADER_SIZE;
        memset(body + size, 0, AESM_BODY_SLACK);
        if (!aesm_request_read(body, size, &request)) {
            request = (AesmRequest){.number = AESM_QUOTE};
        }
    }
    answer_busy(worker, &entry, &request,
                COUNTERS_BUSY_QUEUE_TIMEOUT); /* else it was read piece by piece, and is incomplete here */
}

/* What follows from a look that is not LOOK_WAIT. */
static void settle(Worker *worker, const Entry *entry, Look seen, size_t size) {
    if (seen == LOOK_WHOLE) {
        handle(worker, entry, size);
        return;
    }
    if (seen == LOOK_TOO_LONG) {
        counters_add(&worker->pool->spec.counters->unreadable, 1);
    } else {
        counters_add(&worker->pool->spec.counters->silent, 1);
    }
    end_read(worker, entry->fd, entry->client);
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
    Look seen = look(worker, fd, &wanted, &body_size);
    const Buffer nothing = BUFFER_INIT(0);
    if (seen != LOOK_WAIT) {
        settle(worker, &entry, seen, body_size);
    } else if (!keep(pool, &entry, wanted, &nothing)) {
        counters_add(&pool->spec.counters->limit_closed, 1);
        connection_end(worker, fd, entry.client);
    }
}

static void continue_writing(Worker *worker, Connection *connection) {
    Bytes rest = buffer_bytes(&connection->rest);
    ssize_t sent = send(connection->fd, rest.data, rest.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) {
        return;
    }
    if (sent >= 0 && (size_t)sent < rest.size) {
        read_off(worker, connection->fd);
        buffer_consume(&connection->rest, (size_t)sent);
        return;
    }
    const Entry entry = release(worker->pool, connection);
    if (sent < 0) {
        connection_end(worker, entry.fd, entry.client);
    } else {
        end_read(worker, entry.fd, entry.client);
    }
}

static Look look_again(Worker *worker, Connection *connection, size_t *ret_size) {
    Pool *pool = worker->pool;
    if (connection->taken.max == 0) {
        Look seen = look(worker, connection->fd, &connection->wanted, ret_size);
        if (seen != LOOK_WAIT || !connection_is_stuck(pool, connection)) {
            return seen;
        }
        if (!connection_begin_pieces(pool, connection)) {
            return LOOK_ENDED;
        }
    }
    return connection_take_pieces(worker, connection, ret_size);
}

void connection_continue(Worker *worker, Connection *connection) {
    if (connection->rest.size > 0) {
        continue_writing(worker, connection);
        return;
    }
    size_t body_size = 0;
    Look seen = look_again(worker, connection, &body_size);
    if (seen != LOOK_WAIT) {
        const Entry entry = release(worker->pool, connection);
        settle(worker, &entry, seen, body_size);
    }
}

static Connection *oldest(Pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    Connection *connection = (Connection *)pool->waiting.first;
    (void)pthread_mutex_unlock(&pool->lock);
    return connection;
}

static Connection *after(Pool *pool, const Connection *connection) {
    (void)pthread_mutex_lock(&pool->lock);
    Connection *next = (Connection *)connection->link.next;
    (void)pthread_mutex_unlock(&pool->lock);
    return next;
}

void connection_close_doomed(Worker *worker) {
    Pool *pool = worker->pool;
    for (;;) {
        (void)pthread_mutex_lock(&pool->lock);
        Connection *doomed = (Connection *)pool->waiting.doomed;
        (void)pthread_mutex_unlock(&pool->lock);
        if (doomed == NULL) {
            return;
        }
        size_t body_size = 0;
        Look seen = look_again(worker, doomed, &body_size);
        const Entry entry = release(pool, doomed);
        if (seen == LOOK_WHOLE) { /* it has asked meanwhile */
            settle(worker, &entry, seen, body_size);
        } else {
            counters_add(&pool->spec.counters->limit_closed, 1);
            end_read(worker, entry.fd, entry.client);
        }
    }
}

/* Looks at those that are stuck, not at every call; the milliseconds until the next look. */
static int help_stuck(Worker *worker) {
    uint64_t now_ms = clock_monotonic_ms();
    if (now_ms < worker->pool->crumbs_look_ms) {
        return clock_left_ms(worker->pool->crumbs_look_ms);
    }
    worker->pool->crumbs_look_ms = now_ms + CRUMBS_PATIENCE_SHORT_MS;
    Connection *next;
    for (Connection *connection = oldest(worker->pool); connection != NULL; connection = next) {
        next = after(worker->pool, connection);
        if (connection->crumbs_ms != 0 && connection->crumbs_ms <= now_ms && connection->taken.max == 0) {
            connection_continue(worker, connection);
        }
    }
    return CRUMBS_PATIENCE_SHORT_MS;
}

int connection_expire(Worker *worker) {
    uint64_t now = clock_monotonic_ms();
    Connection *connection;
    while ((connection = oldest(worker->pool)) != NULL && connection->deadline_ms <= now) {
        const Entry entry = release(worker->pool, connection);
        counters_add(&worker->pool->spec.counters->idle_closed, 1);
        connection_end(worker, entry.fd, entry.client);
    }
    int left = connection != NULL ? clock_left_ms(connection->deadline_ms) : -1;
    if (worker->pool->crumbs == 0) {
        return left;
    }
    int look = help_stuck(worker);
    return left >= 0 && left < look ? left : look;
}

/* It fills its sender's account in the end, which nobody notices who meets it anew at every swap. */
static bool is_dripping(const Connection *connection) {
    return connection->pieces >= CRUMBS_PIECES && connection->seen >= CRUMBS_MIN;
}

/* What has come whole in the meantime is answered here. False: the channel is full. */
static bool hand_over(Worker *worker, Connection *connection) {
    Pool *pool = worker->pool;
    size_t body_size = 0;
    Look seen = look(worker, connection->fd, &connection->wanted, &body_size);
    if (seen == LOOK_WAIT && is_dripping(connection) && connection_begin_pieces(pool, connection)) {
        connection_continue(worker, connection);
        return true;
    }
    if (seen != LOOK_WAIT) {
        const Entry entry = release(pool, connection);
        settle(worker, &entry, seen, body_size);
    } else if (handover_send(pool->handover_fd, connection->fd)) {
        const Entry entry = release(pool, connection);
        counters_add(&pool->spec.counters->left, 1);
        connection_end(worker, entry.fd, entry.client);
    } else {
        return false;
    }
    return true;
}

bool connection_hand_over(Worker *worker) {
    Pool *pool = worker->pool;
    Connection *next;
    for (Connection *connection = oldest(pool); connection != NULL; connection = next) {
        next = after(pool, connection);
        /* An answer that is on the way is finished here, and so is a request of which something was taken. */
        if (connection->rest.size == 0 && connection->taken.max == 0 && !hand_over(worker, connection)) {
            return false;
        }
    }
    return true;
}

void connection_close_all(Pool *pool) {
    Connection *connection;
    while ((connection = oldest(pool)) != NULL) {
        const Entry entry = release(pool, connection);
        (void)close(entry.fd);
        forget(pool, entry.client);
    }
}
