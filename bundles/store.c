/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/bundle.h"
#include "bundles/store_parts.h"

#define BUNDLES "bundles"
#define INCOMING "incoming"
#define LOCK ".lock"

CLEANUP_DEFINE(Store, store_close)
CLEANUP_DEFINE(Bundle, bundle_close)

static bool remove_incoming(void *context, const char *name, Error *err) {
    Store *store = context;
    return file_remove_tree(store->incoming_fd, name, err);
}

static bool make_subdirectory(const Store *store, const char *name, Error *err) {
    if (mkdirat(store->root_fd, name, 0700) != 0) {
        return errno == EEXIST ||
               error_set_errno(err, errno, "store '%s': cannot make '%s'", store->path, name);
    }
    return fchmodat(store->root_fd, name, 0755, 0) == 0 ||
           error_set_errno(err, errno, "store '%s': cannot make '%s'", store->path, name);
}

static bool open_for_writing(Store *store, Error *err) {
    store->lock_fd = file_lock(store->root_fd, LOCK, err);
    if (store->lock_fd < 0 || !make_subdirectory(store, BUNDLES, err) ||
        !make_subdirectory(store, INCOMING, err) || !file_sync_directory(store->root_fd, ".", err)) {
        return false;
    }
    store->incoming_fd = file_open_directory(store->root_fd, INCOMING, err);
    return store->incoming_fd >= 0 && store_each_name(store->incoming_fd, remove_incoming, store, err);
}

Store *store_open(const char *path, bool writable, Error *err) {
    CLEANUP(store_closep) Store *store = calloc(1, sizeof *store);
    if (store == NULL || (store->path = strdup(path)) == NULL) {
        error_set(err, ERROR_MEMORY, "store '%s': out of memory", path);
        free(TAKE(store));
        return NULL;
    }
    store->root_fd = store->bundles_fd = store->incoming_fd = store->lock_fd = -1;
    if (writable && !file_make_path(path, 0755, err)) {
        return NULL;
    }
    store->root_fd = file_open_directory(AT_FDCWD, path, err);
    if (store->root_fd < 0 || (writable && !open_for_writing(store, err))) {
        error_wrap(err, "store '%s'", path);
        return NULL;
    }
    store->bundles_fd = file_open_directory(store->root_fd, BUNDLES, err);
    if (store->bundles_fd < 0) {
        error_wrap(err, "store '%s'", path);
        return NULL;
    }
    return TAKE(store);
}

void store_close(Store *store) {
    if (store == NULL) {
        return;
    }
    cleanup_close(&store->bundles_fd);
    cleanup_close(&store->incoming_fd);
    cleanup_close(&store->root_fd);
    cleanup_close(&store->lock_fd);
    free(store->path);
    free(store);
}

const char *store_path(const Store *store) {
    return store->path;
}

/* Into bundles/ by one rename. What stands there already is damaged and changes places with the new one. */
static bool publish(Store *store, const char *hex, Error *err) {
    bool good = renameat(store->incoming_fd, hex, store->bundles_fd, hex) == 0;
    if (!good && (errno == ENOTEMPTY || errno == EEXIST)) {
        good = renameat2(store->incoming_fd, hex, store->bundles_fd, hex, RENAME_EXCHANGE) == 0;
    }
    if (!good) {
        return error_set_errno(err, errno, "store '%s': cannot move bundle %s into place", store->path, hex);
    }
    return file_sync_directory(store->bundles_fd, ".", err) &&
           file_sync_directory(store->incoming_fd, ".", err);
}

static void on_progress(void *context, uint64_t done, uint64_t total) {
    const StoreStaging *how = context;
    if (how->progress != NULL) {
        how->progress(how->context, done, total);
    }
}

static bool on_enclave(void *context, const ManifestFile *file, Bytes content, Error *err) {
    const StoreStaging *how = context;
    return gate_add_enclave(how->gate, file, content, err);
}

/* All of it, and through the gate. */
static bool read_bundle(Bundle *bundle, int into_fd, const StoreStaging *how, Error *err) {
    StoreStaging copy = *how;
    const BundleReading reading = {.into_fd = into_fd,
                                   .context = &copy,
                                   .progress = on_progress,
                                   .enclave = how->gate != NULL ? on_enclave : NULL};
    const Manifest *manifest = bundle_manifest(bundle);
    return bundle_read(bundle, &reading, err) &&
           (how->gate == NULL || gate_finish(how->gate, manifest, err) ||
            error_wrap(err, "bundle '%s' %s", manifest->name, manifest->version));
}

/* Unpacks into incoming/<digest>, synced, and publishes that. */
static bool unpack(Store *store, Bundle *bundle, const char *hex, const StoreStaging *how, Error *err) {
    if (mkdirat(store->incoming_fd, hex, 0700) != 0 || fchmodat(store->incoming_fd, hex, 0755, 0) != 0) {
        return error_set_errno(err, errno, "store '%s': cannot make '%s/%s'", store->path, INCOMING, hex);
    }
    AUTO_CLOSE int into_fd = file_open_directory(store->incoming_fd, hex, err);
    return into_fd >= 0 && read_bundle(bundle, into_fd, how, err) && publish(store, hex, err);
}

static bool count_name(void *context, const char *name, Error *err) {
    unsigned *count = context;
    (void)name;
    return ++*count < STORE_BUNDLES_MAX ||
           error_set(err, ERROR_LIMIT, "the store has %d bundles already: remove some ('pswctl remove')",
                     STORE_BUNDLES_MAX);
}

/* Stages a bundle that is not there, or that is damaged. */
static bool stage_new(Store *store, Bundle *bundle, const char *hex, const StoreStaging *how, Error *err) {
    unsigned count = 0;
    if (!store_each_name(store->bundles_fd, count_name, &count, err) ||
        !file_remove_tree(store->incoming_fd, hex, err)) {
        return error_wrap(err, "cannot stage");
    }
    bool good = unpack(store, bundle, hex, how, err);
    /* After a success this is what was damaged. What cannot be removed goes when the store is opened next. */
    if (!file_remove_tree(store->incoming_fd, hex, NULL) && !good) {
        return error_wrap(err, "cannot stage (and parts of it are left)");
    }
    return good || error_wrap(err, "cannot stage");
}

bool store_stage(Store *store, int bundle_fd, const char *name, const StoreStaging *how, Digest *ret_digest,
                 bool *ret_new, Error *err) {
    assert(store->incoming_fd >= 0);
    CLEANUP(bundle_closep) Bundle *bundle = bundle_open(bundle_fd, name, err);
    if (bundle == NULL) {
        return false;
    }
    const Digest digest = bundle_manifest(bundle)->digest;
    char hex[DIGEST_HEX_SIZE];
    digest_format(&digest, hex);
    bool is_there = store_verify(store, &digest, NULL, NULL);
    /* If it is staged already, what the file at hand is worth is said all the same. */
    if (!(is_there ? read_bundle(bundle, -1, how, err) : stage_new(store, bundle, hex, how, err))) {
        return false;
    }
    *ret_digest = digest;
    *ret_new = !is_there;
    return true;
}

char *store_bundle_path(const Store *store, const Digest *digest) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(digest, hex);
    return text_format("%s/%s/%s", store->path, BUNDLES, hex);
}

static bool on_staged_enclave(void *context, const ManifestFile *file, Bytes content, Error *err) {
    return gate_add_enclave(context, file, content, err);
}

bool store_verify(Store *store, const Digest *digest, Gate *gate, Error *err) {
    char hex[DIGEST_HEX_SIZE];
    StoreEntry entry;
    digest_format(digest, hex);
    if (!store_load_entry(store, hex, &entry, err)) {
        return false;
    }
    AUTO_CLOSE int dir_fd = file_open_directory(store->bundles_fd, hex, err);
    bool good =
        dir_fd >= 0 &&
        bundle_check_directory(dir_fd, entry.manifest, gate != NULL ? on_staged_enclave : NULL, gate, err) &&
        (gate == NULL || gate_finish(gate, entry.manifest, err));
    if (!good) {
        error_wrap(err, "store '%s': bundle '%s' %s: remove it and stage it again", store->path,
                   entry.manifest->name, entry.manifest->version);
    }
    store_entry_done(&entry);
    return good;
}

/* Out of bundles/ by one rename first, so that no half of a bundle is ever found there. */
bool store_remove(Store *store, const Digest *digest, Error *err) {
    char hex[DIGEST_HEX_SIZE];
    assert(store->incoming_fd >= 0);
    digest_format(digest, hex);
    if (!file_remove_tree(store->incoming_fd, hex, err)) {
        return error_wrap(err, "store '%s'", store->path);
    }
    if (renameat(store->bundles_fd, hex, store->incoming_fd, hex) != 0) {
        return error_set_errno(err, errno, "store '%s': cannot remove bundle %s", store->path, hex);
    }
    return file_sync_directory(store->bundles_fd, ".", err) && file_remove_tree(store->incoming_fd, hex, err);
}
