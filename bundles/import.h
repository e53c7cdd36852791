/* SPDX-License-Identifier: Apache-2.0
 *
 * Import: a bundle out of a vendor's packages.
 *
 * Packages are read one after the other; what a bundle is made of is told by DT_SONAME and, of enclaves, by
 * their verified role, and is copied into a directory. In the end it is decided whether that is a whole set
 * of one release, and bundle.yaml is written. Every library and enclave that was met is accounted for, taken
 * or left, with the reason. Invariant: import_finish succeeds only with three verified enclaves that belong
 * together and with the libraries that drive them.
 */
#ifndef BUNDLES_IMPORT_H
#define BUNDLES_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/manifest.h"
#include "bundles/release.h"
#include "bundles/sgx/signers.h"

enum { IMPORT_ITEMS_MAX = 1024, IMPORT_TEXT_MAX = 200 };

typedef struct ImportOptions {
    const char *name;    /* of the bundle */
    const char *version; /* NULL: that of the package that the quote library comes from */
    const char *vendor;  /* NULL: whoever signs the enclaves */
    const SignerPolicy *signers;
    const Releases *releases;
    bool own_releases; /* not the built-in table: it speaks about simulated enclaves, too */
    int64_t now;       /* seconds since 1970 */
} ImportOptions;       /* all borrowed */

typedef struct ImportItem {
    char *package;              /* "libsgx-ae-qe3 1.22.100.3", or the name of the file that it was in */
    char *path;                 /* in the package */
    char *as;                   /* path in the bundle; NULL: left */
    char text[IMPORT_TEXT_MAX]; /* what it is, or why it was left */
} ImportItem;

typedef struct Import Import;

/* `dir_fd`: an empty directory; what is in it afterwards is the caller's to remove. */
Import *import_new(const ImportOptions *options, int dir_fd, Error *err) __attribute__((warn_unused_result));
void import_free(Import *import);
CLEANUP_DEFINE(Import, import_free)

/* One package. ERROR_INPUT, ERROR_LIMIT for what cannot be read; ERROR_VERIFY for an enclave that claims a
 * role and is not verified; ERROR_CONFLICT for two different files where one has to be. */
bool import_add(Import *import, int fd, const char *name, Error *err) __attribute__((warn_unused_result));

/* Writes bundle.yaml beside the files and gives the manifest, ready for bundle_make. ERROR_NOT_FOUND says
 * what is missing, ERROR_VERIFY what does not belong together. */
Manifest *import_finish(Import *import, Error *err) __attribute__((warn_unused_result));

/* In the order in which they were met. Borrowed. */
size_t import_items_count(const Import *import);
const ImportItem *import_item(const Import *import, size_t index);
size_t import_others_count(const Import *import); /* files that are no library, enclave or licence */

#endif
