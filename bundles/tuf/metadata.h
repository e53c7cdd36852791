/* SPDX-License-Identifier: Apache-2.0
 *
 * TufMetadata: one metadata file, parsed and not yet trusted (TUF specification 1.0.34, section 4).
 *
 * Parsing checks the shape of everything that is used later, before any signature can be looked at, so that
 * hostile JSON never reaches the code behind. What the specification does not name is ignored, and stays
 * part of the signed bytes. All that is handed out borrows from the TufMetadata.
 */
#ifndef BUNDLES_TUF_METADATA_H
#define BUNDLES_TUF_METADATA_H

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/tuf/delegations.h"
#include "bundles/tuf/hashes.h"
#include "bundles/tuf/role.h"

typedef enum TufType {
    TUF_TYPE_ROOT,
    TUF_TYPE_TIMESTAMP,
    TUF_TYPE_SNAPSHOT,
    TUF_TYPE_TARGETS, /* also of every delegated role */
    TUF_TYPES_COUNT
} TufType;

const char *tuf_type_name(TufType type); /* "root": the top-level role's name */

/* What timestamp and snapshot list about another metadata file. */
typedef struct TufFileInfo {
    int64_t version;
    bool has_length, has_hashes;
    uint64_t length;
    TufHashes hashes;
} TufFileInfo;

typedef struct TufMetadata {
    TufType type;
    int64_t version;
    int64_t expires; /* seconds since 1970 */
    json_t *document;
    const json_t *body; /* document's `signed` */
    TufSignature *signatures;
    size_t signatures_count;
    bool consistent_snapshot;       /* root */
    TufKeyring keyring;             /* root */
    TufRole roles[TUF_TYPES_COUNT]; /* root: by type */
    const json_t *meta;             /* timestamp, snapshot */
    const json_t *targets;          /* targets */
    TufDelegations *delegations;    /* targets; NULL: none */
} TufMetadata;

/* `name` is the file's, for the error text. ERROR_INPUT (malformed, or `_type` is another), ERROR_LIMIT. */
TufMetadata *tuf_metadata_parse(Bytes bytes, const char *name, TufType type, Error *err)
    __attribute__((warn_unused_result));
void tuf_metadata_free(TufMetadata *metadata);

static inline void tuf_metadata_freep(TufMetadata **metadata) {
    tuf_metadata_free(*metadata);
}

/* ERROR_VERIFY: not signed as the role demands. */
bool tuf_metadata_verify(const TufMetadata *metadata, const TufRole *role, const TufKeyring *keyring,
                         Error *err) __attribute__((warn_unused_result));

/* The entry "FILE.json" of timestamp's or snapshot's `meta`; false: not listed. */
bool tuf_metadata_file(const TufMetadata *metadata, const char *file, TufFileInfo *ret_info);

/* Length, hashes and custom data (NULL: none) of a target; false: the role does not list the path. */
bool tuf_metadata_target(const TufMetadata *metadata, const char *path, uint64_t *ret_length,
                         TufHashes *ret_hashes, json_t **ret_custom);

#endif
