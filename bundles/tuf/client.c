/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/tuf/cache.h"
#include "bundles/tuf/client_state.h"
#include "bundles/tuf/path.h"

/* Takes the shipped root and follows the stored chain above it as far as it holds. */
static bool load_roots(TufClient *client, Bytes anchor, Error *err) {
    tuf_trusted_install(&client->trusted.root, tuf_trusted_anchor(&client->trusted, anchor, err));
    if (client->trusted.root == NULL) {
        return error_wrap(err, "trusted root");
    }
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(client->limits.root_size);
    if (!buffer_append(&client->root_bytes, anchor.data, anchor.size)) {
        return error_set(err, ERROR_LIMIT, "trusted root: larger than %" PRIu64 " bytes",
                         client->limits.root_size);
    }
    for (;;) {
        if (!tuf_cache_read_root(client->dir_fd, client->trusted.root->version + 1, &bytes, err)) {
            return false;
        }
        TufMetadata *next =
            bytes.size == 0 ? NULL : tuf_trusted_accept_root(&client->trusted, buffer_bytes(&bytes), NULL);
        if (next == NULL) {
            return true;
        }
        tuf_trusted_install(&client->trusted.root, next);
        buffer_clear(&client->root_bytes);
        if (!buffer_append(&client->root_bytes, bytes.data, bytes.size)) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
    }
}

static bool recall(TufClient *client, TufType type, TufMetadata **slot, uint64_t size_max, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(size_max);
    if (!tuf_cache_read(client->dir_fd, tuf_type_name(type), &bytes, err)) {
        return false;
    }
    if (bytes.size > 0) {
        tuf_trusted_install(slot, tuf_trusted_recall(&client->trusted, buffer_bytes(&bytes), type));
    }
    return true;
}

static bool load(TufClient *client, Bytes anchor, Error *err) {
    TufTrusted *trusted = &client->trusted;
    const TufLimits *limits = &client->limits;
    return tuf_cache_prepare(client->dir_fd, err) && load_roots(client, anchor, err) &&
           tuf_cache_read_time(client->dir_fd, &client->refreshed_at, err) &&
           recall(client, TUF_TYPE_TIMESTAMP, &trusted->timestamp, limits->timestamp_size, err) &&
           recall(client, TUF_TYPE_SNAPSHOT, &trusted->snapshot, limits->snapshot_size, err) &&
           recall(client, TUF_TYPE_TARGETS, &trusted->targets, limits->targets_size, err);
}

TufClient *tuf_client_open(int dir_fd, const TufClientOptions *options, Error *err) {
    CLEANUP(tuf_client_closep) TufClient *client = calloc(1, sizeof *client);
    if (client == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    client->dir_fd = client->lock_fd = -1;
    client->limits = options->limits;
    client->time_floor = options->time_floor;
    client->trusted.problem.is_copy = options->is_copy;
    buffer_init(&client->root_bytes, options->limits.root_size);
    client->delegated_max = 2 * ((size_t)options->limits.delegations + 1);
    client->delegated = calloc(client->delegated_max, sizeof *client->delegated);
    if (client->delegated == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    client->dir_fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
    if (client->dir_fd < 0) {
        error_set_errno(err, errno, "directory of trusted metadata");
        return NULL;
    }
    client->lock_fd = file_lock(client->dir_fd, "lock", err);
    if (client->lock_fd < 0 || !load(client, options->anchor, err)) {
        error_wrap(err, "trusted metadata");
        return NULL;
    }
    return TAKE(client);
}

void tuf_client_close(TufClient *client) {
    if (client == NULL) {
        return;
    }
    tuf_client_forget_delegated(client);
    free(client->delegated);
    tuf_trusted_done(&client->trusted);
    buffer_done(&client->root_bytes);
    cleanup_close(&client->lock_fd);
    cleanup_close(&client->dir_fd);
    free(client);
}

static int64_t time_bound(const TufClient *client) {
    return client->time_floor > client->refreshed_at ? client->time_floor : client->refreshed_at;
}

bool tuf_client_check_clock(const TufClient *client, int64_t now, Error *err) {
    int64_t bound = time_bound(client);
    if (now >= bound) {
        return true;
    }
    char present[CLOCK_TIME_SIZE], least[CLOCK_TIME_SIZE];
    clock_format(now, present);
    clock_format(bound, least);
    return error_set(err, ERROR_VERIFY, "the clock says %s, it must be at least %s (%s): set the clock",
                     present, least,
                     bound == client->refreshed_at ? "the last refresh" : "this program was built then");
}

static bool update_root(TufClient *client, const TufFetcher *fetcher, Error *err) {
    TufTrusted *trusted = &client->trusted;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(client->limits.root_size);
    for (uint32_t round = 0; round < client->limits.root_rotations; round++) {
        char path[48];
        (void)snprintf(path, sizeof path, "%" PRId64 ".root.json", trusted->root->version + 1);
        TufRequest request = {.path = path, .size_max = client->limits.root_size};
        TufFetched fetched = tuf_client_fetch_metadata(client, fetcher, &request, "root", &bytes, err);
        if (fetched == TUF_FETCHED_ABSENT) {
            break;
        }
        if (fetched != TUF_FETCHED_ALL) {
            return false;
        }
        CLEANUP(tuf_metadata_freep)
        TufMetadata *next = tuf_trusted_accept_root(trusted, buffer_bytes(&bytes), err);
        if (next == NULL) {
            return false;
        }
        if (!tuf_cache_write_root(client->dir_fd, next->version, buffer_bytes(&bytes), err)) {
            return tuf_client_storage_problem(client, "root", err);
        }
        tuf_trusted_install(&trusted->root, TAKE(next));
        buffer_clear(&client->root_bytes);
        if (!buffer_append(&client->root_bytes, bytes.data, bytes.size)) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
    }
    return true;
}

/* root.json is a copy for people: a run that ended between two writes, or a newer shipped root, leaves it
 * behind. */
static bool settle_root(TufClient *client, Error *err) {
    CLEANUP(buffer_done) Buffer stored = BUFFER_INIT(client->limits.root_size);
    if (!tuf_cache_read(client->dir_fd, "root", &stored, err)) {
        return tuf_client_storage_problem(client, "root", err);
    }
    if (bytes_equal(buffer_bytes(&stored), buffer_bytes(&client->root_bytes))) {
        return true;
    }
    return tuf_cache_write_root_copy(client->dir_fd, buffer_bytes(&client->root_bytes), err) ||
           tuf_client_storage_problem(client, "root", err);
}

static bool update_timestamp(TufClient *client, const TufFetcher *fetcher, Error *err) {
    static const char role[] = "timestamp";
    TufTrusted *trusted = &client->trusted;
    CLEANUP(buffer_done) Buffer cached = BUFFER_INIT(client->limits.timestamp_size);
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(client->limits.timestamp_size);
    if (trusted->timestamp != NULL && !tuf_cache_read(client->dir_fd, role, &cached, err)) {
        return tuf_client_storage_problem(client, role, err);
    }
    TufRequest request = {
        .path = "timestamp.json", .size_max = client->limits.timestamp_size, .cached = buffer_bytes(&cached)};
    TufFetched fetched = tuf_client_fetch_metadata(client, fetcher, &request, role, &bytes, err);
    bool same = fetched == TUF_FETCHED_UNCHANGED;
    if (fetched != TUF_FETCHED_ALL && !same) {
        return fetched == TUF_FETCHED_ABSENT ? tuf_client_absent_problem(client, role, err) : false;
    }
    CLEANUP(tuf_metadata_freep) TufMetadata *next = NULL;
    if (!same) {
        next = tuf_trusted_accept_timestamp(trusted, buffer_bytes(&bytes), client->now, &same, err);
    }
    if (same) {
        return tuf_trusted_check_expiry(trusted, trusted->timestamp, role, client->now, err);
    }
    if (next == NULL) {
        return false;
    }
    if (!tuf_cache_write(client->dir_fd, role, buffer_bytes(&bytes), err)) {
        return tuf_client_storage_problem(client, role, err);
    }
    tuf_trusted_install(&trusted->timestamp, TAKE(next));
    return true;
}

static bool update_snapshot(TufClient *client, const TufFetcher *fetcher, Error *err) {
    static const char role[] = "snapshot";
    TufTrusted *trusted = &client->trusted;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(client->limits.snapshot_size);
    if (!tuf_cache_read(client->dir_fd, role, &bytes, err)) {
        return tuf_client_storage_problem(client, role, err);
    }
    TufMetadata *current =
        bytes.size == 0 ? NULL
                        : tuf_trusted_accept_snapshot(trusted, buffer_bytes(&bytes), client->now, NULL);
    if (current != NULL) {
        tuf_trusted_install(&trusted->snapshot, current);
        return true;
    }
    TufFileInfo info = {0};
    (void)tuf_metadata_file(trusted->timestamp, "snapshot.json", &info);
    if (!tuf_client_fetch_listed(client, fetcher, role, &info, client->limits.snapshot_size, &bytes, err)) {
        return false;
    }
    CLEANUP(tuf_metadata_freep)
    TufMetadata *next = tuf_trusted_accept_snapshot(trusted, buffer_bytes(&bytes), client->now, err);
    if (next == NULL) {
        return false;
    }
    if (!tuf_cache_write(client->dir_fd, role, buffer_bytes(&bytes), err)) {
        return tuf_client_storage_problem(client, role, err);
    }
    tuf_trusted_install(&trusted->snapshot, TAKE(next));
    return true;
}

static bool update_targets(TufClient *client, const TufFetcher *fetcher, Error *err) {
    const TufMetadata *root = client->trusted.root;
    TufMetadata *targets =
        tuf_client_load_targets(client, fetcher, &root->roles[TUF_TYPE_TARGETS], &root->keyring, err);
    if (targets == NULL) {
        return false;
    }
    tuf_trusted_install(&client->trusted.targets, targets);
    return true;
}

static bool remember_time(TufClient *client, Error *err) {
    if (client->now <= client->refreshed_at) {
        return true;
    }
    if (!tuf_cache_write_time(client->dir_fd, client->now, err)) {
        return tuf_client_storage_problem(client, "timestamp", err);
    }
    client->refreshed_at = client->now;
    return true;
}

bool tuf_client_refresh(TufClient *client, const TufFetcher *fetcher, int64_t now, Error *err) {
    TufTrusted *trusted = &client->trusted;
    tuf_problem_clear(&trusted->problem);
    client->refreshed = false;
    client->now = now > time_bound(client) ? now : time_bound(client);
    tuf_client_forget_delegated(client);
    bool rotated = update_root(client, fetcher, err);
    if (!rotated || !settle_root(client, err) ||
        !tuf_trusted_check_expiry(trusted, trusted->root, "root", client->now, err)) {
        return false;
    }
    tuf_trusted_recheck(trusted);
    client->refreshed = update_timestamp(client, fetcher, err) && update_snapshot(client, fetcher, err) &&
                        update_targets(client, fetcher, err) && remember_time(client, err);
    if (client->refreshed) {
        tuf_problem_clear(&trusted->problem); /* stored metadata that did not count any more left one */
    }
    return client->refreshed;
}

char *tuf_client_target_path(const TufClient *client, const TufTarget *target) {
    return tuf_target_request_path(target, client->trusted.root->consistent_snapshot);
}

const TufProblem *tuf_client_problem(const TufClient *client) {
    return &client->trusted.problem;
}

void tuf_client_status(const TufClient *client, TufClientStatus *ret_status) {
    const TufTrusted *trusted = &client->trusted;
    const TufMetadata *roles[TUF_TYPES_COUNT] = {trusted->root, trusted->timestamp, trusted->snapshot,
                                                 trusted->targets};
    TufClientStatus status = {.refreshed_at = client->refreshed_at,
                              .time_bound = time_bound(client),
                              .consistent_snapshot = trusted->root->consistent_snapshot};
    bool complete = true;
    for (size_t i = 0; i < TUF_TYPES_COUNT; i++) {
        complete = complete && roles[i] != NULL;
        if (roles[i] != NULL) {
            status.roles[i] = (TufRoleStatus){roles[i]->version, roles[i]->expires};
            if (status.expires == 0 || roles[i]->expires < status.expires) {
                status.expires = roles[i]->expires;
            }
        }
    }
    if (!complete) {
        status.expires = 0;
    }
    *ret_status = status;
}
