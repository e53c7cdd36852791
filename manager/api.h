/* SPDX-License-Identifier: Apache-2.0
 *
 * Api: HTTP and JSON on <runtime>/api.sock, in the event loop (docs/operating.md lists the requests).
 *
 * A peer is root, our own uid, or a member of the configured group; it is asked by SO_PEERCRED, not believed.
 * Bodies, connections and waiting times are bounded. Invariant: no request blocks the loop; one that waits
 * for news is suspended. What metrics.listen names is a second door, through which everybody who comes sees
 * metrics and health, and nothing else.
 */
#ifndef MANAGER_API_H
#define MANAGER_API_H

#include <systemd/sd-event.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "manager/advisor.h"
#include "manager/config.h"
#include "manager/deployment.h"
#include "manager/jobs.h"
#include "manager/operation.h"
#include "manager/update.h"

typedef struct Api Api;

typedef struct ApiSpec {
    sd_event *event;
    const Config *config;
    Store *store;
    Journal *journal;
    Operations *operations;
    Deployment *deployment;
    Jobs *jobs;
    Updates *updates;
    Totals *totals;
    Advisor *advisor;
} ApiSpec; /* all borrowed */

/* Binds and listens; a stale socket file is replaced (the caller holds the state directory's lock, so nobody
 * of ours listens there). */
Api *api_new(const ApiSpec *spec, Error *err) __attribute__((warn_unused_result));
void api_free(Api *api);
CLEANUP_DEFINE(Api, api_free)

/* To be called for every change: wakes who waits for it. */
void api_operation_changed(Api *api, const Operation *operation);

#endif
