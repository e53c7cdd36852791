/* SPDX-License-Identifier: Apache-2.0
 *
 * The jobs that fetch a bundle; it is staged then if that is wanted.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/tuf/path.h"
#include "manager/jobs_parts.h"

static const char file_scheme[] = "file:///";

static void on_fetched(void *context, const json_t *result, const Error *failure) {
    Job *job = context;
    Error err = ERROR_INIT;
    job->transfer = NULL;
    if (failure != NULL) {
        jobs_fail(job, failure);
        return;
    }
    if (!job->stage) {
        jobs_succeed(job, "fetched",
                     json_pack("{s:s, s:O}", "sha256", job->digest, "size", json_object_get(result, "size")));
        return;
    }
    char digest[DIGEST_HEX_SIZE];
    job->fd = downloads_find(job->jobs->downloads, job->digest, digest, &err);
    if (job->fd < 0) {
        jobs_fail(job, &err);
        return;
    }
    job->kind = JOB_STAGE;
    operation_step(job->jobs->spec.operations, job->operation, "waiting for the store");
    jobs_store_next(job->jobs);
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
                               .progress = jobs_progress,
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
    Job *job = jobs_begin(jobs, JOB_FETCH, "fetch", url, who, err);
    if (job == NULL) {
        return NULL;
    }
    Operation *operation = job->operation;
    memcpy(job->digest, digest, sizeof job->digest);
    job->stage = stage;
    operation_step(jobs->spec.operations, operation, "fetching");
    Error failure = ERROR_INIT;
    if (!start_fetch(job, url, &failure)) {
        jobs_fail(job, &failure);
    }
    return operation;
}
