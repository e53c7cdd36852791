/* SPDX-License-Identifier: Apache-2.0
 *
 * Verdict: a QuoteVerdict for people and programs: JSON, and what to do about it.
 */
#ifndef BUNDLES_DCAP_VERDICT_H
#define BUNDLES_DCAP_VERDICT_H

#include <jansson.h>

#include "bundles/dcap/quote_verify.h"

/* "good", "not-current" or "not-verifiable" (docs/verifying.md). */
const char *verdict_result(const QuoteVerdict *verdict);

/* The members are those of docs/verifying.md. NULL only when out of memory. */
json_t *verdict_json(const Quote *quote, const QuoteVerdict *verdict);

/* Of a grade: {"status", "tcb_date", "advisories"}; `level` NULL: the status alone. NULL when out of memory.
 */
json_t *verdict_grade_json(TcbStatus status, const TcbGrade *grade);

/* Appends sentences on what keeps a platform with this PCK certificate from the level that demands no update,
 * and what to do; nothing if it is there. False when out of memory. */
bool verdict_advise_platform(const TcbInfo *info, const Pck *pck, TcbStatus status, json_t *advice);

/* The same for a QE of this ISVSVN. */
bool verdict_advise_qe(const QeIdentity *identity, uint16_t isv_svn, TcbStatus status, json_t *advice);

#endif
