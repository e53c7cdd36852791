/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/log.h"
#include "quoted/pool_private.h"

enum { OTHER_DESCRIPTORS = 512 };

static void wake(Worker *worker) {
    (void)!eventfd_write(worker->wake_fd, 1);
}

Worker *pool_attendant(Pool *pool) {
    return &pool->workers[pool->spec.config->threads - 1];
}

bool pool_wake_one(Pool *pool) {
    const Worker *attendant = pool_attendant(pool);
    for (Worker *worker = pool->workers; worker < attendant; worker++) {
        if (worker->asleep) {
            worker->asleep = false;
            wake(worker);
            return true;
        }
    }
    return false;
}

void pool_wake_attendant(Pool *pool) {
    wake(pool_attendant(pool));
}

bool pool_has_spare(Pool *pool) {
    if (pool->spare_fd < 0) {
        pool->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    return pool->spare_fd >= 0;
}

void pool_check_drained(Pool *pool) {
    if (pool->draining && pool->connections == 0 && pool->accepting_now == 0 && pool->adopted == NULL &&
        !pool->last_look) {
        pool->draining = false;
        (void)!eventfd_write(pool->spec.drained_fd, 1);
    }
}

static bool worker_init(Pool *pool, Worker *worker, Error *err) {
    *worker = (Worker){.pool = pool, .response = AESM_RESPONSE_INIT(ANSWER_SIZE_MAX)};
    worker->share = &pool->spec.counters->shares[COUNTERS_THREAD_SHARE + (worker - pool->workers)];
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->scratch = malloc(SCRATCH_SIZE + AESM_BODY_SLACK);
    worker->quote = malloc(ANSWER_BUFFER_SIZE_MAX + ENGINE_GUARD_SIZE);
    /* All of it now: no answer is to fail for want of memory later. */
    bool answers = buffer_reserve(&worker->response.buffer, ANSWER_SIZE_MAX);
    pool->workers_count++;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = worker};
    if (worker->epoll_fd < 0 || worker->wake_fd < 0 || worker->scratch == NULL || worker->quote == NULL ||
        !answers || epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &event) != 0) {
        return error_set_errno(err, errno, "cannot prepare a thread");
    }
    int result = pthread_create(&worker->thread, NULL, worker_run, worker);
    worker->started = result == 0;
    return worker->started || error_set_errno(err, result, "cannot start a thread");
}

static void worker_done(Worker *worker) {
    cleanup_close(&worker->epoll_fd);
    cleanup_close(&worker->wake_fd);
    aesm_response_done(&worker->response);
    free(worker->scratch);
    free(worker->quote);
}

/* Beyond the clients' there are those that wait to be answered busy, threads, control connections, lame
 * ducks, and what the quote library opens. */
static uint32_t limit_connections(const Config *config) {
    struct rlimit limit;
    uint64_t allowed = UINT64_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        allowed =
            limit.rlim_cur > 2 * OTHER_DESCRIPTORS ? limit.rlim_cur - OTHER_DESCRIPTORS : limit.rlim_cur / 2;
    }
    if (config->connections <= allowed) {
        return config->connections;
    }
    log_warning("descriptors", "connections=%u allowed=%llu advice=\"raise LimitNOFILE\"",
                config->connections, (unsigned long long)allowed);
    return (uint32_t)allowed;
}

Pool *pool_start(const PoolSpec *spec, Error *err) {
    const uint32_t engine_calls = spec->config->engine_calls + spec->config->engines - 1;
    const uint32_t working[QUEUE_STAGES_COUNT] = {
        [QUEUE_ENGINE] = engine_calls, [QUEUE_DUCKS] = spec->config->threads - engine_calls - 1};
    Pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL || (pool->queue = queue_new(spec->config->queue, working)) == NULL) {
        free(pool);
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    pool->spec = *spec;
    atomic_store(&spec->counters->shares_count, COUNTERS_THREAD_SHARE + spec->config->threads);
    pool->connections_max = limit_connections(spec->config);
    pool->listener_fd = pool->handover_fd = -1;
    pool->spare_fd = -1;
    pool->may_be_alone = engine_calls == 1 && listening_may_be_alone();
    (void)pool_has_spare(pool);
    (void)pthread_mutex_init(&pool->lock, NULL);
    for (unsigned i = 0; i < spec->config->threads; i++) {
        if (!worker_init(pool, &pool->workers[i], err)) {
            pool_stop(pool);
            return NULL;
        }
    }
    return pool;
}

void pool_hurry(Pool *pool) {
    const struct sched_param none = {0};
    for (unsigned i = 0; i < pool->workers_count; i++) {
        (void)pthread_setschedparam(pool->workers[i].thread, SCHED_OTHER, &none);
    }
}

void pool_stop(Pool *pool) {
    if (pool == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->workers_count; i++) {
        if (pool->workers[i].started) {
            wake(&pool->workers[i]);
            (void)pthread_join(pool->workers[i].thread, NULL);
        }
    }
    connection_kept_close_all(pool);
    for (unsigned i = 0; i < pool->workers_count; i++) {
        worker_done(&pool->workers[i]);
    }
    parked_release(pool);
    for (QueueStage stage; pool->queue != NULL && queue_waiting(pool->queue) > 0;) {
        Job *job = job_take(pool, &stage);
        queue_done(pool->queue, stage);
        (void)close(job->fd);
        queue_leave(pool->queue, job->client);
        free(job);
    }
    while (pool->adopted != NULL) {
        Adopted *next = pool->adopted->next;
        (void)close(pool->adopted->fd);
        free(pool->adopted);
        pool->adopted = next;
    }
    cleanup_close(&pool->listener_fd);
    cleanup_close(&pool->spare_fd);
    queue_free(pool->queue);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* The backlog as long as the system allows; and clients see this process as their peer. */
static bool listen_again(int fd, Error *err) {
    int listening = 0;
    socklen_t size = sizeof listening;
    if (fd < 0) {
        return error_set(err, ERROR_USAGE, "there is no listener to accept from");
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0) {
        return error_set(err, ERROR_USAGE, "the descriptor is no listener");
    }
    return (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0 && listen(fd, INT32_MAX) == 0) ||
           error_set_errno(err, errno, "cannot listen");
}

bool pool_accept(Pool *pool, int listener_fd, Error *err) {
    AUTO_CLOSE int fd = listener_fd;
    (void)pthread_mutex_lock(&pool->lock);
    bool good = listen_again(pool->listener_fd >= 0 ? pool->listener_fd : fd, err);
    if (good) {
        if (pool->listener_fd < 0) {
            pool->listener_fd = TAKE_FD(fd);
        }
        pool->accepting = true;
        pool->draining = pool->handover = pool->last_look = false;
        good = listening_begin(pool, err);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return good;
}

void pool_hold(Pool *pool, int listener_fd) {
    AUTO_CLOSE int fd = listener_fd;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->listener_fd < 0) {
        pool->listener_fd = TAKE_FD(fd);
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

int pool_listener(const Pool *pool) {
    return pool->listener_fd;
}

void pool_drain(Pool *pool, int handover_fd) {
    (void)pthread_mutex_lock(&pool->lock);
    pool->accepting = false;
    pool->draining = true;
    parked_release(pool);
    pool->handover_fd = handover_fd;
    if (pool->listener_fd >= 0) {
        listening_end(pool);
    }
    pool->last_look = pool->listener_fd >= 0;
    pool->handover = handover_fd >= 0;
    pool->handover_ms = 0;
    pool_wake_attendant(pool);
    pool_check_drained(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

bool pool_adopt(Pool *pool, int fd) {
    Adopted *adopted = malloc(sizeof *adopted);
    if (adopted == NULL) {
        (void)close(fd);
        return false;
    }
    (void)pthread_mutex_lock(&pool->lock);
    *adopted = (Adopted){.next = pool->adopted, .fd = fd};
    pool->adopted = adopted;
    if (!pool_wake_one(pool)) {
        pool_wake_attendant(pool);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return true;
}

void pool_refresh(Pool *pool) {
    atomic_store(&pool->duck_quote_size, ducks_quote_size(pool->spec.ducks));
    (void)pthread_mutex_lock(&pool->lock);
    parked_release(pool);
    pool->look = true;
    pool_wake_attendant(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

PoolLoad pool_load(Pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    PoolLoad load = {.connections = pool->connections, .waiting = (uint32_t)queue_waiting(pool->queue)};
    (void)pthread_mutex_unlock(&pool->lock);
    return load;
}
