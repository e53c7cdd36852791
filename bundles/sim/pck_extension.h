/* SPDX-License-Identifier: Apache-2.0
 *
 * PckExtension: the SGX extension of a PCK certificate, OID 1.2.840.113741.1.13.1 (Intel SGX PCK Certificate
 * and CRL Profile Specification, "SGX extensions").
 */
#ifndef BUNDLES_SIM_PCK_EXTENSION_H
#define BUNDLES_SIM_PCK_EXTENSION_H

#include "bundles/base/buffer.h"
#include "bundles/sim/provider.h"

enum { SIM_FMSPC_SIZE = 6, SIM_PCK_EXTENSION_MAX = 1024 };

typedef struct SimPckExtension {
    uint8_t ppid[SIM_ID_SIZE];
    SimTcb tcb;
    uint8_t fmspc[SIM_FMSPC_SIZE];
    bool multi_package; /* certificate of the Platform CA: the next member and a configuration */
    uint8_t platform_instance[SIM_ID_SIZE];
} SimPckExtension;

/* The extension's value in DER, appended. False when it does not fit the buffer. */
bool sim_pck_extension_format(const SimPckExtension *extension, Buffer *der)
    __attribute__((warn_unused_result));

#endif
