/* SPDX-License-Identifier: Apache-2.0
 *
 * The answer of a connection, and its end: one connection has one answer, and ends behind it.
 *
 * What is in the socket of the request is read off when the answer, or a part of it, is written, and not
 * before: who gets the connection should this process die finds it there.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "quoted/connection_private.h"

void connection_forget(Pool *pool, QueueClient *client) {
    (void)pthread_mutex_lock(&pool->lock);
    queue_leave(pool->queue, client);
    pool->connections--;
    pool_check_drained(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

void connection_end(Worker *worker, int fd, QueueClient *client) {
    (void)close(fd);
    connection_forget(worker->pool, client);
}

static void read_off(Worker *worker, int fd) {
    (void)!recv(fd, worker->scratch, SCRATCH_SIZE, MSG_DONTWAIT);
}

/* Else closing would reset a client that has not read its answer, and one that gets none would see a reset in
 * place of an end. */
void connection_end_read(Worker *worker, int fd, QueueClient *client) {
    read_off(worker, fd);
    connection_end(worker, fd, client);
}

/* Keeps what the client's buffer does not take now. Once a part is written the request must not be found any
 * more: who gets the connection should this process die would begin anew behind that part. */
static void send_rest(Worker *worker, int fd, QueueClient *client, Bytes bytes) {
    const Entry entry = {.fd = fd, .client = client};
    Buffer rest = BUFFER_INIT(ANSWER_SIZE_MAX);
    if (!buffer_append(&rest, bytes.data, bytes.size) ||
        !connection_kept_add(worker->pool, &entry, 0, &rest)) {
        buffer_done(&rest);
        connection_end(worker, fd, client);
    }
}

static void count_answer(const Worker *worker, Answered answered) {
    AesmCode code = answered.code < AESM_CODES_COUNT ? answered.code : AESM_UNEXPECTED;
    counters_add(&worker->share->requests[answered.number][code], 1);
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
        connection_end_read(worker, fd, client);
    }
}

void connection_answer_go_on(Worker *worker, Connection *connection) {
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
    const Entry entry = connection_kept_release(worker->pool, connection);
    if (sent < 0) {
        connection_end(worker, entry.fd, entry.client);
    } else {
        connection_end_read(worker, entry.fd, entry.client);
    }
}
