/* SPDX-License-Identifier: Apache-2.0
 *
 * Waiting: the connections that wait for their client, all together and per uid, the oldest first.
 *
 * A connection that asks nothing must not keep out one that does: where there is no room left, the oldest
 * silent one of the uid, or of the uid that has most of them, is doomed, and then closed by the attendant.
 * Not thread-safe: the pool's lock guards it. What waits is linked in by itself; its memory is the owner's.
 */
#ifndef QUOTED_WAITING_H
#define QUOTED_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include "quoted/queue.h"

/* The links of one connection; what stands in front may be read by everybody and does not change. */
typedef struct WaitingLink {
    QueueClient *client;
    uint64_t since_ms;
    bool over_limit; /* to be answered busy */
    bool refused;    /* to be answered that it may not ask */
    bool writing;    /* its answer is on the way; it is not silent */
    bool doomed;
    struct WaitingLink *next, *previous;               /* of all */
    struct WaitingLink *next_own, *previous_own;       /* of the same client */
    struct WaitingLink *next_doomed, *previous_doomed; /* only with doomed set */
} WaitingLink;

typedef struct Waiting {
    WaitingLink *first, *last;
    WaitingLane *lanes; /* of clients with a waiting connection */
    WaitingLink *doomed;
    uint32_t doomed_count;
} Waiting;

void waiting_add(Waiting *waiting, WaitingLink *link);
void waiting_remove(Waiting *waiting, WaitingLink *link);

/* Dooms the oldest silent one of this client, of whoever has most of them if NULL, that has waited since
 * before_ms or longer. False: there is none. */
bool waiting_doom(Waiting *waiting, QueueClient *client, uint64_t before_ms);

#endif
