/* SPDX-License-Identifier: Apache-2.0
 *
 * Mounts: what /proc/PID/mountinfo says (proc(5)): where something is mounted, how, and what of.
 */
#ifndef MANAGER_CHECKS_MOUNTS_H
#define MANAGER_CHECKS_MOUNTS_H

#include "manager/checks/host.h"

typedef struct Mount {
    const char *root;    /* the part of the file system; ends in "//deleted" when that is gone */
    const char *point;   /* where */
    const char *options; /* "rw,nosuid,noexec" of the mount */
    const char *type;    /* "ext4" */
} Mount;                 /* valid during the call; \040 and the like are decoded */

typedef bool (*MountFn)(void *context, const Mount *mount); /* false: enough */

/* False: the file cannot be read. `process` is "self" or a pid. */
bool mounts_each(const Host *host, const char *process, MountFn visit, void *context);

/* The same of a file's text, which is changed; up to a NUL. Lines of another form are passed over. */
void mounts_each_in(char *text, MountFn visit, void *context);

bool mount_has_option(const Mount *mount, const char *option);

/* Is what lies at the path mounted with this option (the mount with the longest fitting point)? */
typedef enum MountAnswer { MOUNT_NO, MOUNT_YES, MOUNT_UNKNOWN } MountAnswer;
MountAnswer mounts_path_has(const Host *host, const char *path, const char *option);

#endif
