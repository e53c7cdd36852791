/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/library/tcs.h"

#include <assert.h>

#include "bundles/sim/ereport.h"
#include "bundles/sim/key.h"

static void tcs_done(SimTcs *tcs) {
    EVP_MAC_CTX_free(tcs->checker);
    EVP_PKEY_CTX_free(tcs->signer);
    EVP_MD_CTX_free(tcs->hash);
    *tcs = (SimTcs){0};
}

static bool tcs_make(SimTcs *tcs, const SimTcsSpec *spec) {
    tcs->checker = sim_ereport_checker_new(spec->seed, spec->cpu_svn, spec->target, spec->key_id);
    tcs->hash = EVP_MD_CTX_new();
    tcs->signer = spec->key == NULL ? NULL : sim_key_signer_new(spec->key);
    return tcs->checker != NULL && tcs->hash != NULL && (spec->key == NULL || tcs->signer != NULL) &&
           EVP_DigestInit_ex(tcs->hash, EVP_sha256(), NULL) == 1;
}

void sim_tcs_pool_done(SimTcsPool *pool) {
    assert(pool->idle_count == pool->count);
    for (size_t i = 0; i < pool->count; i++) {
        tcs_done(&pool->all[i]);
    }
    pool->count = 0;
    pool->idle_count = 0;
}

bool sim_tcs_pool_set(SimTcsPool *pool, const SimTcsSpec *spec) {
    sim_tcs_pool_done(pool);
    for (size_t i = 0; i < spec->count; i++) {
        bool made = tcs_make(&pool->all[i], spec);
        pool->idle[pool->idle_count++] = &pool->all[i];
        pool->count++;
        if (!made) {
            sim_tcs_pool_done(pool);
            return false;
        }
    }
    return true;
}

SimTcs *sim_tcs_enter(SimTcsPool *pool) {
    (void)pthread_mutex_lock(&pool->lock);
    assert(pool->count > 0);
    while (pool->idle_count == 0) {
        (void)pthread_cond_wait(&pool->freed, &pool->lock);
    }
    SimTcs *tcs = pool->idle[--pool->idle_count];
    (void)pthread_mutex_unlock(&pool->lock);
    return tcs;
}

void sim_tcs_leave(SimTcsPool *pool, SimTcs *tcs) {
    (void)pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = tcs;
    (void)pthread_cond_signal(&pool->freed);
    (void)pthread_mutex_unlock(&pool->lock);
}

bool sim_tcs_hash(SimTcs *tcs, const void *first, size_t first_size, const void *second, size_t second_size,
                  uint8_t ret_hash[32]) {
    /* Begun anew each time: where that fails for want of memory, the context must not be used. */
    return EVP_DigestInit_ex(tcs->hash, NULL, NULL) == 1 &&
           EVP_DigestUpdate(tcs->hash, first, first_size) == 1 &&
           EVP_DigestUpdate(tcs->hash, second, second_size) == 1 &&
           EVP_DigestFinal_ex(tcs->hash, ret_hash, NULL) == 1;
}
