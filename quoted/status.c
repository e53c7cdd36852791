/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "quoted/generation_private.h"

static json_t *bundle_json(const Manifest *manifest) {
    char digest[DIGEST_HEX_SIZE];
    digest_format(&manifest->digest, digest);
    return json_pack("{s:s, s:s, s:s}", "name", manifest->name, "version", manifest->version, "digest",
                     digest);
}

/* What is known only after the warm-up. */
static bool add_warm(Generation *generation, Pool *pool, json_t *status) {
    EngineFacts facts;
    char qe[2 * SGX_HASH_SIZE + 1];
    engine_facts(generation->engine, &facts);
    text_format_hex(facts.target_info.mr_enclave, SGX_HASH_SIZE, qe);
    (void)pthread_mutex_lock(&generation->lock);
    Trial trial = generation->trial;
    uint64_t warm_up_us = generation->warm_up_us;
    uint64_t canary_us = generation->canary_us;
    (void)pthread_mutex_unlock(&generation->lock);
    PoolLoad load = pool_load(pool);
    return json_put(status, "qe", json_pack("{s:s, s:i}", "mrenclave", qe, "isv_svn", trial.qe_isv_svn)) &&
           json_put(status, "pce", json_pack("{s:i}", "isv_svn", trial.pce_isv_svn)) &&
           json_put(status, "engines", engines_status(generation->engines)) &&
           json_put(status, "quote_size", json_integer(facts.quote_size)) &&
           json_put(status, "warm_up_us", json_integer((json_int_t)warm_up_us)) &&
           json_put(status, "canary_us", json_integer((json_int_t)canary_us)) &&
           json_put(status, "trial",
                    json_pack("{s:s, s:I}", "kind", trial.probe ? "probe" : "quote", "microseconds",
                              (json_int_t)trial.microseconds)) &&
           json_put(status, "connections", json_integer(load.connections)) &&
           json_put(status, "waiting", json_integer(load.waiting));
}

json_t *generation_status(Generation *generation) {
    (void)pthread_mutex_lock(&generation->lock);
    ControlState state = generation->state;
    Pool *pool = generation->pool;
    (void)pthread_mutex_unlock(&generation->lock);
    char started_at[CLOCK_TIME_SIZE];
    clock_format(generation->started_at, started_at);
    json_t *status =
        json_pack("{s:I, s:s, s:i, s:o, s:b, s:s, s:o}", "generation", (json_int_t)generation->spec.number,
                  "state", control_state_name(state), "pid", (int)getpid(), "bundle",
                  bundle_json(generation->manifest), "simulated", generation->manifest->simulated,
                  "started_at", started_at, "counters", counters_status_json(&generation->counters));
    if (status != NULL && pool != NULL && !add_warm(generation, pool, status)) {
        json_decref(status);
        return NULL;
    }
    return status;
}
