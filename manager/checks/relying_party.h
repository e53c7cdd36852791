/* SPDX-License-Identifier: Apache-2.0
 *
 * RelyingParty: what somebody who has only this node's collateral and a root makes of a test generation's
 * quote.
 *
 * Quote and collateral are outside bytes: they are parsed and verified in a child that can read the
 * collateral and nothing else. Where the test generation made no quote, the certificate that was seen in
 * clients' quotes and the ISVSVN of the bundle's QE tell the status. Invariant: RELYING_PARTY_REFUSES only
 * if the quote is at fault; what keeps from judging it is RELYING_PARTY_UNKNOWN.
 */
#ifndef MANAGER_CHECKS_RELYING_PARTY_H
#define MANAGER_CHECKS_RELYING_PARTY_H

#include "bundles/base/clock.h"
#include "bundles/dcap/tcb.h"
#include "manager/checks/check.h"
#include "manager/checks/child.h"

typedef enum RelyingPartyOutcome {
    RELYING_PARTY_UNKNOWN, /* `text` says why */
    RELYING_PARTY_REFUSES, /* it does not verify; `text` says what */
    RELYING_PARTY_GRADES   /* the rest is set */
} RelyingPartyOutcome;

typedef struct RelyingParty {
    RelyingPartyOutcome outcome;
    char text[CHILD_TEXT_MAX];
    bool by_quote;                  /* else by certificate and ISVSVN */
    TcbStatus status, platform, qe; /* merged, and its parts */
    char problem[160];              /* "TCB info: expired, 2025-..."; "": it can be rested upon */
    bool revoked;                   /* the problem is that a CRL lists a certificate */
    char expires[CLOCK_TIME_SIZE];  /* the first of what it rests on */
} RelyingParty;

/* By the collateral for "standard" or "early". */
void relying_party_judge(const CheckSubject *subject, const char *edition, RelyingParty *ret_judgement);

#endif
