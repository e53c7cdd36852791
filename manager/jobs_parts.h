/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of Jobs: what its files (jobs.c, jobs_*.c) share and nobody else includes.
 */
#ifndef MANAGER_JOBS_PARTS_H
#define MANAGER_JOBS_PARTS_H

#include "manager/downloads.h"
#include "manager/helper.h"
#include "manager/jobs.h"
#include "manager/transfer.h"

typedef enum JobKind { JOB_FREE, JOB_FETCH, JOB_STAGE, JOB_REMOVE } JobKind;

typedef struct Job {
    JobKind kind;
    Jobs *jobs;
    Operation *operation;
    Helper *helper;      /* NULL: waits for its turn */
    Transfer *transfer;  /* fetch */
    JobsStagedFn staged; /* stage, of somebody else's operation: is called back instead */
    void *context;
    int fd;                       /* stage: what to stage */
    bool stage;                   /* fetch: stage it then */
    char digest[DIGEST_HEX_SIZE]; /* of the fetched file; remove: of the bundle */
} Job;

struct Jobs {
    JobsSpec spec;
    Downloads *downloads;
    Job list[JOBS_MAX];
};

/* jobs.c: a job with an operation of its own; NULL: no more are possible now. */
Job *jobs_begin(Jobs *jobs, JobKind kind, const char *name, const char *what, JournalWho who, Error *err)
    __attribute__((warn_unused_result));
/* A place for one without. */
Job *jobs_find_free(Jobs *jobs, Error *err) __attribute__((warn_unused_result));
/* The end of a job, and of its operation unless that is somebody else's. */
void jobs_fail(Job *job, const Error *failure);
void jobs_succeed(Job *job, const char *event, json_t *result); /* takes the reference; an own operation */
/* The end of a job in somebody else's operation, which gets the bundle's digest, or NULL and the failure. */
void jobs_hand_back(Job *job, const char *digest, const Error *failure);
void jobs_progress(void *context, uint64_t done, uint64_t total); /* context: the job */

/* jobs_store.c: lets the next one change the store if nobody does. */
void jobs_store_next(Jobs *jobs);

#endif
