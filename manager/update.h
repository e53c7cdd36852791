/* SPDX-License-Identifier: Apache-2.0
 *
 * Updates: looking into the repository, and bringing what its channel offers to this node: by itself at
 * intervals, or when an operator asks.
 *
 * One look or update at a time. What was learned last, which bundles did not last here, and when to look next
 * is in <state>/updates.json, so that a restart forgets nothing. Invariant: nothing is staged but what signed
 * metadata lists and manager/offer chose, and whatever goes wrong here never touches what serves.
 */
#ifndef MANAGER_UPDATE_H
#define MANAGER_UPDATE_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "bundles/base/cleanup.h"
#include "manager/config.h"
#include "manager/deployment.h"
#include "manager/jobs.h"
#include "manager/operation.h"

typedef struct Updates Updates;

typedef struct UpdatesSpec {
    sd_event *event;
    const Config *config;
    int state_fd;
    Store *store;
    Journal *journal;
    Operations *operations;
    Deployment *deployment;
    Jobs *jobs;
} UpdatesSpec; /* all borrowed */

/* Makes <state>/trust. Plans the first look. */
Updates *updates_new(const UpdatesSpec *spec, Error *err) __attribute__((warn_unused_result));
void updates_free(Updates *updates); /* ends what runs */
CLEANUP_DEFINE(Updates, updates_free)

typedef struct UpdatesWish {
    const char *version;             /* NULL: what is offered */
    bool stage_only;                 /* do not swap */
    uint64_t soak_ms;                /* UINT64_MAX: as configured */
    DeploymentDowngrades downgrades; /* copied */
    const char *directory;           /* a local repository instead of the configured one; NULL */
    int file;                        /* an offline file instead; -1: none */
} UpdatesWish;

/* Only looks. */
Operation *updates_check(Updates *updates, JournalWho who, Error *err) __attribute__((warn_unused_result));
/* Looks, downloads, stages; the swap that follows is an operation of its own, named in the result. Takes the
 * wish's file. */
Operation *updates_update(Updates *updates, const UpdatesWish *wish, JournalWho who, Error *err)
    __attribute__((warn_unused_result));

/* To be called for every change of an operation. */
void updates_operation_changed(Updates *updates, const Operation *operation);

/* What is known; with `candidates`, every bundle of the channel with its verdict. A new reference; NULL: out
 * of memory. */
json_t *updates_json(Updates *updates, bool candidates);

#endif
