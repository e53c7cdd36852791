/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bundles/base/cleanup.h"
#include "bundles/tuf/cache.h"
#include "bundles/tuf/client_state.h"
#include "bundles/tuf/path.h"

CLEANUP_DEFINE(TufTargetStream, tuf_target_stream_free)

bool tuf_client_storage_problem(TufClient *client, const char *role, Error *err) {
    return tuf_problem_set(&client->trusted.problem, err, TUF_RULE_STORAGE, role, NULL, "cannot be stored");
}

bool tuf_client_absent_problem(TufClient *client, const char *role, Error *err) {
    return tuf_problem_set(&client->trusted.problem, err, TUF_RULE_ABSENT, role, NULL,
                           "the repository does not have it");
}

/* Keeps what went wrong in the sink apart from what went wrong in the transfer. */
typedef struct MetadataSink {
    Buffer *bytes;
    uint64_t size_max;
    bool overflowed;
} MetadataSink;

static bool metadata_sink_write(void *context, const void *data, size_t size, Error *err) {
    MetadataSink *sink = context;
    if (size > sink->size_max - sink->bytes->size) {
        sink->overflowed = true;
        return error_set(err, ERROR_VERIFY, "more than %" PRIu64 " bytes", sink->size_max);
    }
    return buffer_append(sink->bytes, data, size) || error_set(err, ERROR_MEMORY, "out of memory");
}

TufFetched tuf_client_fetch_metadata(TufClient *client, const TufFetcher *fetcher, const TufRequest *request,
                                     const char *role, Buffer *bytes, Error *err) {
    TufProblem *problem = &client->trusted.problem;
    MetadataSink sink = {.bytes = bytes, .size_max = request->size_max};
    Error inner = ERROR_INIT;
    buffer_clear(bytes);
    TufFetched fetched =
        fetcher->fetch(fetcher->context, request, &(TufSink){metadata_sink_write, &sink}, &inner);
    if (sink.overflowed || (fetched == TUF_FETCHED_FAILED && inner.kind == ERROR_LIMIT)) {
        tuf_problem_set(problem, err, TUF_RULE_LENGTH, role, request->path,
                        "it is longer than the %" PRIu64 " bytes that are allowed", request->size_max);
        return TUF_FETCHED_FAILED;
    }
    if (fetched == TUF_FETCHED_FAILED || (fetched == TUF_FETCHED_UNCHANGED && request->cached.size == 0)) {
        if (inner.kind == ERROR_NONE) {
            error_set(&inner, ERROR_NETWORK, "no usable answer");
        }
        if (err != NULL) {
            *err = inner;
        }
        tuf_problem_set(problem, err, TUF_RULE_FETCH, role, request->path, "cannot be fetched");
        return TUF_FETCHED_FAILED;
    }
    return fetched;
}

bool tuf_client_fetch_listed(TufClient *client, const TufFetcher *fetcher, const char *role,
                             const TufFileInfo *info, uint64_t size_max, Buffer *bytes, Error *err) {
    char encoded[TUF_NAME_ENCODED_MAX + 1] = "";
    char path[TUF_NAME_ENCODED_MAX + 48];
    (void)tuf_path_encode(role, false, encoded, sizeof encoded); /* parsing made sure that it fits */
    if (client->trusted.root->consistent_snapshot) {
        (void)snprintf(path, sizeof path, "%" PRId64 ".%s.json", info->version, encoded);
    } else {
        (void)snprintf(path, sizeof path, "%s.json", encoded);
    }
    TufRequest request = {.path = path, .size_max = size_max};
    if (info->has_length && info->length < size_max) {
        request.size_max = info->length;
    }
    TufFetched fetched = tuf_client_fetch_metadata(client, fetcher, &request, role, bytes, err);
    if (fetched == TUF_FETCHED_ABSENT) {
        return tuf_client_absent_problem(client, role, err);
    }
    return fetched == TUF_FETCHED_ALL;
}

TufMetadata *tuf_client_load_targets(TufClient *client, const TufFetcher *fetcher, const TufRole *role,
                                     const TufKeyring *keyring, Error *err) {
    TufTrusted *trusted = &client->trusted;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(client->limits.targets_size);
    TufFileInfo info;
    if (!tuf_trusted_listed(trusted, role->name, &info, err)) {
        return NULL;
    }
    if (!tuf_cache_read(client->dir_fd, role->name, &bytes, err)) {
        tuf_client_storage_problem(client, role->name, err);
        return NULL;
    }
    if (bytes.size > 0) {
        TufMetadata *stored =
            tuf_trusted_accept_targets(trusted, buffer_bytes(&bytes), role, keyring, client->now, NULL);
        if (stored != NULL) {
            return stored;
        }
    }
    if (!tuf_client_fetch_listed(client, fetcher, role->name, &info, client->limits.targets_size, &bytes,
                                 err)) {
        return NULL;
    }
    CLEANUP(tuf_metadata_freep)
    TufMetadata *fetched =
        tuf_trusted_accept_targets(trusted, buffer_bytes(&bytes), role, keyring, client->now, err);
    if (fetched == NULL) {
        return NULL;
    }
    if (!tuf_cache_write(client->dir_fd, role->name, buffer_bytes(&bytes), err)) {
        tuf_client_storage_problem(client, role->name, err);
        return NULL;
    }
    return TAKE(fetched);
}

/* Hashes what passes through on its way to the caller's sink. */
typedef struct TargetSink {
    TufTargetStream *stream;
    const TufSink *to;
    bool refused; /* by TUF's rules */
    bool failed;  /* by the caller's sink: no problem of the repository's */
} TargetSink;

static bool target_sink_write(void *context, const void *data, size_t size, Error *err) {
    TargetSink *sink = context;
    if (!tuf_target_stream_add(sink->stream, data, size, err)) {
        sink->refused = true;
        return false;
    }
    sink->failed = !sink->to->write(sink->to->context, data, size, err);
    return !sink->failed;
}

static bool target_transfer(TufClient *client, const TufFetcher *fetcher, const TufTarget *target,
                            const char *path, TargetSink *sink, Error *err) {
    TufProblem *problem = &client->trusted.problem;
    TufRequest request = {.kind = TUF_FETCH_TARGET, .path = path, .size_max = target->length};
    TufFetched fetched = fetcher->fetch(fetcher->context, &request, &(TufSink){target_sink_write, sink}, err);
    if (sink->failed) {
        return false;
    }
    if (sink->refused) {
        return tuf_problem_set(problem, err, TUF_RULE_LENGTH, target->role, path, "it is too long");
    }
    if (fetched == TUF_FETCHED_ABSENT) {
        return tuf_problem_set(problem, err, TUF_RULE_ABSENT, target->role, path,
                               "the repository does not have it");
    }
    if (fetched != TUF_FETCHED_ALL) {
        return tuf_problem_set(problem, err, TUF_RULE_FETCH, target->role, path, "cannot be fetched");
    }
    return tuf_target_stream_end(sink->stream, err) ||
           tuf_problem_set(problem, err, TUF_RULE_HASH, target->role, path, "it is not what is listed");
}

bool tuf_client_target_problem(TufClient *client, const TufTarget *target, TufRule rule, Error *err) {
    return tuf_problem_set(&client->trusted.problem, err, rule, target->role, target->path,
                           "the repository does not have it");
}

bool tuf_client_fetch_target(TufClient *client, const TufFetcher *fetcher, const TufTarget *target,
                             const TufSink *sink, Error *err) {
    tuf_problem_clear(&client->trusted.problem);
    if (target->length > client->limits.target_size) {
        return tuf_problem_set(&client->trusted.problem, err, TUF_RULE_LENGTH, target->role, target->path,
                               "%" PRIu64 " bytes are listed, %" PRIu64 " are allowed", target->length,
                               client->limits.target_size);
    }
    AUTO_FREE char *path = tuf_client_target_path(client, target);
    CLEANUP(tuf_target_stream_freep) TufTargetStream *stream = tuf_target_stream_new(target, err);
    if (path == NULL || stream == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    TargetSink through = {.stream = stream, .to = sink};
    return target_transfer(client, fetcher, target, path, &through, err);
}
