/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/service.h"
#include "bundles/base/text.h"

enum { BACKLOG = 65535 }; /* the kernel lowers it to net.core.somaxconn */

static bool split_path(const char *path, char directory[PATH_MAX], char name[NAME_MAX + 1]) {
    const char *slash = strrchr(path, '/');
    assert(slash != NULL);
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= PATH_MAX || slash[1] == '\0') {
        return false;
    }
    memcpy(directory, path, length);
    directory[length] = '\0';
    return text_copy(name, NAME_MAX + 1, slash + 1);
}

static bool beside(const char *path, const char *suffix, struct sockaddr_un *address) {
    char directory[PATH_MAX], name[NAME_MAX + 1];
    if (!split_path(path, directory, name)) {
        return false;
    }
    address->sun_family = AF_UNIX;
    int length = snprintf(address->sun_path, sizeof address->sun_path, "%s/.%s%s",
                          strcmp(directory, "/") == 0 ? "" : directory, name, suffix);
    return length > 0 && (size_t)length < sizeof address->sun_path;
}

bool listener_check_directory(const char *path, Error *err) {
    char directory[PATH_MAX], name[NAME_MAX + 1];
    struct stat facts;
    if (!split_path(path, directory, name)) {
        return error_set(err, ERROR_CONFIG, "socket path: '%s' names no file", path);
    }
    if (stat(directory, &facts) != 0) {
        return errno == ENOENT
                   ? error_set(err, ERROR_NOT_FOUND,
                               "the socket's directory %s does not exist: make it, or correct the path",
                               directory)
                   : error_set_errno(err, errno, "the socket's directory %s", directory);
    }
    if (!S_ISDIR(facts.st_mode)) {
        return error_set(err, ERROR_NOT_FOUND, "%s is not a directory: correct the path", directory);
    }
    bool ours = facts.st_uid == 0 || facts.st_uid == geteuid();
    bool open = (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (facts.st_mode & S_ISVTX) == 0;
    if (!ours || open) {
        return error_set(
            err, ERROR_PERMISSION,
            "the socket's directory %s is not ours (owner uid %u, mode %04o): others could replace "
            "the socket; it must belong to root or uid %u and be writable by nobody else",
            directory, facts.st_uid, facts.st_mode & 07777, geteuid());
    }
    if (access(directory, W_OK | X_OK) != 0) {
        return error_set_errno(err, errno, "the socket's directory %s cannot be written", directory);
    }
    return true;
}

bool listener_check_free(const char *path, Error *err) {
    struct stat facts;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (lstat(path, &facts) != 0) {
        return errno == ENOENT || error_set_errno(err, errno, "%s", path);
    }
    if (!S_ISSOCK(facts.st_mode)) {
        return error_set(err, ERROR_CONFLICT, "%s exists and is not a socket: move it away", path);
    }
    AUTO_CLOSE int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0 || !text_copy(address.sun_path, sizeof address.sun_path, path)) {
        return error_set_errno(err, probe < 0 ? errno : ENAMETOOLONG, "%s", path);
    }
    if (connect(probe, (struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN) {
        return error_set(
            err, ERROR_CONFLICT,
            "another daemon listens on %s: take its socket over with 'pswctl adopt BUNDLE', or end it "
            "(for Intel's: systemctl disable --now aesmd)",
            path);
    }
    return errno == ECONNREFUSED || errno == ENOENT || error_set_errno(err, errno, "%s", path);
}

static bool dress(const ListenerSpec *spec, const char *bound, Error *err) {
    if (spec->group != (gid_t)-1 && lchown(bound, (uid_t)-1, spec->group) != 0) {
        return error_set_errno(err, errno, "socket.group: cannot give %s to group %u", spec->path,
                               spec->group);
    }
    return chmod(bound, spec->mode) == 0 || error_set_errno(err, errno, "socket.mode: %s", spec->path);
}

static bool put_in_place(int fd, const ListenerSpec *spec, const struct sockaddr_un *bound, Error *err) {
    if (!dress(spec, bound->sun_path, err)) {
        return false;
    }
    if (listen(fd, BACKLOG) != 0 || rename(bound->sun_path, spec->path) != 0) {
        return error_set_errno(err, errno, "cannot put the socket in place at %s", spec->path);
    }
    return true;
}

int listener_make(const ListenerSpec *spec, Error *err) {
    struct sockaddr_un bound;
    char suffix[16];
    unsigned random = 0;
    if (!listener_check_directory(spec->path, err) || !listener_check_free(spec->path, err)) {
        return -1;
    }
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        error_set_errno(err, errno, "getrandom");
        return -1;
    }
    (void)snprintf(suffix, sizeof suffix, ".%08x", random);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !beside(spec->path, suffix, &bound)) {
        error_set_errno(err, fd < 0 ? errno : ENAMETOOLONG, "%s", spec->path);
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&bound, sizeof bound) != 0) {
        error_set_errno(err, errno, "cannot bind %s", bound.sun_path);
        return -1;
    }
    if (!put_in_place(fd, spec, &bound, err)) {
        (void)unlink(bound.sun_path);
        return -1;
    }
    listener_keep_spare(spec->path);
    return TAKE_FD(fd);
}

static bool listens_at(int fd, const char *path) {
    struct sockaddr_un name = {0};
    socklen_t name_size = sizeof name - 1; /* a whole name has no zero at its end */
    int type = 0, listening = 0;
    socklen_t type_size = sizeof type, listening_size = sizeof listening;
    return getsockname(fd, (struct sockaddr *)&name, &name_size) == 0 && name.sun_family == AF_UNIX &&
           strcmp(name.sun_path, path) == 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 &&
           type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &listening_size) == 0 && listening != 0;
}

int listener_inherited(const char *path) {
    int found = -1;
    int count = service_passed_fds();
    for (int fd = SERVICE_FDS_START; fd < SERVICE_FDS_START + count; fd++) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (found < 0 && listens_at(fd, path)) {
            (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
            found = fd;
        }
    }
    return found;
}

void listener_keep_spare(const char *path) {
    struct sockaddr_un spare;
    if (beside(path, ".spare", &spare)) {
        (void)unlink(spare.sun_path);
        (void)!link(path, spare.sun_path);
    }
}

bool listener_repair(const char *path, bool *ret_repaired, Error *err) {
    struct sockaddr_un spare;
    struct stat here, kept;
    *ret_repaired = false;
    if (!beside(path, ".spare", &spare) || lstat(spare.sun_path, &kept) != 0) {
        return lstat(path, &here) == 0 ||
               error_set(err, ERROR_NOT_FOUND,
                         "%s was removed and its spare link too: new clients cannot connect; restart "
                         "psw-manager when no application needs the old socket any more",
                         path);
    }
    if (lstat(path, &here) == 0) {
        return (here.st_dev == kept.st_dev && here.st_ino == kept.st_ino) ||
               error_set(
                   err, ERROR_CONFLICT,
                   "another socket has taken %s: find who made it (ss -xlp), stop that, then remove the "
                   "path; ours comes back by itself",
                   path);
    }
    if (link(spare.sun_path, path) != 0) {
        return error_set_errno(err, errno, "%s was removed and cannot be linked back", path);
    }
    *ret_repaired = true;
    return true;
}
