/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/gatekeeper.h"

#include <fcntl.h>
#include <stdlib.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"

struct Gatekeeper {
    SignerPolicy *signers;
    Releases *releases;
    StoreEntry installed;
    Gate *gate;
};

CLEANUP_DEFINE(SignerPolicy, signers_free)

bool gatekeeper_check(const Config *config, Error *err) {
    CLEANUP(signers_freep) SignerPolicy *policy = signers_new(err);
    bool good = policy != NULL;
    for (size_t i = 0; good && i < config->trust_count; i++) {
        good = signers_add_file(policy, AT_FDCWD, config->trust[i], err) || error_wrap(err, "trust");
    }
    return good;
}

json_t *gatekeeper_arguments(const Config *config, const char *installed) {
    CLEANUP(json_freep) json_t *trust = json_array();
    for (size_t i = 0; i < config->trust_count; i++) {
        if (json_array_append_new(trust, json_string(config->trust[i])) != 0) {
            return NULL;
        }
    }
    return json_pack("{s:O, s:b, s:I, s:s}", "trust", trust, "simulated", config->simulated_allowed,
                     "epc_kib", (json_int_t)config->epc_kib, "installed", installed);
}

static bool load_trust(Gatekeeper *keeper, const json_t *trust, Error *err) {
    size_t index = 0;
    json_t *path = NULL;
    keeper->signers = signers_new(err);
    keeper->releases = releases_new(err);
    if (keeper->signers == NULL || keeper->releases == NULL) {
        return false;
    }
    json_array_foreach(trust, index, path) {
        if (!json_is_string(path) ||
            !signers_add_file(keeper->signers, AT_FDCWD, json_string_value(path), err)) {
            return error_wrap(err, "trust");
        }
    }
    return true;
}

Gatekeeper *gatekeeper_open(const json_t *arguments, Store *store, Error *err) {
    const char *installed = NULL;
    uint64_t epc_kib = 0;
    bool simulated = false;
    CLEANUP(gatekeeper_closep) Gatekeeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    if (!json_get_bool(arguments, "simulated", &simulated, err) ||
        !json_get_u64(arguments, "epc_kib", &epc_kib, err) ||
        !json_get_text(arguments, "installed", &installed, err) ||
        !load_trust(keeper, json_object_get(arguments, "trust"), err)) {
        return NULL;
    }
    Error ignored = ERROR_INIT;
    bool found = installed[0] != 0 && store_find(store, installed, &keeper->installed, &ignored);
    const GatePolicy policy = {.signers = keeper->signers,
                               .releases = keeper->releases,
                               .allow_simulated = simulated,
                               .now = clock_wall_s(),
                               .epc_kib = epc_kib,
                               .installed = found ? keeper->installed.manifest : NULL};
    keeper->gate = gate_new(&policy, err);
    return keeper->gate != NULL ? TAKE(keeper) : NULL;
}

Gate *gatekeeper_gate(Gatekeeper *keeper) {
    return keeper->gate;
}

void gatekeeper_close(Gatekeeper *keeper) {
    if (keeper == NULL) {
        return;
    }
    gate_free(keeper->gate);
    store_entry_done(&keeper->installed);
    releases_free(keeper->releases);
    signers_free(keeper->signers);
    free(keeper);
}
