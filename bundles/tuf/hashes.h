/* SPDX-License-Identifier: Apache-2.0
 *
 * TufHashes: the hashes that metadata lists for a file, and the comparison of a stream of bytes with them.
 *
 * SHA-256 and SHA-512 are known; others beside them are ignored. A value that lists neither parses, because
 * one odd target must not cost the others of its file, but nothing ever matches it. Hex is lower case.
 */
#ifndef BUNDLES_TUF_HASHES_H
#define BUNDLES_TUF_HASHES_H

#include <jansson.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

enum { TUF_SHA256_SIZE = 32, TUF_SHA512_SIZE = 64, TUF_HASH_HEX_SIZE = 2 * TUF_SHA512_SIZE + 1 };

typedef struct TufHashes {
    bool has_sha256, has_sha512;
    uint8_t sha256[TUF_SHA256_SIZE];
    uint8_t sha512[TUF_SHA512_SIZE];
} TufHashes;

/* ERROR_INPUT: not an object of texts, empty, or malformed hex of a known algorithm. */
bool tuf_hashes_parse(const json_t *value, const char *where, TufHashes *ret_hashes, Error *err)
    __attribute__((warn_unused_result));

/* One listed hash as hex: the one that names the file in a consistent snapshot (SHA-256 if there). */
void tuf_hashes_format(const TufHashes *hashes, char hex[TUF_HASH_HEX_SIZE]);

/* False: some hash differs, or none is known (or out of memory). */
bool tuf_hashes_match(const TufHashes *hashes, Bytes bytes) __attribute__((warn_unused_result));

/* The same over pieces. tuf_hasher_end tells whether all listed hashes agree; the hasher is spent then. */
typedef struct TufHasher TufHasher;
TufHasher *tuf_hasher_new(const TufHashes *hashes);
void tuf_hasher_free(TufHasher *hasher);
bool tuf_hasher_add(TufHasher *hasher, const void *data, size_t size) __attribute__((warn_unused_result));
bool tuf_hasher_end(TufHasher *hasher) __attribute__((warn_unused_result));

#endif
