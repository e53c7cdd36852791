/* SPDX-License-Identifier: Apache-2.0
 *
 * Listener: a Unix socket known by its path, made once and never made again while anybody holds it.
 *
 * Its inode outlives every generation and every restart of the manager, because containers mount the file.
 * The path is never unlinked at exit. A spare hard link beside the path, ".NAME.spare", brings the same
 * inode back if somebody removes the path.
 */
#ifndef BUNDLES_BASE_LISTENER_H
#define BUNDLES_BASE_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "bundles/base/error.h"

typedef struct ListenerSpec {
    const char *path;
    unsigned mode;
    gid_t group; /* (gid_t)-1: as it comes */
} ListenerSpec;

/* The path's directory exists and nobody but us or root can change names in it. ERROR_NOT_FOUND,
 * ERROR_PERMISSION. */
bool listener_check_directory(const char *path, Error *err) __attribute__((warn_unused_result));

/* ERROR_CONFLICT if somebody listens at the path, or something that is no socket stands there. */
bool listener_check_free(const char *path, Error *err) __attribute__((warn_unused_result));

/* Binds under another name with the final mode and group, listens, then renames into place over what may be
 * left of a dead daemon. -1 on failure. The descriptor is non-blocking. */
int listener_make(const ListenerSpec *spec, Error *err) __attribute__((warn_unused_result));

/* A listener of that path among the descriptors that systemd passed (LISTEN_FDS); -1 if there is none. */
int listener_inherited(const char *path);

/* Makes the spare link of a listener that stands at the path; failure is no harm. */
void listener_keep_spare(const char *path);

/* The path is there and is ours again afterwards: true; `ret_repaired` says if it had to be linked back.
 * ERROR_CONFLICT if another socket has taken the path. */
bool listener_repair(const char *path, bool *ret_repaired, Error *err) __attribute__((warn_unused_result));

#endif
