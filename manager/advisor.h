/* SPDX-License-Identifier: Apache-2.0
 *
 * Advisor: what relying parties make of this node, today and once Intel promotes its newest data: by itself
 * at intervals, or when an operator asks.
 *
 * A look takes a trial quote of who serves, fetches collateral (TCB info, QE identity, CRLs) for
 * update=standard and update=early through the courier into <state>/collateral, and judges the serving, the
 * staged and the offered bundles by it, all in children. What was found is in <state>/advice.json, so that a
 * restart forgets nothing. Invariant: whatever goes wrong here never touches what serves; without servers,
 * what is cached serves on.
 */
#ifndef MANAGER_ADVISOR_H
#define MANAGER_ADVISOR_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "bundles/base/cleanup.h"
#include "manager/config.h"
#include "manager/deployment.h"
#include "manager/operation.h"
#include "manager/update.h"

typedef struct Advisor Advisor;

typedef struct AdvisorSpec {
    sd_event *event;
    const Config *config;
    int state_fd;
    Store *store;
    Journal *journal;
    Operations *operations;
    Deployment *deployment;
    Updates *updates; /* what is offered */
} AdvisorSpec;        /* all borrowed */

/* Makes <state>/collateral. Plans the first look. */
Advisor *advisor_new(const AdvisorSpec *spec, Error *err) __attribute__((warn_unused_result));
void advisor_free(Advisor *advisor); /* ends what runs */
CLEANUP_DEFINE(Advisor, advisor_free)

/* Looks now, or joins a look that the advisor began by itself. ERROR_CONFIG if collateral.urls names nothing,
 * ERROR_CONFLICT while somebody else's is under way. */
Operation *advisor_look(Advisor *advisor, JournalWho who, Error *err) __attribute__((warn_unused_result));

/* To be called for every change of an operation: other bundles want another look. */
void advisor_operation_changed(Advisor *advisor, const Operation *operation);

/* What is known, as docs/tcb.md has it; `whole` false: only a summary. A new reference; NULL: out of memory.
 */
json_t *advisor_json(const Advisor *advisor, bool whole);

/* The verdicts on one bundle: {"standard": STATUS, "early": STATUS}. A new reference; NULL: out of memory. */
json_t *advisor_bundle_json(const Advisor *advisor, const char *digest);

#endif
