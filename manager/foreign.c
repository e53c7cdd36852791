/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/foreign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

enum { ACCEPTCON = 0x10000, LISTENERS_MAX = 8, STAT_MAX = 4096 };

static void close_file(FILE **file) {
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

static void close_directory(DIR **directory) {
    if (*directory != NULL) {
        (void)closedir(*directory);
    }
}

/* Sockets of one path, by their inodes in sockfs. */
typedef struct Sockets {
    ino_t *inodes;
    size_t count, max;
} Sockets;

/* One of /proc's numbered directories. */
static DIR *open_proc(pid_t pid, const char *name) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return opendir(path);
}

/* The 22nd field of /proc/PID/stat; 0: it has ended. The second one may hold anything but ends in the last
 * ')'. */
static uint64_t started_at(pid_t pid) {
    char path[64], text[STAT_MAX];
    uint64_t value = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = '\0';
    char *at = strrchr(text, ')');
    char *rest = NULL;
    char *field = at != NULL ? strtok_r(at + 1, " ", &rest) : NULL;
    for (int number = 3; field != NULL && number < 22; number++) {
        field = strtok_r(NULL, " ", &rest);
    }
    return field != NULL && text_parse_u64(field, 0, UINT64_MAX, &value) ? value : 0;
}

static bool is_it(ForeignId id) {
    return id.pid > 0 && started_at(id.pid) == id.started;
}

static void name_of(pid_t pid, char name[FOREIGN_NAME_SIZE]) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    if (file == NULL || fgets(name, FOREIGN_NAME_SIZE, file) == NULL) {
        (void)snprintf(name, FOREIGN_NAME_SIZE, "?");
    }
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '\n' ? '\0' : *at < 0x20 || *at == 0x7f ? '?' : *at;
    }
}

/* The same file under two names: /var/run is a link on most systems. */
static bool same_path(const char *path, const char *bound) {
    char here[PATH_MAX], there[PATH_MAX], real_here[PATH_MAX], real_there[PATH_MAX];
    if (strcmp(path, bound) == 0) {
        return true;
    }
    if (bound[0] != '/' || !text_copy(here, sizeof here, path) || !text_copy(there, sizeof there, bound)) {
        return false;
    }
    char *name_here = strrchr(here, '/'), *name_there = strrchr(there, '/');
    if (strcmp(name_here, name_there) != 0) {
        return false;
    }
    *name_here = *name_there = '\0';
    return realpath(here[0] != '\0' ? here : "/", real_here) != NULL &&
           realpath(there[0] != '\0' ? there : "/", real_there) != NULL && strcmp(real_here, real_there) == 0;
}

/* A line is "Num: RefCount Protocol Flags Type St Inode Path", the last one only if there is any. */
static bool parse_line(char *line, unsigned long *ret_flags, ino_t *ret_inode, const char **ret_path) {
    enum { FLAGS = 3, INODE = 6, FIELDS = 7 };
    const char *fields[FIELDS];
    char *rest = NULL, *end = NULL;
    uint64_t inode = 0;
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < FIELDS; i++) {
        fields[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
        if (fields[i] == NULL) {
            return false;
        }
    }
    *ret_flags = strtoul(fields[FLAGS], &end, 16);
    *ret_path = rest;
    bool good = *end == '\0' && rest != NULL && text_parse_u64(fields[INODE], 1, UINT64_MAX, &inode);
    *ret_inode = inode;
    return good;
}

/* Reads from the network namespace of `pid` (0: ours) which sockets have the path: listeners, or the
 * connections that were accepted from one. */
static bool read_sockets(pid_t pid, const char *path, bool listening, Sockets *sockets) {
    char name[64], *line = NULL;
    size_t size = 0;
    (void)snprintf(name, sizeof name, pid != 0 ? "/proc/%d/net/unix" : "/proc/net/unix", (int)pid);
    CLEANUP(close_file) FILE *file = fopen(name, "re");
    sockets->count = 0;
    while (file != NULL && sockets->count < sockets->max && getline(&line, &size, file) > 0) {
        unsigned long flags = 0;
        ino_t inode = 0;
        const char *bound = NULL;
        if (parse_line(line, &flags, &inode, &bound) && ((flags & ACCEPTCON) != 0) == listening &&
            same_path(path, bound)) {
            sockets->inodes[sockets->count++] = inode;
        }
    }
    free(line);
    return file != NULL;
}

static bool is_among(const Sockets *sockets, ino_t inode) {
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->inodes[i] == inode) {
            return true;
        }
    }
    return false;
}

/* The socket behind an entry of /proc/PID/fd; 0: it is none. */
static ino_t socket_of(int directory, const char *entry) {
    char target[64];
    uint64_t inode = 0;
    ssize_t length = readlinkat(directory, entry, target, sizeof target - 1);
    if (length <= 0) {
        return 0;
    }
    target[length] = '\0';
    static const char prefix[] = "socket:[";
    char *end = strchr(target, ']');
    if (strncmp(target, prefix, sizeof prefix - 1) != 0 || end == NULL) {
        return 0;
    }
    *end = '\0';
    return text_parse_u64(target + sizeof prefix - 1, 1, UINT64_MAX, &inode) ? inode : 0;
}

/* The number of the first descriptor of the process that is one of the sockets; -1: none. */
static int find_descriptor(pid_t pid, const Sockets *sockets, ino_t *ret_inode, int *ret_errno) {
    CLEANUP(close_directory) DIR *directory = open_proc(pid, "fd");
    const struct dirent *entry;
    *ret_errno = directory == NULL ? errno : 0;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        uint32_t number = 0;
        ino_t inode = socket_of(dirfd(directory), entry->d_name);
        if (inode != 0 && is_among(sockets, inode) && text_parse_u32(entry->d_name, 0, INT_MAX, &number)) {
            *ret_inode = inode;
            return (int)number;
        }
    }
    return -1;
}

static bool may_not(const char *what, ForeignId id, Error *err) {
    char name[FOREIGN_NAME_SIZE];
    name_of(id.pid, name);
    CLEANUP(close_file) FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    int scope = file != NULL ? fgetc(file) : EOF;
    return error_set(err, ERROR_PERMISSION,
                     "%s process %d (%s): psw-manager runs as uid %u and needs CAP_SYS_PTRACE for that%s",
                     what, (int)id.pid, name, geteuid(),
                     scope == '3'
                         ? "; kernel.yama.ptrace_scope is 3, which forbids it to everybody until a reboot"
                     : scope == '1' ? " (kernel.yama.ptrace_scope is 1)"
                     : scope == '2' ? " (kernel.yama.ptrace_scope is 2)"
                                    : "");
}

typedef struct Search {
    ForeignId found;
    unsigned others, unreadable;
} Search;

static void look_at(pid_t pid, const Sockets *listeners, Search *search) {
    ino_t inode = 0;
    int why = 0;
    if (pid == getpid() || pid == 1) { /* systemd keeps the listeners of its units */
        return;
    }
    bool holds = find_descriptor(pid, listeners, &inode, &why) >= 0;
    search->unreadable += why == EACCES || why == EPERM;
    if (holds && search->found.pid != 0) {
        search->others++;
    } else if (holds) {
        search->found = (ForeignId){.pid = pid, .started = started_at(pid)};
    }
}

static bool search_all(const Sockets *listeners, Search *search, Error *err) {
    CLEANUP(close_directory) DIR *directory = opendir("/proc");
    const struct dirent *entry;
    if (directory == NULL) {
        return error_set_errno(err, errno, "/proc");
    }
    while ((entry = readdir(directory)) != NULL) {
        uint32_t pid = 0;
        if (text_parse_u32(entry->d_name, 1, INT_MAX, &pid)) {
            look_at((pid_t)pid, listeners, search);
        }
    }
    return true;
}

bool foreign_find(const char *path, ForeignId *ret_id, char ret_name[FOREIGN_NAME_SIZE], Error *err) {
    ino_t inodes[LISTENERS_MAX];
    Sockets listeners = {.inodes = inodes, .max = LISTENERS_MAX};
    Search search = {0};
    if (!read_sockets(0, path, true, &listeners)) {
        return error_set_errno(err, errno, "/proc/net/unix");
    }
    if (listeners.count == 0) {
        return error_set(
            err, ERROR_NOT_FOUND,
            "no daemon that could be seen from here listens on %s: if none does, 'pswctl swap' is all "
            "that is needed; one in a container has to be ended there",
            path);
    }
    if (!search_all(&listeners, &search, err)) {
        return false;
    }
    if (search.found.pid == 0) {
        return search.unreadable == 0
                   ? error_set(err, ERROR_NOT_FOUND,
                               "the process that listens on %s is not to be found here: it runs in another "
                               "container, and has to be ended there",
                               path)
                   : error_set(err, ERROR_PERMISSION,
                               "the process that listens on %s is none that uid %u may look into (%u %s): "
                               "psw-manager needs CAP_SYS_PTRACE for that",
                               path, geteuid(), search.unreadable,
                               text_plural(search.unreadable, "other", "others"));
    }
    if (search.others > 0) {
        return error_set(err, ERROR_CONFLICT,
                         "%u processes listen on %s, process %d among them: leave one of them running",
                         search.others + 1, path, (int)search.found.pid);
    }
    name_of(search.found.pid, ret_name);
    *ret_id = search.found;
    return true;
}

int foreign_open(ForeignId id) {
    AUTO_CLOSE int pidfd = id.pid > 0 ? pidfd_open(id.pid, 0) : -1;
    /* Looked at afterwards: from here on the number cannot come to mean another process. */
    return pidfd >= 0 && is_it(id) ? TAKE_FD(pidfd) : -1;
}

static int copy(ForeignId id, const Sockets *sockets, int *ret_errno) {
    ino_t inode = 0;
    struct stat facts;
    AUTO_CLOSE int pidfd = foreign_open(id);
    int number = pidfd >= 0 ? find_descriptor(id.pid, sockets, &inode, ret_errno) : -1;
    if (number < 0) {
        *ret_errno = pidfd < 0 ? ESRCH : *ret_errno;
        return -1;
    }
    AUTO_CLOSE int fd = pidfd_getfd(pidfd, number, 0);
    *ret_errno = fd < 0 ? errno : 0;
    /* Between the look and the copy the number may have come to mean another descriptor. */
    return fd >= 0 && fstat(fd, &facts) == 0 && facts.st_ino == inode ? TAKE_FD(fd) : -1;
}

int foreign_listener(ForeignId id, const char *path, Error *err) {
    ino_t inodes[LISTENERS_MAX];
    Sockets listeners = {.inodes = inodes, .max = LISTENERS_MAX};
    int why = 0;
    (void)read_sockets(id.pid, path, true, &listeners);
    AUTO_CLOSE int fd = copy(id, &listeners, &why);
    if (fd < 0 && (why == EPERM || why == EACCES)) {
        (void)may_not("cannot take the socket from", id, err);
        return -1;
    }
    if (fd < 0) {
        (void)error_set(err, ERROR_NOT_FOUND, "process %d does not listen on %s any more", (int)id.pid, path);
        return -1;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return TAKE_FD(fd);
}

int foreign_socket(ForeignId id, ino_t inode) {
    const Sockets wanted = {.inodes = &inode, .count = 1};
    int why = 0;
    return copy(id, &wanted, &why);
}

static bool is_thread_stopped(pid_t pid, const char *thread) {
    char path[96], text[STAT_MAX];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)pid, thread);
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = '\0';
    const char *at = strrchr(text, ')');
    return at == NULL || at[1] == '\0' || strchr("TtZX", at[2]) != NULL; /* one that has ended runs no more */
}

static bool is_stopped(pid_t pid) {
    CLEANUP(close_directory) DIR *directory = open_proc(pid, "task");
    const struct dirent *entry;
    bool stopped = directory != NULL;
    while (stopped && (entry = readdir(directory)) != NULL) {
        stopped = entry->d_name[0] == '.' || is_thread_stopped(pid, entry->d_name);
    }
    return stopped;
}

bool foreign_look(ForeignId id, const char *path, ForeignLook *ret_look) {
    AUTO_FREE ino_t *inodes = calloc(FOREIGN_CONNECTIONS_MAX * 4, sizeof *inodes);
    Sockets sockets = {.inodes = inodes, .max = inodes != NULL ? FOREIGN_CONNECTIONS_MAX * 4 : 0};
    ret_look->count = 0;
    ret_look->stopped = is_stopped(id.pid);
    CLEANUP(close_directory) DIR *directory = open_proc(id.pid, "fd");
    if (directory == NULL || !is_it(id) || !read_sockets(id.pid, path, false, &sockets)) {
        return false;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL && ret_look->count < FOREIGN_CONNECTIONS_MAX) {
        ino_t inode = socket_of(dirfd(directory), entry->d_name);
        if (inode != 0 && is_among(&sockets, inode)) {
            ret_look->connections[ret_look->count++] = inode;
        }
    }
    return true;
}
