/* SPDX-License-Identifier: Apache-2.0
 *
 * Home: where a simulated library lies and which platform it belongs to.
 *
 * The platform's directory comes from the environment variable PSW_SIM_PLATFORM, else from the bundle's file
 * data/simulation.yaml, beside the directory of the libraries. That file may also name faults of this bundle.
 */
#ifndef BUNDLES_SIM_HOME_H
#define BUNDLES_SIM_HOME_H

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/sim/fault.h"

#define SIM_HOME_PLATFORM_VARIABLE "PSW_SIM_PLATFORM"
#define SIM_HOME_SETTINGS_NAME "simulation.yaml" /* in ../data */

typedef struct SimHome {
    char *directory; /* of the library's file */
    char *platform;
    SimFaults faults; /* of the bundle; the platform's come on top */
} SimHome;

/* The bundle's file; `home` gets its faults, and its platform unless it has one. ERROR_CONFIG. */
bool sim_home_parse(Bytes yaml, const char *name, SimHome *home, Error *err)
    __attribute__((warn_unused_result));

/* `symbol` is anything inside the library. ERROR_CONFIG says how to name a platform. */
bool sim_home_find(const void *symbol, SimHome *ret_home, Error *err) __attribute__((warn_unused_result));
void sim_home_done(SimHome *home);

#endif
