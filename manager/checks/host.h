/* SPDX-License-Identifier: Apache-2.0
 *
 * Host: where checks take their facts from: the files beneath a root directory, the processor, and who we
 * are.
 *
 * The root is "/" for the running system, or another one: a mounted image, a container's /proc/PID/root, a
 * tree that a test made. Every path is resolved inside it, absolute links included. What is not a file can be
 * replaced: a test gives its own CPUID, stat and so on. Invariant: nothing here writes, and no read is
 * larger than HOST_FILE_MAX.
 */
#ifndef MANAGER_CHECKS_HOST_H
#define MANAGER_CHECKS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"

enum {
    HOST_FILE_MAX = 4 * 1024 * 1024,
    HOST_RELEASE_SIZE = 65,
    HOST_NAME_SIZE = 256,
    HOST_NAMES_MAX = 32768 /* as many as a large node has processes */
};

typedef struct HostCpuid {
    uint32_t eax, ebx, ecx, edx;
} HostCpuid;

typedef struct Host Host;

/* False: not known. */
typedef bool (*HostCpuidFn)(const Host *host, uint32_t leaf, uint32_t subleaf, HostCpuid *ret_registers);
/* 0 or an errno. */
typedef int (*HostStatFn)(const Host *host, const char *path, bool follow, struct stat *ret_facts);
typedef struct HostRoom {
    uint64_t bytes, inodes; /* left for unprivileged users; inodes UINT64_MAX: as many as there is room for */
} HostRoom;
/* Of the file system at the path, or where the path would be made. */
typedef bool (*HostRoomFn)(const Host *host, const char *path, HostRoom *ret_room);
/* Opens a device node for reading and writing and closes it: 0 or an errno. */
typedef int (*HostTryFn)(const Host *host, const char *path);

struct Host {
    int root_fd;
    bool is_live; /* the running system: its processes, sockets and limits are ours to ask for */
    uid_t uid;    /* whose access is judged: who runs quoted */
    gid_t gid;
    char release[HOST_RELEASE_SIZE]; /* of the kernel; "": not known */
    char *const *environment;        /* as quoted would inherit it; NULL: not known */
    HostCpuidFn cpuid;
    HostStatFn stat;
    HostTryFn try_open;
    HostRoomFn room;
    bool (*is_member)(gid_t group); /* supplementary groups; NULL: none */
    int64_t now;                    /* wall clock, seconds since 1970 */
    void *context;                  /* of these functions */
};

/* `root`: "/" or another directory, whose processor and environment are not known then. */
bool host_open(const char *root, Host *ret_host, Error *err) __attribute__((warn_unused_result));
void host_close(Host *host);

/* Appends the file; ERROR_NOT_FOUND, ERROR_PERMISSION, ... Also files of /proc and /sys. */
bool host_read(const Host *host, const char *path, Buffer *buffer, Error *err)
    __attribute__((warn_unused_result));
/* The first line without its end, cut to size; false: cannot be read. */
bool host_read_line(const Host *host, const char *path, char *buffer, size_t size);
bool host_read_u64(const Host *host, const char *path, uint64_t *ret_value);
/* Bytes at an offset, all or nothing: /dev/cpu/0/msr. */
bool host_read_at(const Host *host, const char *path, uint64_t offset, void *data, size_t size);

/* 0 or an errno. */
int host_stat(const Host *host, const char *path, struct stat *ret_facts);
int host_lstat(const Host *host, const char *path, struct stat *ret_facts);
bool host_has(const Host *host, const char *path);
bool host_has_device(const Host *host, const char *path);

/* A descriptor of something beneath the root; -1: cannot be opened. */
int host_open_file(const Host *host, const char *path, int flags);

typedef struct HostNames {
    char (*names)[HOST_NAME_SIZE]; /* sorted */
    size_t count;
} HostNames;
/* Names in a directory without "." and "..", sorted, HOST_NAMES_MAX at most; none if it cannot be read. */
void host_names(const Host *host, const char *path, HostNames *ret_names);
void host_names_done(HostNames *names);

/* Would our user get this access (R_OK | W_OK) by these permissions? */
bool host_may(const Host *host, const struct stat *facts, int access);

/* NULL: not set, or the environment is not known. */
const char *host_environment(const Host *host, const char *name);

/* Group by name from /etc/group; false: there is none. The name of a group: "gid 115" if it has none. */
bool host_find_group(const Host *host, const char *name, gid_t *ret_gid);
const char *host_group_name(const Host *host, gid_t gid, char *buffer, size_t size);
/* User by name from /etc/passwd. */
bool host_find_user(const Host *host, const char *name, uid_t *ret_uid);

/* The dotted numbers at the start of the release, "6.1.0"; "": not known. */
void host_kernel(const Host *host, char *buffer, size_t size);

/* The field of the first processor in /proc/cpuinfo ("flags", "microcode"). */
bool host_cpu_field(const Host *host, const char *name, char *buffer, size_t size);
bool host_has_cpu_flag(const Host *host, const char *flag);

#endif
