/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of file.h that changes directories: making, replacing and removing names. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"

enum { TEMPORARY_ATTEMPTS_MAX = 16, TEMPORARY_RANDOM_SIZE = 6 };

static bool is_directory(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Makes one directory whose parent exists, for good: the parent is synced, since what is written beneath
 * may be relied on after a crash. */
static bool make_one(const char *path, mode_t mode, Error *err) {
    if (is_directory(path)) {
        return true;
    }
    if (mkdir(path, mode) != 0) {
        if (errno == EEXIST && is_directory(path)) {
            return true; /* somebody else made it just now */
        }
        return error_set_errno(err, errno, "cannot make directory %s", path);
    }
    if (chmod(path, mode) != 0) { /* whatever the umask says */
        return error_set_errno(err, errno, "cannot set the mode of %s", path);
    }
    char parent[PATH_MAX];
    (void)snprintf(parent, sizeof parent, "%s/..", path);
    return file_sync_directory(AT_FDCWD, parent, err);
}

bool file_make_path(const char *path, mode_t mode, Error *err) {
    char prefix[PATH_MAX - 3]; /* "/.." fits behind it */
    if (path[0] == 0 || !text_copy(prefix, sizeof prefix, path)) {
        return error_set(err, ERROR_INPUT, "cannot make directory '%s': the path is empty or too long", path);
    }
    size_t length = strlen(prefix);
    while (length > 1 && prefix[length - 1] == '/') {
        prefix[--length] = 0;
    }
    for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (!make_one(prefix, 0755, err)) {
            return false;
        }
        *slash = '/';
    }
    return make_one(prefix, mode, err);
}

/* Opens the directory that holds `name` and gives the last part of the name, borrowed. */
static int open_parent(int dir_fd, const char *name, const char **ret_base, Error *err) {
    const char *slash = strrchr(name, '/');
    const char *base = slash == NULL ? name : slash + 1;
    if (base[0] == 0 || strcmp(base, ".") == 0 || strcmp(base, "..") == 0) {
        error_set(err, ERROR_INPUT, "'%s' does not end in a file's name", name);
        return -1;
    }
    char parent[PATH_MAX] = ".";
    if (slash == name) {
        (void)text_copy(parent, sizeof parent, "/");
    } else if (slash != NULL) {
        size_t length = (size_t)(slash - name);
        if (length >= sizeof parent) {
            error_set(err, ERROR_INPUT, "the path of '%s' is too long", base);
            return -1;
        }
        memcpy(parent, name, length);
        parent[length] = 0;
    }
    int fd = file_open_directory(dir_fd, parent, err);
    if (fd >= 0) {
        *ret_base = base;
    }
    return fd;
}

static int open_temporary(int parent_fd, const char *base, char temporary[NAME_MAX + 1], Error *err) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567"; /* 32 of them: no bias */
    for (int attempt = 0; attempt < TEMPORARY_ATTEMPTS_MAX; attempt++) {
        uint8_t random[TEMPORARY_RANDOM_SIZE];
        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
            error_set_errno(err, errno, "no random bytes for a temporary name");
            return -1;
        }
        char suffix[TEMPORARY_RANDOM_SIZE + 1] = "";
        for (size_t at = 0; at < sizeof random; at++) {
            suffix[at] = letters[random[at] % 32];
        }
        int length = snprintf(temporary, NAME_MAX + 1, ".%s.tmp-%s", base, suffix);
        if (length > NAME_MAX) {
            error_set(err, ERROR_INPUT, "the name '%s' is too long", base);
            return -1;
        }
        int fd = openat(parent_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            return fd;
        }
        if (errno != EEXIST && errno != EINTR) {
            break;
        }
    }
    error_set_errno(err, errno, "cannot make a temporary file for %s", base);
    return -1;
}

static bool fill_temporary(int fd, const char *name, const void *data, size_t size, mode_t mode, bool synced,
                           Error *err) {
    if (!file_write_fd(fd, name, data, size, err)) {
        return false;
    }
    if (fchmod(fd, mode) != 0) {
        return error_set_errno(err, errno, "cannot set the mode of %s", name);
    }
    return !synced || fsync(fd) == 0 ? true : error_set_errno(err, errno, "cannot sync %s", name);
}

static bool replace(int dir_fd, const char *name, const void *data, size_t size, mode_t mode, bool synced,
                    Error *err) {
    const char *base = NULL;
    AUTO_CLOSE int parent = open_parent(dir_fd, name, &base, err);
    if (parent < 0) {
        return false;
    }
    char temporary[NAME_MAX + 1];
    AUTO_CLOSE int fd = open_temporary(parent, base, temporary, err);
    if (fd < 0) {
        return false;
    }
    if (!fill_temporary(fd, name, data, size, mode, synced, err)) {
        (void)unlinkat(parent, temporary, 0);
        return false;
    }
    if (renameat(parent, temporary, parent, base) != 0) {
        error_set_errno(err, errno, "cannot replace %s", name);
        (void)unlinkat(parent, temporary, 0);
        return false;
    }
    return !synced || fsync(parent) == 0
               ? true
               : error_set_errno(err, errno, "cannot sync the directory of %s", name);
}

bool file_replace(int dir_fd, const char *name, const void *data, size_t size, mode_t mode, Error *err) {
    return replace(dir_fd, name, data, size, mode, true, err);
}

bool file_replace_unsynced(int dir_fd, const char *name, const void *data, size_t size, mode_t mode,
                           Error *err) {
    return replace(dir_fd, name, data, size, mode, false, err);
}

static void close_directory(DIR **directory) {
    if (*directory != NULL) {
        (void)closedir(*directory);
    }
}

/* A directory whose owner has taken away his own rights (a staged bundle) would refuse its removal. */
static bool open_for_removal(int parent_fd, const char *name, int *ret_fd, Error *err) {
    AUTO_CLOSE int fd = file_open_directory(parent_fd, name, err);
    if (fd < 0) {
        return false;
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_set_errno(err, errno, "cannot read the mode of directory %s", name);
    }
    if ((status.st_mode & S_IRWXU) != S_IRWXU && fchmod(fd, S_IRWXU) != 0) {
        return error_set_errno(err, errno, "cannot make directory %s writable", name);
    }
    *ret_fd = TAKE_FD(fd);
    return true;
}

static bool remove_at(int parent_fd, const char *name, int depth, Error *err);

static bool remove_contents(int fd, const char *name, int depth, Error *err) {
    CLEANUP(close_directory) DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int errnum = errno;
        (void)close(fd);
        return error_set_errno(err, errnum, "cannot list directory %s", name);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            return errno == 0 ? true : error_set_errno(err, errno, "cannot list directory %s", name);
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (!remove_at(dirfd(directory), entry->d_name, depth, err)) {
            return error_wrap(err, "%s", name);
        }
    }
}

static bool remove_at(int parent_fd, const char *name, int depth, Error *err) {
    if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT) {
        return true;
    }
    if (errno != EISDIR) {
        return error_set_errno(err, errno, "cannot remove %s", name);
    }
    if (depth >= FILE_TREE_DEPTH_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: directories more than %d deep are not removed", name,
                         (int)FILE_TREE_DEPTH_MAX);
    }
    int fd = -1;
    if (!open_for_removal(parent_fd, name, &fd, err) || !remove_contents(fd, name, depth + 1, err)) {
        return false;
    }
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        return error_set_errno(err, errno, "cannot remove directory %s", name);
    }
    return true;
}

bool file_remove_tree(int dir_fd, const char *name, Error *err) {
    const char *base = NULL;
    Error inner = ERROR_INIT;
    AUTO_CLOSE int parent = open_parent(dir_fd, name, &base, &inner);
    if (parent < 0) {
        return inner.kind == ERROR_NOT_FOUND ? true : error_set(err, inner.kind, "%s", inner.text);
    }
    return remove_at(parent, base, 0, err);
}
