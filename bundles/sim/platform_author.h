/* SPDX-License-Identifier: Apache-2.0
 *
 * PlatformAuthor: makes the directory of a simulated platform: seed, knobs, signers, PKI, collateral.
 */
#ifndef BUNDLES_SIM_PLATFORM_AUTHOR_H
#define BUNDLES_SIM_PLATFORM_AUTHOR_H

#include <stdbool.h>

#include "bundles/base/error.h"

typedef struct SimPlatformSpec {
    bool multi_package; /* certificates of a Platform CA instead of a Processor CA */
} SimPlatformSpec;

/* CRLs, TCB info and QE identity are good for this long after the platform was made. */
enum { SIM_PLATFORM_COLLATERAL_DAYS = 365 };

/* The directory must not exist or be empty: ERROR_CONFLICT. */
bool sim_platform_create(const char *path, const SimPlatformSpec *spec, Error *err)
    __attribute__((warn_unused_result));

#endif
