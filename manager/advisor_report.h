/* SPDX-License-Identifier: Apache-2.0
 *
 * AdvisorReport: what the advisor remembers, and how it says it. JSON in, JSON and sentences out.
 */
#ifndef MANAGER_ADVISOR_REPORT_H
#define MANAGER_ADVISOR_REPORT_H

#include <jansson.h>

#include "bundles/store.h"

/* The staged bundles and `offer` (manager/offer.h; NULL: none) with the ISVSVNs of their QE and PCE where
 * they are known; "serving" and "offered" are true for one each, "staged" is false for what would have to be
 * downloaded. NULL with an error. */
json_t *advisor_report_bundles(Store *store, const char *serving, const json_t *offer, Error *err)
    __attribute__((warn_unused_result));

/* Another bundle serves since the look: what was said of it counts now. */
void advisor_report_serve(json_t *report, const char *serving);

/* Takes in the result of a look (manager/helper_advice.c), or why there is none (`advice` NULL). What was
 * known before stays where the new result has nothing. */
void advisor_report_learn(json_t *report, json_t *advice, const Error *failure);

/* The verdict on what serves, in one sentence; the caller frees. NULL: out of memory. */
char *advisor_report_sentence(const json_t *report);

/* The verdicts on one bundle: {"standard": STATUS, "early": STATUS}. A new reference; NULL: out of memory. */
json_t *advisor_report_of(const json_t *report, const char *digest);

/* A new reference; NULL: out of memory. */
json_t *advisor_report_json(const json_t *report, bool configured, bool whole);

#endif
