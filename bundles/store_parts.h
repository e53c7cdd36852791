/* SPDX-License-Identifier: Apache-2.0
 *
 * StoreParts: what the files of the store share.
 */
#ifndef BUNDLES_STORE_PARTS_H
#define BUNDLES_STORE_PARTS_H

#include <sys/stat.h>

#include "bundles/store.h"

enum { STORE_KNOWN_MAX = 32 };

/* A manifest that was read, and how its file looked to stat() then: a changed file has another ctime. */
typedef struct StoreKnown {
    Manifest *manifest; /* NULL: none */
    struct stat facts;
} StoreKnown;

struct Store {
    char *path;
    int root_fd;
    int bundles_fd;
    int incoming_fd; /* -1 for a reader */
    int lock_fd;     /* -1 for a reader */
    StoreKnown known[STORE_KNOWN_MAX];
    size_t known_next;
};

/* Calls visit with every name in the directory, sorted, until one fails. */
bool store_each_name(int dir_fd, bool (*visit)(void *context, const char *name, Error *err), void *context,
                     Error *err) __attribute__((warn_unused_result));

/* The bundle of that digest; its manifest has to have the digest that it is stored under. It is not read
 * again as long as its file is the same. */
bool store_load_entry(Store *store, const char *hex, StoreEntry *ret_entry, Error *err)
    __attribute__((warn_unused_result));
void store_forget_manifests(Store *store);

#endif
