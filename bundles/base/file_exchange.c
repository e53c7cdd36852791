/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"

/* The other file of the two: the content before the last, or what was left there by a crash. Not one that
 * somebody else has a link to, and not, after a crash of a file system without a journal, `current` itself.
 */
static int open_other(int dir_fd, const struct stat *current, const char *other, mode_t mode, off_t *ret_size,
                      Error *err) {
    struct stat facts;
    AUTO_CLOSE int fd = file_open(dir_fd, other, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOFOLLOW, mode, err);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &facts) != 0) {
        error_set_errno(err, errno, "%s", other);
        return -1;
    }
    if (S_ISREG(facts.st_mode) && facts.st_nlink == 1 && facts.st_ino != current->st_ino) {
        *ret_size = facts.st_size;
        return TAKE_FD(fd);
    }
    if (unlinkat(dir_fd, other, 0) != 0) {
        error_set_errno(err, errno, "cannot remove %s", other);
        return -1;
    }
    *ret_size = 0;
    return file_open(dir_fd, other, O_WRONLY | O_CREAT | O_EXCL, mode, err);
}

/* The first time there is nothing to exchange it for, and some file systems cannot. */
static bool exchange(int dir_fd, const char *other, const char *name) {
    if (renameat2(dir_fd, other, dir_fd, name, RENAME_EXCHANGE) == 0) {
        return true;
    }
    return (errno == ENOENT || errno == EINVAL || errno == ENOSYS) &&
           renameat(dir_fd, other, dir_fd, name) == 0;
}

bool file_exchange(int dir_fd, const char *name, const void *data, size_t size, mode_t mode, Error *err) {
    char other[NAME_MAX + 1];
    off_t former_size = 0;
    struct stat current = {0};
    int length = snprintf(other, sizeof other, ".%s.other", name);
    if (length < 0 || (size_t)length >= sizeof other) {
        return error_set(err, ERROR_INPUT, "the name '%s' is too long", name);
    }
    if (fstatat(dir_fd, name, &current, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(current.st_mode)) {
        return error_set(err, ERROR_INPUT, "%s is not a regular file", name);
    }
    AUTO_CLOSE int fd = open_other(dir_fd, &current, other, mode, &former_size, err);
    if (fd < 0 || !file_write_fd(fd, other, data, size, err)) {
        return false;
    }
    if ((former_size > (off_t)size && ftruncate(fd, (off_t)size) != 0) || fsync(fd) != 0) {
        return error_set_errno(err, errno, "cannot sync %s", other);
    }
    if (!exchange(dir_fd, other, name)) {
        return error_set_errno(err, errno, "cannot replace %s", name);
    }
    return fsync(dir_fd) == 0 || error_set_errno(err, errno, "cannot sync the directory of %s", name);
}
