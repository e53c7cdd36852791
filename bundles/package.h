/* SPDX-License-Identifier: Apache-2.0
 *
 * Package: what a vendor ships, read in one pass: a .deb (tar in ar), an .rpm (cpio behind headers), or a tar
 * archive, compressed or not. Which it is, is told by its bytes.
 *
 * Nothing is unpacked: the contents of plain files are handed over, one at a time, if they are wanted; links,
 * devices and directories are passed over, so no name leads anywhere. Paths have no leading "/" or "./". The
 * bytes are outside bytes: everything is bounded, and what is beyond a bound or cannot be read ends it.
 */
#ifndef BUNDLES_PACKAGE_H
#define BUNDLES_PACKAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

enum {
    PACKAGE_FILES_MAX = 65536,
    PACKAGE_LINKED_MAX = 4096, /* entries of an .rpm that say that they have further names */
    PACKAGE_PATH_MAX = 1024,   /* a longer one is cut */
    PACKAGE_TEXT_MAX = 128,
    PACKAGE_HEAD_SIZE = 64,
    PACKAGE_RATIO_MAX = 200
};
#define PACKAGE_FILE_SIZE_MAX (UINT64_C(64) * 1024 * 1024)        /* of one that is wanted */
#define PACKAGE_TOTAL_SIZE_MAX (UINT64_C(2) * 1024 * 1024 * 1024) /* unpacked */
#define PACKAGE_RATIO_FREE_SIZE (UINT64_C(64) * 1024 * 1024)

typedef enum PackageKind { PACKAGE_NONE, PACKAGE_DEB, PACKAGE_RPM, PACKAGE_TAR } PackageKind;

/* By what a file begins with (at least PACKAGE_MAGIC_SIZE bytes of it). A compressed file may turn out to be
 * no tar archive. */
enum { PACKAGE_MAGIC_SIZE = 512 };
PackageKind package_kind(Bytes head);

/* What the package says of itself; "" where it says nothing, as a tar archive never does. */
typedef struct PackageInfo {
    PackageKind kind;
    char name[PACKAGE_TEXT_MAX + 1];
    char version[PACKAGE_TEXT_MAX + 1]; /* with epoch and revision, as the packager writes it */
    char architecture[PACKAGE_TEXT_MAX + 1];
} PackageInfo;

typedef struct PackageVisitor {
    void *context;
    /* Paths are made fit to be shown (text_show). Is the file wanted? `head` are its first bytes,
     * PACKAGE_HEAD_SIZE of them if it has so many. */
    bool (*wants)(void *context, const char *path, uint64_t size, Bytes head);
    /* Each wanted file; false ends the reading with its error. */
    bool (*file)(void *context, const PackageInfo *info, const char *path, Bytes content, Error *err);
} PackageVisitor;

/* Reads the regular file behind fd from its beginning; `name` is for error texts. ERROR_INPUT, ERROR_LIMIT.
 */
bool package_read(int fd, const char *name, const PackageVisitor *visitor, PackageInfo *ret_info, Error *err)
    __attribute__((warn_unused_result));

#endif
