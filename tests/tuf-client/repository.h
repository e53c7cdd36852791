/* SPDX-License-Identifier: Apache-2.0
 *
 * Repository: a TUF repository in memory that tests can bend: its documents are plain JSON, published on
 * demand, and served by a fetcher that keeps a log and can be told to misbehave.
 */
#ifndef TESTS_TUF_CLIENT_REPOSITORY_H
#define TESTS_TUF_CLIENT_REPOSITORY_H

#include <jansson.h>

#include "bundles/tuf/author.h"
#include "bundles/tuf/client.h"
#include "bundles/tuf/signer.h"

#define REPOSITORY_NOW INT64_C(1800000000) /* 2027-01-15T08:00:00Z */
#define REPOSITORY_EXPIRES (REPOSITORY_NOW + 1000)

enum { REPOSITORY_LOG_SIZE = 8192, REPOSITORY_KEYS_MAX = 16 };

typedef enum RepositoryFault {
    REPOSITORY_HONEST,
    REPOSITORY_ENDLESS, /* sends for ever */
    REPOSITORY_FAILS,   /* the transfer fails: HTTP 500, TLS, time-out … */
    REPOSITORY_ABSENT
} RepositoryFault;

typedef struct Repository {
    json_t *roles;   /* name -> document: the four and the delegated ones */
    json_t *signers; /* name -> array of indices into `keys` */
    TufSigner *keys[REPOSITORY_KEYS_MAX];
    size_t keys_count;
    json_t *files;   /* request path -> string of the bytes */
    bool consistent; /* file names; the root document says it by itself */
    bool with_hashes;
    RepositoryFault fault;
    const char *fault_path;        /* where it misbehaves; NULL: everywhere */
    bool answers_unchanged;        /* 304 where it may */
    uint64_t endless_bytes;        /* sent so far */
    char log[REPOSITORY_LOG_SIZE]; /* request paths, a blank behind each */
} Repository;

/* All four roles at version 1, one Ed25519 key each, published. */
Repository *repository_new(void);
void repository_free(Repository *repository);

json_t *repository_document(Repository *repository, const char *role);
json_t *repository_body(Repository *repository, const char *role);

/* A new key, not used yet; its index. */
size_t repository_add_key(Repository *repository, const char *type);
/* Makes the key sign for the role; a top-level role's keys in root are brought in line (also after changes).
 */
void repository_use_key(Repository *repository, const char *role, size_t key);
void repository_drop_keys(Repository *repository, const char *role);

/* Adds a delegation to `from` and an empty role of that name with a key of its own. */
json_t *repository_delegate(Repository *repository, const char *from, const char *name, const char *pattern,
                            bool terminating);
/* A target and its file. */
void repository_add_target(Repository *repository, const char *role, const char *path, const char *content);

void repository_set_version(Repository *repository, const char *role, int64_t version);
void repository_set_expires(Repository *repository, const char *role, int64_t expires);
int64_t repository_version(Repository *repository, const char *role);

/* Signs the document as it is and serves it; snapshot's and timestamp's listings are the caller's. */
void repository_serve(Repository *repository, const char *role);
/* Raises the version by one and serves it, with the listings in snapshot and timestamp brought up to date. */
void repository_publish(Repository *repository, const char *role);
void repository_list(Repository *repository, const char *role); /* into snapshot or timestamp */
void repository_serve_bytes(Repository *repository, const char *path, Bytes bytes);
Bytes repository_bytes(Repository *repository, const char *path); /* empty: not served */

TufFetcher repository_fetcher(Repository *repository);

#endif
