/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/downloads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/file.h"
#include "bundles/base/text.h"

enum { NAME_SIZE = DIGEST_HEX_SIZE + 8 };

struct Downloads {
    char *path;
    int dir_fd;
};

Downloads *downloads_open(const char *state, Error *err) {
    CLEANUP(downloads_closep) Downloads *downloads = calloc(1, sizeof *downloads);
    if (downloads != NULL) {
        downloads->dir_fd = -1;
        downloads->path = text_format("%s/downloads", state);
    }
    if (downloads == NULL || downloads->path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    if (!file_make_path(downloads->path, 0700, err)) {
        return NULL;
    }
    downloads->dir_fd = file_open_directory(AT_FDCWD, downloads->path, err);
    return downloads->dir_fd >= 0 ? TAKE(downloads) : NULL;
}

void downloads_close(Downloads *downloads) {
    if (downloads != NULL) {
        cleanup_close(&downloads->dir_fd);
        free(downloads->path);
        free(downloads);
    }
}

const char *downloads_path(const Downloads *downloads) {
    return downloads->path;
}

int downloads_spool(Downloads *downloads, Error *err) {
    int fd = openat(downloads->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) { /* a file system without O_TMPFILE */
        AUTO_FREE char *path = text_format("%s/.upload-XXXXXX", downloads->path);
        fd = path != NULL ? mkostemp(path, O_CLOEXEC) : -1;
        if (fd >= 0) {
            (void)unlink(path);
        }
    }
    if (fd < 0) {
        error_set_errno(err, errno, "%s", downloads->path);
    }
    return fd;
}

int downloads_find(Downloads *downloads, const char *sha256, char ret_digest[DIGEST_HEX_SIZE], Error *err) {
    Digest parsed;
    char name[NAME_SIZE];
    Error failure = ERROR_INIT;
    if (!digest_parse(sha256, &parsed)) {
        error_set(err, ERROR_USAGE, "'%.80s' is not a SHA-256: 64 hex digits are", sha256);
        return -1;
    }
    digest_format(&parsed, ret_digest);
    (void)snprintf(name, sizeof name, "%s.pswb", ret_digest);
    int fd = file_open(downloads->dir_fd, name, O_RDONLY, 0, &failure);
    if (fd < 0 && failure.kind == ERROR_NOT_FOUND) {
        error_set(err, ERROR_NOT_FOUND, "nothing was fetched with SHA-256 %s: pswctl fetch URL --sha256 %s",
                  ret_digest, ret_digest);
    } else if (fd < 0) {
        *err = failure;
    }
    return fd;
}

void downloads_remove(Downloads *downloads, const char *digest) {
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s.pswb", digest);
    (void)unlinkat(downloads->dir_fd, name, 0);
}

void downloads_tidy(Downloads *downloads) {
    DIR *directory = opendir(downloads->path);
    const struct dirent *entry = NULL;
    char oldest[NAME_MAX + 1] = "";
    time_t when = 0;
    size_t count = 0;
    if (directory == NULL) {
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        struct stat facts;
        if (entry->d_name[0] == '.' ||
            fstatat(downloads->dir_fd, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        count++;
        if (oldest[0] == '\0' || facts.st_mtim.tv_sec < when) {
            when = facts.st_mtim.tv_sec;
            (void)snprintf(oldest, sizeof oldest, "%s", entry->d_name);
        }
    }
    (void)closedir(directory);
    if (count > DOWNLOADS_KEPT) {
        (void)unlinkat(downloads->dir_fd, oldest, 0);
    }
}
