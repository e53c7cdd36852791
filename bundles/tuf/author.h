/* SPDX-License-Identifier: Apache-2.0
 *
 * Author: metadata documents in the making, as JSON: {"signatures": [...], "signed": {...}}.
 *
 * What is written keeps to the narrow form that every TUF client reads: padded times in UTC, lower-case hex,
 * `terminating` always there, consistent snapshots.
 */
#ifndef BUNDLES_TUF_AUTHOR_H
#define BUNDLES_TUF_AUTHOR_H

#include <jansson.h>

#include "bundles/base/buffer.h"
#include "bundles/tuf/hashes.h"
#include "bundles/tuf/metadata.h"
#include "bundles/tuf/signer.h"

/* A document without signatures, empty but valid in shape. NULL when out of memory. */
json_t *tuf_author_new(TufType type, int64_t version, int64_t expires);

/* The document's `signed`; borrowed. */
json_t *tuf_author_body(const json_t *document);
int64_t tuf_author_version(const json_t *document);

/* Sets version and expiry and drops all signatures: what they were made over has changed. */
bool tuf_author_revise(json_t *document, int64_t version, int64_t expires)
    __attribute__((warn_unused_result));

/* Adds the signer's signature, in place of one it made before. */
bool tuf_author_sign(json_t *document, const TufSigner *signer, Error *err)
    __attribute__((warn_unused_result));

/* Puts a key into a `keys` object and its id into a role's `keyids`. */
bool tuf_author_add_key(json_t *keys, json_t *role, const TufSigner *signer)
    __attribute__((warn_unused_result));

/* The object with `keyids` names the key. */
bool tuf_author_names_key(const json_t *role, const char *keyid);

/* Takes those out of a document's `keys` that no role in it names. */
void tuf_author_drop_unused_keys(const json_t *document, json_t *keys);

/* Sets how many of the role's keys must sign; 0: as many as before. ERROR_USAGE: it has fewer keys. */
bool tuf_author_set_threshold(json_t *role, int64_t threshold, Error *err)
    __attribute__((warn_unused_result));

/* Whether enough keys of a role signed the document: its delegator's `keys`, and the object with `keyids` and
 * `threshold`. ERROR_VERIFY: not so. */
bool tuf_author_verify(const json_t *document, TufType type, const char *role, const json_t *keys,
                       const json_t *object, Error *err) __attribute__((warn_unused_result));

/* {"version", "length", "hashes": {"sha256"}} of a metadata file's bytes. NULL when out of memory. */
json_t *tuf_author_file_info(int64_t version, Bytes bytes);

/* The bytes of the file. */
bool tuf_author_format(const json_t *document, Buffer *ret_bytes) __attribute__((warn_unused_result));

#endif
