/* SPDX-License-Identifier: Apache-2.0
 *
 * Archive: the container of a bundle file: a ustar stream in one zstd frame with a seal behind it.
 *
 * The stream is a pure function of the files' paths, sizes, modes and contents: no owner, no time, one form
 * of header, zeros between, two zero blocks at the end. Reading does not interpret it: the caller says which
 * file has to come next, and every byte has to be what the writer would have written. The seal is a zstd
 * skippable frame with the SHA-256 of everything before it, so that other zstd tools still read the file and
 * no changed byte, not even one that would decompress to the same contents, goes unnoticed. Both ways work
 * in one pass and bounded memory.
 */
#ifndef BUNDLES_ARCHIVE_H
#define BUNDLES_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/error.h"

/* A path of at most 100 bytes always fits into a ustar header. */
enum { ARCHIVE_SEAL_SIZE = 40, ARCHIVE_WINDOW_LOG = 22, ARCHIVE_PATH_MAX = 100 };
#define ARCHIVE_SIZE_MAX (UINT64_C(1024) * 1024 * 1024)

typedef struct ArchiveWriter ArchiveWriter;

/* Writes to fd from its current offset; the descriptor and `name` (for error texts) stay the caller's. */
ArchiveWriter *archive_writer_open(int fd, const char *name, Error *err) __attribute__((warn_unused_result));
/* Begins a plain file; exactly `size` bytes have to follow, more or fewer are ERROR_CONFLICT. */
bool archive_writer_begin(ArchiveWriter *writer, const char *path, uint64_t size, unsigned mode, Error *err)
    __attribute__((warn_unused_result));
bool archive_writer_add(ArchiveWriter *writer, const void *data, size_t size, Error *err)
    __attribute__((warn_unused_result));
/* Ends the tar stream and the frame, and writes the seal. */
bool archive_writer_finish(ArchiveWriter *writer, Error *err) __attribute__((warn_unused_result));
uint64_t archive_writer_size(const ArchiveWriter *writer); /* bytes written */
void archive_writer_close(ArchiveWriter *writer);

typedef struct ArchiveReader ArchiveReader;

/* Reads a regular file from its beginning, whatever its offset; the descriptor stays the caller's. Error
 * texts of a reader do not name the file. */
ArchiveReader *archive_reader_open(int fd, Error *err) __attribute__((warn_unused_result));
/* The first file has to be `path` with mode 0644; its size is what the archive says, at most max. */
bool archive_reader_begin_first(ArchiveReader *reader, const char *path, uint64_t max, Error *err)
    __attribute__((warn_unused_result));
/* The next file has to be this one. The file before it has to be read to its end first. */
bool archive_reader_begin(ArchiveReader *reader, const char *path, uint64_t size, unsigned mode, Error *err)
    __attribute__((warn_unused_result));
/* Up to `size` bytes of the present file, of which *ret_size is 0 only at its end. */
bool archive_reader_read(ArchiveReader *reader, void *data, size_t size, size_t *ret_size, Error *err)
    __attribute__((warn_unused_result));
/* The archive has to end here, nothing but the seal may follow, and it has to fit. */
bool archive_reader_finish(ArchiveReader *reader, Error *err) __attribute__((warn_unused_result));
void archive_reader_close(ArchiveReader *reader);

/* For progress: bytes of the file taken in, and its size. */
uint64_t archive_reader_position(const ArchiveReader *reader);
uint64_t archive_reader_size(const ArchiveReader *reader);

#endif
