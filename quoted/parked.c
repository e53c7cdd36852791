/* SPDX-License-Identifier: Apache-2.0
 *
 * Quotes whose report nobody here accepts, and which wait until the manager has started the former generation
 * that they may be for, or has said that there is none. They wait off the threads and not for long; of a
 * client that waited in vain, none waits again for a while.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "quoted/pool_private.h"

enum { IN_VAIN_MS = 10 * 60 * 1000 };

bool parked_may_wait(Worker *worker, const Job *job) {
    const PoolSpec *spec = &worker->pool->spec;
    return ducks_may_be_recalled(spec->ducks) && job->rounds < PARKED_ROUNDS_MAX &&
           !sightings_waited_in_vain(spec->sightings, job->fd, IN_VAIN_MS);
}

/* The lock is held. */
static void release(Pool *pool, Job **at) {
    Job *job = *at;
    *at = (Job *)job->link.next;
    pool->parked_count--;
    (void)!queue_put(pool->queue, QUEUE_DUCKS, &job->link, job->client);
    (void)pool_wake_one(pool);
}

bool parked_put(Worker *worker, Job *job, uint64_t ducks_version) {
    Pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    bool room = pool->parked_count < PARKED_MAX && !pool->draining;
    if (room) {
        job->rounds++;
        job->parked_until_ms = job->link.since_ns / 1000000 + PARKED_MS; /* clients wait 15 s */
        job->link.next = (QueueLink *)pool->parked;
        pool->parked = job;
        pool->parked_count++;
        if (ducks_version == ducks_version_of(pool->spec.ducks)) {
            (void)!eventfd_write(pool->spec.recall_fd, 1);
        } else {
            release(pool, &pool->parked); /* they have changed since they were asked */
        }
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return room;
}

void parked_release(Pool *pool) {
    while (pool->parked != NULL) {
        release(pool, &pool->parked);
    }
}

void parked_expire(Pool *pool) {
    uint64_t now = clock_monotonic_ms();
    (void)pthread_mutex_lock(&pool->lock);
    for (Job **at = &pool->parked; *at != NULL;) {
        if ((*at)->parked_until_ms <= now) {
            (*at)->rounds = PARKED_ROUNDS_MAX;
            release(pool, at);
        } else {
            at = (Job **)&(*at)->link.next;
        }
    }
    (void)pthread_mutex_unlock(&pool->lock);
}
