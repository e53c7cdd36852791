/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api_peer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "manager/config.h"

enum { GROUPS_MAX = 1024, BACKLOG = 64 };

static bool is_member(int fd, const struct ucred *peer, gid_t group) {
    gid_t groups[GROUPS_MAX];
    socklen_t size = sizeof groups;
    if (group == CONFIG_NO_GROUP) {
        return false;
    }
    if (peer->gid == group) {
        return true;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0) {
        return false;
    }
    for (size_t i = 0; i < size / sizeof groups[0]; i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

bool api_peer_check(int fd, gid_t group, JournalWho *ret_who, Error *err) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return error_set_errno(err, errno, "cannot tell who asks");
    }
    if (peer.uid != 0 && peer.uid != geteuid() && !is_member(fd, &peer, group)) {
        return error_set(err, ERROR_PERMISSION,
                         "uid %u may not use the API: be root, or a member of the group that api.group names",
                         peer.uid);
    }
    *ret_who = (JournalWho){.uid = peer.uid, .pid = peer.pid};
    return true;
}

static bool dress(const char *bound, gid_t group, Error *err) {
    mode_t mode = group == CONFIG_NO_GROUP ? 0600 : 0660;
    if (group != CONFIG_NO_GROUP && lchown(bound, (uid_t)-1, group) != 0) {
        return error_set_errno(err, errno, "api.group: cannot give the API's socket to group %u", group);
    }
    return chmod(bound, mode) == 0 || error_set_errno(err, errno, "%s", bound);
}

int api_peer_listen(const char *path, gid_t group, Error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path, sizeof address.sun_path, "%s.new", path);
    if (length < 0 || (size_t)length >= sizeof address.sun_path) {
        error_set(err, ERROR_CONFIG, "%s: too long for a socket: choose a shorter 'runtime'", path);
        return -1;
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)unlink(address.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        error_set_errno(err, errno, "cannot bind %s", address.sun_path);
        return -1;
    }
    if (!dress(address.sun_path, group, err)) {
        return -1;
    }
    if (listen(fd, BACKLOG) != 0 || rename(address.sun_path, path) != 0) {
        error_set_errno(err, errno, "cannot listen on %s", path);
        return -1;
    }
    return TAKE_FD(fd);
}

int api_peer_listen_tcp(const struct sockaddr *address, socklen_t size, Error *err) {
    AUTO_CLOSE int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, address, size) != 0 || listen(fd, SOMAXCONN) != 0) {
        error_set_errno(err, errno, "metrics.listen: cannot listen there");
        return -1;
    }
    return TAKE_FD(fd);
}
