/* SPDX-License-Identifier: Apache-2.0
 *
 * Access: who may ask for quotes, beyond the socket's mode and group. A client has to be in each list that is
 * given. Who asks is told by the kernel: its uid as of its connect (SO_PEERCRED), its control group as of
 * now. Without lists nothing is asked.
 */
#ifndef QUOTED_ACCESS_H
#define QUOTED_ACCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { ACCESS_ENTRIES_MAX = 64, ACCESS_CGROUP_MAX = 255 };

typedef struct AccessRange {
    uid_t first, last;
} AccessRange;

typedef struct Access {
    AccessRange uids[ACCESS_ENTRIES_MAX];
    uint32_t uids_count; /* 0: any */
    char cgroups[ACCESS_ENTRIES_MAX][ACCESS_CGROUP_MAX + 1];
    uint32_t cgroups_count; /* 0: any */
} Access;

/* "1000" or "1000-1999"; false: it is neither, or there are too many. */
bool access_add_uids(Access *access, const char *text);
/* The path of a control group and all beneath it: "/kubepods.slice"; no ".." in it. */
bool access_add_cgroup(Access *access, const char *path);

/* `fd`: a connection of the peer. This process itself may always ask. */
bool access_allows(const Access *access, int fd, const struct ucred *peer);

/* Whether a path, as in /proc/PID/cgroup, is that of a listed group or beneath one. */
bool access_has_cgroup(const Access *access, const char *path);

#endif
