/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose quotes lame ducks make: asking the generations for whom they have seen.
 */
#include <stdlib.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"

enum { CLIENTS_MS = 500 };

typedef struct Asking {
    Deployment *deployment;
    DeploymentFreshFn fresh; /* NULL: nobody waits */
    void *context;
    size_t waiting;
} Asking;

static void one_less(Asking *asking) {
    Deployment *deployment = asking->deployment;
    Error err = ERROR_INIT;
    if (--asking->waiting > 0) {
        return;
    }
    int64_t oldest = clock_wall_s() - (int64_t)(deployment->config->ducks_keep_ms / 1000);
    if (!laggards_upkeep(deployment->laggards, oldest, &err)) {
        log_warning("clients-not-saved", "error=\"%s\"", err.text);
    }
    if (asking->fresh != NULL) {
        asking->fresh(asking->context);
    }
    free(asking);
}

static void ask(Asking *asking, Generation *generation, json_int_t from);

static void on_page(void *context, Generation *generation, const ControlMessage *reply,
                    const Error *failure) {
    Asking *asking = context;
    Error ignored = ERROR_INIT;
    CLEANUP(json_freep) json_t *page = failure == NULL ? control_message_json(reply, &ignored) : NULL;
    const json_t *next = json_object_get(page, "next");
    laggards_take(asking->deployment->laggards, generation_number(generation), page);
    if (json_is_integer(next)) {
        ask(asking, generation, json_integer_value(next));
    }
    one_less(asking);
}

static void ask(Asking *asking, Generation *generation, json_int_t from) {
    Error ignored = ERROR_INIT;
    CLEANUP(json_freep) json_t *arguments = json_pack("{s:I}", "from", from);
    if (arguments != NULL && generation_is_warm(generation) &&
        generation_call(generation, CONTROL_CLIENTS, arguments, -1, CLIENTS_MS, on_page, asking, &ignored)) {
        asking->waiting++;
    }
}

bool deployment_clients_ask(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err) {
    Asking *asking = malloc(sizeof *asking);
    if (asking == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    *asking = (Asking){.deployment = deployment, .fresh = fresh, .context = context, .waiting = 1};
    for (size_t i = 0; i < deployment->generations_count; i++) {
        ask(asking, deployment->generations[i], 0);
    }
    one_less(asking);
    return true;
}

/* The bundle of a QE that no generation has any more. */
static const char *former_bundle(const Deployment *deployment, const char *qe) {
    const Journal *journal = deployment->journal;
    for (size_t i = 0; i < journal->retired_count; i++) {
        if (strcmp(journal->retired[i].qe, qe) == 0) {
            return journal->retired[i].digest;
        }
    }
    return "";
}

/* What is known of the QE beyond its measurement, from a generation that has it. */
static bool put_qe(const Deployment *deployment, json_t *client) {
    const char *qe = json_string_value(json_object_get(client, "qe"));
    bool has = qe != NULL && qe[0] != '\0';
    for (size_t i = 0; has && i < deployment->generations_count; i++) {
        const Generation *generation = deployment->generations[i];
        const json_t *facts = json_object_get(generation_status(generation), "qe");
        if (strcmp(generation_qe(generation), qe) == 0 && facts != NULL) {
            return json_put(client, "bundle", json_string(generation_digest(generation))) &&
                   json_put(client, "qe_isv_svn", json_copy(json_object_get(facts, "isv_svn")));
        }
    }
    return json_put(client, "bundle", json_string(has ? former_bundle(deployment, qe) : "")) &&
           json_put(client, "qe_isv_svn", json_null());
}

static json_t *list(const Deployment *deployment) {
    const Generation *serving = deployment_serving(deployment);
    return laggards_json(deployment->laggards, serving != NULL ? generation_qe(serving) : "");
}

json_t *deployment_clients_json(const Deployment *deployment) {
    CLEANUP(json_freep) json_t *clients = list(deployment);
    const Generation *serving = deployment_serving(deployment);
    const json_t *facts = serving != NULL ? json_object_get(generation_status(serving), "qe") : NULL;
    const json_t *svn = json_object_get(facts, "isv_svn");
    size_t index = 0;
    json_t *client = NULL;
    json_array_foreach(clients, index, client) {
        if (!put_qe(deployment, client)) {
            return NULL;
        }
    }
    return clients == NULL
               ? NULL
               : json_pack("{s:s, s:o, s:O}", "qe", serving != NULL ? generation_qe(serving) : "",
                           "qe_isv_svn", svn != NULL ? json_copy((json_t *)(uintptr_t)svn) : json_null(),
                           "clients", clients);
}

json_t *deployment_clients_count(const Deployment *deployment) {
    CLEANUP(json_freep) json_t *clients = list(deployment);
    size_t index = 0;
    const json_t *client = NULL;
    json_int_t answered = 0, refused = 0;
    json_array_foreach(clients, index, client) {
        const char *qe = json_string_value(json_object_get(client, "qe"));
        bool has = qe != NULL && qe[0] != '\0';
        answered += has;
        refused += !has;
    }
    return json_pack("{s:I, s:I}", "answered", answered, "refused", refused);
}
