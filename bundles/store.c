/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/store.h"

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
    store_forget_manifests(store);
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
    store_forget_manifests(store);
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
