/* SPDX-License-Identifier: Apache-2.0
 *
 * Quoting: what a process knows of its QE: platform, enclaves, attestation key, policy; and the calls on it.
 *
 * Calls on a QE that is ready share the lock and wait for a TCS; what changes something has the lock alone.
 * The rules and the order of refusals are those of Intel's library (docs/simulation.md).
 */
#ifndef BUNDLES_SIM_LIBRARY_QUOTING_H
#define BUNDLES_SIM_LIBRARY_QUOTING_H

#include <pthread.h>
#include <stdatomic.h>

#include "bundles/sgx/quote_library.h"
#include "bundles/sim/home.h"
#include "bundles/sim/library/blob.h"
#include "bundles/sim/library/loaded.h"
#include "bundles/sim/library/pce_logic.h"
#include "bundles/sim/library/tcs.h"

typedef struct Quoting {
    pthread_rwlock_t lock;
    SimHome home;
    SimPlatform *platform; /* NULL until the first call */
    SimEpc epc;
    SimLoaded qe;
    SimLoaded id_enclave;
    int policy;
    atomic_uint_fast64_t calls[SIM_CALLS_COUNT];

    /* What a look at the surroundings gave; good while `usable` and platform.yaml is the same. */
    bool usable;
    SimIdentity qe_seen;
    uint8_t key_id[32]; /* of the platform's reports */
    uint32_t pce_code;  /* of asking the PCE */
    SgxTargetInfo pce_target;
    uint16_t pce_isv_svn;
    SimProviderAnswer provider;
    SimTcb provider_tcb;
    Buffer chain;
    Quote3Error readiness; /* what size and quote say before they look at anything else */

    SimBlob blob;
    SimTcsPool tcs;
    bool qe_id_known;
    uint8_t qe_id[SIM_ID_SIZE];
    bool ppid_known;
    uint8_t encrypted_ppid[PCE_ENCRYPTED_PPID_SIZE];
} Quoting;

enum { QUOTING_CHAIN_MIN = 500, QUOTING_CHAIN_MAX = 12294, QUOTING_PUB_KEY_ID_SIZE = 32 };

Quote3Error quoting_init(Quoting *quoting, SgxTargetInfo *ret_target_info, uint8_t *ret_pub_key_id);
Quote3Error quoting_size(Quoting *quoting, uint32_t *ret_size);
Quote3Error quoting_quote(Quoting *quoting, const SgxReport *report, SgxQeReportInfo *info,
                          uint8_t *ret_quote, uint32_t size);
Quote3Error quoting_trial_report(Quoting *quoting, const SgxTargetInfo *target,
                                 const uint8_t report_data[SGX_REPORT_DATA_SIZE], SgxReport *ret_report);
Quote3Error quoting_set_policy(Quoting *quoting, int policy);
Quote3Error quoting_set_path(Quoting *quoting, SimLoaded *enclave, const char *path);
void quoting_done(Quoting *quoting);

/* For the certification (certification.c); the lock is held alone. */
Quote3Error quoting_certify(Quoting *quoting);
void quoting_complain(const Error *err);
bool quoting_report(const Quoting *quoting, const SgxTargetInfo *target, const void *report_data, size_t size,
                    SgxReport *ret_report) __attribute__((warn_unused_result)); /* of the QE */
Quote3Error quoting_start(Quoting *quoting, SimLoaded *enclave);

#endif
