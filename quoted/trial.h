/* SPDX-License-Identifier: Apache-2.0
 *
 * Trial: does this engine quote? Asked before a generation serves and again whenever the manager wants.
 *
 * Where the library can make an application report, a real quote is taken and its structure, its signatures
 * and its QE are checked. Where it cannot (Intel's, without an enclave of ours), a report with a wrong MAC
 * has to be refused as such: that proves that QE, PCE, key and certificate are there, up to the MAC.
 */
#ifndef QUOTED_TRIAL_H
#define QUOTED_TRIAL_H

#include "quoted/engine.h"

typedef struct Trial {
    bool probe; /* true: the wrong MAC; false: a real quote */
    uint64_t microseconds;
    uint16_t qe_isv_svn; /* of a real quote */
    uint16_t pce_isv_svn;
} Trial;

bool trial_take(Engine *engine, Trial *ret_trial, Error *err) __attribute__((warn_unused_result));

#endif
