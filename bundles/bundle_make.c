/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "bundles/archive.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle.h"
#include "bundles/bundle_rules.h"

enum { CHUNK_SIZE = 128 * 1024 };

CLEANUP_DEFINE(DigestStream, digest_stream_free)

static bool add_file(ArchiveWriter *writer, int dir_fd, const ManifestFile *file, uint8_t *chunk,
                     Error *err) {
    /* Not to hang on a pipe in a file's place. */
    AUTO_CLOSE int fd = file_open(dir_fd, file->path, O_RDONLY | O_NONBLOCK, 0, err);
    CLEANUP(digest_stream_freep) DigestStream *stream = digest_stream_new();
    if (fd < 0 || stream == NULL) {
        return fd < 0 ? false : error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
    }
    if (!archive_writer_begin(writer, file->path, file->size, file->mode, err)) {
        return false;
    }
    for (;;) {
        ssize_t got = read(fd, chunk, CHUNK_SIZE);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_set_errno(err, errno, "%s: cannot read", file->path);
        }
        if (got == 0) {
            return bundle_check_digest(stream, file, err);
        }
        if (!digest_stream_add(stream, chunk, (size_t)got)) {
            return error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
        }
        if (!archive_writer_add(writer, chunk, (size_t)got, err)) {
            return false;
        }
    }
}

CLEANUP_DEFINE(ArchiveWriter, archive_writer_close)

static bool add_files(ArchiveWriter *writer, int dir_fd, const Manifest *manifest, Error *err) {
    AUTO_FREE uint8_t *chunk = malloc(CHUNK_SIZE);
    if (chunk == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < manifest->files_count; i++) {
        if (!add_file(writer, dir_fd, &manifest->files[i], chunk, err)) {
            return false;
        }
    }
    return true;
}

bool bundle_make(int dir_fd, Manifest *manifest, int out_fd, const char *name, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    if (!manifest_format(manifest, &yaml, err)) {
        return false;
    }
    CLEANUP(archive_writer_closep) ArchiveWriter *writer = archive_writer_open(out_fd, name, err);
    if (writer == NULL) {
        return false;
    }
    return (archive_writer_begin(writer, MANIFEST_NAME, yaml.size, 0644, err) &&
            archive_writer_add(writer, yaml.data, yaml.size, err) &&
            add_files(writer, dir_fd, manifest, err) && archive_writer_finish(writer, err) &&
            bundle_check_limits(manifest, archive_writer_size(writer), err)) ||
           error_wrap(err, "%s %s", manifest->name, manifest->version);
}
