/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle.h"
#include "bundles/store_parts.h"

CLEANUP_DEFINE(Bundle, bundle_close)

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
        return error_set_errno(err, errno, "store '%s': cannot make 'incoming/%s'", store->path, hex);
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
