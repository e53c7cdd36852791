/* SPDX-License-Identifier: Apache-2.0
 *
 * Jobs: fetching, staging and removing bundles, each an operation that a child works on.
 *
 * Fetches run side by side up to JOBS_MAX; who changes the store waits for its turn. Whatever goes wrong here
 * never touches a generation.
 */
#ifndef MANAGER_JOBS_H
#define MANAGER_JOBS_H

#include <systemd/sd-event.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "manager/config.h"
#include "manager/deployment.h"
#include "manager/operation.h"

enum { JOBS_MAX = 8 };

typedef struct Jobs Jobs;

typedef struct JobsSpec {
    sd_event *event;
    const Config *config;
    Store *store;
    Journal *journal;
    Operations *operations;
    Deployment *deployment;
} JobsSpec; /* all borrowed */

/* Makes <state>/downloads. */
Jobs *jobs_new(const JobsSpec *spec, Error *err) __attribute__((warn_unused_result));
void jobs_free(Jobs *jobs); /* ends what runs */
CLEANUP_DEFINE(Jobs, jobs_free)

/* A file without a name for an upload; -1 on failure. */
int jobs_spool(Jobs *jobs, Error *err) __attribute__((warn_unused_result));

/* Stages what the descriptor holds, from its start; takes the descriptor. */
Operation *jobs_stage(Jobs *jobs, int fd, JournalWho who, Error *err) __attribute__((warn_unused_result));
/* Stages what was fetched before under that SHA-256 and removes the download. */
Operation *jobs_stage_fetched(Jobs *jobs, const char *sha256, JournalWho who, Error *err)
    __attribute__((warn_unused_result));
Operation *jobs_fetch(Jobs *jobs, const char *url, const char *sha256, bool stage, JournalWho who, Error *err)
    __attribute__((warn_unused_result));
/* The same as a step of another operation, which is not ended by it: `staged` gets the bundle's digest, or
 * NULL and the failure. */
typedef void (*JobsStagedFn)(void *context, const char *digest, const Error *failure);
bool jobs_stage_within(Jobs *jobs, Operation *operation, const char *sha256, JobsStagedFn staged,
                       void *context, Error *err) __attribute__((warn_unused_result));
const char *jobs_downloads(const Jobs *jobs); /* the directory's path */
/* `what` as for store_find. */
Operation *jobs_remove(Jobs *jobs, const char *what, JournalWho who, Error *err)
    __attribute__((warn_unused_result));

#endif
