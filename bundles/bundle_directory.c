/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/bundle.h"

typedef struct EnclaveVisitor {
    BundleEnclaveFn visit; /* may be NULL */
    void *context;
} EnclaveVisitor;

static bool has_digest(const ManifestFile *file, const Digest *digest, Error *err) {
    return digest_equal(digest, &file->digest) ||
           error_set(err, ERROR_VERIFY, "%s: SHA-256 is not what the manifest says", file->path);
}

/* A plain file of the right size and mode, opened; else -1. */
static int open_file(int dir_fd, const ManifestFile *file, Error *err) {
    /* Not to hang on a pipe in a file's place. */
    AUTO_CLOSE int fd = file_open(dir_fd, file->path, O_RDONLY | O_NONBLOCK, 0, err);
    struct stat facts;
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &facts) != 0) {
        error_set_errno(err, errno, "%s", file->path);
        return -1;
    }
    if (!S_ISREG(facts.st_mode) || (uint64_t)facts.st_size != file->size ||
        (facts.st_mode & 07777) != file->mode) {
        error_set(err, ERROR_VERIFY, "%s: size or mode is not what the manifest says", file->path);
        return -1;
    }
    return TAKE_FD(fd);
}

static bool check_file(int dir_fd, const ManifestFile *file, Error *err) {
    AUTO_CLOSE int fd = open_file(dir_fd, file, err);
    Digest digest;
    return fd >= 0 && digest_of_fd(fd, &digest, err) && has_digest(file, &digest, err);
}

/* As a whole, so that the bytes that are examined are those whose digest is compared. */
static bool check_enclave(int dir_fd, const ManifestFile *file, const EnclaveVisitor *visitor, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(BUNDLE_ENCLAVE_SIZE_MAX + 1);
    AUTO_CLOSE int fd = open_file(dir_fd, file, err);
    Digest digest;
    if (fd < 0 || !file_read_fd(fd, file->path, &content, err)) {
        return false;
    }
    if (!digest_of(content.data, content.size, &digest)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
    }
    return has_digest(file, &digest, err) &&
           visitor->visit(visitor->context, file, buffer_bytes(&content), err);
}

static int compare_path(const void *path, const void *file) {
    return strcmp(path, ((const ManifestFile *)file)->path);
}

static bool is_expected(const Manifest *manifest, const char *path) {
    return strcmp(path, MANIFEST_NAME) == 0 || bsearch(path, manifest->files, manifest->files_count,
                                                       sizeof *manifest->files, compare_path) != NULL;
}

/* Path of a name in a directory, "" for the bundle's own. */
static bool join(const char *directory, const char *name, char path[MANIFEST_PATH_MAX + 1], Error *err) {
    const char *slash = directory[0] != 0 ? "/" : "";
    int length = snprintf(path, MANIFEST_PATH_MAX + 1, "%s%s%s", directory, slash, name);
    return length <= MANIFEST_PATH_MAX ||
           error_set(err, ERROR_VERIFY, "%s/…: longer than any path of a bundle", directory);
}

static void dir_closep(DIR **dir) {
    if (*dir != NULL) {
        (void)closedir(*dir);
    }
}

static DIR *open_directory(int dir_fd, const char *path, Error *err) {
    AUTO_CLOSE int fd = file_open_directory(dir_fd, path[0] != 0 ? path : ".", err);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir != NULL) {
        (void)TAKE_FD(fd);
    } else if (fd >= 0) {
        error_set_errno(err, errno, "cannot list '%s'", path);
    }
    return dir;
}

/* Nothing may be there that the manifest does not name: a library too many is loaded as well. A path's
 * length bounds the depth. */
static bool check_names(int dir_fd, const char *directory, const Manifest *manifest, Error *err) {
    char path[MANIFEST_PATH_MAX + 1];
    CLEANUP(dir_closep) DIR *dir = open_directory(dir_fd, directory, err);
    if (dir == NULL) {
        return false;
    }
    for (struct dirent *entry; (errno = 0, entry = readdir(dir)) != NULL;) {
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (!join(directory, entry->d_name, path, err)) {
            return false;
        }
        if (fstatat(dirfd(dir), entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
            return error_set_errno(err, errno, "%s", path);
        }
        if (S_ISDIR(facts.st_mode)) {
            if (!check_names(dir_fd, path, manifest, err)) {
                return false;
            }
        } else if (!is_expected(manifest, path)) {
            return error_set(err, ERROR_VERIFY, "%s: not in the manifest", path);
        }
    }
    return errno == 0 || error_set_errno(err, errno, "cannot list '%s'", directory);
}

bool bundle_check_directory(int dir_fd, const Manifest *manifest, BundleEnclaveFn enclave, void *context,
                            Error *err) {
    const EnclaveVisitor visitor = {.visit = enclave, .context = context};
    for (size_t i = 0; i < manifest->files_count; i++) {
        const ManifestFile *file = &manifest->files[i];
        bool examined = enclave != NULL && manifest_role_is_enclave(file->role);
        if (!(examined ? check_enclave(dir_fd, file, &visitor, err) : check_file(dir_fd, file, err))) {
            return false;
        }
    }
    return check_names(dir_fd, "", manifest, err);
}
