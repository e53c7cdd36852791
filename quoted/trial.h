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

#include "bundles/sgx/quote.h"
#include "quoted/engine.h"

typedef struct Trial {
    bool probe; /* true: the wrong MAC; false: a real quote */
    uint64_t microseconds;
    uint16_t qe_isv_svn; /* of a real quote */
    uint16_t pce_isv_svn;
    uint32_t quote_size;           /* 0: of a probe */
    uint8_t quote[QUOTE_SIZE_MAX]; /* for those who can verify it to the root */
} Trial;

/* A report that the engine's QE shall quote. */
typedef struct TrialReport {
    SgxReport report;
    bool probe; /* forged: the library cannot make a real one */
} TrialReport;

bool trial_report(Engine *engine, const EngineFacts *facts, TrialReport *ret_report, Error *err)
    __attribute__((warn_unused_result));

/* Is this a good quote of that report by the QE of these facts? Of `trial` the ISVSVNs are filled in. */
bool trial_check(const EngineFacts *facts, const SgxReport *report, Bytes quote, Trial *trial, Error *err)
    __attribute__((warn_unused_result));

bool trial_take(Engine *engine, Trial *ret_trial, Error *err) __attribute__((warn_unused_result));

#endif
