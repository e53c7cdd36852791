/* SPDX-License-Identifier: Apache-2.0
 *
 * TufTarget: a file that the repository's metadata vouches for, and the check of its bytes while they stream.
 */
#ifndef BUNDLES_TUF_TARGET_H
#define BUNDLES_TUF_TARGET_H

#include <jansson.h>

#include "bundles/base/error.h"
#include "bundles/tuf/hashes.h"
#include "bundles/tuf/limits.h"

typedef struct TufTarget {
    char *path; /* as the metadata lists it */
    char *role; /* that lists it */
    uint64_t length;
    TufHashes hashes;
    json_t *custom; /* an object; NULL: none */
} TufTarget;

void tuf_target_done(TufTarget *target);

/* The path to ask for beneath the repository's targets directory, percent-encoded; `consistent` puts the hash
 * before the name. The caller frees; NULL when out of memory. */
char *tuf_target_request_path(const TufTarget *target, bool consistent);

/* Bytes in, verdict out: add refuses with ERROR_VERIFY what goes beyond the length, end whatever falls short
 * of it or has another hash. Nothing that was added may be used before end has returned true. */
typedef struct TufTargetStream TufTargetStream;
TufTargetStream *tuf_target_stream_new(const TufTarget *target, Error *err);
void tuf_target_stream_free(TufTargetStream *stream);
bool tuf_target_stream_add(TufTargetStream *stream, const void *data, size_t size, Error *err)
    __attribute__((warn_unused_result));
bool tuf_target_stream_end(TufTargetStream *stream, Error *err) __attribute__((warn_unused_result));

/* Whether the rest of a file (from its present offset) is this target: for copies that were kept. */
bool tuf_target_is_file(const TufTarget *target, int fd, Error *err) __attribute__((warn_unused_result));

#endif
