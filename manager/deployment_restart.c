/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting again what should serve and does not: at once the first time, then with growing pauses, each time
 * as the next generation on the same bundle and the same listener.
 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/pace.h"
#include "manager/timer.h"

enum { RESTARTED_MS = 10 };

static uint64_t pause_ms(const Deployment *deployment) {
    const Config *config = deployment->config;
    if (deployment->restart_failures <= 1 || deployment_standby_is_ready(deployment)) {
        return 0;
    }
    return pace_doubled(config->restart_delay_ms, config->restart_delay_max_ms,
                        deployment->restart_failures - 2);
}

static void launch(Deployment *deployment) {
    Journal *journal = deployment->journal;
    Error err = ERROR_INIT;
    Generation *standby = deployment_standby_take(deployment);
    uint32_t number = standby != NULL ? generation_number(standby) : journal->next_generation++;
    if (journal->swap.state != SWAP_IDLE) { /* it is what the swap under way replaces */
        journal->swap.former.number = number;
    }
    if (standby != NULL) {
        log_info("spare-taken", "generation=%u", number);
        if (generation_is_warm(standby)) {
            deployment_restart_ready(deployment, standby);
        }
        return;
    }
    deployment_save(deployment); /* a full disk must not keep a node without quotes */
    if (deployment_launch(deployment, number, journal->serving.digest, GENERATION_RESTART, &err) == NULL) {
        deployment_restart_failed(deployment, &err);
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Deployment *deployment = context;
    timer_stop(&deployment->restart_timer);
    deployment->restart_at_ms = 0;
    if (deployment_serving(deployment) == NULL && !deployment_has_role(deployment, GENERATION_RESTART)) {
        launch(deployment);
    }
    return 0;
}

static void schedule(Deployment *deployment) {
    uint64_t pause = pause_ms(deployment);
    if (pause == 0) {
        launch(deployment);
        return;
    }
    deployment->restart_at_ms = clock_monotonic_ms() + pause;
    log_warning("restart-delayed", "milliseconds=%llu attempt=%u", (unsigned long long)pause,
                deployment->restart_failures);
    if (!timer_start(deployment->event, &deployment->restart_timer, pause, on_timer, deployment)) {
        launch(deployment);
    }
}

void deployment_restart(Deployment *deployment) {
    if (deployment->journal->serving.digest[0] == '\0' || deployment_serving(deployment) != NULL ||
        deployment_has_role(deployment, GENERATION_RESTART) || deployment->restart_timer != NULL) {
        return;
    }
    schedule(deployment);
}

void deployment_restart_failed(Deployment *deployment, const Error *failure) {
    uint64_t now = clock_monotonic_ms();
    if (deployment->serving_since_ms != 0 &&
        now - deployment->serving_since_ms >= deployment->config->restart_settle_ms) {
        deployment->restart_failures = 0;
    }
    deployment->serving_since_ms = 0;
    deployment->restart_failures++;
    deployment->restart_error = *failure;
    deployment->journal->serving.number = 0;
    deployment_restart(deployment);
}

void deployment_restart_cancel(Deployment *deployment) {
    timer_stop(&deployment->restart_timer);
    deployment->restart_at_ms = 0;
    deployment->restart_error = ERROR_INIT;
    for (size_t i = 0; i < deployment->generations_count; i++) {
        Generation *generation = deployment->generations[i];
        if (generation_role(generation) != GENERATION_RESTART) {
            continue;
        }
        if (generation_number(generation) == deployment->journal->swap.former.number) {
            generation_set_role(generation, GENERATION_SPARE); /* its QE's reports are about */
        } else {
            generation_retire(generation, deployment->config->drain_timeout_ms);
        }
    }
}

static int on_restarted(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Deployment *deployment = context;
    timer_stop(&deployment->restarted_timer);
    deployment_save(deployment);
    deployment_ducks_prune(deployment);
    if (deployment->restart_failures <=
        1) { /* else the upkeep starts it, lest spares die one after the other */
        deployment_standby_keep(deployment);
    }
    return 0;
}

static void on_accepted(void *context, Generation *generation, const ControlMessage *reply,
                        const Error *failure) {
    (void)reply;
    Deployment *deployment = context;
    Journal *journal = deployment->journal;
    if (!generation_is_alive(generation) || generation_role(generation) != GENERATION_RESTART) {
        return;
    }
    if (failure != NULL) {
        log_error("restart-refused", "generation=%u error=\"%s\"", generation_number(generation),
                  failure->text);
        generation_kill(generation); /* its end leads to the next attempt */
        return;
    }
    generation_set_role(generation, GENERATION_SERVING);
    deployment->serving_since_ms = clock_monotonic_ms();
    deployment->restart_error = ERROR_INIT;
    if (journal->swap.state != SWAP_IDLE) { /* it is what the swap under way replaces */
        journal->swap.former = journal->serving;
    }
    journal_note(journal, 0, deployment_itself, "restarted", "serving again as generation %u",
                 generation_number(generation));
    log_info("serving-restarted", "generation=%u rescued=%zu", generation_number(generation),
             rescue_waiting(deployment->rescue));
    rescue_set_target(deployment->rescue, generation);
    deployment_ducks_tell(deployment); /* those that drain */
    /* Waiting for the disk and starting a process can wait themselves until the rescued are served. */
    if (!timer_start(deployment->event, &deployment->restarted_timer, RESTARTED_MS, on_restarted,
                     deployment)) {
        (void)on_restarted(NULL, 0, deployment);
    }
}

void deployment_restart_ready(Deployment *deployment, Generation *generation) {
    Journal *journal = deployment->journal;
    Error err = ERROR_INIT;
    if (journal->swap.state > SWAP_WARMING) { /* the new one takes over already */
        generation_set_role(generation, GENERATION_FORMER);
        return;
    }
    bool announced = journal->standby.number == generation_number(generation);
    journal->serving.number = generation_number(generation);
    journal->serving.since = clock_wall_s();
    (void)text_copy(journal->serving.qe, sizeof journal->serving.qe, generation_qe(generation));
    journal_set_origin(journal, generation_number(generation), generation_origin(generation));
    if (!announced) { /* a spare does not wait for the disk: that it may serve stands there since its start */
        deployment_save(deployment);
    }
    if (!deployment_hand_over(deployment, generation, on_accepted, &err)) {
        on_accepted(deployment, generation, NULL, &err);
    }
}
