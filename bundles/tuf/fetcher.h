/* SPDX-License-Identifier: Apache-2.0
 *
 * TufFetcher: how the client gets bytes. The client itself opens no connection and no repository file.
 */
#ifndef BUNDLES_TUF_FETCHER_H
#define BUNDLES_TUF_FETCHER_H

#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

typedef enum TufFetchKind {
    TUF_FETCH_METADATA, /* beneath the repository's metadata directory */
    TUF_FETCH_TARGET    /* beneath its targets directory */
} TufFetchKind;

typedef struct TufRequest {
    TufFetchKind kind;
    const char *path;  /* relative, percent-encoded: "3.snapshot.json", "dir/HASH.name" */
    uint64_t size_max; /* more than this is refused: a fetcher may stop there by itself */
    Bytes cached;      /* not empty: TUF_FETCHED_UNCHANGED is a legal answer and stands for these bytes */
} TufRequest;

typedef enum TufFetched {
    TUF_FETCHED_ALL,       /* everything was given to the sink */
    TUF_FETCHED_ABSENT,    /* the repository says that there is no such file (HTTP 404 or 403) */
    TUF_FETCHED_UNCHANGED, /* (HTTP 304) */
    TUF_FETCHED_FAILED     /* the error is set: everything else */
} TufFetched;

/* Takes the next bytes; false: stop, and return FAILED with the error as it is. */
typedef struct TufSink {
    bool (*write)(void *context, const void *data, size_t size, Error *err);
    void *context;
} TufSink;

typedef struct TufFetcher {
    TufFetched (*fetch)(void *context, const TufRequest *request, const TufSink *sink, Error *err);
    void *context;
} TufFetcher;

#endif
