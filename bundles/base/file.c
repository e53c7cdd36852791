/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/file.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

enum {
    CHUNK_MIN = 4 * 1024,
    CHUNK_MAX = 1024 * 1024,
    NAME_PARTS_MAX = 8,
    NAME_SIZE_MAX = 255,
    OPEN_ATTEMPTS_MAX = 32,
    LOCK_ATTEMPTS = 200 /* of 5 ms */
};

static int open_beneath(int dir_fd, const char *name, int flags, mode_t mode) {
    bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {.flags = (uint64_t)(unsigned)flags,
                           .mode = creates ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
}

int file_open(int dir_fd, const char *name, int flags, mode_t mode, Error *err) {
    flags |= O_CLOEXEC;
    int fd = -1;
    /* EAGAIN: a rename elsewhere raced with the walk, and the kernel could not tell that ".." stays inside.
     */
    for (int attempt = 0; attempt < OPEN_ATTEMPTS_MAX; attempt++) {
        fd = dir_fd == AT_FDCWD ? openat(AT_FDCWD, name, flags, mode)
                                : open_beneath(dir_fd, name, flags, mode);
        if (fd >= 0 || (errno != EINTR && errno != EAGAIN)) {
            break;
        }
    }
    if (fd >= 0) {
        return fd;
    }
    if (dir_fd != AT_FDCWD && (errno == ELOOP || errno == EXDEV)) {
        error_set(err, ERROR_PERMISSION, "%s: a link or a way out of the directory is not followed", name);
    } else {
        error_set_errno(err, errno, "cannot open %s", name);
    }
    return -1;
}

int file_open_directory(int dir_fd, const char *name, Error *err) {
    return file_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0, err);
}

/* The most to ask for at once: what a regular file says it still has, within bounds. Files of /proc and /sys
 * say nothing or something else, so this is a hint and never a limit. */
static size_t chunk_for(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size < CHUNK_MIN) {
        return CHUNK_MIN;
    }
    return status.st_size > CHUNK_MAX ? CHUNK_MAX : (size_t)status.st_size;
}

static bool read_all(int fd, const char *name, Buffer *buffer, Error *err) {
    size_t chunk = chunk_for(fd);
    for (;;) {
        size_t left = buffer->max - buffer->size;
        size_t room = left < chunk ? left : chunk;
        uint8_t probe = 0;
        if (room > 0 && !buffer_reserve(buffer, room)) {
            return error_set(err, ERROR_MEMORY, "cannot read %s: out of memory", name);
        }
        ssize_t size = room > 0 ? read(fd, buffer->data + buffer->size, room) : read(fd, &probe, 1);
        if (size < 0 && errno != EINTR) {
            return error_set_errno(err, errno, "cannot read %s", name);
        }
        if (size > 0 && room == 0) {
            return error_set(err, ERROR_LIMIT, "%s: larger than %zu bytes", name, buffer->max);
        }
        if (size == 0) {
            return buffer_append_zeros(buffer, 0)
                       ? true
                       : error_set(err, ERROR_MEMORY, "cannot read %s: out of memory", name);
        }
        buffer->size += size > 0 ? (size_t)size : 0;
    }
}

bool file_read_fd(int fd, const char *name, Buffer *buffer, Error *err) {
    size_t before = buffer->size;
    if (!read_all(fd, name, buffer, err)) {
        buffer->size = before;
        if (buffer->data != NULL) {
            buffer->data[before] = 0;
        }
        return false;
    }
    return true;
}

bool file_read_at(int fd, const char *name, uint64_t offset, void *data, size_t size, Error *err) {
    uint8_t *at = data;
    while (size > 0) {
        /* What the kernel takes for a bad offset is beyond what a file can have. */
        const bool possible = size <= INT64_MAX && offset <= INT64_MAX - size;
        ssize_t got = possible ? pread(fd, at, size, (off_t)offset) : 0;
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? error_set_errno(err, errno, "cannot read %s", name)
                           : error_set(err, ERROR_INPUT, "%s is cut short", name);
        }
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

int file_open_regular(int dir_fd, const char *name, struct stat *ret_status, Error *err) {
    AUTO_CLOSE int fd = file_open(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, ret_status) != 0) {
        error_set_errno(err, errno, "cannot read %s", name);
        return -1;
    }
    if (!S_ISREG(ret_status->st_mode)) {
        error_set(err, ERROR_INPUT, "%s is not a regular file", name);
        return -1;
    }
    return TAKE_FD(fd);
}

/* By name: whoever says this means a descriptor, whatever is behind it. */
static bool is_open_already(const char *path) {
    static const char *const names[] = {"/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(path, names[i]) == 0) {
            return true;
        }
    }
    return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0;
}

bool file_check_regular(const char *path, bool or_open, Error *err) {
    struct stat facts;
    if ((or_open && is_open_already(path)) || stat(path, &facts) != 0) {
        return true; /* what keeps it from being looked at is said when it is opened */
    }
    return S_ISREG(facts.st_mode) || error_set(err, ERROR_INPUT, "%s is not a regular file", path);
}

bool file_read(int dir_fd, const char *name, Buffer *buffer, Error *err) {
    struct stat status;
    AUTO_CLOSE int fd = file_open_regular(dir_fd, name, &status, err);
    return fd >= 0 && file_read_fd(fd, name, buffer, err);
}

bool file_map(int dir_fd, const char *name, size_t max, Bytes *ret_bytes, Error *err) {
    struct stat status;
    AUTO_CLOSE int fd = file_open_regular(dir_fd, name, &status, err);
    if (fd < 0) {
        return false;
    }
    size_t size = (size_t)status.st_size;
    if (size > max) {
        return error_set(err, ERROR_LIMIT, "%s: larger than %zu bytes", name, max);
    }
    void *data = size > 0 ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (data == MAP_FAILED) {
        return error_set_errno(err, errno, "cannot read %s", name);
    }
    *ret_bytes = (Bytes){data, size};
    return true;
}

void file_unmap(Bytes bytes) {
    if (bytes.size > 0) {
        (void)munmap((void *)(uintptr_t)bytes.data, bytes.size);
    }
}

bool file_write_fd(int fd, const char *name, const void *data, size_t size, Error *err) {
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t done = write(fd, at, size);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return error_set_errno(err, done < 0 ? errno : EIO, "cannot write %s", name);
        }
        at += done;
        size -= (size_t)done;
    }
    return true;
}

bool file_sync_directory(int dir_fd, const char *name, Error *err) {
    AUTO_CLOSE int fd = file_open_directory(dir_fd, name, err);
    if (fd < 0) {
        return false;
    }
    return fsync(fd) == 0 ? true : error_set_errno(err, errno, "cannot sync directory %s", name);
}

static bool read_holder(int fd, uint64_t *ret_pid) {
    char text[24] = "";
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (size <= 0) {
        return false;
    }
    text[strcspn(text, "\n")] = 0;
    return text_parse_u64(text, 1, INT_MAX, ret_pid);
}

/* Whoever was killed a moment ago may have a child that was just forked and has not closed its copy yet. */
static bool lock_file(int fd) {
    const struct timespec pause = {.tv_nsec = 5000000};
    uint64_t pid = 0;
    for (unsigned left = LOCK_ATTEMPTS; TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) != 0; left--) {
        if (errno != EWOULDBLOCK) {
            return false;
        }
        if (left == 0 || !read_holder(fd, &pid) || kill((pid_t)pid, 0) == 0 || errno != ESRCH) {
            errno = EWOULDBLOCK;
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

int file_lock(int dir_fd, const char *name, Error *err) {
    AUTO_CLOSE int fd = file_open(dir_fd, name, O_RDWR | O_CREAT, 0644, err);
    if (fd < 0) {
        return -1;
    }
    if (!lock_file(fd)) {
        uint64_t pid = 0;
        if (errno != EWOULDBLOCK) {
            error_set_errno(err, errno, "cannot lock %s", name);
        } else if (read_holder(fd, &pid)) {
            error_set(err, ERROR_CONFLICT, "%s is locked by process %ju", name, (uintmax_t)pid);
        } else {
            error_set(err, ERROR_CONFLICT, "%s is locked by another process", name);
        }
        return -1;
    }
    char pid[24];
    int length = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) != 0) {
        error_set_errno(err, errno, "cannot write %s", name);
        return -1;
    }
    if (!file_write_fd(fd, name, pid, (size_t)length, err)) {
        return -1;
    }
    return TAKE_FD(fd);
}

void file_looks(const struct stat *facts, uint64_t ret_looks[FILE_LOOKS]) {
    ret_looks[0] = facts->st_dev;
    ret_looks[1] = facts->st_ino;
    ret_looks[2] = (uint64_t)facts->st_size;
    ret_looks[3] = (uint64_t)facts->st_mtim.tv_sec;
    ret_looks[4] = (uint64_t)facts->st_mtim.tv_nsec;
    ret_looks[5] = (uint64_t)facts->st_ctim.tv_sec;
    ret_looks[6] = (uint64_t)facts->st_ctim.tv_nsec;
}

bool file_is_same(const struct stat *one, const struct stat *other) {
    uint64_t looks[2][FILE_LOOKS];
    file_looks(one, looks[0]);
    file_looks(other, looks[1]);
    return memcmp(looks[0], looks[1], sizeof looks[0]) == 0;
}

bool file_name_is_safe(const char *path) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-";
    if (strnlen(path, NAME_SIZE_MAX + 1) > NAME_SIZE_MAX) {
        return false;
    }
    for (int parts = 1; parts <= NAME_PARTS_MAX; parts++) {
        size_t length = strspn(path, allowed);
        bool is_dots = (length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.');
        if (length == 0 || is_dots) {
            return false;
        }
        if (path[length] == 0) {
            return true;
        }
        if (path[length] != '/') {
            return false;
        }
        path += length + 1;
    }
    return false;
}
