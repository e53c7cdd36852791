/* SPDX-License-Identifier: Apache-2.0
 *
 * Rescue: client connections that a generation left unanswered, on their way to the next one.
 *
 * Each is one descriptor with its request still unread in it (quoted/control/protocol.h, "The rescue
 * channel"). They wait here while nothing serves. One whose whole request was handed on three times is
 * closed, because it may be what generations die of. Invariant: a connection is held once, however often it
 * is found.
 */
#ifndef MANAGER_RESCUE_H
#define MANAGER_RESCUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "manager/generation.h"

/* So many may be held, and so many be offered to a generation that has not said yes or no. */
enum { RESCUE_MAX = 16384, RESCUE_OFFERS_MAX = 64 };

typedef struct Rescue Rescue;

typedef struct RescueCounts {
    uint64_t found, adopted, departed, lost; /* departed: the client had left; lost: nobody took it */
} RescueCounts;

/* Holds `max` connections, RESCUE_MAX at most. NULL: out of memory. */
Rescue *rescue_new(sd_event *event, size_t max);
void rescue_free(Rescue *rescue);

/* Takes what comes through a generation's rescue channel, of which `fd` (taken) is the receiving end, until
 * it ends: a moment after the generation. `dying` is called when the process begins to end, a moment before
 * it is gone; it is not called for every end. False: out of memory. */
typedef void (*RescueDyingFn)(void *context, uint32_t generation);
bool rescue_watch(Rescue *rescue, int fd, uint32_t generation, RescueDyingFn dying, void *context)
    __attribute__((warn_unused_result));

/* Takes a client's connection from elsewhere. */
void rescue_give(Rescue *rescue, int fd);

/* From now on `target` (NULL: nobody) gets what waits and what comes; borrowed until the next call. */
void rescue_set_target(Rescue *rescue, Generation *target);

size_t rescue_waiting(const Rescue *rescue);
RescueCounts rescue_counts(const Rescue *rescue);

#endif
