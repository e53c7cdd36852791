/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/archive.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "bundles/archive_header.h"
#include "bundles/archive_seal.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"

enum { IN_SIZE = 64 * 1024, OUT_SIZE = 128 * 1024 };

struct ArchiveReader {
    int fd;
    uint64_t size;     /* of the file */
    uint64_t position; /* bytes of it read */
    ZSTD_DCtx *zstd;
    DigestStream *digest;
    ZSTD_inBuffer input;
    ZSTD_outBuffer output;
    size_t out_taken; /* bytes of the output given away */
    bool frame_ended;
    uint64_t left;  /* of the present file */
    size_t padding; /* behind it */
    uint8_t in[IN_SIZE];
    uint8_t out[OUT_SIZE];
};

CLEANUP_DEFINE(ArchiveReader, archive_reader_close)

static bool cut_short(Error *err) {
    return error_set(err, ERROR_INPUT, "the file is cut short or damaged: fetch it again");
}

static ssize_t read_at(int fd, void *data, size_t size, uint64_t offset) {
    ssize_t got = -1;
    do {
        got = pread(fd, data, size, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Refills the input from the file, up to the seal; nothing left: the frame is not complete. */
static bool fill(ArchiveReader *reader, Error *err) {
    uint64_t left = reader->size - ARCHIVE_SEAL_SIZE - reader->position;
    if (left == 0) {
        return cut_short(err);
    }
    size_t want = left < sizeof reader->in ? (size_t)left : sizeof reader->in;
    ssize_t got = read_at(reader->fd, reader->in, want, reader->position);
    if (got <= 0) {
        return got == 0 ? cut_short(err) : error_set_errno(err, errno, "cannot read");
    }
    reader->position += (uint64_t)got;
    reader->input = (ZSTD_inBuffer){.src = reader->in, .size = (size_t)got};
    return digest_stream_add(reader->digest, reader->in, (size_t)got) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

/* The next piece of the tar stream; *ret_piece is borrowed until the next call, at most max long, and empty
 * at the end of the frame. */
static bool pull(ArchiveReader *reader, size_t max, Bytes *ret_piece, Error *err) {
    while (reader->out_taken == reader->output.pos && !reader->frame_ended) {
        /* A full output: there may be more in zstd's own memory. */
        bool wants_input =
            reader->input.pos == reader->input.size && reader->output.pos < reader->output.size;
        if (wants_input && !fill(reader, err)) {
            return false;
        }
        reader->output = (ZSTD_outBuffer){.dst = reader->out, .size = sizeof reader->out};
        reader->out_taken = 0;
        size_t left = ZSTD_decompressStream(reader->zstd, &reader->output, &reader->input);
        if (ZSTD_isError(left)) {
            return error_set(err, ERROR_INPUT, "not a bundle, or damaged: %s", ZSTD_getErrorName(left));
        }
        reader->frame_ended = left == 0;
    }
    size_t there = reader->output.pos - reader->out_taken;
    *ret_piece = (Bytes){.data = reader->out + reader->out_taken, .size = there < max ? there : max};
    reader->out_taken += ret_piece->size;
    return true;
}

/* Exactly `size` bytes. */
static bool pull_all(ArchiveReader *reader, uint8_t *data, size_t size, Error *err) {
    Bytes piece = {0};
    for (size_t at = 0; at < size; at += piece.size) {
        if (!pull(reader, size - at, &piece, err)) {
            return false;
        }
        if (piece.size == 0) {
            return error_set(err, ERROR_INPUT, "the archive inside ends too early");
        }
        memcpy(data + at, piece.data, piece.size);
    }
    return true;
}

static bool pull_zeros(ArchiveReader *reader, size_t size, Error *err) {
    uint8_t zeros[ARCHIVE_END_SIZE];
    if (!pull_all(reader, zeros, size, err)) {
        return false;
    }
    return bytes_are_zero((Bytes){.data = zeros, .size = size}) ||
           error_set(err, ERROR_INPUT, "there is data where only zeros may be");
}

static bool measure(ArchiveReader *reader, Error *err) {
    struct stat facts;
    if (fstat(reader->fd, &facts) != 0) {
        return error_set_errno(err, errno, "cannot read");
    }
    if (!S_ISREG(facts.st_mode)) {
        return error_set(err, ERROR_INPUT, "not a regular file");
    }
    reader->size = (uint64_t)facts.st_size;
    if (reader->size > ARCHIVE_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "%llu bytes, a bundle has at most %llu",
                         (unsigned long long)reader->size, (unsigned long long)ARCHIVE_SIZE_MAX);
    }
    return reader->size > ARCHIVE_SEAL_SIZE || cut_short(err);
}

static bool start(ArchiveReader *reader, Error *err) {
    reader->zstd = ZSTD_createDCtx();
    reader->digest = digest_stream_new();
    if (reader->zstd == NULL || reader->digest == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(reader->zstd, ZSTD_d_windowLogMax, ARCHIVE_WINDOW_LOG))) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return true;
}

ArchiveReader *archive_reader_open(int fd, Error *err) {
    CLEANUP(archive_reader_closep) ArchiveReader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    reader->fd = fd;
    return measure(reader, err) && start(reader, err) ? TAKE(reader) : NULL;
}

/* The header that is there has to be the one wanted; says in what they differ. */
static bool compare(const ArchiveHeader *is, const ArchiveHeader *wanted, const char *wanted_path,
                    Error *err) {
    char path[ARCHIVE_PATH_MAX + 1];
    if (memcmp(is, wanted, sizeof *is) == 0) {
        return true;
    }
    if (bytes_are_zero((Bytes){.data = is->bytes, .size = sizeof is->bytes})) {
        return error_set(err, ERROR_INPUT, "'%s' is missing", wanted_path);
    }
    archive_header_path(is, path);
    if (!archive_header_is_plain(is)) {
        return error_set(err, ERROR_INPUT, "'%s' is not a plain file: a bundle has nothing else", path);
    }
    if (strcmp(path, wanted_path) != 0) {
        return error_set(err, ERROR_INPUT, "'%s' stands where '%s' has to be", path, wanted_path);
    }
    return error_set(err, ERROR_INPUT,
                     "'%s' has another size or mode than the manifest says, or an owner or time", path);
}

static void enter(ArchiveReader *reader, uint64_t size) {
    reader->left = size;
    reader->padding = archive_padding(size);
}

bool archive_reader_begin_first(ArchiveReader *reader, const char *path, uint64_t max, Error *err) {
    ArchiveHeader is = {0};
    ArchiveHeader wanted = {0};
    uint64_t size = 0;
    if (!pull_all(reader, is.bytes, sizeof is.bytes, err)) {
        return false;
    }
    /* Any size does for the comparison if there is none: the headers differ. */
    if (archive_header_size(&is, &size) && size > max) {
        return error_set(err, ERROR_LIMIT, "'%s' has %llu bytes, at most %llu are allowed", path,
                         (unsigned long long)size, (unsigned long long)max);
    }
    if (!archive_header_make(path, size, 0644, &wanted, err) || !compare(&is, &wanted, path, err)) {
        return false;
    }
    enter(reader, size);
    return true;
}

bool archive_reader_begin(ArchiveReader *reader, const char *path, uint64_t size, unsigned mode, Error *err) {
    ArchiveHeader is = {0};
    ArchiveHeader wanted = {0};
    assert(reader->left == 0 && reader->padding == 0);
    if (!archive_header_make(path, size, mode, &wanted, err) ||
        !pull_all(reader, is.bytes, sizeof is.bytes, err) || !compare(&is, &wanted, path, err)) {
        return false;
    }
    enter(reader, size);
    return true;
}

bool archive_reader_read(ArchiveReader *reader, void *data, size_t size, size_t *ret_size, Error *err) {
    size_t want = reader->left < size ? (size_t)reader->left : size;
    if (want == 0) {
        size_t padding = reader->padding;
        reader->padding = 0;
        *ret_size = 0;
        return pull_zeros(reader, padding, err);
    }
    if (!pull_all(reader, data, want, err)) {
        return false;
    }
    reader->left -= want;
    *ret_size = want;
    return true;
}

static bool check_seal(ArchiveReader *reader, Error *err) {
    Digest digest;
    uint8_t wanted[ARCHIVE_SEAL_SIZE];
    uint8_t seal[ARCHIVE_SEAL_SIZE];
    if (!digest_stream_end(reader->digest, &digest)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    archive_seal_format(&digest, wanted);
    for (size_t at = 0; at < sizeof seal;) {
        ssize_t got = read_at(reader->fd, seal + at, sizeof seal - at, reader->position + at);
        if (got <= 0) {
            return got == 0 ? cut_short(err) : error_set_errno(err, errno, "cannot read");
        }
        at += (size_t)got;
    }
    return memcmp(seal, wanted, sizeof seal) == 0 ||
           error_set(err, ERROR_VERIFY,
                     "the seal does not fit the contents: the file is damaged: fetch it again");
}

bool archive_reader_finish(ArchiveReader *reader, Error *err) {
    Bytes rest;
    assert(reader->left == 0 && reader->padding == 0);
    if (!pull_zeros(reader, ARCHIVE_END_SIZE, err) || !pull(reader, 1, &rest, err)) {
        return false;
    }
    if (rest.size != 0) {
        return error_set(err, ERROR_INPUT, "there is data behind the archive's end");
    }
    if (reader->input.pos != reader->input.size || reader->position != reader->size - ARCHIVE_SEAL_SIZE) {
        return error_set(err, ERROR_INPUT, "there is data behind the compressed frame");
    }
    return check_seal(reader, err);
}

void archive_reader_close(ArchiveReader *reader) {
    if (reader == NULL) {
        return;
    }
    ZSTD_freeDCtx(reader->zstd);
    digest_stream_free(reader->digest);
    free(reader);
}

uint64_t archive_reader_position(const ArchiveReader *reader) {
    return reader->position;
}

uint64_t archive_reader_size(const ArchiveReader *reader) {
    return reader->size;
}
