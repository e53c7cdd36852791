/* SPDX-License-Identifier: Apache-2.0
 *
 * Advice: what relying parties make of this platform with each of its bundles, by one set of collateral.
 *
 * Pure: collateral, PCK certificate, ISVSVNs and time are given; nothing is fetched and nothing written. What
 * keeps a bundle from the wanted level is told apart: the bundle itself (QE, PCE), the PCK certificate that
 * the node has, or microcode and BIOS.
 */
#ifndef MANAGER_ADVICE_H
#define MANAGER_ADVICE_H

#include <jansson.h>
#include <stdint.h>

#include "bundles/dcap/verdict.h"

/* {"policy", "evaluation", "qe_evaluation", "issued", "expires", "platform": grade, "bundles": [{"bundle",
 * ... the members given ..., "status", "qe": grade, "short": [...], "since", "advice"}], "problems"}.
 * `bundles` are objects with "qe_isv_svn" and "pce_isv_svn"; without them the status is Unknown. NULL:
 * ERROR_VERIFY if there is no TCB info for the platform or no QE identity, ERROR_MEMORY. */
json_t *advice_make(const char *policy, const TrustedCollateral *trusted, const Pck *pck,
                    const json_t *bundles, int64_t time, Error *err) __attribute__((warn_unused_result));

#endif
