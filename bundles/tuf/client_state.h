/* SPDX-License-Identifier: Apache-2.0
 *
 * Client state: what the files of the client workflow share; nobody else includes it.
 */
#ifndef BUNDLES_TUF_CLIENT_STATE_H
#define BUNDLES_TUF_CLIENT_STATE_H

#include "bundles/base/buffer.h"
#include "bundles/tuf/client.h"
#include "bundles/tuf/trusted.h"

typedef struct TufDelegated {
    char *name;
    TufMetadata *metadata;
} TufDelegated;

struct TufClient {
    int dir_fd;
    int lock_fd;
    TufLimits limits;
    int64_t time_floor;
    int64_t refreshed_at;
    int64_t now;    /* of the current refresh: one time for every decision */
    bool refreshed; /* find_target may be called */
    TufTrusted trusted;
    Buffer root_bytes;       /* of trusted.root */
    TufDelegated *delegated; /* kept in memory: at most what two searches visit */
    size_t delegated_count, delegated_max;
};

/* A metadata file into the (cleared) buffer, its size limited by the request. FAILED sets the problem. */
TufFetched tuf_client_fetch_metadata(TufClient *client, const TufFetcher *fetcher, const TufRequest *request,
                                     const char *role, Buffer *bytes, Error *err);

/* A role's file as timestamp or snapshot lists it: its name follows from the version, its size from the
 * listed length or `size_max`, whichever is less. It must be there. */
bool tuf_client_fetch_listed(TufClient *client, const TufFetcher *fetcher, const char *role,
                             const TufFileInfo *info, uint64_t size_max, Buffer *bytes, Error *err);

/* Metadata of a targets role, stored or fetched, verified for this delegator; the caller's. */
TufMetadata *tuf_client_load_targets(TufClient *client, const TufFetcher *fetcher, const TufRole *role,
                                     const TufKeyring *keyring, Error *err);

bool tuf_client_storage_problem(TufClient *client, const char *role, Error *err);
bool tuf_client_absent_problem(TufClient *client, const char *role, Error *err);
void tuf_client_forget_delegated(TufClient *client);

#endif
