/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "bundles/tuf/path.h"

enum { PIECE_SIZE = 65536 };

struct TufTargetStream {
    TufHasher *hasher;
    uint64_t length;
    uint64_t seen;
};

CLEANUP_DEFINE(TufTargetStream, tuf_target_stream_free)

void tuf_target_done(TufTarget *target) {
    free(target->path);
    free(target->role);
    json_decref(target->custom);
    *target = (TufTarget){0};
}

char *tuf_target_request_path(const TufTarget *target, bool consistent) {
    char encoded[TUF_ENCODED_SIZE];
    if (!tuf_path_encode(target->path, true, encoded, sizeof encoded)) {
        return NULL;
    }
    if (!consistent) {
        return strdup(encoded);
    }
    char hex[TUF_HASH_HEX_SIZE];
    tuf_hashes_format(&target->hashes, hex);
    const char *slash = strrchr(encoded, '/');
    size_t directory = slash == NULL ? 0 : (size_t)(slash + 1 - encoded);
    return text_format("%.*s%s.%s", (int)directory, encoded, hex, encoded + directory);
}

TufTargetStream *tuf_target_stream_new(const TufTarget *target, Error *err) {
    CLEANUP(tuf_target_stream_freep) TufTargetStream *stream = calloc(1, sizeof *stream);
    if (stream == NULL || (stream->hasher = tuf_hasher_new(&target->hashes)) == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    stream->length = target->length;
    return TAKE(stream);
}

void tuf_target_stream_free(TufTargetStream *stream) {
    if (stream != NULL) {
        tuf_hasher_free(stream->hasher);
        free(stream);
    }
}

bool tuf_target_stream_add(TufTargetStream *stream, const void *data, size_t size, Error *err) {
    if (size > stream->length - stream->seen) {
        return error_set(err, ERROR_VERIFY, "more than the %" PRIu64 " bytes that are listed",
                         stream->length);
    }
    stream->seen += size;
    return tuf_hasher_add(stream->hasher, data, size) || error_set(err, ERROR_MEMORY, "hashing failed");
}

bool tuf_target_stream_end(TufTargetStream *stream, Error *err) {
    if (stream->seen != stream->length) {
        return error_set(err, ERROR_VERIFY, "%" PRIu64 " bytes, %" PRIu64 " are listed", stream->seen,
                         stream->length);
    }
    return tuf_hasher_end(stream->hasher) || error_set(err, ERROR_VERIFY, "its hash is not the listed one");
}

bool tuf_target_is_file(const TufTarget *target, int fd, Error *err) {
    CLEANUP(tuf_target_stream_freep) TufTargetStream *stream = tuf_target_stream_new(target, err);
    AUTO_FREE uint8_t *piece = malloc(PIECE_SIZE);
    if (stream == NULL || piece == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (;;) {
        ssize_t size = read(fd, piece, PIECE_SIZE);
        if (size < 0 && errno != EINTR) {
            return error_set_errno(err, errno, "cannot be read");
        }
        if (size == 0) {
            return tuf_target_stream_end(stream, err);
        }
        if (size > 0 && !tuf_target_stream_add(stream, piece, (size_t)size, err)) {
            return false;
        }
    }
}
