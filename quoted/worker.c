/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "quoted/pool_private.h"

enum {
    EVENTS_MAX = 32,
    ACCEPTS_MAX = 32,
    JOBS_MAX = 4, /* until the thread looks again who else is there */
    SLEEP_MAX_MS = 1000,
    EXHAUSTED_PAUSE_MS = 5,
    HANDOVER_PAUSE_MS = 2 /* until the manager may have made room */
};

/* No descriptor is left: the spare one makes room for the one that waits longest, which is told so if its
 * request is there. */
static int accept_with_spare(Pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    cleanup_close(&pool->spare_fd);
    pool->spare_fd = -1;
    int fd = accept4(pool->listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    (void)pthread_mutex_unlock(&pool->lock);
    return fd;
}

static void restore_spare(Pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    (void)pool_has_spare(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

static bool enter_accepting(Pool *pool, bool last) {
    (void)pthread_mutex_lock(&pool->lock);
    bool accepting = pool->accepting || last;
    pool->accepting_now += accepting;
    (void)pthread_mutex_unlock(&pool->lock);
    return accepting;
}

static void leave_accepting(Pool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    pool->accepting_now--;
    pool_check_drained(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void accept_all(Worker *worker, bool last) {
    Pool *pool = worker->pool;
    if (!enter_accepting(pool, last)) {
        return;
    }
    for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(pool->listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        bool exhausted = fd < 0 && (errno == EMFILE || errno == ENFILE);
        if (exhausted) {
            fd = accept_with_spare(pool);
        }
        if (fd >= 0) {
            connection_begin(worker, fd, false);
        }
        if (exhausted) {
            restore_spare(pool);
            /* The listener stays ready: without a pause this would be a busy loop. */
            (void)poll(NULL, 0, EXHAUSTED_PAUSE_MS);
        }
        if (fd < 0 || exhausted) {
            break;
        }
    }
    leave_accepting(pool);
}

/* Several processes watch the listener, and the kernel wakes one thread for a connection. If that one was
 * told to stop in this moment, or is of a process that is being killed, nobody else knows of the connection.
 * So who stops looks once more; who is told of changes looks, too, and now and then when nothing happens. */
static void look_for_missed(Worker *worker, bool idle) {
    Pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    bool last = pool->last_look;
    idle = idle && pool->alone == NULL; /* else it is awake more often */
    struct pollfd listener = {.fd = pool->look || last || idle ? pool->listener_fd : -1, .events = POLLIN};
    pool->look = false;
    (void)pthread_mutex_unlock(&pool->lock);
    if (listener.fd >= 0 && poll(&listener, 1, 0) > 0) {
        accept_all(worker, last);
    }
    if (last) {
        (void)pthread_mutex_lock(&pool->lock);
        pool->last_look = false;
        pool_check_drained(pool);
        (void)pthread_mutex_unlock(&pool->lock);
    }
}

static void take_adopted(Worker *worker) {
    Pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    Adopted *adopted = TAKE(pool->adopted);
    pool->accepting_now += adopted != NULL;
    (void)pthread_mutex_unlock(&pool->lock);
    if (adopted == NULL) {
        return;
    }
    while (adopted != NULL) {
        Adopted *next = adopted->next;
        connection_begin(worker, adopted->fd, true);
        free(adopted);
        adopted = next;
    }
    leave_accepting(pool);
}

static void take_in(Worker *worker, const struct epoll_event *events, int count) {
    for (int i = 0; i < count; i++) {
        void *source = events[i].data.ptr;
        if (source == worker->pool) {
            accept_all(worker, false);
        } else if (source == worker) {
            eventfd_t unused;
            (void)!eventfd_read(worker->wake_fd, &unused);
        } else {
            connection_continue(worker, source);
        }
    }
}

/* What there is to do for a thread. */
typedef struct Plan {
    bool stopping;
    bool handover;
    bool asleep; /* nothing: it may sleep so long at most */
    int sleep_ms;
} Plan;

static Plan make_plan(Worker *worker) {
    Pool *pool = worker->pool;
    bool is_attendant = worker == pool_attendant(pool);
    (void)pthread_mutex_lock(&pool->lock);
    Plan plan = {.stopping = pool->stopping, .sleep_ms = SLEEP_MAX_MS};
    if (is_attendant && pool->handover) {
        plan.handover = pool->handover_ms <= clock_monotonic_ms();
        plan.sleep_ms = HANDOVER_PAUSE_MS;
    }
    plan.asleep = !pool->stopping && !plan.handover && pool->adopted == NULL &&
                  (is_attendant || !queue_has_work(pool->queue));
    worker->asleep = plan.asleep;
    worker->rounds++;
    (void)pthread_mutex_unlock(&pool->lock);
    return plan;
}

static void note_awake(Worker *worker) {
    (void)pthread_mutex_lock(&worker->pool->lock);
    worker->asleep = false;
    (void)pthread_mutex_unlock(&worker->pool->lock);
}

/* The next job; if there is another one that somebody could work meanwhile, somebody is woken. */
static Job *take_job(Worker *worker, QueueStage *ret_stage) {
    Pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    Job *job = job_take(pool, ret_stage);
    if (job != NULL && queue_has_work(pool->queue)) {
        (void)pool_wake_one(pool);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return job;
}

static void hand_over(Worker *worker) {
    /* First, so that what is kept from now on asks for another round. */
    (void)pthread_mutex_lock(&worker->pool->lock);
    worker->pool->handover = false;
    (void)pthread_mutex_unlock(&worker->pool->lock);
    bool done = connection_kept_hand_over(worker);
    (void)pthread_mutex_lock(&worker->pool->lock);
    if (!done && !worker->pool->accepting) {
        worker->pool->handover = true;
        worker->pool->handover_ms = clock_monotonic_ms() + HANDOVER_PAUSE_MS;
    }
    pool_check_drained(worker->pool);
    (void)pthread_mutex_unlock(&worker->pool->lock);
}

/* What is due by the clock; the milliseconds until something else is. */
static int attend(Worker *worker) {
    int overdue = job_expire(worker);
    int left = connection_kept_expire(worker);
    left = left >= 0 && left < overdue ? left : overdue;
    (void)pthread_mutex_lock(&worker->pool->lock);
    int look = listening_look(worker->pool);
    (void)pthread_mutex_unlock(&worker->pool->lock);
    left = left < look ? left : look;
    return left < SLEEP_MAX_MS ? left : SLEEP_MAX_MS;
}

/* Jobs, as long as there are any and not too many; false: there was none. */
static bool work(Worker *worker) {
    QueueStage stage = QUEUE_ENGINE;
    Job *job = take_job(worker, &stage);
    unsigned done = 0;
    while (job != NULL) {
        job_work(worker, job, stage);
        job = ++done < JOBS_MAX ? take_job(worker, &stage) : NULL;
    }
    /* The scheduler might keep clients waiting until this thread's slice, some milliseconds, is over. */
    if (done == JOBS_MAX) {
        (void)sched_yield();
    }
    return done > 0;
}

void *worker_run(void *context) {
    Worker *worker = context;
    bool is_attendant = worker == pool_attendant(worker->pool);
    struct epoll_event events[EVENTS_MAX];
    bool more = false;
    for (;;) {
        const Plan plan = make_plan(worker);
        if (plan.stopping) {
            return NULL;
        }
        if (plan.handover) {
            hand_over(worker);
        }
        int due = is_attendant ? attend(worker) : SLEEP_MAX_MS;
        int timeout = due < plan.sleep_ms ? due : plan.sleep_ms;
        int count = epoll_wait(worker->epoll_fd, events, EVENTS_MAX, plan.asleep && !more ? timeout : 0);
        if (plan.asleep) {
            note_awake(worker);
        }
        take_in(worker, events, count);
        take_adopted(worker);
        if (is_attendant) {
            look_for_missed(worker, count == 0);
            parked_expire(worker->pool);
            connection_kept_close_doomed(worker);
        }
        more = !is_attendant && work(worker);
    }
}
