/* SPDX-License-Identifier: Apache-2.0
 *
 * Tcs: the entry points of a running QE. As many calls as it has work at a time, the others wait; each has
 * what a quote needs ready to use: a context for the report's MAC, one for the signature, one for SHA-256.
 */
#ifndef BUNDLES_SIM_LIBRARY_TCS_H
#define BUNDLES_SIM_LIBRARY_TCS_H

#include <openssl/evp.h>
#include <pthread.h>

#include "bundles/sim/platform.h"

typedef struct SimTcs {
    EVP_MAC_CTX *checker;
    EVP_PKEY_CTX *signer; /* NULL before there is a key */
    EVP_MD_CTX *hash;
} SimTcs;

typedef struct SimTcsPool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    SimTcs all[SIM_TCS_MAX];
    SimTcs *idle[SIM_TCS_MAX];
    size_t idle_count;
    size_t count;
} SimTcsPool;

#define SIM_TCS_POOL_INIT ((SimTcsPool){.lock = PTHREAD_MUTEX_INITIALIZER, .freed = PTHREAD_COND_INITIALIZER})

typedef struct SimTcsSpec {
    size_t count;
    const uint8_t *seed;
    const uint8_t *cpu_svn;
    const uint8_t *key_id; /* of the reports to check, 32 bytes */
    const SgxTargetInfo *target;
    EVP_PKEY *key; /* NULL: none yet */
} SimTcsSpec;

/* Makes the pool anew; nobody may be using it. False, and then the pool is empty: out of memory. */
bool sim_tcs_pool_set(SimTcsPool *pool, const SimTcsSpec *spec) __attribute__((warn_unused_result));
void sim_tcs_pool_done(SimTcsPool *pool);

SimTcs *sim_tcs_enter(SimTcsPool *pool); /* waits for an idle one; the pool must not be empty */
void sim_tcs_leave(SimTcsPool *pool, SimTcs *tcs);

/* SHA-256 with the entry's own context. */
bool sim_tcs_hash(SimTcs *tcs, const void *first, size_t first_size, const void *second, size_t second_size,
                  uint8_t ret_hash[32]) __attribute__((warn_unused_result));

#endif
