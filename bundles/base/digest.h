/* SPDX-License-Identifier: Apache-2.0
 *
 * Digest: SHA-256, at once and in pieces. A DigestStream is reusable: digest_stream_end starts it anew.
 */
#ifndef BUNDLES_BASE_DIGEST_H
#define BUNDLES_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"

enum { DIGEST_SIZE = 32, DIGEST_HEX_SIZE = 65 };

typedef struct Digest {
    uint8_t bytes[DIGEST_SIZE];
} Digest;

typedef struct DigestStream DigestStream;

bool digest_of(const void *data, size_t size, Digest *ret_digest) __attribute__((warn_unused_result));
bool digest_of_fd(int fd, Digest *ret_digest, Error *err)
    __attribute__((warn_unused_result)); /* from the current offset to the end */
bool digest_equal(const Digest *a, const Digest *b);
bool digest_parse(const char *hex, Digest *ret_digest); /* exactly 64 hex digits */
void digest_format(const Digest *digest, char hex[DIGEST_HEX_SIZE]);

DigestStream *digest_stream_new(void); /* NULL when out of memory */
void digest_stream_free(DigestStream *stream);
bool digest_stream_add(DigestStream *stream, const void *data, size_t size)
    __attribute__((warn_unused_result));
bool digest_stream_end(DigestStream *stream, Digest *ret_digest) __attribute__((warn_unused_result));

#endif
