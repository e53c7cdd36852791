/* SPDX-License-Identifier: Apache-2.0
 *
 * A swap that the clients do not feel: as long as somebody serves them well, the manager does its part of it,
 * and starts the new generation, at the lowest priority. On a busy node a swap then takes a little longer,
 * and no request waits for it. Whoever has to be quick ends that: clients that nobody serves, or GENTLE_MS in
 * which a step has not come to its end because the node has no time to spare. Such a node does not run the
 * manager either, not for seconds, nor what it starts: its waker, a process at the ordinary priority, brings
 * them back.
 */
#include "bundles/base/clock.h"
#include "bundles/base/priority.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"

enum { GENTLE_MS = 100, LATE_MS = 20 };

/* The waker is told first: it is there whenever this process is not run. */
static bool lower(Deployment *deployment) {
    return waker_tell(&deployment->waker, GENTLE_MS) && priority_lower();
}

static bool may_take_its_time(const Deployment *deployment) {
    const SwapState state = deployment->journal->swap.state;
    return !deployment->has_no_time && state != SWAP_IDLE && state != SWAP_YIELDING &&
           state != SWAP_REVERTING && deployment->journal->swap.foreign.pid == 0 &&
           deployment->restart_timer == NULL && !deployment_has_role(deployment, GENERATION_RESTART) &&
           deployment_former_alive(deployment);
}

static void restore(Deployment *deployment) {
    timer_stop(&deployment->gentle_timer);
    priority_restore(0);
    /* Those that have not come to the point where they do it themselves, and those whose room is wanted. */
    for (size_t i = 0; i < deployment->generations_count; i++) {
        const Generation *generation = deployment->generations[i];
        bool is_waited_for = !generation_is_warm(generation) ||
                             (deployment->awaits_room && generation_role(generation) == GENERATION_LEAVING);
        if (generation_is_alive(generation) && is_waited_for) {
            priority_restore(generation_pid(generation));
        }
    }
}

void deployment_hurry(Deployment *deployment) {
    if (deployment->gentle_timer != NULL) {
        restore(deployment);
    }
}

static int on_time(sd_event_source *source, uint64_t usec, void *context) {
    (void)source;
    Deployment *deployment = context;
    if (clock_monotonic_ns() / 1000 > usec + LATE_MS * UINT64_C(1000)) {
        deployment->has_no_time = true;
    }
    restore(deployment);
    deployment_await_room(deployment);
    return 0;
}

void deployment_await_room(Deployment *deployment) {
    if (deployment->awaits_room && deployment->gentle_timer == NULL) {
        (void)!timer_start(deployment->event, &deployment->gentle_timer, GENTLE_MS, on_time, deployment);
    }
}

void deployment_be_gentle(Deployment *deployment) {
    if (!may_take_its_time(deployment)) {
        deployment_hurry(deployment);
        return;
    }
    /* In a step before it may have been lowered, and by its waker be restored since. */
    bool low = priority_may_be_lowered() ? lower(deployment) : deployment->gentle_timer != NULL;
    if (low && !timer_start(deployment->event, &deployment->gentle_timer, GENTLE_MS, on_time, deployment)) {
        restore(deployment);
    }
}
