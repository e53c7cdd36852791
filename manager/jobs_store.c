/* SPDX-License-Identifier: Apache-2.0
 *
 * The jobs that change the store: staging and removing, one at a time.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/json.h"
#include "manager/gatekeeper.h"
#include "manager/jobs_parts.h"

enum { STAGE_TIMEOUT_MS = 15 * 60 * 1000, REMOVE_TIMEOUT_MS = 60 * 1000 };

static bool job_run(Job *job, const HelperTask *task, json_t *arguments, uint64_t timeout_ms,
                    uint64_t file_size_max, void (*done)(void *, const json_t *, const Error *), Error *err) {
    CLEANUP(json_freep) json_t *owned = arguments;
    const HelperSpec spec = {.event = job->jobs->spec.event,
                             .task = task,
                             .arguments = owned,
                             .fd = job->fd,
                             .timeout_ms = timeout_ms,
                             .file_size_max = file_size_max,
                             .progress = jobs_progress,
                             .done = done,
                             .context = job};
    if (owned == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    job->helper = helper_start(&spec, err);
    return job->helper != NULL;
}

static void on_staged(void *context, const json_t *result, const Error *failure) {
    Job *job = context;
    Jobs *jobs = job->jobs;
    job->helper = NULL;
    if (failure != NULL) {
        jobs_fail(job, failure);
        return;
    }
    const char *digest = json_string_value(json_object_get(result, "digest"));
    if (digest != NULL) {
        deployment_label(jobs->spec.deployment, digest, job->operation->what, sizeof job->operation->what);
        deployment_checks_ahead(jobs->spec.deployment, digest);
    }
    if (job->digest[0] != '\0') { /* it is in the store now, the download is of no more use */
        downloads_remove(jobs->downloads, job->digest);
    }
    if (job->staged != NULL) {
        jobs_hand_back(job, digest, NULL);
        return;
    }
    jobs_succeed(job, "staged", json_deep_copy(result));
}

static void on_removed(void *context, const json_t *result, const Error *failure) {
    (void)result;
    Job *job = context;
    job->helper = NULL;
    if (failure != NULL) {
        jobs_fail(job, failure);
    } else {
        jobs_succeed(job, "removed", NULL);
    }
}

static void start_store_job(Job *job) {
    const Jobs *jobs = job->jobs;
    const char *path = store_path(jobs->spec.store);
    Error err = ERROR_INIT;
    bool good = false;
    if (job->kind == JOB_STAGE) {
        operation_step(jobs->spec.operations, job->operation, "staging");
        good = lseek(job->fd, 0, SEEK_SET) == 0 &&
               job_run(job, &helper_task_stage,
                       json_pack("{s:s, s:o}", "store", path, "gate",
                                 gatekeeper_arguments(jobs->spec.config, jobs->spec.journal->serving.digest)),
                       STAGE_TIMEOUT_MS, 0, on_staged, &err);
    } else {
        Digest digest;
        operation_step(jobs->spec.operations, job->operation, "removing");
        /* Asked again: a swap may have begun while it waited. */
        good =
            digest_parse(job->digest, &digest) &&
            deployment_may_remove(jobs->spec.deployment, &digest, &err) &&
            job_run(job, &helper_task_remove, json_pack("{s:s, s:s}", "store", path, "digest", job->digest),
                    REMOVE_TIMEOUT_MS, 0, on_removed, &err);
    }
    if (!good) {
        if (err.kind == ERROR_NONE) {
            error_set_errno(&err, errno, "the upload cannot be read");
        }
        jobs_fail(job, &err);
    }
}

/* One at a time changes the store; the oldest that waits is next. */
void jobs_store_next(Jobs *jobs) {
    Job *next = NULL;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        Job *job = &jobs->list[i];
        if (job->kind != JOB_STAGE && job->kind != JOB_REMOVE) {
            continue;
        }
        if (job->helper != NULL) {
            return;
        }
        if (next == NULL || job->operation->id < next->operation->id) {
            next = job;
        }
    }
    if (next != NULL) {
        start_store_job(next);
    }
}

Operation *jobs_stage(Jobs *jobs, int fd, JournalWho who, Error *err) {
    AUTO_CLOSE int owned = fd;
    Job *job = jobs_begin(jobs, JOB_STAGE, "stage", "an uploaded bundle", who, err);
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    job->fd = TAKE_FD(owned);
    jobs_store_next(jobs);
    return operation;
}

Operation *jobs_stage_fetched(Jobs *jobs, const char *sha256, JournalWho who, Error *err) {
    char digest[DIGEST_HEX_SIZE];
    AUTO_CLOSE int fd = downloads_find(jobs->downloads, sha256, digest, err);
    Job *job = fd >= 0 ? jobs_begin(jobs, JOB_STAGE, "stage", "a fetched bundle", who, err) : NULL;
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    job->fd = TAKE_FD(fd);
    memcpy(job->digest, digest, sizeof job->digest);
    jobs_store_next(jobs);
    return operation;
}

bool jobs_stage_within(Jobs *jobs, Operation *operation, const char *sha256, JobsStagedFn staged,
                       void *context, Error *err) {
    char digest[DIGEST_HEX_SIZE];
    AUTO_CLOSE int fd = downloads_find(jobs->downloads, sha256, digest, err);
    Job *job = fd >= 0 ? jobs_find_free(jobs, err) : NULL;
    if (job == NULL) {
        return false;
    }
    *job = (Job){.kind = JOB_STAGE,
                 .jobs = jobs,
                 .operation = operation,
                 .fd = TAKE_FD(fd),
                 .staged = staged,
                 .context = context};
    memcpy(job->digest, digest, sizeof job->digest);
    jobs_store_next(jobs);
    return true;
}

Operation *jobs_remove(Jobs *jobs, const char *what, JournalWho who, Error *err) {
    StoreEntry entry;
    char label[128];
    if (!store_find(jobs->spec.store, what, &entry, err)) {
        return NULL;
    }
    char digest[DIGEST_HEX_SIZE];
    memcpy(digest, entry.digest_hex, sizeof digest);
    bool may = deployment_may_remove(jobs->spec.deployment, &entry.digest, err);
    store_entry_done(&entry);
    if (!may) {
        return NULL;
    }
    deployment_label(jobs->spec.deployment, digest, label, sizeof label);
    Job *job = jobs_begin(jobs, JOB_REMOVE, "remove", label, who, err);
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    memcpy(job->digest, digest, sizeof job->digest);
    jobs_store_next(jobs);
    return operation;
}
