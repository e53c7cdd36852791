/* SPDX-License-Identifier: Apache-2.0
 *
 * The plan of Updates: when it looks next, by itself.
 *
 * The time is kept in updates.json, so that many restarts are not many looks.
 */
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/log.h"
#include "manager/pace.h"
#include "manager/timer.h"
#include "manager/update_parts.h"

enum { FIRST_DELAY_MAX_MS = 60 * 1000 };

static int on_timer(sd_event_source *source, uint64_t usec, void *context);

static void plan(Updates *updates, uint64_t delay_ms) {
    timer_stop(&updates->timer);
    updates->due_ms = 0;
    if (updates->spec.config->check_interval_ms == 0 || updates->spec.config->repositories_count == 0) {
        return;
    }
    if (!timer_start(updates->spec.event, &updates->timer, delay_ms, on_timer, updates)) {
        log_error("check-not-planned", "error=\"out of memory\"");
        return;
    }
    updates->due_ms = clock_monotonic_ms() + delay_ms;
    update_memory_put(updates, "next_at", json_integer(clock_wall_s() + (int64_t)(delay_ms / 1000)));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    static const UpdateGoal goals[] = {[CONFIG_AUTOMATIC_OFF] = UPDATE_LOOK,
                                       [CONFIG_AUTOMATIC_STAGE] = UPDATE_STAGE,
                                       [CONFIG_AUTOMATIC_SWAP] = UPDATE_SWAP};
    Updates *updates = context;
    const UpdatesWish wish = {.soak_ms = UINT64_MAX, .file = -1};
    const JournalWho itself = {.uid = geteuid()};
    Error err = ERROR_INIT;
    updates->due_ms = 0;
    if (updates->operation != NULL) { /* an operator was faster; its end plans the next look */
        return 0;
    }
    if (!update_begin(updates, goals[updates->spec.config->automatic], &wish, itself, &err)) {
        log_warning("check-not-begun", "error=\"%s\"", err.text);
        plan(updates, pace_next(updates->spec.config->check_interval_ms, 1));
    }
    return 0;
}

void update_plan_next(Updates *updates) {
    const json_int_t failures = json_integer_value(json_object_get(updates->memory, "failures"));
    plan(updates, pace_next(updates->spec.config->check_interval_ms, failures > 0 ? (uint64_t)failures : 0));
}

void update_plan_first(Updates *updates) {
    const uint64_t interval = updates->spec.config->check_interval_ms;
    const uint64_t soon =
        pace_chance(interval / 10 < FIRST_DELAY_MAX_MS ? interval / 10 : FIRST_DELAY_MAX_MS);
    const json_int_t next_at = json_integer_value(json_object_get(updates->memory, "next_at"));
    const int64_t left = next_at - clock_wall_s();
    bool planned = left > 0 && (uint64_t)left * 1000 <= interval + interval / 10;
    plan(updates, planned ? (uint64_t)left * 1000 : soon);
}
