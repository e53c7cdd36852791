/* SPDX-License-Identifier: Apache-2.0
 *
 * Offline: metadata and chosen targets of a repository in one file, and a fetcher over it.
 *
 * The file is a plain tar (pax) of "metadata/..." and "targets/..." as a web server would serve them, written
 * through a recorder: a client refreshes and fetches through the recorder, and what it accepted is what the
 * file holds. The fetcher trusts nothing in the file: the client that reads from it verifies everything as it
 * would over a network. Only regular files count; a name that occurs twice means its first occurrence.
 */
#ifndef BUNDLES_TUF_OFFLINE_H
#define BUNDLES_TUF_OFFLINE_H

#include "bundles/tuf/fetcher.h"

enum {
    TUF_OFFLINE_ENTRIES_MAX = 8192,                       /* written */
    TUF_OFFLINE_MEMBERS_MAX = 2 * TUF_OFFLINE_ENTRIES_MAX /* read: other writers add directories */
};

typedef struct TufOfflineWriter TufOfflineWriter;

/* Writes to fd (borrowed) whatever `from` (copied) serves to the recorder. */
TufOfflineWriter *tuf_offline_writer_new(int fd, const TufFetcher *from, Error *err)
    __attribute__((warn_unused_result));
/* The recorder: fetches from `from`, and adds each file once. A target's length must be known beforehand, so
 * a request's size_max has to be exact for targets, as the client's is. */
TufFetcher tuf_offline_recorder(TufOfflineWriter *writer);
/* Adds a file that no client asked for, such as the roots below the newest. */
bool tuf_offline_writer_add(TufOfflineWriter *writer, const char *name, Bytes bytes, Error *err)
    __attribute__((warn_unused_result));
/* Completes the file. It is the caller's to sync and to rename. */
bool tuf_offline_writer_end(TufOfflineWriter *writer, Error *err) __attribute__((warn_unused_result));
void tuf_offline_writer_free(TufOfflineWriter *writer);

typedef struct TufOffline {
    int fd; /* seekable; borrowed */
} TufOffline;

TufFetcher tuf_offline_fetcher(TufOffline *offline);

#endif
