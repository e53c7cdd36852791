/* SPDX-License-Identifier: Apache-2.0
 *
 * Provider: the certificate service of the simulated platform, as Intel's provider library with its cache is:
 * for a TCB it has the PCK certificate of the best level that is not above it.
 */
#ifndef BUNDLES_SIM_PROVIDER_H
#define BUNDLES_SIM_PROVIDER_H

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"
#include "bundles/sim/platform.h"

typedef struct SimTcb {
    uint8_t cpu_svn[SIM_CPU_SVN_SIZE];
    uint16_t pce_svn;
} SimTcb;

typedef enum SimProviderAnswer {
    SIM_PROVIDER_FOUND,
    SIM_PROVIDER_NONE,  /* no certificate at or below the TCB */
    SIM_PROVIDER_ABSENT /* the platform has no provider (knob `provider: none`) */
} SimProviderAnswer;

enum { SIM_PROVIDER_CHAIN_MAX = 16 * 1024 };

/* The TCB of the certificate; with SIM_PROVIDER_FOUND the chain (PEM: leaf, intermediate, root, then a NUL)
 * replaces the buffer's contents. */
bool sim_provider_find(const SimPlatform *platform, uint16_t pce_svn, SimProviderAnswer *ret_answer,
                       SimTcb *ret_tcb, Buffer *ret_chain, Error *err) __attribute__((warn_unused_result));

/* "0e0e…-13.pem" */
enum { SIM_PROVIDER_NAME_SIZE = 2 * SIM_CPU_SVN_SIZE + 16 };
void sim_provider_name(const SimTcb *tcb, char name[SIM_PROVIDER_NAME_SIZE]);

#endif
