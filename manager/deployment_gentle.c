/* SPDX-License-Identifier: Apache-2.0
 *
 * A swap that the clients do not feel: as long as somebody serves them well, the manager does its part of it,
 * and starts the new generation, at the lowest priority. On a busy node a swap then takes a little longer,
 * and no request waits for it. Whoever has to be quick ends that: clients that nobody serves, or GENTLE_MS in
 * which a step has not come to its end because the node has no time to spare.
 */
#include "bundles/base/priority.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"

enum { GENTLE_MS = 100 };

static bool may_take_its_time(const Deployment *deployment) {
    const SwapState state = deployment->journal->swap.state;
    return state != SWAP_IDLE && state != SWAP_YIELDING && state != SWAP_REVERTING &&
           deployment->journal->swap.foreign.pid == 0 && deployment->restart_timer == NULL &&
           !deployment_has_role(deployment, GENERATION_RESTART) && deployment_former_alive(deployment);
}

static void restore(Deployment *deployment) {
    timer_stop(&deployment->gentle_timer);
    priority_restore(0);
    /* Those that have not come to the point where they do it themselves. */
    for (size_t i = 0; i < deployment->generations_count; i++) {
        const Generation *generation = deployment->generations[i];
        if (generation_is_alive(generation) && !generation_is_warm(generation)) {
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
    (void)source, (void)usec;
    restore(context);
    return 0;
}

void deployment_be_gentle(Deployment *deployment) {
    if (!may_take_its_time(deployment)) {
        deployment_hurry(deployment);
    } else if ((deployment->gentle_timer != NULL || priority_lower()) &&
               !timer_start(deployment->event, &deployment->gentle_timer, GENTLE_MS, on_time, deployment)) {
        restore(deployment);
    }
}
