/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded: one architectural enclave as a simulated library holds it: which file, whether it is in the EPC,
 * and who it is. Loading the same unchanged file again does not measure it again.
 */
#ifndef BUNDLES_SIM_LIBRARY_LOADED_H
#define BUNDLES_SIM_LIBRARY_LOADED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "bundles/base/error.h"
#include "bundles/sim/enclave.h"
#include "bundles/sim/epc.h"
#include "bundles/sim/image.h"
#include "bundles/sim/platform.h"

enum { SIM_PATH_MAX = 260 }; /* of Intel's setters, the NUL included */

typedef struct SimLoaded {
    SimRole role;
    char path[SIM_PATH_MAX]; /* set by the caller; empty: beside the library */
    bool running;
    uint64_t charged_kib;
    SimIdentity identity; /* good while running; kept for the next time */
    struct stat file;     /* that identity is of; st_ino 0: none */
} SimLoaded;

/* False if the path is not that of a regular file, or too long. Counts from the next start on. */
bool sim_loaded_set_path(SimLoaded *loaded, const char *path) __attribute__((warn_unused_result));

/* The file that a start would take, read as a whole. */
bool sim_loaded_read(const SimLoaded *loaded, const char *directory, Buffer *file, struct stat *ret_stat,
                     Error *err) __attribute__((warn_unused_result));

typedef enum SimLoadAnswer { SIM_LOAD_DONE, SIM_LOAD_REFUSED, SIM_LOAD_NO_EPC } SimLoadAnswer;

/* Nothing happens if it runs already. `directory` is where the library lies. */
SimLoadAnswer sim_loaded_start(SimLoaded *loaded, const char *directory, const SimPlatform *platform,
                               SimEpc *epc, Error *err);
void sim_loaded_stop(SimLoaded *loaded, SimEpc *epc);

#endif
