/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/host.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"

int host_open_file(const Host *host, const char *path, int flags) {
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK),
                           .resolve = RESOLVE_IN_ROOT};
    if ((flags & O_PATH) != 0) {
        how.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC);
    }
    while (path[0] == '/') {
        path++;
    }
    return (int)syscall(SYS_openat2, host->root_fd, path[0] != '\0' ? path : ".", &how, sizeof how);
}

static int real_stat(const Host *host, const char *path, bool follow, struct stat *ret_facts) {
    AUTO_CLOSE int fd = host_open_file(host, path, follow ? O_PATH : O_PATH | O_NOFOLLOW);
    return fd >= 0 && fstat(fd, ret_facts) == 0 ? 0 : errno;
}

static int real_try(const Host *host, const char *path) {
    AUTO_CLOSE int fd = host_open_file(host, path, O_RDWR);
    return fd >= 0 ? 0 : errno;
}

/* The nearest directory above that is there. */
static int open_above(const Host *host, const char *path) {
    char place[PATH_MAX];
    if (!text_copy(place, sizeof place, path)) {
        return -1;
    }
    for (;;) {
        int fd = host_open_file(host, place[0] != '\0' ? place : "/", O_RDONLY | O_DIRECTORY);
        char *slash = strrchr(place, '/');
        if (fd >= 0 || slash == NULL) {
            return fd;
        }
        *slash = '\0';
    }
}

static bool real_room(const Host *host, const char *path, HostRoom *ret_room) {
    struct statvfs facts;
    AUTO_CLOSE int fd = open_above(host, path);
    if (fd < 0 || fstatvfs(fd, &facts) != 0) {
        return false;
    }
    *ret_room = (HostRoom){.bytes = (uint64_t)facts.f_bavail * facts.f_frsize,
                           .inodes = facts.f_files != 0 ? facts.f_favail : UINT64_MAX};
    return true;
}

static bool real_cpuid(const Host *host, uint32_t leaf, uint32_t subleaf, HostCpuid *ret) {
    unsigned most = __get_cpuid_max(0, NULL);
    if (!host->is_live || most < leaf) {
        return false;
    }
    __cpuid_count(leaf, subleaf, ret->eax, ret->ebx, ret->ecx, ret->edx);
    return true;
}

static bool real_member(gid_t group) {
    return group_member(group) != 0;
}

bool host_open(const char *root, Host *ret_host, Error *err) {
    struct utsname names;
    const bool is_live = strcmp(root, "/") == 0;
    AUTO_CLOSE int fd = file_open_directory(AT_FDCWD, root, err);
    if (fd < 0) {
        return false;
    }
    *ret_host = (Host){.root_fd = TAKE_FD(fd),
                       .is_live = is_live,
                       .uid = geteuid(),
                       .gid = getegid(),
                       .environment = is_live ? environ : NULL,
                       .cpuid = real_cpuid,
                       .stat = real_stat,
                       .try_open = real_try,
                       .room = real_room,
                       .now = clock_wall_s()};
    if (is_live) {
        ret_host->is_member = real_member;
        if (uname(&names) == 0) {
            (void)text_copy(ret_host->release, sizeof ret_host->release, names.release);
        }
    } else {
        (void)host_read_line(ret_host, "/proc/sys/kernel/osrelease", ret_host->release,
                             sizeof ret_host->release);
    }
    return true;
}

void host_close(Host *host) {
    cleanup_close(&host->root_fd);
    host->root_fd = -1;
}

bool host_read(const Host *host, const char *path, Buffer *buffer, Error *err) {
    AUTO_CLOSE int fd = host_open_file(host, path, O_RDONLY);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts) != 0) {
        return error_set_errno(err, errno, "%s", path);
    }
    if (!S_ISREG(facts.st_mode)) {
        return error_set(err, ERROR_INPUT, "%s is not a regular file", path);
    }
    return file_read_fd(fd, path, buffer, err);
}

bool host_read_line(const Host *host, const char *path, char *buffer, size_t size) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    if (!host_read(host, path, &text, &ignored)) {
        return false;
    }
    (void)snprintf(buffer, size, "%.*s", (int)strcspn(buffer_text(&text), "\n"), buffer_text(&text));
    return true;
}

bool host_read_u64(const Host *host, const char *path, uint64_t *ret_value) {
    char line[32];
    return host_read_line(host, path, line, sizeof line) && text_parse_u64(line, 0, UINT64_MAX, ret_value);
}

bool host_read_at(const Host *host, const char *path, uint64_t offset, void *data, size_t size) {
    AUTO_CLOSE int fd = host_open_file(host, path, O_RDONLY);
    return fd >= 0 && pread(fd, data, size, (off_t)offset) == (ssize_t)size;
}

int host_stat(const Host *host, const char *path, struct stat *ret_facts) {
    return host->stat(host, path, true, ret_facts);
}

int host_lstat(const Host *host, const char *path, struct stat *ret_facts) {
    return host->stat(host, path, false, ret_facts);
}

bool host_has(const Host *host, const char *path) {
    struct stat facts;
    return host_stat(host, path, &facts) == 0;
}

bool host_has_device(const Host *host, const char *path) {
    struct stat facts;
    return host_stat(host, path, &facts) == 0 && S_ISCHR(facts.st_mode);
}

bool host_may(const Host *host, const struct stat *facts, int access) {
    unsigned wanted = (unsigned)access & (R_OK | W_OK | X_OK);
    unsigned granted = facts->st_mode & 7;
    if (host->uid == 0) {
        return true;
    }
    const bool is_member =
        facts->st_gid == host->gid || (host->is_member != NULL && host->is_member(facts->st_gid));
    if (facts->st_uid == host->uid) {
        granted = (facts->st_mode >> 6) & 7;
    } else if (is_member) {
        granted = (facts->st_mode >> 3) & 7;
    }
    return (granted & wanted) == wanted;
}

const char *host_environment(const Host *host, const char *name) {
    size_t length = strlen(name);
    for (char *const *at = host->environment; at != NULL && *at != NULL; at++) {
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=') {
            return *at + length + 1;
        }
    }
    return NULL;
}

void host_kernel(const Host *host, char *buffer, size_t size) {
    size_t length = strspn(host->release, "0123456789.");
    while (length > 0 && host->release[length - 1] == '.') {
        length--;
    }
    (void)snprintf(buffer, size, "%.*s", (int)length, host->release);
}
