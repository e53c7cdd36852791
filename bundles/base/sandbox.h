/* SPDX-License-Identifier: Apache-2.0
 *
 * Sandbox: what a process may still do, taken away by itself for ever before it looks at outside bytes.
 *
 * A profile says what stays: who it is, how much it may use, where it may read and write (Landlock), and
 * which system calls it has (seccomp). What was opened before stays usable. Invariant: after a success
 * nothing of the profile is left out but what the report names as missing, because the system does not have
 * it or forbids it (an old kernel, a container): the caller decides whether to go on then.
 *
 * A system call that the profile lacks fails with EPERM; one that no honest program of ours ever makes
 * (execve, ptrace, mount, ...) ends the process with SIGSYS, except with SANDBOX_CALLS_ANY, where it fails
 * with EPERM and a socket of another family with EAFNOSUPPORT. Apply it while there is one thread: Landlock
 * holds for the calling thread and for what it starts.
 */
#ifndef BUNDLES_BASE_SANDBOX_H
#define BUNDLES_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundles/base/error.h"

/* Sets of system calls; a profile combines them. */
typedef enum SandboxCalls {
    SANDBOX_CALLS_BASE = 1 << 0,    /* memory, time, and work on descriptors that it has or is sent */
    SANDBOX_CALLS_READ = 1 << 1,    /* open and look at files */
    SANDBOX_CALLS_WRITE = 1 << 2,   /* open, make, change, move and remove files */
    SANDBOX_CALLS_THREADS = 1 << 3, /* threads, not processes */
    SANDBOX_CALLS_LOAD = 1 << 4,    /* map code: shared libraries */
    SANDBOX_CALLS_NETWORK = 1 << 5, /* sockets of IPv4 and IPv6, as a client */
    SANDBOX_CALLS_UNIX = 1 << 6,    /* Unix sockets, as client and server */
    /* All but the hostile ones: for a process that loads foreign libraries. NETWORK still decides about
     * sockets other than Unix ones. */
    SANDBOX_CALLS_ANY = 1 << 7
} SandboxCalls;

typedef enum SandboxAccess {
    SANDBOX_READ,    /* files and directories beneath the place, or the file */
    SANDBOX_WRITE,   /* that and to make, change, move and remove files and directories */
    SANDBOX_DEVICE,  /* read, write and ioctl of a device node, or of the nodes in a directory */
    SANDBOX_SOCKETS, /* make and remove sockets and files in the directory; no reading */
} SandboxAccess;

typedef struct SandboxPlace {
    const char *path; /* NULL: `fd` */
    int fd;           /* a directory or file that is open */
    SandboxAccess access;
    bool optional; /* may be missing */
} SandboxPlace;

enum { SANDBOX_PLACES_MAX = 64 };

/* Files and directories that looking up a host reads; ends in NULL. */
extern const char *const sandbox_name_service[];

/* What each field leaves free when it is 0. */
typedef struct SandboxLimits {
    uint64_t memory;    /* bytes of address space; not in builds with a sanitizer, which reserve far more */
    uint64_t file_size; /* bytes */
    uint32_t files;     /* open descriptors */
    bool alone;         /* no further process or thread of its user; binds nobody who is root */
} SandboxLimits;

typedef struct Sandbox {
    uid_t uid; /* become this user and group, without others, if root; 0: stay who it is */
    gid_t gid;
    uint64_t capabilities; /* that stay, a bit by its number, of those that it has */
    SandboxLimits limits;  /* core dumps are always off */
    const SandboxPlace *places;
    size_t places_count;
    bool read_anywhere;  /* files outside the places can be read and not written */
    bool write_existing; /* with read_anywhere: existing files outside the places can be written, too */
    unsigned calls;      /* of SandboxCalls; 0: no seccomp */
} Sandbox;

/* What the system gives. An abi of 0 and seccomp false tell what is missing; `missing` says it in words. */
typedef struct SandboxReport {
    int landlock_abi;
    bool seccomp;
    char missing[240]; /* "" if nothing */
} SandboxReport;

/* Fails only if what the system has cannot be applied; half of it may be in force then: end the process. */
bool sandbox_apply(const Sandbox *profile, SandboxReport *ret_report, Error *err)
    __attribute__((warn_unused_result));

/* Applies nothing: what would be missing here? For the start of a daemon. */
void sandbox_probe(SandboxReport *ret_report);

/* True if this program was built with a sanitizer that needs more than its profile says. */
bool sandbox_is_relaxed(void);

#endif
