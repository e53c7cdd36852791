/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/store_parts.h"
#include "bundles/version.h"

CLEANUP_DEFINE(Manifest, manifest_free)

enum { SETTLED_MS = 100 };

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

bool store_each_name(int dir_fd, bool (*visit)(void *, const char *, Error *), void *context, Error *err) {
    struct dirent **entries = NULL;
    int count = scandirat(dir_fd, ".", &entries, is_not_dots, compare_names);
    if (count < 0) {
        return error_set_errno(err, errno, "cannot list the store");
    }
    bool good = true;
    for (int i = 0; i < count; i++) {
        good = good && visit(context, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return good;
}

void store_entry_done(StoreEntry *entry) {
    manifest_free(entry->manifest);
    *entry = (StoreEntry){0};
}

void store_list_done(StoreList *list) {
    for (size_t i = 0; i < list->count; i++) {
        store_entry_done(&list->entries[i]);
    }
    free(list->entries);
    *list = (StoreList){0};
}

void store_forget_manifests(Store *store) {
    for (size_t i = 0; i < STORE_KNOWN_MAX; i++) {
        manifest_free(store->known[i].manifest);
        store->known[i] = (StoreKnown){0};
    }
}

static Manifest *find_known(Store *store, const Digest *digest, const struct stat *facts) {
    for (size_t i = 0; i < STORE_KNOWN_MAX; i++) {
        const StoreKnown *known = &store->known[i];
        if (known->manifest != NULL && digest_equal(&known->manifest->digest, digest) &&
            file_is_same(&known->facts, facts)) {
            return manifest_share(known->manifest);
        }
    }
    return NULL;
}

/* The clock of ctime is coarse: what was changed just now may be changed again unseen. */
static bool is_settled(const struct stat *facts) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec - facts->st_ctim.tv_sec) * 1000 + (now.tv_nsec - facts->st_ctim.tv_nsec) / 1000000 >=
           SETTLED_MS;
}

static void remember(Store *store, Manifest *manifest, const struct stat *facts) {
    if (!is_settled(facts)) {
        return;
    }
    StoreKnown *known = &store->known[store->known_next++ % STORE_KNOWN_MAX];
    manifest_free(known->manifest);
    *known = (StoreKnown){.manifest = manifest_share(manifest), .facts = *facts};
}

/* `dir_fd` is the bundle's directory. */
static Manifest *load_manifest(Store *store, const char *hex, int dir_fd, const Digest *digest, Error *err) {
    struct stat before;
    /* Looked at before it is read: what is changed meanwhile looks different the next time. */
    bool seen = fstatat(dir_fd, MANIFEST_NAME, &before, AT_SYMLINK_NOFOLLOW) == 0;
    CLEANUP(manifest_freep) Manifest *manifest = seen ? find_known(store, digest, &before) : NULL;
    if (manifest != NULL) {
        return TAKE(manifest);
    }
    manifest = manifest_load(dir_fd, err);
    if (manifest == NULL) {
        error_wrap(err, "store '%s': bundle %s", store->path, hex);
        return NULL;
    }
    if (!digest_equal(&manifest->digest, digest)) {
        error_set(err, ERROR_VERIFY,
                  "store '%s': bundle %s: its manifest was changed: remove it and stage it again",
                  store->path, hex);
        return NULL;
    }
    if (seen) {
        remember(store, manifest, &before);
    }
    return TAKE(manifest);
}

bool store_load_entry(Store *store, const char *hex, StoreEntry *ret_entry, Error *err) {
    StoreEntry entry = {0};
    struct stat facts;
    if (!digest_parse(hex, &entry.digest)) {
        return error_set(err, ERROR_INPUT, "store '%s': '%s' is not a digest", store->path, hex);
    }
    AUTO_CLOSE int dir_fd = file_open_directory(store->bundles_fd, hex, err);
    if (dir_fd < 0) {
        return error_wrap(err, "store '%s': bundle %s", store->path, hex);
    }
    if (fstat(dir_fd, &facts) != 0) {
        return error_set_errno(err, errno, "store '%s': bundle %s", store->path, hex);
    }
    Manifest *manifest = load_manifest(store, hex, dir_fd, &entry.digest, err);
    if (manifest == NULL) {
        return false;
    }
    for (size_t i = 0; i < manifest->files_count; i++) {
        entry.size += manifest->files[i].size;
    }
    digest_format(&entry.digest, entry.digest_hex);
    entry.staged_at = facts.st_mtime;
    entry.manifest = manifest;
    *ret_entry = entry;
    return true;
}

typedef struct Listing {
    Store *store;
    StoreList list;
} Listing;

static bool list_name(void *context, const char *name, Error *err) {
    Listing *listing = context;
    StoreList *list = &listing->list;
    Error reason = ERROR_INIT;
    if (!digest_parse(name, &(Digest){0})) {
        return true; /* lost+found, for one */
    }
    if (list->count == STORE_BUNDLES_MAX) {
        return error_set(err, ERROR_LIMIT, "more than %d bundles: remove some", STORE_BUNDLES_MAX);
    }
    StoreEntry *grown = reallocarray(list->entries, list->count + 1, sizeof *list->entries);
    if (grown == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    list->entries = grown;
    if (store_load_entry(listing->store, name, &grown[list->count], &reason)) {
        list->count++;
    } else if (reason.kind == ERROR_MEMORY) {
        return error_set(err, reason.kind, "%s", reason.text);
    } else {
        list->damaged++;
    }
    return true;
}

static int newest_first(const void *a, const void *b) {
    const StoreEntry *one = a;
    const StoreEntry *other = b;
    int order = version_compare(other->manifest->version, one->manifest->version);
    order = order != 0 ? order : strcmp(one->manifest->name, other->manifest->name);
    return order != 0 ? order : strcmp(one->digest_hex, other->digest_hex);
}

bool store_list(Store *store, StoreList *ret_list, Error *err) {
    Listing listing = {.store = store};
    if (!store_each_name(store->bundles_fd, list_name, &listing, err)) {
        store_list_done(&listing.list);
        return error_wrap(err, "store '%s'", store->path);
    }
    if (listing.list.count > 0) {
        qsort(listing.list.entries, listing.list.count, sizeof *listing.list.entries, newest_first);
    }
    *ret_list = listing.list;
    return true;
}

/* "version", "name@version", or the beginning of a digest. */
static bool fits(const StoreEntry *entry, const char *what) {
    const char *at = strchr(what, '@');
    size_t length = strlen(what);
    if (at != NULL) {
        size_t name_length = (size_t)(at - what);
        return strlen(entry->manifest->name) == name_length &&
               memcmp(entry->manifest->name, what, name_length) == 0 && version_is_valid(at + 1) &&
               version_compare(entry->manifest->version, at + 1) == 0;
    }
    if (version_is_valid(what) && version_compare(entry->manifest->version, what) == 0) {
        return true;
    }
    return length >= 8 && strncmp(entry->digest_hex, what, length) == 0;
}

static bool ambiguous(const StoreList *list, const char *what, Error *err) {
    char names[512] = "";
    size_t length = 0;
    for (size_t i = 0; i < list->count && length < sizeof names; i++) {
        if (fits(&list->entries[i], what)) {
            length += (size_t)snprintf(names + length, sizeof names - length, " %s@%s (%.12s)",
                                       list->entries[i].manifest->name, list->entries[i].manifest->version,
                                       list->entries[i].digest_hex);
        }
    }
    return error_set(err, ERROR_CONFLICT, "'%.128s' fits several staged bundles:%s: name one by its digest",
                     what, names);
}

bool store_find(Store *store, const char *what, StoreEntry *ret_entry, Error *err) {
    StoreList list = {0};
    StoreEntry *found = NULL;
    unsigned count = 0;
    if (digest_parse(what, &(Digest){0}) && faccessat(store->bundles_fd, what, F_OK, 0) == 0) {
        return store_load_entry(store, what, ret_entry, err);
    }
    if (!store_list(store, &list, err)) {
        return false;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (fits(&list.entries[i], what)) {
            found = &list.entries[i];
            count++;
        }
    }
    bool good = count == 1;
    if (good) {
        *ret_entry = *found;
        *found = (StoreEntry){0};
    } else if (count == 0) {
        error_set(err, ERROR_NOT_FOUND, "no bundle '%.128s' is staged%s: 'pswctl list' shows what is", what,
                  list.damaged > 0 ? ", but some are damaged" : "");
    } else {
        ambiguous(&list, what, err);
    }
    store_list_done(&list);
    return good;
}
