/* SPDX-License-Identifier: Apache-2.0
 *
 * Download: a file on its way into the downloads directory: <name>.part while it grows, <sha256>.pswb when it
 * is whole. A part that an earlier attempt left is gone on with. A tap sees every byte of the file from its
 * start, in order, whenever it came, and hashes it. Nothing here is synced: after a power cut a kept file
 * counts only if its hash still fits, and staging checks every byte.
 */
#ifndef MANAGER_DOWNLOAD_H
#define MANAGER_DOWNLOAD_H

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"
#include "manager/helper_child.h"

enum { DOWNLOAD_NAME_MAX = 128 };

typedef struct Download Download;

typedef struct DownloadTap {
    bool (*restart)(void *context, Error *err); /* what it saw does not count */
    bool (*add)(void *context, const void *data, size_t size, Error *err);
    void *context;
} DownloadTap;

/* Reads what is there; a part that the tap refuses is started over. `dir_fd` and `progress` are borrowed for
 * the download's life. */
Download *download_open(int dir_fd, const char *name, const DownloadTap *tap, HelperProgress *progress,
                        Error *err) __attribute__((warn_unused_result));
void download_close(Download *download); /* the part stays */
CLEANUP_DEFINE(Download, download_close)

uint64_t download_size(const Download *download);
void download_expect(Download *download, uint64_t total); /* for the progress; 0: not known */
bool download_restart(Download *download, Error *err) __attribute__((warn_unused_result));
bool download_add(Download *download, const void *data, size_t size, Error *err)
    __attribute__((warn_unused_result));

/* When everything came and its digest is known. */
bool download_keep(Download *download, const Digest *digest, Error *err) __attribute__((warn_unused_result));
bool download_measure(const Download *download, Digest *ret_digest, Error *err)
    __attribute__((warn_unused_result)); /* reads all of it again */
void download_drop(Download *download);  /* removes the part */

/* Whether the directory has a whole file of that digest; reads all of it. */
bool download_is_kept(int dir_fd, const Digest *digest, uint64_t *ret_size);

#endif
