/* SPDX-License-Identifier: Apache-2.0
 *
 * Downloads: <state>/downloads, where what was fetched or is being uploaded waits to be staged.
 *
 * A fetched file is SHA256.pswb, an interrupted one SHA256.part with SHA256.etag beside it.
 */
#ifndef MANAGER_DOWNLOADS_H
#define MANAGER_DOWNLOADS_H

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"

enum { DOWNLOADS_KEPT = 8 };

typedef struct Downloads Downloads;

Downloads *downloads_open(const char *state, Error *err) __attribute__((warn_unused_result));
void downloads_close(Downloads *downloads);
CLEANUP_DEFINE(Downloads, downloads_close)
const char *downloads_path(const Downloads *downloads);

/* A file without a name, for an upload; -1 on failure. */
int downloads_spool(Downloads *downloads, Error *err) __attribute__((warn_unused_result));

/* What was fetched with this SHA-256 (in any case of letters); ret_digest has its one form. -1 on failure. */
int downloads_find(Downloads *downloads, const char *sha256, char ret_digest[DIGEST_HEX_SIZE], Error *err)
    __attribute__((warn_unused_result));
void downloads_remove(Downloads *downloads, const char *digest);

/* Removes the oldest file if there are more than DOWNLOADS_KEPT. */
void downloads_tidy(Downloads *downloads);

#endif
