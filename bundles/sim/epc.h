/* SPDX-License-Identifier: Apache-2.0
 *
 * Epc: the enclave page cache of the simulated platform, shared by all processes on it.
 *
 * The file `epc` in the platform's directory is a table of what each holder uses. A holder keeps a lock on
 * its row, so that a row whose holder died counts no more, whatever killed it. Without a budget no file is
 * touched.
 */
#ifndef BUNDLES_SIM_EPC_H
#define BUNDLES_SIM_EPC_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"

enum { SIM_EPC_HOLDERS_MAX = 512 };

typedef struct SimEpc {
    int fd;  /* -1 until something is held */
    int row; /* -1 */
    uint64_t held_kib;
} SimEpc;

#define SIM_EPC_INIT ((SimEpc){.fd = -1, .row = -1})

typedef enum SimEpcAnswer { SIM_EPC_GRANTED, SIM_EPC_EXHAUSTED } SimEpcAnswer;

/* Takes kib more if the sum of all holders stays within the budget. Not to be called by two threads at a
 * time. */
bool sim_epc_take(SimEpc *epc, int platform_fd, uint64_t budget_kib, uint64_t kib, SimEpcAnswer *ret_answer,
                  Error *err) __attribute__((warn_unused_result));
void sim_epc_give(SimEpc *epc, uint64_t kib);
void sim_epc_done(SimEpc *epc); /* gives back everything */

#endif
