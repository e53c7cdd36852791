/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/jobs.h"

#include <stdio.h>

#include "bundles/base/log.h"
#include "manager/jobs_parts.h"

Jobs *jobs_new(const JobsSpec *spec, Error *err) {
    CLEANUP(jobs_freep) Jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    jobs->spec = *spec;
    jobs->downloads = downloads_open(spec->config->state, err);
    return jobs->downloads != NULL ? TAKE(jobs) : NULL;
}

static void job_done(Job *job) {
    helper_cancel(job->helper);
    transfer_cancel(job->transfer);
    cleanup_close(&job->fd);
    *job = (Job){.fd = -1};
}

void jobs_free(Jobs *jobs) {
    if (jobs == NULL) {
        return;
    }
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs->list[i].kind != JOB_FREE) {
            job_done(&jobs->list[i]);
        }
    }
    downloads_close(jobs->downloads);
    free(jobs);
}

const char *jobs_downloads(const Jobs *jobs) {
    return downloads_path(jobs->downloads);
}

int jobs_spool(Jobs *jobs, Error *err) {
    return downloads_spool(jobs->downloads, err);
}

Job *jobs_find_free(Jobs *jobs, Error *err) {
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs->list[i].kind == JOB_FREE) {
            return &jobs->list[i];
        }
    }
    error_set(err, ERROR_LIMIT,
              "%d fetches, stagings and removals are under way: try again when one has ended", JOBS_MAX);
    return NULL;
}

Job *jobs_begin(Jobs *jobs, JobKind kind, const char *name, const char *what, JournalWho who, Error *err) {
    Journal *journal = jobs->spec.journal;
    Job *job = jobs_find_free(jobs, err);
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = operation_begin(jobs->spec.operations, journal->next_operation, name, who, what);
    if (operation == NULL) {
        error_set(err, ERROR_LIMIT, "too many operations are under way: try again when one has ended");
        return NULL;
    }
    journal->next_operation++;
    *job = (Job){.kind = kind, .jobs = jobs, .operation = operation, .fd = -1};
    return job;
}

static void note(Jobs *jobs, const Operation *operation, const char *event, const char *text) {
    Error err = ERROR_INIT;
    journal_note(jobs->spec.journal, operation->id, operation->who, event, "%s", text);
    if (!journal_save(jobs->spec.journal, &err)) {
        log_error("journal-not-written", "error=\"%s\"", err.text);
    }
}

void jobs_hand_back(Job *job, const char *digest, const Error *failure) {
    const Job copy = *job;
    job_done(job);
    copy.staged(copy.context, digest, failure);
    jobs_store_next(copy.jobs);
}

void jobs_fail(Job *job, const Error *failure) {
    Jobs *jobs = job->jobs;
    Operation *operation = job->operation;
    char event[32];
    if (job->staged != NULL) {
        jobs_hand_back(job, NULL, failure);
        return;
    }
    (void)snprintf(event, sizeof event, "%s-failed", operation->kind);
    log_warning(event, "operation=%llu error=\"%s\"", (unsigned long long)operation->id, failure->text);
    note(jobs, operation, event, failure->text);
    job_done(job);
    operation_fail(jobs->spec.operations, operation, failure);
    jobs_store_next(jobs);
}

void jobs_succeed(Job *job, const char *event, json_t *result) {
    Jobs *jobs = job->jobs;
    Operation *operation = job->operation;
    log_info(event, "operation=%llu what=\"%s\"", (unsigned long long)operation->id, operation->what);
    note(jobs, operation, event, operation->what);
    job_done(job);
    operation_succeed(jobs->spec.operations, operation, result);
    jobs_store_next(jobs);
}

void jobs_progress(void *context, uint64_t done, uint64_t total) {
    const Job *job = context;
    operation_progress(job->jobs->spec.operations, job->operation, done, total);
}
