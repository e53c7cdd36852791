/* SPDX-License-Identifier: Apache-2.0
 *
 * The admission of a connection: counted in, and what it may have then, by the limits and the lists of who
 * may ask.
 */
#include <sys/socket.h>

#include "bundles/base/clock.h"
#include "quoted/connection_private.h"

/* A client that connects says at once what it wants; one that has not after so long is in no hurry. */
enum { SILENT_MS = 1000 };

/* How many connections there are beyond the limit of all or of the uid. The lock is held. */
static uint32_t count_beyond(Pool *pool, const QueueClient *client, bool *ret_own) {
    uint32_t own = queue_connections(client);
    uint32_t own_max = pool->spec.config->connections_per_uid;
    uint32_t beyond =
        pool->connections > pool->connections_max ? pool->connections - pool->connections_max : 0;
    *ret_own = own > own_max;
    if (own > own_max && own - own_max > beyond) {
        beyond = own - own_max;
    }
    return beyond == 0 && !pool_has_spare(pool) ? 1 : beyond;
}

/* A connection beyond a limit is let in if one that has been silent for some time makes room, and stays to be
 * told that we are busy if none is; a flood of them pushes each other out. The lock is held. */
static Admission admit(Pool *pool, QueueClient *client) {
    bool own = false;
    uint32_t beyond = count_beyond(pool, client, &own);
    if (beyond == 0) {
        return ADMISSION_FULL;
    }
    /* What is doomed is still there for a moment, which must not become a way around the limit. */
    if (pool->waiting.doomed_count >= CONNECTIONS_BEYOND_LIMIT_MAX) {
        return ADMISSION_NONE;
    }
    bool flood = beyond > CONNECTIONS_BEYOND_LIMIT_MAX;
    uint64_t before_ms = flood ? UINT64_MAX : clock_monotonic_ms() - SILENT_MS;
    if (!waiting_doom(&pool->waiting, own ? client : NULL, before_ms)) {
        return flood ? ADMISSION_NONE : ADMISSION_BUSY;
    }
    pool_wake_attendant(pool);
    return flood ? ADMISSION_BUSY : ADMISSION_FULL;
}

Entry connection_admit(Pool *pool, int fd) {
    Entry entry = {.fd = fd, .since_ns = clock_monotonic_ns()};
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t size = sizeof peer;
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    const bool allowed = access_allows(&pool->spec.config->access, fd, &peer);
    (void)pthread_mutex_lock(&pool->lock);
    entry.client = queue_enter(pool->queue, peer.uid);
    if (entry.client != NULL) {
        pool->connections++;
        entry.admission = admit(pool, entry.client);
        if (!allowed && entry.admission != ADMISSION_NONE) {
            entry.admission = ADMISSION_REFUSED;
        }
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return entry;
}
