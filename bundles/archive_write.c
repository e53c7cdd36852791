/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/archive.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "bundles/archive_header.h"
#include "bundles/archive_seal.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/file.h"

enum { LEVEL = 9, OUT_SIZE = 128 * 1024 };

struct ArchiveWriter {
    int fd;
    const char *name;
    ZSTD_CCtx *zstd;
    DigestStream *digest;
    uint64_t size;  /* written */
    uint64_t left;  /* of the present file */
    size_t padding; /* behind it */
    uint8_t out[OUT_SIZE];
};

CLEANUP_DEFINE(ArchiveWriter, archive_writer_close)

static bool put(ArchiveWriter *writer, const void *data, size_t size, Error *err) {
    if (!digest_stream_add(writer->digest, data, size)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", writer->name);
    }
    writer->size += size;
    return file_write_fd(writer->fd, writer->name, data, size, err);
}

static bool compress_more(ArchiveWriter *writer, const void *data, size_t size, bool end, Error *err) {
    ZSTD_inBuffer in = {.src = data, .size = size};
    for (;;) {
        ZSTD_outBuffer out = {.dst = writer->out, .size = sizeof writer->out};
        size_t left = ZSTD_compressStream2(writer->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            return error_set(err, ERROR_MEMORY, "%s: cannot compress: %s", writer->name,
                             ZSTD_getErrorName(left));
        }
        if (!put(writer, writer->out, out.pos, err)) {
            return false;
        }
        if (end ? left == 0 : in.pos == in.size) {
            return true;
        }
    }
}

static bool start(ArchiveWriter *writer) {
    writer->zstd = ZSTD_createCCtx();
    writer->digest = digest_stream_new();
    return writer->zstd != NULL && writer->digest != NULL &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, LEVEL)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_windowLog, ARCHIVE_WINDOW_LOG)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1));
}

ArchiveWriter *archive_writer_open(int fd, const char *name, Error *err) {
    CLEANUP(archive_writer_closep) ArchiveWriter *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    writer->fd = fd;
    writer->name = name;
    if (!start(writer)) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    return TAKE(writer);
}

/* The zeros behind the file that was written last. */
static bool end_file(ArchiveWriter *writer, Error *err) {
    static const uint8_t zeros[ARCHIVE_BLOCK_SIZE];
    if (writer->left != 0) {
        return error_set(err, ERROR_CONFLICT, "%s: %llu bytes of a file are missing: did it change?",
                         writer->name, (unsigned long long)writer->left);
    }
    size_t padding = writer->padding;
    writer->padding = 0;
    return compress_more(writer, zeros, padding, false, err);
}

bool archive_writer_begin(ArchiveWriter *writer, const char *path, uint64_t size, unsigned mode, Error *err) {
    ArchiveHeader header;
    if (!end_file(writer, err) || !archive_header_make(path, size, mode, &header, err) ||
        !compress_more(writer, header.bytes, sizeof header.bytes, false, err)) {
        return false;
    }
    writer->left = size;
    writer->padding = archive_padding(size);
    return true;
}

bool archive_writer_add(ArchiveWriter *writer, const void *data, size_t size, Error *err) {
    if (size > writer->left) {
        return error_set(err, ERROR_CONFLICT, "%s: a file has more bytes than announced: did it change?",
                         writer->name);
    }
    writer->left -= size;
    return compress_more(writer, data, size, false, err);
}

bool archive_writer_finish(ArchiveWriter *writer, Error *err) {
    static const uint8_t end[ARCHIVE_END_SIZE];
    Digest digest;
    if (!end_file(writer, err) || !compress_more(writer, end, sizeof end, true, err)) {
        return false;
    }
    if (!digest_stream_end(writer->digest, &digest)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", writer->name);
    }
    uint8_t seal[ARCHIVE_SEAL_SIZE];
    archive_seal_format(&digest, seal);
    writer->size += sizeof seal;
    return file_write_fd(writer->fd, writer->name, seal, sizeof seal, err);
}

uint64_t archive_writer_size(const ArchiveWriter *writer) {
    return writer->size;
}

void archive_writer_close(ArchiveWriter *writer) {
    if (writer == NULL) {
        return;
    }
    ZSTD_freeCCtx(writer->zstd);
    digest_stream_free(writer->digest);
    free(writer);
}
