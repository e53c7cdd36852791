/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/update_download.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "manager/courier.h"
#include "manager/download.h"

/* One attempt, and what made it fail: nobody (the node itself), or a rule of TUF's. */
typedef struct Arrival {
    TufClient *client;
    UpdateSource *source;
    const TufTarget *target;
    TufTargetStream *stream;
    Download *download;
    HelperProgress progress;
    bool own_failure; /* of the file that it is written to */
} Arrival;

static void arrival_done(Arrival *arrival) {
    download_close(arrival->download);
    tuf_target_stream_free(arrival->stream);
}

static bool tap_restart(void *context, Error *err) {
    Arrival *arrival = context;
    TufTargetStream *fresh = tuf_target_stream_new(arrival->target, err);
    if (fresh == NULL) {
        return false;
    }
    tuf_target_stream_free(arrival->stream);
    arrival->stream = fresh;
    return true;
}

static bool tap_add(void *context, const void *data, size_t size, Error *err) {
    const Arrival *arrival = context;
    return tuf_target_stream_add(arrival->stream, data, size, err);
}

static bool on_begin(void *context, const CourierHead *head, Error *err) {
    Arrival *arrival = context;
    arrival->own_failure = head->offset == 0 && !download_restart(arrival->download, err);
    return !arrival->own_failure;
}

static bool on_data(void *context, const void *data, size_t size, Error *err) {
    Arrival *arrival = context;
    arrival->own_failure = !download_add(arrival->download, data, size, err);
    return !arrival->own_failure;
}

static bool refuse(Arrival *arrival, TufRule rule, Error *err) {
    return tuf_client_target_problem(arrival->client, arrival->target, rule, err);
}

static bool fetch_remote(Arrival *arrival, Error *err) {
    AUTO_FREE char *request_path = tuf_client_target_path(arrival->client, arrival->target);
    AUTO_FREE char *path = request_path != NULL ? text_format("targets/%s", request_path) : NULL;
    const uint64_t length = arrival->target->length, have = download_size(arrival->download);
    CourierEnd end = {0};
    if (path == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    const CourierRequest request = {.path = path,
                                    .mirror = update_source_mirror(arrival->source),
                                    .offset = have < length ? have : 0,
                                    .size = length,
                                    .size_max = length};
    if (have == length && length > 0) {
        return true;
    }
    if (!courier_fetch(HELPER_DATA, &request, &(CourierSink){on_begin, on_data, arrival}, &end, err)) {
        return !arrival->own_failure &&
               refuse(arrival, err->kind == ERROR_LIMIT ? TUF_RULE_LENGTH : TUF_RULE_FETCH, err);
    }
    return end.outcome == COURIER_ALL || refuse(arrival, TUF_RULE_ABSENT, err);
}

/* The library's own check comes on top of the tap's. */
static bool fetch_local(Arrival *arrival, Error *err) {
    const TufFetcher fetcher = update_source_fetcher(arrival->source);
    return download_restart(arrival->download, err) &&
           tuf_client_fetch_target(arrival->client, &fetcher, arrival->target, &(TufSink){on_data, arrival},
                                   err);
}

static bool arrive(Arrival *arrival, Error *err) {
    if (!(update_source_is_remote(arrival->source) ? fetch_remote(arrival, err)
                                                   : fetch_local(arrival, err))) {
        return false;
    }
    if (tuf_target_stream_end(arrival->stream, err)) {
        return true;
    }
    download_drop(arrival->download);
    return refuse(arrival, TUF_RULE_HASH, err);
}

static bool name_file(const Arrival *arrival, Digest *ret_digest, Error *err) {
    if (arrival->target->hashes.has_sha256) {
        memcpy(ret_digest->bytes, arrival->target->hashes.sha256, sizeof ret_digest->bytes);
        return true;
    }
    return download_measure(arrival->download, ret_digest, err);
}

static bool attempt(Arrival *arrival, int dir_fd, Digest *ret_digest, Error *err) {
    char part[TUF_HASH_HEX_SIZE];
    tuf_hashes_format(&arrival->target->hashes, part);
    part[DOWNLOAD_NAME_MAX] = '\0';
    if (!tap_restart(arrival, err)) {
        return false;
    }
    download_close(arrival->download);
    arrival->download =
        download_open(dir_fd, part, &(DownloadTap){tap_restart, tap_add, arrival}, &arrival->progress, err);
    if (arrival->download == NULL) {
        return false;
    }
    download_expect(arrival->download, arrival->target->length);
    return arrive(arrival, err) && name_file(arrival, ret_digest, err) &&
           download_keep(arrival->download, ret_digest, err);
}

bool update_download(TufClient *client, UpdateSource *source, const TufTarget *target, const char *downloads,
                     char ret_hex[DIGEST_HEX_SIZE], Error *err) {
    CLEANUP(arrival_done) Arrival arrival = {.client = client, .source = source, .target = target};
    Digest digest;
    uint64_t size = 0;
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, downloads, err);
    if (dir_fd < 0) {
        return false;
    }
    if (target->hashes.has_sha256) {
        memcpy(digest.bytes, target->hashes.sha256, sizeof digest.bytes);
        if (download_is_kept(dir_fd, &digest, &size) && size == target->length) {
            digest_format(&digest, ret_hex);
            return true;
        }
    }
    for (size_t attempts = update_source_mirrors(source) + 1; attempts > 0; attempts--) {
        *err = ERROR_INIT;
        if (attempt(&arrival, dir_fd, &digest, err)) {
            digest_format(&digest, ret_hex);
            return true;
        }
        if (err->kind != ERROR_VERIFY || !update_source_is_remote(source)) {
            return false;
        }
        update_source_next_mirror(source);
    }
    return false;
}
