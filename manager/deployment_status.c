/* SPDX-License-Identifier: Apache-2.0
 *
 * What the deployment says about itself.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"

enum { REFRESH_MS = 500 };

typedef struct Refresh {
    Deployment *deployment;
    bool counts; /* those, too */
    DeploymentFreshFn fresh;
    void *context;
    size_t waiting;
} Refresh;

static void one_less(Refresh *refresh) {
    Error err = ERROR_INIT;
    if (--refresh->waiting > 0) {
        return;
    }
    if (refresh->counts && !totals_save(refresh->deployment->totals, &err)) {
        log_warning("metrics-not-saved", "error=\"%s\"", err.text);
    }
    if (refresh->fresh != NULL) {
        refresh->fresh(refresh->context);
    }
    free(refresh);
}

static void on_counts(void *context, Generation *generation, const ControlMessage *reply,
                      const Error *failure) {
    Error ignored = ERROR_INIT;
    Refresh *refresh = context;
    json_t *counts = failure == NULL ? control_message_json(reply, &ignored) : NULL;
    if (counts != NULL) {
        totals_take(refresh->deployment->totals, generation_number(generation), counts);
    }
    one_less(refresh);
}

static void on_status(void *context, Generation *generation, const ControlMessage *reply,
                      const Error *failure) {
    Error ignored = ERROR_INIT;
    json_t *status = failure == NULL ? control_message_json(reply, &ignored) : NULL;
    if (status != NULL) {
        generation_take_status(generation, status);
    }
    one_less(context);
}

static void ask(Refresh *refresh, Generation *generation, ControlType type, GenerationReplyFn reply) {
    Error ignored = ERROR_INIT;
    if (generation_call(generation, type, NULL, -1, REFRESH_MS, reply, refresh, &ignored)) {
        refresh->waiting++;
    }
}

static bool ask_all(const Refresh *what, Error *err) {
    Refresh *refresh = malloc(sizeof *refresh);
    if (refresh == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    *refresh = *what;
    for (size_t i = 0; i < what->deployment->generations_count; i++) {
        ask(refresh, what->deployment->generations[i], CONTROL_STATUS, on_status);
        if (what->counts) {
            ask(refresh, what->deployment->generations[i], CONTROL_COUNTS, on_counts);
        }
    }
    one_less(refresh);
    return true;
}

bool deployment_refresh(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err) {
    deployment_settings_look(deployment);
    return ask_all(&(Refresh){.deployment = deployment, .fresh = fresh, .context = context, .waiting = 1},
                   err);
}

bool deployment_measure(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err) {
    return ask_all(
        &(Refresh){
            .deployment = deployment, .counts = true, .fresh = fresh, .context = context, .waiting = 1},
        err);
}

static json_t *bundle_json(Deployment *deployment, const char *digest) {
    StoreEntry entry;
    Error missing = ERROR_INIT;
    if (digest[0] == '\0') {
        return json_null();
    }
    if (!store_find(deployment->store, digest, &entry, &missing)) {
        return json_pack("{s:s, s:n, s:n, s:b}", "digest", digest, "name", "version", "simulated", false);
    }
    json_t *bundle = json_pack("{s:s, s:s, s:s, s:b}", "digest", digest, "name", entry.manifest->name,
                               "version", entry.manifest->version, "simulated", entry.manifest->simulated);
    store_entry_done(&entry);
    return bundle;
}

static json_t *generation_json(Deployment *deployment, const Generation *generation, int64_t since) {
    const json_t *status = generation_status(generation);
    return json_pack(
        "{s:I, s:s, s:s, s:I, s:o, s:s, s:I, s:o}", "generation", (json_int_t)generation_number(generation),
        "role", generation_role_name(generation_role(generation)), "state", generation_state(generation),
        "pid", (json_int_t)generation_pid(generation), "bundle",
        bundle_json(deployment, generation_digest(generation)), "qe", generation_qe(generation), "since",
        (json_int_t)since, "status", status != NULL ? json_deep_copy(status) : json_null());
}

static int64_t duck_since(const Journal *journal, uint32_t number) {
    for (size_t i = 0; i < journal->ducks_count; i++) {
        if (journal->ducks[i].number == number) {
            return journal->ducks[i].since;
        }
    }
    return 0;
}

static json_t *generations_json(Deployment *deployment) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < deployment->generations_count; i++) {
        const Generation *generation = deployment->generations[i];
        uint32_t number = generation_number(generation);
        int64_t since = generation_role(generation) == GENERATION_SERVING
                            ? deployment->journal->serving.since
                            : duck_since(deployment->journal, number);
        if (json_array_append_new(list, generation_json(deployment, generation, since)) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

static const char *overall(const Deployment *deployment) {
    if (deployment_serving(deployment) != NULL) {
        return "serving";
    }
    return deployment->journal->serving.digest[0] == '\0' ? "empty" : "down";
}

/* The generation knows, too, and goes on when its bundle is gone from the store. */
static bool serves_simulated(const Deployment *deployment) {
    const Generation *serving = deployment_serving(deployment);
    const json_t *status = serving != NULL ? generation_status(serving) : NULL;
    return json_is_true(json_object_get(status, "simulated"));
}

json_t *deployment_json(Deployment *deployment) {
    const Journal *journal = deployment->journal;
    RescueCounts rescue = rescue_counts(deployment->rescue);
    const Operation *running = deployment->operation != NULL ? deployment->operation : deployment->test;
    uint64_t now = clock_monotonic_ms();
    uint64_t soak_left = deployment->soak_ends_ms > now ? deployment->soak_ends_ms - now : 0;
    CLEANUP(json_freep) json_t *serving = bundle_json(deployment, journal->serving.digest);
    bool simulated = json_is_true(json_object_get(serving, "simulated")) || serves_simulated(deployment);
    return json_pack(
        "{s:s, s:s, s:b, s:s, s:O, s:o, s:o, s:b, s:o, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:o, s:o, s:o, s:o}",
        "version", PSW_VERSION, "state", overall(deployment), "simulated", simulated, "socket",
        deployment->config->socket_path, "bundle", serving, "previous",
        bundle_json(deployment, journal->previous), "generations", generations_json(deployment), "reinit",
        deployment->config->ducks_reinit && journal->qe_retired, "operation",
        running != NULL ? operation_json(running) : json_null(), "soak_left_ms", (json_int_t)soak_left,
        "rescue", "found", (json_int_t)rescue.found, "adopted", (json_int_t)rescue.adopted, "departed",
        (json_int_t)rescue.departed, "lost", (json_int_t)rescue.lost, "waiting",
        (json_int_t)rescue_waiting(deployment->rescue), "problems", deployment_problems_json(deployment),
        "health", deployment_health_json(deployment), "clients", deployment_clients_count(deployment),
        "checks", deployment_checks_json(deployment));
}

bool deployment_may_remove(const Deployment *deployment, const Digest *digest, Error *err) {
    const Journal *journal = deployment->journal;
    char hex[DIGEST_HEX_SIZE];
    const char *use = NULL;
    digest_format(digest, hex);
    for (size_t i = 0; i < deployment->generations_count; i++) {
        if (strcmp(generation_digest(deployment->generations[i]), hex) == 0) {
            use = "a generation runs on it";
        }
    }
    if (strcmp(journal->previous, hex) == 0) {
        use = "it is the way back (pswctl rollback)";
    }
    if (strcmp(journal->serving.digest, hex) == 0) {
        use = "it serves";
    }
    if (journal->swap.state != SWAP_IDLE &&
        (strcmp(journal->swap.next.digest, hex) == 0 || strcmp(journal->swap.former.digest, hex) == 0)) {
        use = "a swap is under way with it";
    }
    return use == NULL ||
           error_set(err, ERROR_CONFLICT, "bundle %.12s is in use: %s: swap to another one first", hex, use);
}
