/* SPDX-License-Identifier: Apache-2.0
 *
 * The connections that are kept because they wait for their client: to send the rest of a request, or to read
 * the rest of an answer.
 *
 * The attendant keeps them, one descriptor each in its epoll, and goes through them: closes those whose time
 * is over or that have to make room, helps those that are stuck, and gives them away at the end.
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "quoted/connection_private.h"
#include "quoted/handover.h"

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

/* Edge-triggered, because what is there stays unread. */
bool connection_kept_add(Pool *pool, const Entry *entry, uint32_t wanted, const Buffer *rest) {
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

Entry connection_kept_release(Pool *pool, Connection *connection) {
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

void connection_kept_close_doomed(Worker *worker) {
    Pool *pool = worker->pool;
    for (;;) {
        (void)pthread_mutex_lock(&pool->lock);
        Connection *doomed = (Connection *)pool->waiting.doomed;
        (void)pthread_mutex_unlock(&pool->lock);
        if (doomed == NULL) {
            return;
        }
        size_t body_size = 0;
        Look seen = connection_look_again(worker, doomed, &body_size);
        const Entry entry = connection_kept_release(pool, doomed);
        if (seen == LOOK_WHOLE) { /* it has asked meanwhile */
            connection_settle(worker, &entry, seen, body_size);
        } else {
            counters_add(&pool->spec.counters->limit_closed, 1);
            connection_end_read(worker, entry.fd, entry.client);
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

int connection_kept_expire(Worker *worker) {
    uint64_t now = clock_monotonic_ms();
    Connection *connection;
    while ((connection = oldest(worker->pool)) != NULL && connection->deadline_ms <= now) {
        const Entry entry = connection_kept_release(worker->pool, connection);
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
    Look seen = connection_look(worker, connection->fd, &connection->wanted, &body_size);
    if (seen == LOOK_WAIT && is_dripping(connection) && connection_begin_pieces(pool, connection)) {
        connection_continue(worker, connection);
        return true;
    }
    if (seen != LOOK_WAIT) {
        const Entry entry = connection_kept_release(pool, connection);
        connection_settle(worker, &entry, seen, body_size);
    } else if (handover_send(pool->handover_fd, connection->fd)) {
        const Entry entry = connection_kept_release(pool, connection);
        counters_add(&pool->spec.counters->left, 1);
        connection_end(worker, entry.fd, entry.client);
    } else {
        return false;
    }
    return true;
}

bool connection_kept_hand_over(Worker *worker) {
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

void connection_kept_close_all(Pool *pool) {
    Connection *connection;
    while ((connection = oldest(pool)) != NULL) {
        const Entry entry = connection_kept_release(pool, connection);
        (void)close(entry.fd);
        connection_forget(pool, entry.client);
    }
}
