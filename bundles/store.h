/* SPDX-License-Identifier: Apache-2.0
 *
 * Store: the node's directory of staged bundles, each under its digest, immutable.
 *
 * <store>/bundles/<digest>/ holds manifest.yaml and the files; <store>/incoming/ what is being unpacked.
 * Invariant: a directory under bundles/ is complete, verified and synced, because it appears by one rename;
 * what a crash leaves in incoming/ is removed when the store is opened for writing.
 */
#ifndef BUNDLES_STORE_H
#define BUNDLES_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/digest.h"
#include "bundles/base/error.h"
#include "bundles/gate.h"
#include "bundles/manifest.h"

typedef struct Store Store;

/* Makes what is missing. One writer at a time (lock); a reader passes writable = false. */
Store *store_open(const char *path, bool writable, Error *err) __attribute__((warn_unused_result));
void store_close(Store *store);
const char *store_path(const Store *store);

typedef struct StoreEntry {
    Digest digest;
    char digest_hex[DIGEST_HEX_SIZE];
    Manifest *manifest;
    uint64_t size;     /* sum of the files */
    int64_t staged_at; /* wall clock seconds */
} StoreEntry;

typedef struct StoreList {
    StoreEntry *entries; /* newest version first */
    size_t count;
    size_t damaged; /* bundles left out because their manifest cannot be read or was changed */
} StoreList;
enum { STORE_BUNDLES_MAX = 1024 };

bool store_list(Store *store, StoreList *ret_list, Error *err) __attribute__((warn_unused_result));
void store_list_done(StoreList *list);

typedef struct StoreStaging {
    Gate *gate; /* new; NULL: only the rules of the format, for a store from which nothing is run */
    /* May be NULL. Told bytes read and bytes in all. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
} StoreStaging;

/* Stages the .pswb that bundle_fd reads: every check of the format and of the gate, then fsync and rename. A
 * bundle that is there already is a success (`ret_new` false) if it passes, too; one that is there and
 * damaged is replaced. */
bool store_stage(Store *store, int bundle_fd, const char *name, const StoreStaging *how, Digest *ret_digest,
                 bool *ret_new, Error *err) __attribute__((warn_unused_result));

/* By digest (at least 8 hex digits) or version, optionally "NAME VERSION" as "name@version".
 * ERROR_NOT_FOUND; ERROR_CONFLICT if several fit (the text lists them). The result is the caller's:
 * store_entry_done. */
bool store_find(Store *store, const char *what, StoreEntry *ret_entry, Error *err)
    __attribute__((warn_unused_result));
void store_entry_done(StoreEntry *entry);

/* Path of the unpacked bundle; the caller frees. */
char *store_bundle_path(const Store *store, const Digest *digest);

/* Reads every file again and compares with the manifest: ERROR_VERIFY names the first that differs or is not
 * in it. With a (new) gate the bundle has to pass that again, too. */
bool store_verify(Store *store, const Digest *digest, Gate *gate, Error *err)
    __attribute__((warn_unused_result));

/* Gone from bundles/ by one rename. */
bool store_remove(Store *store, const Digest *digest, Error *err) __attribute__((warn_unused_result));

#endif
