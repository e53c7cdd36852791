/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/bundle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/archive.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle_rules.h"

enum { CHUNK_SIZE = 128 * 1024 };
static_assert((int)MANIFEST_PATH_MAX <= (int)ARCHIVE_PATH_MAX, "every path of a manifest fits the archive");

struct Bundle {
    ArchiveReader *archive;
    const char *name;
    Manifest *manifest;
    DigestStream *digest;
    uint8_t chunk[CHUNK_SIZE];
};

CLEANUP_DEFINE(Bundle, bundle_close)
CLEANUP_DEFINE(DigestStream, digest_stream_free)

static bool read_manifest(Bundle *bundle, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    if (!archive_reader_begin_first(bundle->archive, MANIFEST_NAME, MANIFEST_SIZE_MAX, err)) {
        return false;
    }
    for (size_t size = 1; size > 0;) {
        if (!archive_reader_read(bundle->archive, bundle->chunk, sizeof bundle->chunk, &size, err)) {
            return false;
        }
        if (!buffer_append(&yaml, bundle->chunk, size)) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
    }
    bundle->manifest = manifest_parse(buffer_bytes(&yaml), MANIFEST_NAME, err);
    return bundle->manifest != NULL;
}

Bundle *bundle_open(int fd, const char *name, Error *err) {
    CLEANUP(bundle_closep) Bundle *bundle = calloc(1, sizeof *bundle);
    if (bundle == NULL || (bundle->digest = digest_stream_new()) == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    bundle->name = name;
    bundle->archive = archive_reader_open(fd, err);
    if (bundle->archive == NULL || !read_manifest(bundle, err) ||
        !bundle_check_limits(bundle->manifest, archive_reader_size(bundle->archive), err)) {
        error_wrap(err, "%s", name);
        return NULL;
    }
    return TAKE(bundle);
}

const Manifest *bundle_manifest(const Bundle *bundle) {
    return bundle->manifest;
}

void bundle_close(Bundle *bundle) {
    if (bundle == NULL) {
        return;
    }
    archive_reader_close(bundle->archive);
    manifest_free(bundle->manifest);
    digest_stream_free(bundle->digest);
    free(bundle);
}

/* Calls visit with each directory above path, outermost first. */
static bool each_parent(int dir_fd, const char *path, bool (*visit)(int, const char *, Error *), Error *err) {
    char parent[MANIFEST_PATH_MAX + 1];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path);
        memcpy(parent, path, length);
        parent[length] = 0;
        if (!visit(dir_fd, parent, err)) {
            return false;
        }
    }
    return true;
}

/* The mode by itself, because the umask is nobody's business here. */
static bool make_directory(int dir_fd, const char *path, Error *err) {
    if (mkdirat(dir_fd, path, 0700) != 0) {
        return errno == EEXIST || error_set_errno(err, errno, "cannot make directory '%s'", path);
    }
    return fchmodat(dir_fd, path, 0755, 0) == 0 || error_set_errno(err, errno, "cannot make '%s'", path);
}

static int create(int dir_fd, const ManifestFile *file, Error *err) {
    if (!each_parent(dir_fd, file->path, make_directory, err)) {
        return -1;
    }
    AUTO_CLOSE int fd = file_open(dir_fd, file->path, O_WRONLY | O_CREAT | O_EXCL, 0600, err);
    if (fd >= 0 && fchmod(fd, (mode_t)file->mode) != 0) {
        error_set_errno(err, errno, "%s: cannot set the mode", file->path);
        return -1;
    }
    return TAKE_FD(fd);
}

/* The contents of the present entry: into fd (-1: nowhere), into the digest, and into whole (may be NULL). */
static bool copy_contents(Bundle *bundle, const ManifestFile *file, int fd, Buffer *whole,
                          const BundleReading *reading, Error *err) {
    for (size_t size = 1; size > 0;) {
        if (!archive_reader_read(bundle->archive, bundle->chunk, sizeof bundle->chunk, &size, err)) {
            return false;
        }
        if (!digest_stream_add(bundle->digest, bundle->chunk, size) ||
            (whole != NULL && !buffer_append(whole, bundle->chunk, size))) {
            return error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
        }
        if (fd >= 0 && !file_write_fd(fd, file->path, bundle->chunk, size, err)) {
            return false;
        }
        if (reading->progress != NULL) {
            reading->progress(reading->context, archive_reader_position(bundle->archive),
                              archive_reader_size(bundle->archive));
        }
    }
    return bundle_check_digest(bundle->digest, file, err);
}

static bool read_file(Bundle *bundle, const ManifestFile *file, const BundleReading *reading, Error *err) {
    bool whole_wanted = reading->enclave != NULL && manifest_role_is_enclave(file->role);
    CLEANUP(buffer_done) Buffer whole = BUFFER_INIT(BUNDLE_ENCLAVE_SIZE_MAX);
    AUTO_CLOSE int fd = -1;
    if (reading->into_fd >= 0 && (fd = create(reading->into_fd, file, err)) < 0) {
        return false;
    }
    if (!copy_contents(bundle, file, fd, whole_wanted ? &whole : NULL, reading, err)) {
        return false;
    }
    if (whole_wanted && !reading->enclave(reading->context, file, buffer_bytes(&whole), err)) {
        return false;
    }
    if (fd >= 0) {
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* the disk may begin; sync_files waits */
    }
    return true;
}

static bool sync_file(int dir_fd, const char *path, Error *err) {
    AUTO_CLOSE int fd = file_open(dir_fd, path, O_RDONLY, 0, err);
    return fd >= 0 && (fsync(fd) == 0 || error_set_errno(err, errno, "%s: cannot sync", path));
}

/* All at the end: the first carries what the file system has to note for all of them, the others are cheap,
 * because the place of every file on the disk is settled when its writing begins (read_file). */
static bool sync_files(int dir_fd, const Manifest *manifest, Error *err) {
    for (size_t i = 0; i < manifest->files_count; i++) {
        if (!sync_file(dir_fd, manifest->files[i].path, err)) {
            return false;
        }
    }
    return sync_file(dir_fd, MANIFEST_NAME, err);
}

static bool read_files(Bundle *bundle, const BundleReading *reading, Error *err) {
    for (size_t i = 0; i < bundle->manifest->files_count; i++) {
        const ManifestFile *file = &bundle->manifest->files[i];
        if (!archive_reader_begin(bundle->archive, file->path, file->size, file->mode, err) ||
            !read_file(bundle, file, reading, err)) {
            return false;
        }
    }
    return archive_reader_finish(bundle->archive, err);
}

static bool write_manifest(int dir_fd, Manifest *manifest, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    return manifest_format(manifest, &yaml, err) &&
           file_replace_unsynced(dir_fd, MANIFEST_NAME, yaml.data, yaml.size, 0644, err);
}

static bool share_directory(const char *path, const char *other) {
    const char *end = strrchr(path, '/');
    const char *other_end = strrchr(other, '/');
    size_t length = end != NULL ? (size_t)(end - path) : 0;
    size_t other_length = other_end != NULL ? (size_t)(other_end - other) : 0;
    return length == other_length && memcmp(path, other, length) == 0;
}

static bool sync_directories(int dir_fd, const Manifest *manifest, Error *err) {
    for (size_t i = 0; i < manifest->files_count; i++) {
        const char *path = manifest->files[i].path;
        bool is_done = i > 0 && share_directory(path, manifest->files[i - 1].path);
        if (!is_done && !each_parent(dir_fd, path, file_sync_directory, err)) {
            return false;
        }
    }
    return file_sync_directory(dir_fd, ".", err);
}

bool bundle_read(Bundle *bundle, const BundleReading *reading, Error *err) {
    bool good = read_files(bundle, reading, err) &&
                (reading->into_fd < 0 || (write_manifest(reading->into_fd, bundle->manifest, err) &&
                                          sync_files(reading->into_fd, bundle->manifest, err) &&
                                          sync_directories(reading->into_fd, bundle->manifest, err)));
    return good ||
           error_wrap(err, "%s: %s %s", bundle->name, bundle->manifest->name, bundle->manifest->version);
}
