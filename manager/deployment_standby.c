/* SPDX-License-Identifier: Apache-2.0
 *
 * The spare: a second, warm generation of the bundle that serves. When the serving one dies it accepts at
 * once, instead of a fresh one that has to load its enclaves first. Only with restart.spare, and where there
 * is EPC for both.
 */
#include <string.h>

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
    uint32_t number = journal->next_generation++;
    deployment_save(deployment);
    if (deployment_launch(deployment, number, journal->serving.digest, GENERATION_STANDBY, &err) == NULL) {
        log_error("spare-not-started", "error=\"%s\"", err.text);
    }
}

void deployment_standby_yield(Deployment *deployment) {
    Generation *standby = deployment_standby(deployment);
    if (standby != NULL) {
        generation_retire(standby, deployment->config->drain_timeout_ms);
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
