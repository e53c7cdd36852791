/* SPDX-License-Identifier: Apache-2.0
 *
 * StoreParts: what the files of the store share.
 */
#ifndef BUNDLES_STORE_PARTS_H
#define BUNDLES_STORE_PARTS_H

#include "bundles/store.h"

struct Store {
    char *path;
    int root_fd;
    int bundles_fd;
    int incoming_fd; /* -1 for a reader */
    int lock_fd;     /* -1 for a reader */
};

/* Calls visit with every name in the directory, sorted, until one fails. */
bool store_each_name(int dir_fd, bool (*visit)(void *context, const char *name, Error *err), void *context,
                     Error *err) __attribute__((warn_unused_result));

/* The bundle of that digest; its manifest has to have the digest that it is stored under. */
bool store_load_entry(const Store *store, const char *hex, StoreEntry *ret_entry, Error *err)
    __attribute__((warn_unused_result));

#endif
