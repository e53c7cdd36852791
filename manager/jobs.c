/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/jobs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "bundles/tuf/path.h"
#include "manager/downloads.h"
#include "manager/gatekeeper.h"
#include "manager/helper.h"
#include "manager/transfer.h"

enum { STAGE_TIMEOUT_MS = 15 * 60 * 1000, REMOVE_TIMEOUT_MS = 60 * 1000 };

static const char file_scheme[] = "file:///";

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

static Job *free_job(Jobs *jobs, Error *err) {
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs->list[i].kind == JOB_FREE) {
            return &jobs->list[i];
        }
    }
    error_set(err, ERROR_LIMIT, "%d fetches and stagings are under way: try again when one has ended",
              JOBS_MAX);
    return NULL;
}

static Job *job_begin(Jobs *jobs, JobKind kind, const char *name, const char *what, JournalWho who,
                      Error *err) {
    Journal *journal = jobs->spec.journal;
    Job *job = free_job(jobs, err);
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

static void next_turn(Jobs *jobs);

static void job_hand_back(Job *job, const char *digest, const Error *failure) {
    const Job copy = *job;
    job_done(job);
    copy.staged(copy.context, digest, failure);
    next_turn(copy.jobs);
}

static void job_fail(Job *job, const Error *failure) {
    Jobs *jobs = job->jobs;
    Operation *operation = job->operation;
    char event[32];
    if (job->staged != NULL) {
        job_hand_back(job, NULL, failure);
        return;
    }
    (void)snprintf(event, sizeof event, "%s-failed", operation->kind);
    log_warning(event, "operation=%llu error=\"%s\"", (unsigned long long)operation->id, failure->text);
    note(jobs, operation, event, failure->text);
    job_done(job);
    operation_fail(jobs->spec.operations, operation, failure);
    next_turn(jobs);
}

static void job_succeed(Job *job, const char *event, json_t *result) {
    Jobs *jobs = job->jobs;
    Operation *operation = job->operation;
    log_info(event, "operation=%llu what=\"%s\"", (unsigned long long)operation->id, operation->what);
    note(jobs, operation, event, operation->what);
    job_done(job);
    operation_succeed(jobs->spec.operations, operation, result);
    next_turn(jobs);
}

static void on_progress(void *context, uint64_t done, uint64_t total) {
    const Job *job = context;
    operation_progress(job->jobs->spec.operations, job->operation, done, total);
}

static bool job_run(Job *job, const HelperTask *task, json_t *arguments, uint64_t timeout_ms,
                    uint64_t file_size_max, void (*done)(void *, const json_t *, const Error *), Error *err) {
    CLEANUP(json_freep) json_t *owned = arguments;
    const HelperSpec spec = {.event = job->jobs->spec.event,
                             .task = task,
                             .arguments = owned,
                             .fd = job->fd,
                             .timeout_ms = timeout_ms,
                             .file_size_max = file_size_max,
                             .progress = on_progress,
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
        job_fail(job, failure);
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
        job_hand_back(job, digest, NULL);
        return;
    }
    job_succeed(job, "staged", json_deep_copy(result));
}

static void on_removed(void *context, const json_t *result, const Error *failure) {
    (void)result;
    Job *job = context;
    job->helper = NULL;
    if (failure != NULL) {
        job_fail(job, failure);
    } else {
        job_succeed(job, "removed", NULL);
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
        job_fail(job, &err);
    }
}

/* One at a time changes the store; the oldest that waits is next. */
static void next_turn(Jobs *jobs) {
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
    Job *job = job_begin(jobs, JOB_STAGE, "stage", "an uploaded bundle", who, err);
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    job->fd = TAKE_FD(owned);
    next_turn(jobs);
    return operation;
}

Operation *jobs_stage_fetched(Jobs *jobs, const char *sha256, JournalWho who, Error *err) {
    char digest[DIGEST_HEX_SIZE];
    AUTO_CLOSE int fd = downloads_find(jobs->downloads, sha256, digest, err);
    Job *job = fd >= 0 ? job_begin(jobs, JOB_STAGE, "stage", "a fetched bundle", who, err) : NULL;
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    job->fd = TAKE_FD(fd);
    memcpy(job->digest, digest, sizeof job->digest);
    next_turn(jobs);
    return operation;
}

bool jobs_stage_within(Jobs *jobs, Operation *operation, const char *sha256, JobsStagedFn staged,
                       void *context, Error *err) {
    char digest[DIGEST_HEX_SIZE];
    AUTO_CLOSE int fd = downloads_find(jobs->downloads, sha256, digest, err);
    Job *job = fd >= 0 ? free_job(jobs, err) : NULL;
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
    next_turn(jobs);
    return true;
}

static void on_fetched(void *context, const json_t *result, const Error *failure) {
    Job *job = context;
    Error err = ERROR_INIT;
    job->transfer = NULL;
    if (failure != NULL) {
        job_fail(job, failure);
        return;
    }
    if (!job->stage) {
        job_succeed(job, "fetched",
                    json_pack("{s:s, s:O}", "sha256", job->digest, "size", json_object_get(result, "size")));
        return;
    }
    char digest[DIGEST_HEX_SIZE];
    job->fd = downloads_find(job->jobs->downloads, job->digest, digest, &err);
    if (job->fd < 0) {
        job_fail(job, &err);
        return;
    }
    job->kind = JOB_STAGE;
    operation_step(job->jobs->spec.operations, job->operation, "waiting for the store");
    next_turn(job->jobs);
}

static bool is_fetched_already(const Jobs *jobs, const char *digest) {
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs->list[i].kind == JOB_FETCH && strcmp(jobs->list[i].digest, digest) == 0) {
            return true;
        }
    }
    return false;
}

/* Also before the URL is remembered anywhere, for a password's sake. */
static bool check_url(const char *url, bool file_allowed, Error *err) {
    static const char https[] = "https://";
    if (strncmp(url, file_scheme, sizeof file_scheme - 1) == 0) {
        return file_allowed || error_set(err, ERROR_PERMISSION, "%s: file URLs are off (fetch.file)", url);
    }
    if (strncmp(url, https, sizeof https - 1) != 0) {
        return error_set(err, ERROR_USAGE, "%s: only https:// and file:/// URLs are fetched", url);
    }
    const char *host = url + sizeof https - 1;
    const char *at = strchr(host, '@');
    if (at != NULL && at < host + strcspn(host, "/?#")) {
        return error_set(err, ERROR_USAGE,
                         "a URL with a password in it would be kept in the journal: leave it out");
    }
    return true;
}

static bool start_fetch(Job *job, const char *url, Error *err) {
    const Config *config = job->jobs->spec.config;
    const char *source = NULL;
    char path[TUF_ENCODED_SIZE];
    if (strncmp(url, file_scheme, sizeof file_scheme - 1) == 0) {
        if (!tuf_path_decode(url + sizeof file_scheme - 2, path, sizeof path)) {
            return error_set(err, ERROR_USAGE, "%s: the path is not one", url);
        }
        source = path;
    }
    CLEANUP(json_freep)
    json_t *arguments = json_pack("{s:s, s:s?, s:s, s:s, s:I}", "url", url, "source", source, "sha256",
                                  job->digest, "directory", downloads_path(job->jobs->downloads), "size_max",
                                  (json_int_t)config->fetch_size_max);
    if (arguments == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    const TransferSpec spec = {.event = job->jobs->spec.event,
                               .config = config,
                               .mirrors = &url,
                               .mirrors_count = source == NULL ? 1 : 0,
                               .fd = -1,
                               .task = &helper_task_fetch,
                               .arguments = arguments,
                               .file_size_max = config->fetch_size_max,
                               .progress = on_progress,
                               .done = on_fetched,
                               .context = job};
    job->transfer = transfer_start(&spec, err);
    return job->transfer != NULL;
}

Operation *jobs_fetch(Jobs *jobs, const char *url, const char *sha256, bool stage, JournalWho who,
                      Error *err) {
    const Config *config = jobs->spec.config;
    char digest[DIGEST_HEX_SIZE];
    Digest parsed;
    if (!digest_parse(sha256, &parsed)) {
        error_set(err, ERROR_USAGE, "'%.80s' is not a SHA-256: 64 hex digits are", sha256);
        return NULL;
    }
    digest_format(&parsed, digest);
    if (!check_url(url, config->fetch_file, err)) {
        return NULL;
    }
    if (is_fetched_already(jobs, digest)) {
        error_set(err, ERROR_CONFLICT, "a fetch of %s is under way", digest);
        return NULL;
    }
    downloads_tidy(jobs->downloads);
    Job *job = job_begin(jobs, JOB_FETCH, "fetch", url, who, err);
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    memcpy(job->digest, digest, sizeof job->digest);
    job->stage = stage;
    operation_step(jobs->spec.operations, operation, "fetching");
    Error failure = ERROR_INIT;
    if (!start_fetch(job, url, &failure)) {
        job_fail(job, &failure);
    }
    return operation;
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
    Job *job = job_begin(jobs, JOB_REMOVE, "remove", label, who, err);
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    memcpy(job->digest, digest, sizeof job->digest);
    next_turn(jobs);
    return operation;
}
