/* SPDX-License-Identifier: Apache-2.0
 *
 * ImportParts: what import.c (what is in packages), import_set.c (is it a whole set) and import_recipe.c
 * (what is written about it) share.
 */
#ifndef BUNDLES_IMPORT_PARTS_H
#define BUNDLES_IMPORT_PARTS_H

#include "bundles/import.h"
#include "bundles/sgx/enclave.h"

enum { IMPORT_NEEDED_MAX = 64 };

typedef struct ImportFile { /* taken */
    ManifestRole role;
    char *path;                             /* in the bundle */
    char version[RELEASE_VERSION_MAX + 1];  /* of the file; "" not known */
    char packages[RELEASE_VERSION_MAX + 1]; /* of its package; "" not known */
    const ImportItem *item;
    Digest digest;
} ImportFile;

struct Import {
    ImportOptions options;
    int dir_fd;
    ImportItem items[IMPORT_ITEMS_MAX];
    size_t items_count;
    size_t others_count;
    ImportFile files[MANIFEST_FILES_MAX];
    size_t files_count;
    EnclaveReport enclaves[RELEASE_ENCLAVES_COUNT]; /* by release_roles, where taken */
    char *needed[IMPORT_NEEDED_MAX];                /* DT_NEEDED of what was taken, each once */
    size_t needed_count;
    const char *package; /* that is being read, for people */
    char package_version[RELEASE_VERSION_MAX + 1];
    char *package_name; /* owned; a safe file name */
};

/* The first file of a role; NULL if none. */
const ImportFile *import_find(const Import *import, ManifestRole role);

/* Is all there, and of one release? *ret_release is NULL if the table has nothing to say. */
bool import_check_set(const Import *import, const Release **ret_release, Error *err)
    __attribute__((warn_unused_result));

#endif
