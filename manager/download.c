/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/download.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/file.h"

enum { PIECE_SIZE = 64 * 1024, NAME_SIZE = DOWNLOAD_NAME_MAX + 8 };

struct Download {
    int dir_fd;
    int fd;
    char part[NAME_SIZE];
    DownloadTap tap;
    uint64_t size, total;
    HelperProgress *progress;
};

void download_close(Download *download) {
    if (download != NULL) {
        cleanup_close(&download->fd);
        free(download);
    }
}

static bool read_part(Download *download, Error *err) {
    ssize_t size = 0;
    AUTO_FREE uint8_t *piece = malloc(PIECE_SIZE);
    if (piece == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    while ((size = TEMP_FAILURE_RETRY(read(download->fd, piece, PIECE_SIZE))) > 0) {
        Error refusal = ERROR_INIT;
        download->size += (uint64_t)size;
        if (!download->tap.add(download->tap.context, piece, (size_t)size, &refusal)) {
            return download_restart(download, err);
        }
    }
    return size == 0 || error_set_errno(err, errno, "%s", download->part);
}

Download *download_open(int dir_fd, const char *name, const DownloadTap *tap, HelperProgress *progress,
                        Error *err) {
    CLEANUP(download_closep) Download *download = calloc(1, sizeof *download);
    if (download == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    *download = (Download){.dir_fd = dir_fd, .fd = -1, .tap = *tap, .progress = progress};
    (void)snprintf(download->part, sizeof download->part, "%.*s.part", DOWNLOAD_NAME_MAX, name);
    download->fd = file_open(dir_fd, download->part, O_RDWR | O_CREAT, 0600, err);
    if (download->fd < 0 || !read_part(download, err)) {
        return NULL;
    }
    return TAKE(download);
}

uint64_t download_size(const Download *download) {
    return download->size;
}

void download_expect(Download *download, uint64_t total) {
    download->total = total;
}

bool download_restart(Download *download, Error *err) {
    if (download->size == 0) {
        return true;
    }
    if (ftruncate(download->fd, 0) != 0 || lseek(download->fd, 0, SEEK_SET) != 0) {
        return error_set_errno(err, errno, "%s", download->part);
    }
    download->size = 0;
    return download->tap.restart(download->tap.context, err);
}

bool download_add(Download *download, const void *data, size_t size, Error *err) {
    if (!download->tap.add(download->tap.context, data, size, err) ||
        !file_write_fd(download->fd, download->part, data, size, err)) {
        return false;
    }
    download->size += size;
    helper_report_progress(download->progress, download->size, download->total);
    return true;
}

bool download_measure(const Download *download, Digest *ret_digest, Error *err) {
    if (lseek(download->fd, 0, SEEK_SET) != 0) {
        return error_set_errno(err, errno, "%s", download->part);
    }
    return digest_of_fd(download->fd, ret_digest, err);
}

static void name_kept(const Digest *digest, char name[NAME_SIZE]) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(digest, hex);
    (void)snprintf(name, NAME_SIZE, "%s.pswb", hex);
}

bool download_keep(Download *download, const Digest *digest, Error *err) {
    char name[NAME_SIZE];
    name_kept(digest, name);
    return renameat(download->dir_fd, download->part, download->dir_fd, name) == 0 ||
           error_set_errno(err, errno, "%s", name);
}

void download_drop(Download *download) {
    (void)unlinkat(download->dir_fd, download->part, 0);
}

bool download_is_kept(int dir_fd, const Digest *digest, uint64_t *ret_size) {
    char name[NAME_SIZE];
    struct stat facts;
    Digest have;
    Error missing = ERROR_INIT;
    name_kept(digest, name);
    AUTO_CLOSE int fd = file_open(dir_fd, name, O_RDONLY, 0, &missing);
    if (fd < 0 || fstat(fd, &facts) != 0 || !digest_of_fd(fd, &have, &missing) ||
        !digest_equal(&have, digest)) {
        return false;
    }
    *ret_size = (uint64_t)facts.st_size;
    return true;
}
