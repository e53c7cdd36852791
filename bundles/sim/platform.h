/* SPDX-License-Identifier: Apache-2.0
 *
 * Platform: a simulated SGX platform, a directory made by sim_platform_create (platform_author.h) and used by
 * every quote library and application on it. docs/simulation.md describes its files.
 *
 * An open platform holds the seed; its knobs (platform.yaml) are read again whenever the file changed, so
 * that tests can turn them while libraries run.
 */
#ifndef BUNDLES_SIM_PLATFORM_H
#define BUNDLES_SIM_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "bundles/base/error.h"
#include "bundles/sim/fault.h"
#include "bundles/sim/secret.h"

#define SIM_PLATFORM_KNOBS_NAME "platform.yaml"
#define SIM_PLATFORM_SEED_NAME "seed"
#define SIM_PLATFORM_EPC_NAME "epc"
#define SIM_PLATFORM_PCK_NAME "pck"                  /* directory of certificate chains */
#define SIM_PLATFORM_PPID_KEY_NAME "pki/ppid.pem"    /* RSA-3072 public key that PPIDs are encrypted for */
#define SIM_PLATFORM_QE_SIGNER_NAME "signers/qe.key" /* of QE3 and ID enclave */
#define SIM_PLATFORM_PCE_SIGNER_NAME "signers/pce.key"

enum { SIM_TCS_MAX = 64 };

typedef struct SimKnobs {
    uint8_t cpu_svn[SIM_CPU_SVN_SIZE];
    uint64_t epc_kib; /* 0: no limit */
    uint32_t tcs;     /* calls that a QE serves at a time */
    uint64_t load_us; /* delays */
    uint64_t init_us;
    uint64_t quote_us;
    bool provider_chain;     /* false: no certificate library, quotes carry the encrypted PPID */
    uint32_t cached_pce_svn; /* PCESVN of the certificate in the provider's cache; 0: it asks for the best */
    SimFaults faults;
} SimKnobs;

typedef struct SimPlatform {
    char *path; /* absolute */
    int dir_fd;
    uint8_t seed[SIM_SEED_SIZE];
    SimKnobs knobs;
    uint64_t revision; /* counts the readings of platform.yaml */
    struct stat knobs_stat;
} SimPlatform;

/* ERROR_NOT_FOUND, ERROR_PERMISSION (the seed is secret), ERROR_CONFIG. */
SimPlatform *sim_platform_open(const char *path, Error *err) __attribute__((warn_unused_result));
void sim_platform_close(SimPlatform *platform);

/* Is platform.yaml still the file that was read? Any number of threads may ask. */
bool sim_platform_is_current(const SimPlatform *platform);

/* Reads platform.yaml again if it changed. Not to be called by two threads at a time. On failure the former
 * knobs stay. */
bool sim_platform_refresh(SimPlatform *platform, Error *err) __attribute__((warn_unused_result));

/* The text of a new platform.yaml. */
extern const char sim_platform_default_knobs[];

#endif
