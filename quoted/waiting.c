/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/waiting.h"

#include <stddef.h>

static void enter_lane(Waiting *waiting, WaitingLink *link) {
    WaitingLane *lane = queue_lane(link->client);
    if (lane->count++ == 0) {
        lane->previous = NULL;
        lane->next = waiting->lanes;
        if (lane->next != NULL) {
            lane->next->previous = lane;
        }
        waiting->lanes = lane;
    }
    link->next_own = NULL;
    link->previous_own = lane->last;
    *(lane->last != NULL ? &lane->last->next_own : &lane->first) = link;
    lane->last = link;
}

static void leave_lane(Waiting *waiting, WaitingLink *link) {
    WaitingLane *lane = queue_lane(link->client);
    *(link->previous_own != NULL ? &link->previous_own->next_own : &lane->first) = link->next_own;
    *(link->next_own != NULL ? &link->next_own->previous_own : &lane->last) = link->previous_own;
    if (--lane->count == 0) {
        *(lane->previous != NULL ? &lane->previous->next : &waiting->lanes) = lane->next;
        if (lane->next != NULL) {
            lane->next->previous = lane->previous;
        }
    }
}

void waiting_add(Waiting *waiting, WaitingLink *link) {
    link->doomed = false;
    link->next = NULL;
    link->previous = waiting->last;
    *(waiting->last != NULL ? &waiting->last->next : &waiting->first) = link;
    waiting->last = link;
    enter_lane(waiting, link);
}

static void doom(Waiting *waiting, WaitingLink *link) {
    /* Out of its lane at once, so that the next search does not meet it again. */
    leave_lane(waiting, link);
    link->doomed = true;
    link->previous_doomed = NULL;
    link->next_doomed = waiting->doomed;
    if (link->next_doomed != NULL) {
        link->next_doomed->previous_doomed = link;
    }
    waiting->doomed = link;
    waiting->doomed_count++;
}

void waiting_remove(Waiting *waiting, WaitingLink *link) {
    *(link->previous != NULL ? &link->previous->next : &waiting->first) = link->next;
    *(link->next != NULL ? &link->next->previous : &waiting->last) = link->previous;
    if (!link->doomed) {
        leave_lane(waiting, link);
        return;
    }
    *(link->previous_doomed != NULL ? &link->previous_doomed->next_doomed : &waiting->doomed) =
        link->next_doomed;
    if (link->next_doomed != NULL) {
        link->next_doomed->previous_doomed = link->previous_doomed;
    }
    waiting->doomed_count--;
}

static WaitingLane *longest_lane(const Waiting *waiting) {
    WaitingLane *longest = waiting->lanes;
    for (WaitingLane *lane = longest; lane != NULL; lane = lane->next) {
        longest = lane->count > longest->count ? lane : longest;
    }
    return longest;
}

bool waiting_doom(Waiting *waiting, QueueClient *client, uint64_t before_ms) {
    const WaitingLane *lane = client != NULL ? queue_lane(client) : longest_lane(waiting);
    WaitingLink *oldest = lane != NULL ? lane->first : NULL;
    while (oldest != NULL && oldest->writing) {
        oldest = oldest->next_own;
    }
    if (oldest == NULL || oldest->since_ms > before_ms) {
        return false;
    }
    doom(waiting, oldest);
    return true;
}
