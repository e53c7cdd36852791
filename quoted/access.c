/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/access.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"

enum { PROC_CGROUP_MAX = 16 * 1024, PEER_PIDFD = 77 /* SO_PEERPIDFD: since Linux 6.5 */ };

bool access_add_uids(Access *access, const char *text) {
    char first[16] = "";
    AccessRange range;
    const char *dash = strchr(text, '-');
    size_t length = dash != NULL ? (size_t)(dash - text) : strlen(text);
    if (access->uids_count == ACCESS_ENTRIES_MAX || length >= sizeof first) {
        return false;
    }
    memcpy(first, text, length);
    if (!text_parse_u32(first, 0, UINT32_MAX - 1, &range.first)) {
        return false;
    }
    range.last = range.first;
    if (dash != NULL && !text_parse_u32(dash + 1, range.first, UINT32_MAX - 1, &range.last)) {
        return false;
    }
    access->uids[access->uids_count++] = range;
    return true;
}

bool access_add_cgroup(Access *access, const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    if (access->cgroups_count == ACCESS_ENTRIES_MAX || path[0] != '/' || length > ACCESS_CGROUP_MAX ||
        strstr(path, "/..") != NULL || !text_is_printable(path, ACCESS_CGROUP_MAX)) {
        return false;
    }
    char *entry = access->cgroups[access->cgroups_count++];
    memcpy(entry, path, length);
    entry[length] = '\0';
    return true;
}

bool access_has_cgroup(const Access *access, const char *path) {
    if (strstr(path, "/..") != NULL) { /* seen from another namespace: not beneath anything of ours */
        return false;
    }
    for (uint32_t i = 0; i < access->cgroups_count; i++) {
        const char *entry = access->cgroups[i];
        size_t length = strlen(entry);
        if (length == 1 ||
            (strncmp(path, entry, length) == 0 && (path[length] == '/' || path[length] == '\0'))) {
            return true;
        }
    }
    return false;
}

static bool has_uid(const Access *access, uid_t uid) {
    for (uint32_t i = 0; i < access->uids_count; i++) {
        if (uid >= access->uids[i].first && uid <= access->uids[i].last) {
            return true;
        }
    }
    return false;
}

/* The line of the one hierarchy: "0::/path" (cgroups(7)). */
static bool is_in_cgroup(const Access *access, pid_t pid) {
    char name[32];
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(PROC_CGROUP_MAX);
    (void)snprintf(name, sizeof name, "/proc/%d/cgroup", (int)pid);
    AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (pid <= 0 || fd < 0 || !file_read_fd(fd, name, &text, NULL)) {
        return false;
    }
    const char *line = buffer_text(&text);
    while (line != NULL && strncmp(line, "0::", 3) != 0) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line == NULL) {
        return false;
    }
    AUTO_FREE char *path = strndup(line + 3, strcspn(line + 3, "\n"));
    return path != NULL && access_has_cgroup(access, path);
}

/* A pid may have passed on to somebody else by now; a descriptor of the process says whether it lives. */
static bool lives(int fd) {
    int pidfd = -1;
    socklen_t size = sizeof pidfd;
    if (getsockopt(fd, SOL_SOCKET, PEER_PIDFD, &pidfd, &size) != 0) {
        return true; /* not to be had from an older kernel */
    }
    AUTO_CLOSE int owned = pidfd;
    struct pollfd ended = {.fd = owned, .events = POLLIN};
    return poll(&ended, 1, 0) == 0;
}

bool access_allows(const Access *access, int fd, const struct ucred *peer) {
    if (access->uids_count == 0 && access->cgroups_count == 0) {
        return true;
    }
    if (peer->pid == getpid()) { /* the canary */
        return true;
    }
    return (access->uids_count == 0 || has_uid(access, peer->uid)) &&
           (access->cgroups_count == 0 || (is_in_cgroup(access, peer->pid) && lives(fd)));
}
