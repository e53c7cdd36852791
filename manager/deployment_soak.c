/* SPDX-License-Identifier: Apache-2.0
 *
 * The soak: watching a new generation before its swap is committed. Trial quotes at an interval must succeed
 * in time, and the share of answers that tell of trouble in the enclaves must stay small.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"
#include "manager/trouble.h"

enum {
    ANSWERS_MIN = 20,      /* fewer prove nothing */
    NOT_CONNECTED_MS = 100 /* until it is asked again */
};

static void ask_trial(Deployment *deployment);

static Generation *watched(const Deployment *deployment) {
    return deployment_find(deployment, deployment->journal->swap.next.number);
}

static void breach(Deployment *deployment, const Error *cause) {
    (void)deployment_swap_event(deployment, SWAP_EVENT_BREACH, cause);
}

static int on_trial_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Deployment *deployment = context;
    timer_stop(&deployment->trial_timer);
    ask_trial(deployment);
    return 0;
}

/* A trial quote that is due is waited for: it comes, or fails, or the generation ends. */
static int on_soak_over(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Deployment *deployment = context;
    timer_stop(&deployment->soak_timer);
    if (!deployment->trial_due) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_SOAK_OVER, NULL);
    }
    return 0;
}

static bool ask_later(Deployment *deployment, uint64_t milliseconds) {
    return timer_start(deployment->event, &deployment->trial_timer, milliseconds, on_trial_timer, deployment);
}

static bool is_watching(const Deployment *deployment, const Generation *generation) {
    return deployment->journal->swap.state == SWAP_SOAKING && generation == watched(deployment) &&
           generation_is_alive(generation);
}

static void on_status(void *context, Generation *generation, const ControlMessage *reply,
                      const Error *failure) {
    Deployment *deployment = context;
    Error err = ERROR_INIT;
    if (failure != NULL || !is_watching(deployment, generation)) {
        return; /* the next trial tells */
    }
    CLEANUP(json_freep) json_t *status = control_message_json(reply, &err);
    uint64_t answers = 0, errors = 0;
    if (status == NULL) {
        return;
    }
    trouble_count(status, &answers, &errors);
    answers -= answers < deployment->answers_before ? answers : deployment->answers_before;
    errors -= errors < deployment->errors_before ? errors : deployment->errors_before;
    if (answers >= ANSWERS_MIN && errors * 100 > answers * deployment->config->error_percent_max) {
        error_set(&err, ERROR_ENGINE,
                  "generation %u: %llu of %llu requests failed in its soak, %u %% are allowed "
                  "(swap.error_percent_max)",
                  generation_number(generation), (unsigned long long)errors, (unsigned long long)answers,
                  deployment->config->error_percent_max);
        breach(deployment, &err);
    }
}

static void on_trial(void *context, Generation *generation, const ControlMessage *reply,
                     const Error *failure) {
    Deployment *deployment = context;
    Error err = ERROR_INIT;
    uint64_t microseconds = 0;
    if (!is_watching(deployment, generation)) {
        return;
    }
    if (failure != NULL) {
        err = *failure;
        error_wrap(&err, "the trial quote failed");
        breach(deployment, &err);
        return;
    }
    CLEANUP(json_freep) json_t *result = control_message_json(reply, &err);
    if (result != NULL && json_get_u64(result, "microseconds", &microseconds, &err) &&
        microseconds / 1000 > deployment->config->trial_latency_max_ms) {
        char took[24], allowed[24];
        error_set(&err, ERROR_TIMEOUT,
                  "generation %u: a trial quote took %s, %s are allowed (swap.trial_latency_max)",
                  generation_number(generation), text_format_duration(took, sizeof took, microseconds / 1000),
                  text_format_duration(allowed, sizeof allowed, deployment->config->trial_latency_max_ms));
        breach(deployment, &err);
        return;
    }
    deployment->trial_due = false;
    if (deployment->soak_timer == NULL) { /* it only waited for this one */
        (void)deployment_swap_event(deployment, SWAP_EVENT_SOAK_OVER, NULL);
        return;
    }
    bool asked = generation_call(generation, CONTROL_STATUS, NULL, -1, DEPLOYMENT_CALL_MS, on_status,
                                 deployment, &err);
    if ((!asked && err.kind != ERROR_UNAVAILABLE) ||
        !ask_later(deployment, deployment->config->trial_interval_ms)) {
        breach(deployment, &err);
    }
}

static void ask_trial(Deployment *deployment) {
    Generation *generation = watched(deployment);
    Error err = ERROR_INIT;
    if (generation == NULL) {
        return;
    }
    deployment->trial_due = true;
    /* Asked with some patience beyond what is allowed, so that a slow answer is told from none. Where there
     * is no connection, it is being made again, or the generation's end is told next. */
    if (!generation_call(generation, CONTROL_TRIAL, NULL, -1,
                         deployment->config->trial_latency_max_ms + DEPLOYMENT_CALL_MS, on_trial, deployment,
                         &err) &&
        !(err.kind == ERROR_UNAVAILABLE && ask_later(deployment, NOT_CONNECTED_MS))) {
        breach(deployment, &err);
    }
}

void deployment_soak_begin(Deployment *deployment) {
    uint64_t soak_ms = deployment->journal->swap.soak_ms;
    const Generation *generation = watched(deployment);
    Error err = ERROR_INIT;
    if (soak_ms == 0) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_SOAK_OVER, NULL);
        return;
    }
    deployment->answers_before = deployment->errors_before = 0;
    if (generation != NULL && generation_status(generation) != NULL) {
        trouble_count(generation_status(generation), &deployment->answers_before, &deployment->errors_before);
    }
    deployment->soak_ends_ms = clock_monotonic_ms() + soak_ms;
    if (!timer_start(deployment->event, &deployment->soak_timer, soak_ms, on_soak_over, deployment)) {
        error_set(&err, ERROR_MEMORY, "out of memory");
        breach(deployment, &err);
        return;
    }
    ask_trial(deployment);
}

void deployment_soak_end(Deployment *deployment) {
    timer_stop(&deployment->soak_timer);
    timer_stop(&deployment->trial_timer);
    deployment->soak_ends_ms = 0;
    deployment->trial_due = false;
}
