/* SPDX-License-Identifier: Apache-2.0
 *
 * QuoteVerify: is this quote good, and how good is the platform it comes from?
 *
 * The steps and their order are those of Intel's Quote Verification Library. What is forged or does not
 * belong together fails; what is only too old, missing or revoked is a problem in the verdict, beside the
 * grades that could still be found. No network, no clock: collateral, root and time are given.
 */
#ifndef BUNDLES_DCAP_QUOTE_VERIFY_H
#define BUNDLES_DCAP_QUOTE_VERIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/dcap/pck.h"
#include "bundles/dcap/trusted_collateral.h"
#include "bundles/sgx/quote.h"

typedef enum QuoteProblemKind {
    QUOTE_EXPIRED,       /* its time is over at the time asked for */
    QUOTE_NOT_YET_VALID, /* its time has not begun */
    QUOTE_MISSING,       /* the collateral does not have it */
    QUOTE_REVOKED,       /* a CRL lists it */
    QUOTE_PROBLEM_KINDS_COUNT
} QuoteProblemKind;

typedef struct QuoteProblem {
    QuoteProblemKind kind;
    const char *what; /* "TCB info"; a constant */
    int64_t at;       /* when it expired or becomes valid; else 0 */
} QuoteProblem;

/* The time for which something that the verdict rests on is valid. */
typedef struct QuoteSpan {
    const char *what;
    int64_t from;
    int64_t until;
} QuoteSpan;

enum { QUOTE_SPANS_MAX = 12, QUOTE_PROBLEMS_MAX = 16 };

typedef struct QuoteVerdict {
    TcbStatus status; /* platform and QE merged: what relying parties see */
    TcbStatus platform_status;
    TcbStatus qe_status;
    Pck pck;
    bool is_debug; /* the application is a debug enclave: its memory can be read from outside */
    /* Borrowed from the trusted collateral; NULL where it has none or no level is reached. */
    const TcbInfo *tcb_info;
    const TcbLevel *platform_level;
    const QeIdentity *qe_identity;
    const QeLevel *qe_level;
    int64_t time;
    QuoteSpan spans[QUOTE_SPANS_MAX];
    size_t spans_count;
    QuoteProblem problems[QUOTE_PROBLEMS_MAX];
    size_t problems_count;
} QuoteVerdict;

/* ERROR_INPUT: malformed. ERROR_VERIFY: a signature, a chain, or parts that do not belong together. */
bool quote_verify(const Quote *quote, const TrustedCollateral *trusted, int64_t time,
                  QuoteVerdict *ret_verdict, Error *err) __attribute__((warn_unused_result));

/* "expired"; used in text and JSON. */
const char *quote_problem_name(QuoteProblemKind kind);

/* What expires first of all that the verdict rests on. */
const QuoteSpan *quote_verdict_first_to_expire(const QuoteVerdict *verdict);

/* True if a relying party can rest on the verdict's status: nothing expired, missing or revoked. */
bool quote_verdict_is_whole(const QuoteVerdict *verdict);

#endif
