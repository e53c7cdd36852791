/* SPDX-License-Identifier: Apache-2.0
 *
 * Deployment: the generations of this node: which serves, which are lame ducks, and moving from one to
 * another.
 *
 * It carries out what manager/swap decides, keeps the listener, restarts what crashes, gives the connections
 * of a dead generation to the next, and keeps the journal true. Everything happens in the event loop; nothing
 * blocks but the journal's fsync. Invariant: at any time at most one swap, rollback or test is under way.
 */
#ifndef MANAGER_DEPLOYMENT_H
#define MANAGER_DEPLOYMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/store.h"
#include "manager/config.h"
#include "manager/journal.h"
#include "manager/laggards.h"
#include "manager/operation.h"
#include "manager/totals.h"

typedef struct Deployment Deployment;

typedef struct DeploymentSpec {
    sd_event *event;
    const Config *config;
    Store *store;
    Journal *journal;
    Operations *operations;
    const char *quoted; /* the program */
    Totals *totals;
    Laggards *laggards;
} DeploymentSpec; /* all borrowed for the deployment's life */

Deployment *deployment_new(const DeploymentSpec *spec, Error *err) __attribute__((warn_unused_result));
void deployment_free(Deployment *deployment); /* generations that run are left alone */
CLEANUP_DEFINE(Deployment, deployment_free)

/* Once, before the loop runs: finds the generations that live, takes the listener from them, goes on with or
 * undoes what the journal says was under way, starts what should run and does not. Fails only if nothing
 * could serve although something should: the socket's path is not ours to use. */
bool deployment_recover(Deployment *deployment, Error *err) __attribute__((warn_unused_result));

/* What of the serving enclaves' ISVSVNs may go down: names as gate_check_downgrade takes them. */
typedef struct DeploymentDowngrades {
    const char *const *names;
    size_t count;
} DeploymentDowngrades;

/* soak_ms: UINT64_MAX for the configured one. The operation has begun when they return. */
Operation *deployment_swap(Deployment *deployment, const char *what, uint64_t soak_ms,
                           DeploymentDowngrades downgrades, JournalWho who, Error *err)
    __attribute__((warn_unused_result));
/* A swap in which what served before is a daemon of somebody else on our path, whose socket is taken over. */
Operation *deployment_takeover(Deployment *deployment, const char *what, uint64_t soak_ms, JournalWho who,
                               Error *err) __attribute__((warn_unused_result));
/* During a soak: undoes the swap (the result is the swap's own operation). Else a swap to the bundle that
 * served before, by its living generation where there is one. */
Operation *deployment_rollback(Deployment *deployment, uint64_t soak_ms, JournalWho who, Error *err)
    __attribute__((warn_unused_result));
/* Ends the soak of the swap under way with success. */
Operation *deployment_commit(Deployment *deployment, JournalWho who, Error *err)
    __attribute__((warn_unused_result));
/* Starts the bundle beside what serves, takes a trial quote, ends it. */
Operation *deployment_test(Deployment *deployment, const char *what, JournalWho who, Error *err)
    __attribute__((warn_unused_result));

/* ERROR_CONFLICT if the bundle is needed: it serves, is a lame duck, or is the way back. */
bool deployment_may_remove(const Deployment *deployment, const Digest *digest, Error *err)
    __attribute__((warn_unused_result));

/* Asks every generation for its status and calls back when all have answered or half a second is over. */
typedef void (*DeploymentFreshFn)(void *context);
bool deployment_refresh(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err)
    __attribute__((warn_unused_result));

/* The same, and what they have counted: it is in the totals then, and those are saved. */
bool deployment_measure(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err)
    __attribute__((warn_unused_result));

/* Calls back when the last trial quote of who serves is recent; takes one if it is not. */
bool deployment_health_ask(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err)
    __attribute__((warn_unused_result));
bool deployment_is_healthy(const Deployment *deployment);
/* Who serves, and how its last trial quote was. A new reference; NULL: out of memory. */
json_t *deployment_health_json(Deployment *deployment);

/* Asks every generation which processes hold target info of a former QE; calls back when all have answered.
 */
bool deployment_clients_ask(Deployment *deployment, DeploymentFreshFn fresh, void *context, Error *err)
    __attribute__((warn_unused_result));
/* {"qe": of who serves, "qe_isv_svn", "clients": [laggards_json, each with "qe_isv_svn"]}; and how many there
 * are, {"answered", "refused"}. New references; NULL: out of memory. */
json_t *deployment_clients_json(const Deployment *deployment);
json_t *deployment_clients_count(const Deployment *deployment);

/* Runs the checks for a bundle that was just staged, so that its swap need not wait for them; when there is
 * nothing else to do, so that whoever waits for the staging need not wait for them either. */
void deployment_checks_ahead(Deployment *deployment, const char *digest);

/* The last trial quote of who serves or served, in hex; NULL: there is none. Borrowed until the next. */
const char *deployment_trial_quote(const Deployment *deployment);
/* Of an engine that makes none: the PCK certificate chain of clients' quotes, in hex. */
const char *deployment_certificates(const Deployment *deployment);

/* For the problems: metrics.listen is not served. */
void deployment_note_metrics(Deployment *deployment, const Error *failure);

/* A new reference; NULL: out of memory. */
json_t *deployment_json(Deployment *deployment);

/* What a role's bundle is for people: "name version (digest…)", or the digest alone if it is not staged. */
void deployment_label(Deployment *deployment, const char *digest, char *buffer, size_t size);

#endif
