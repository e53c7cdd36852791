/* SPDX-License-Identifier: Apache-2.0
 *
 * Foreign: another daemon that serves our socket, usually Intel's aesm_service, of which nothing is known but
 * what /proc tells.
 *
 * It is found by the listening socket that it holds, its listener is copied out of it (pidfd_getfd), and it
 * is stopped, let go on, or ended by signals: without its help, because it has no way to hand anything over.
 * An identity is a process id with the time of the process's start, so that it outlives us in the journal and
 * never means another process.
 */
#ifndef MANAGER_FOREIGN_H
#define MANAGER_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundles/base/error.h"

typedef struct ForeignId {
    pid_t pid;        /* 0: nobody */
    uint64_t started; /* clock ticks after the boot */
} ForeignId;

enum { FOREIGN_NAME_SIZE = 16, FOREIGN_CONNECTIONS_MAX = 1024 };

/* Who listens at the path. ERROR_NOT_FOUND: nobody; ERROR_PERMISSION: it cannot be seen, and what is missing;
 * ERROR_CONFLICT: more than one process does. */
bool foreign_find(const char *path, ForeignId *ret_id, char ret_name[FOREIGN_NAME_SIZE], Error *err)
    __attribute__((warn_unused_result));

/* A pidfd; -1 if the process has ended. */
int foreign_open(ForeignId id);

/* A copy of its listener of that path. ERROR_PERMISSION says what is missing. */
int foreign_listener(ForeignId id, const char *path, Error *err) __attribute__((warn_unused_result));
/* A copy of the descriptor behind which that socket is; -1: it is gone, or not to be had. */
int foreign_socket(ForeignId id, ino_t inode);

/* What of a stopped process is to be known. */
typedef struct ForeignLook {
    bool stopped; /* all its threads are */
    size_t count; /* of clients' connections that it holds; at most FOREIGN_CONNECTIONS_MAX are told */
    ino_t connections[FOREIGN_CONNECTIONS_MAX];
} ForeignLook;

/* False: it has ended, or /proc cannot be read. */
bool foreign_look(ForeignId id, const char *path, ForeignLook *ret_look);

#endif
