/* SPDX-License-Identifier: Apache-2.0
 *
 * Health: is the generation that serves able to quote? A real quote tells, and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"

enum { HEALTH_INTERVAL_MS = 30 * 1000, HEALTH_FRESH_MS = 10 * 1000 };

/* Who waits for the trial under way. */
struct HealthWait {
    DeploymentFreshFn fresh;
    void *context;
    struct HealthWait *next;
};

static void wake(Deployment *deployment) {
    struct HealthWait *wait = TAKE(deployment->health.waiting);
    while (wait != NULL) {
        struct HealthWait *next = wait->next;
        wait->fresh(wait->context);
        free(wait);
        wait = next;
    }
}

static void keep_text(char **slot, const json_t *value) {
    free(*slot);
    *slot = json_is_string(value) ? strdup(json_string_value(value)) : NULL;
}

static void on_trial(void *context, Generation *generation, const ControlMessage *reply,
                     const Error *failure) {
    Deployment *deployment = context;
    DeploymentHealth *health = &deployment->health;
    bool was_bad = health->error.kind != ERROR_NONE;
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *result = failure == NULL ? control_message_json(reply, &err) : NULL;
    health->asked = 0;
    health->generation = generation_number(generation);
    health->at_ms = clock_monotonic_ms();
    health->at = clock_wall_s();
    health->error = failure != NULL ? *failure : err;
    if (result != NULL) {
        keep_text(&health->quote, json_object_get(result, "quote"));
        keep_text(&health->certificates, json_object_get(result, "certificates"));
    }
    if (result != NULL && !json_get_u64(result, "microseconds", &health->microseconds, &health->error)) {
        health->microseconds = 0;
    }
    if (health->error.kind != ERROR_NONE) {
        log_warning("trial-failed", "generation=%u error=\"%s\"", health->generation, health->error.text);
    } else if (was_bad) {
        log_info("trial-good-again", "generation=%u", health->generation);
    }
    wake(deployment);
}

static void ask(Deployment *deployment, Generation *serving) {
    Error err = ERROR_INIT;
    if (deployment->health.asked == generation_number(serving)) {
        return;
    }
    deployment->health.asked = generation_number(serving);
    if (!generation_call(serving, CONTROL_TRIAL, NULL, -1, deployment->config->trial_latency_max_ms, on_trial,
                         deployment, &err)) {
        on_trial(deployment, serving, NULL, &err);
    }
}

static bool is_known(const Deployment *deployment, const Generation *serving, uint64_t within_ms) {
    const DeploymentHealth *health = &deployment->health;
    return health->generation == generation_number(serving) &&
           clock_monotonic_ms() - health->at_ms < within_ms;
}

bool deployment_health_ask(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err) {
    Generation *serving = deployment_serving(deployment);
    if (serving == NULL || is_known(deployment, serving, HEALTH_FRESH_MS)) {
        fresh(context);
        return true;
    }
    struct HealthWait *wait = malloc(sizeof *wait);
    if (wait == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    *wait = (struct HealthWait){.fresh = fresh, .context = context, .next = deployment->health.waiting};
    deployment->health.waiting = wait;
    ask(deployment, serving);
    return true;
}

void deployment_health_upkeep(Deployment *deployment) {
    Generation *serving = deployment_serving(deployment);
    if (serving != NULL && !is_known(deployment, serving, HEALTH_INTERVAL_MS)) {
        ask(deployment, serving);
    }
}

/* Nobody is told any more: the API is gone before the deployment. */
void deployment_health_done(Deployment *deployment) {
    while (deployment->health.waiting != NULL) {
        struct HealthWait *next = deployment->health.waiting->next;
        free(deployment->health.waiting);
        deployment->health.waiting = next;
    }
    free(TAKE(deployment->health.quote));
    free(TAKE(deployment->health.certificates));
}

const char *deployment_trial_quote(const Deployment *deployment) {
    return deployment->health.quote;
}

const char *deployment_certificates(const Deployment *deployment) {
    return deployment->health.certificates;
}

/* Until its first trial here, a generation is taken at its word: it was ready only after one of its own. */
bool deployment_is_healthy(const Deployment *deployment) {
    const Generation *serving = deployment_serving(deployment);
    const DeploymentHealth *health = &deployment->health;
    return serving != NULL &&
           (health->generation != generation_number(serving) || health->error.kind == ERROR_NONE);
}

json_t *deployment_health_json(Deployment *deployment) {
    const Generation *serving = deployment_serving(deployment);
    const DeploymentHealth *health = &deployment->health;
    bool known = serving != NULL && health->generation == generation_number(serving);
    bool failed = known && health->error.kind != ERROR_NONE;
    uint64_t now = clock_monotonic_ms();
    json_t *answer = json_pack(
        "{s:b, s:I, s:s, s:s, s:I, s:I, s:I}", "healthy", deployment_is_healthy(deployment), "generation",
        serving != NULL ? (json_int_t)generation_number(serving) : 0, "bundle",
        serving != NULL ? generation_digest(serving) : "", "qe",
        serving != NULL ? generation_qe(serving) : "", "trial_at", known ? (json_int_t)health->at : 0,
        "trial_age_ms", known ? (json_int_t)(now - health->at_ms) : -1, "microseconds",
        known && !failed ? (json_int_t)health->microseconds : 0);
    const char *text = serving == NULL ? "nothing serves" : failed ? health->error.text : NULL;
    if (answer != NULL &&
        !json_put(answer, "error", text != NULL ? operation_text_json(text) : json_null())) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}
