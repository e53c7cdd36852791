/* SPDX-License-Identifier: Apache-2.0
 *
 * The spare: a second, warm generation of the bundle that serves. When the serving one dies it accepts at
 * once, instead of a fresh one that has to load its enclaves first. Only with restart.spare, and where there
 * is EPC for both.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"

Generation *deployment_standby(const Deployment *deployment) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        Generation *generation = deployment->generations[i];
        if (generation_role(generation) == GENERATION_STANDBY && generation_is_alive(generation)) {
            return generation;
        }
    }
    return NULL;
}

static bool is_fit(const Deployment *deployment, const Generation *standby) {
    return deployment->config->restart_spare &&
           strcmp(generation_digest(standby), deployment->journal->serving.digest) == 0;
}

bool deployment_standby_is_ready(const Deployment *deployment) {
    const Generation *standby = deployment_standby(deployment);
    return standby != NULL && generation_is_warm(standby) && is_fit(deployment, standby);
}

void deployment_standby_keep(Deployment *deployment) {
    Journal *journal = deployment->journal;
    Generation *standby = deployment_standby(deployment);
    Error err = ERROR_INIT;
    if (journal->swap.state != SWAP_IDLE) {
        return; /* its end comes back here */
    }
    if (standby != NULL && !is_fit(deployment, standby)) {
        generation_retire(standby, deployment->config->drain_timeout_ms);
        standby = NULL;
    }
    deployment->standby_lacks_room = false;
    if (standby != NULL || !deployment->config->restart_spare || deployment_serving(deployment) == NULL) {
        return;
    }
    if (!deployment_ducks_have_room(deployment, journal->serving.digest)) {
        deployment->standby_lacks_room = true;
        return;
    }
    journal->standby = (JournalGeneration){.number = journal->next_generation++};
    deployment_save(deployment);
    if (deployment_launch(deployment, journal->standby.number, journal->serving.digest, GENERATION_STANDBY,
                          &err) == NULL) {
        log_error("spare-not-started", "error=\"%s\"", err.text);
    }
}

void deployment_standby_yield(Deployment *deployment) {
    Generation *standby = deployment_standby(deployment);
    if (standby != NULL) {
        generation_retire(standby, deployment->config->drain_timeout_ms);
    }
}

/* It holds the listener from now on: clients are not refused even if who serves and the manager die at once.
 */
void deployment_standby_ready(Deployment *deployment, Generation *standby) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *arguments = deployment_ducks_json(deployment, standby);
    if (arguments == NULL || !generation_call(standby, CONTROL_DUCKS, arguments, deployment->listener,
                                              DEPLOYMENT_CALL_MS, NULL, NULL, &err)) {
        log_warning("spare-without-listener", "generation=%u", generation_number(standby));
    }
    deployment_save(deployment); /* what it was started from: when it takes over there is no time for that */
}

/* It accepts already while the kernel is still clearing up: everything else follows when that is done. */
void deployment_standby_hurry(Deployment *deployment) {
    Error ignored = ERROR_INIT; /* it is asked again, then */
    if (deployment->journal->swap.state == SWAP_IDLE && deployment_standby_is_ready(deployment)) {
        (void)!deployment_hand_over(deployment, deployment_standby(deployment), NULL, &ignored);
    }
}

Generation *deployment_standby_take(Deployment *deployment) {
    Generation *standby = deployment_standby(deployment);
    if (standby == NULL || !is_fit(deployment, standby)) {
        return NULL;
    }
    generation_set_role(standby, GENERATION_RESTART);
    return standby;
}
