/* SPDX-License-Identifier: Apache-2.0
 *
 * AdvisorReport: what the advisor remembers, and how it says it. JSON in, JSON and sentences out.
 */
#ifndef MANAGER_ADVISOR_REPORT_H
#define MANAGER_ADVISOR_REPORT_H

#include <jansson.h>

#include "bundles/store.h"

/* The staged bundles with the ISVSVNs of their QE and PCE; "serving" is true for one. NULL with an error. */
json_t *advisor_report_bundles(Store *store, const char *serving, Error *err)
    __attribute__((warn_unused_result));

/* Takes in the result of a look (manager/helper_advice.c), or why there is none (`advice` NULL). What was
 * known before stays where the new result has nothing. */
void advisor_report_learn(json_t *report, json_t *advice, const Error *failure);

/* The verdict on what serves, in one sentence; the caller frees. NULL: out of memory. */
char *advisor_report_sentence(const json_t *report);

/* A new reference; NULL: out of memory. */
json_t *advisor_report_json(const json_t *report, bool configured, bool whole);

#endif
