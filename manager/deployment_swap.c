/* SPDX-License-Identifier: Apache-2.0
 *
 * Carrying out swaps: what manager/swap decides becomes journal entries and control messages.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"

static bool is_next_alive(const Deployment *deployment) {
    const Generation *next = deployment_find(deployment, deployment->journal->swap.next.number);
    return next != NULL && generation_is_alive(next);
}

bool deployment_former_alive(const Deployment *deployment) {
    if (deployment_foreign_lives(deployment)) {
        return true;
    }
    const Generation *former = deployment_find(deployment, deployment->journal->swap.former.number);
    return former != NULL && generation_is_alive(former) && generation_is_warm(former);
}

bool deployment_swap_event(Deployment *deployment, SwapEvent event, const Error *cause) {
    SwapStep step = swap_step(deployment->journal->swap.state, event, deployment_former_alive(deployment),
                              is_next_alive(deployment));
    if (step.known) {
        deployment_swap_apply(deployment, step, cause);
    }
    return step.known;
}

static void on_accepted(void *context, Generation *generation, const ControlMessage *reply,
                        const Error *failure) {
    (void)reply;
    Deployment *deployment = context;
    const JournalSwap *swap = &deployment->journal->swap;
    if (swap->state != SWAP_SWITCHING || generation_number(generation) != swap->next.number ||
        !generation_is_alive(generation)) {
        return; /* its end is told apart */
    }
    (void)deployment_swap_event(deployment, failure == NULL ? SWAP_EVENT_ACCEPTED : SWAP_EVENT_NEW_FAILED,
                                failure);
}

static void on_resumed(void *context, Generation *generation, const ControlMessage *reply,
                       const Error *failure) {
    (void)reply;
    Deployment *deployment = context;
    const JournalSwap *swap = &deployment->journal->swap;
    if (swap->state != SWAP_REVERTING || generation_number(generation) != swap->former.number ||
        !generation_is_alive(generation)) {
        return;
    }
    (void)deployment_swap_event(deployment, failure == NULL ? SWAP_EVENT_RESUMED : SWAP_EVENT_RESUME_FAILED,
                                failure);
}

static void start_fresh(Deployment *deployment) {
    JournalSwap *swap = &deployment->journal->swap;
    Error err = ERROR_INIT;
    if (deployment_launch(deployment, swap->next.number, swap->next.digest, GENERATION_CANDIDATE, &err) ==
        NULL) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_NEW_FAILED, &err);
    }
}

/* The lame duck that should serve again cannot: its bundle is started afresh. */
static void start_instead(Deployment *deployment, const Error *failure) {
    JournalSwap *swap = &deployment->journal->swap;
    Error err = ERROR_INIT;
    log_warning("duck-unfit", "generation=%u error=\"%s\"", swap->next.number, failure->text);
    swap->resumes = false;
    swap->next.number = deployment->journal->next_generation++;
    if (!journal_save(deployment->journal, &err)) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_NEW_FAILED, &err);
        return;
    }
    start_fresh(deployment);
}

/* It must show first that it still can. */
static void on_duck_trial(void *context, Generation *generation, const ControlMessage *reply,
                          const Error *failure) {
    (void)reply;
    Deployment *deployment = context;
    const JournalSwap *swap = &deployment->journal->swap;
    if (swap->state != SWAP_WARMING || !swap->resumes || generation_number(generation) != swap->next.number) {
        return;
    }
    if (failure == NULL) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_READY, NULL);
    } else {
        start_instead(deployment, failure);
    }
}

static void start_new(Deployment *deployment) {
    const JournalSwap *swap = &deployment->journal->swap;
    Error err = ERROR_INIT;
    if (!swap->resumes) {
        start_fresh(deployment);
        return;
    }
    Generation *duck = deployment_find(deployment, swap->next.number);
    if (duck == NULL) {
        error_set(&err, ERROR_UNAVAILABLE, "it has ended meanwhile");
    }
    if (duck == NULL || !generation_call(duck, CONTROL_TRIAL, NULL, -1, DEPLOYMENT_CALL_MS, on_duck_trial,
                                         deployment, &err)) {
        start_instead(deployment, &err);
    }
}

static void accept_new(Deployment *deployment) {
    Generation *next = deployment_find(deployment, deployment->journal->swap.next.number);
    Error err = ERROR_INIT;
    if (next != NULL && deployment_hand_over(deployment, next, on_accepted, &err)) {
        return;
    }
    if (next == NULL) {
        error_set(&err, ERROR_ENGINE, "the new generation is gone");
    }
    (void)deployment_swap_event(deployment, SWAP_EVENT_NEW_FAILED, &err);
}

static void on_former_told(void *context, Generation *generation, const ControlMessage *reply,
                           const Error *failure) {
    (void)generation, (void)reply, (void)failure; /* if it is dying, it meets no more clients */
    Deployment *deployment = context;
    if (deployment->journal->swap.state == SWAP_SWITCHING) {
        accept_new(deployment);
    }
}

/* For a moment both accept, and a client may get target info from the new one and bring its report to the
 * former one. So the former one has to know whom to ask before the new one meets anybody. */
static void hand_over(Deployment *deployment) {
    Generation *former = deployment_find(deployment, deployment->journal->swap.former.number);
    Error err = ERROR_INIT;
    if (former == NULL || !generation_is_alive(former) || generation_is_stopped(former)) {
        accept_new(deployment);
        return;
    }
    CLEANUP(json_freep) json_t *arguments = deployment_ducks_json(deployment, former);
    if (arguments == NULL || !generation_call(former, CONTROL_DUCKS, arguments, -1, DEPLOYMENT_CALL_MS,
                                              on_former_told, deployment, &err)) {
        accept_new(deployment);
    }
}

static void resume_old(Deployment *deployment) {
    Generation *former = deployment_find(deployment, deployment->journal->swap.former.number);
    Error err = ERROR_INIT;
    deployment_soak_end(deployment);
    if (deployment_foreign_lives(deployment)) {
        deployment_foreign_resume(deployment);
        (void)deployment_swap_event(deployment, SWAP_EVENT_RESUMED, NULL);
        return;
    }
    if (former == NULL || !deployment_hand_over(deployment, former, on_resumed, &err)) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_RESUME_FAILED, &err);
    }
}

static void drain_old(Deployment *deployment) {
    Generation *former = deployment_find(deployment, deployment->journal->swap.former.number);
    if (deployment_foreign_lives(deployment)) {
        deployment_foreign_stop(deployment);
    } else if (former != NULL) {
        generation_set_role(former, GENERATION_FORMER);
        deployment_drain(deployment, former);
    }
}

static void stop_old(Deployment *deployment) {
    Generation *former = deployment_find(deployment, deployment->journal->swap.former.number);
    rescue_set_target(deployment->rescue, NULL);
    generation_retire(former, deployment->config->drain_timeout_ms);
}

static void revive_old(Deployment *deployment) {
    const JournalSwap *swap = &deployment->journal->swap;
    Error err = ERROR_INIT;
    if (swap->former.number != 0 && deployment_launch(deployment, swap->former.number, swap->former.digest,
                                                      GENERATION_SPARE, &err) == NULL) {
        log_error("way-back-lost", "generation=%u error=\"%s\"", swap->former.number, err.text);
    }
}

static void begin_watch(Deployment *deployment) {
    Generation *next = deployment_find(deployment, deployment->journal->swap.next.number);
    if (next != NULL) {
        generation_set_role(next, GENERATION_SERVING);
        rescue_set_target(deployment->rescue, next);
    }
    deployment->serving_since_ms = clock_monotonic_ms();
    deployment->restart_failures = 0; /* they were another one's */
    deployment_restart_cancel(deployment);
    if (!deployment_former_alive(deployment)) {
        deployment_ducks_tell(deployment); /* its successor, if there is one by now */
    }
    if (deployment->takeover == NULL) {
        deployment_soak_begin(deployment);
    }
}

/* What the journal must say before the actions begin. False: it says so already, or will in this very step.
 * A new manager does the same whether it finds "verifying" or "warming", because the number of the new one is
 * there from the beginning on; and without a soak "switching" or the end of the swap. */
static bool prepare(Deployment *deployment, SwapState from, unsigned actions) {
    Journal *journal = deployment->journal;
    JournalSwap *swap = &journal->swap;
    const Generation *next = deployment_find(deployment, swap->next.number);
    bool told = (from == SWAP_VERIFYING && swap->state == SWAP_WARMING) ||
                (from == SWAP_SWITCHING && swap->state == SWAP_SOAKING && swap->soak_ms == 0 &&
                 swap->foreign.pid == 0);
    if ((actions & SWAP_START_NEW) != 0 && swap->next.number == 0) {
        swap->next.number = journal->next_generation++;
        told = false;
    }
    if ((actions & SWAP_REVIVE_OLD) != 0 && swap->former.digest[0] != '\0') {
        swap->former.number = journal->next_generation++;
    }
    if ((actions & SWAP_HAND_OVER) != 0 && next != NULL) {
        (void)text_copy(swap->next.qe, sizeof swap->next.qe, generation_qe(next));
    }
    if ((actions & SWAP_WATCH) != 0) {
        swap->next.since = clock_wall_s();
        journal->serving = swap->next;
    }
    return !told;
}

static void act(Deployment *deployment, unsigned actions) {
    if ((actions & SWAP_STOP_OLD) != 0) {
        stop_old(deployment);
    }
    if ((actions & SWAP_DRAIN_OLD) != 0) {
        drain_old(deployment);
    }
    if ((actions & SWAP_REVIVE_OLD) != 0) {
        revive_old(deployment);
    }
    if ((actions & SWAP_RESTART) != 0) {
        deployment_restart(deployment);
    }
    /* Each of these may lead to the next event at once, so each is the last of its step. */
    if ((actions & SWAP_START_NEW) != 0) {
        start_new(deployment);
    } else if ((actions & SWAP_HAND_OVER) != 0) {
        hand_over(deployment);
    } else if ((actions & SWAP_WATCH) != 0) {
        begin_watch(deployment);
    } else if ((actions & SWAP_RESUME_OLD) != 0) {
        resume_old(deployment);
    }
}

void deployment_swap_show(Deployment *deployment) {
    if (deployment->operation != NULL) {
        operation_step(deployment->operations, deployment->operation,
                       deployment->awaits_room ? "waiting for room in the EPC"
                                               : swap_state_name(deployment->journal->swap.state));
    }
}

void deployment_swap_apply(Deployment *deployment, SwapStep step, const Error *cause) {
    Journal *journal = deployment->journal;
    Error err = ERROR_INIT;
    if (cause != NULL && cause->kind != ERROR_NONE && deployment->cause.kind == ERROR_NONE) {
        deployment->cause = *cause;
    }
    if (step.next == SWAP_IDLE) {
        if ((step.actions & SWAP_COMMIT) == 0) {
            deployment_hurry(deployment);
        }
        deployment_swap_settle(deployment, step.actions);
        return;
    }
    SwapState from = journal->swap.state;
    journal->swap.state = step.next;
    deployment_be_gentle(deployment);
    bool news = prepare(deployment, from, step.actions);
    deployment_swap_show(deployment);
    if (news && !journal_save(journal, &err)) {
        log_error("journal-not-written", "error=\"%s\"", err.text);
        if ((step.actions & (SWAP_START_NEW | SWAP_HAND_OVER)) != 0) {
            /* Nothing has happened yet. The new one has not heard of it: a lame duck goes on as it was. */
            if ((step.actions & SWAP_HAND_OVER) != 0) {
                journal->swap.state = from;
            }
            (void)deployment_swap_event(deployment, SWAP_EVENT_NEW_FAILED, &err);
            return;
        }
    }
    act(deployment, step.actions);
}
