/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the AESM socket: its directory, who else wants it, and who still holds a former one.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "manager/checks/families.h"
#include "manager/checks/mounts.h"

#define ABSTRACT_NAME "@sgx_aesm_socket_base"

enum { PROCESS_NAME_SIZE = 32 };

/* The directory of socket.path; false: there is no path. */
static bool directory_of(const CheckSubject *subject, CheckResult *result, char *buffer, size_t size) {
    const char *path = subject->settings->socket_path;
    if (path == NULL || !text_copy(buffer, size, path) || strrchr(buffer, '/') == NULL) {
        check_skip(result, "the socket's path is not known");
        return false;
    }
    *strrchr(buffer, '/') = '\0';
    return true;
}

static void check_directory(const CheckSubject *subject, CheckResult *result) {
    char directory[PATH_MAX];
    struct stat facts;
    if (!directory_of(subject, result, directory, sizeof directory)) {
        return;
    }
    if (host_stat(subject->host, directory, &facts) != 0) {
        check_bad(result, "%s is not there", directory);
    } else if (!S_ISDIR(facts.st_mode)) {
        check_bad(result, "%s is not a directory", directory);
    } else {
        check_pass(result, "%s is there", directory);
    }
}

static void check_directory_owner(const CheckSubject *subject, CheckResult *result) {
    char directory[PATH_MAX];
    struct stat facts;
    if (!directory_of(subject, result, directory, sizeof directory)) {
        return;
    }
    if (host_stat(subject->host, directory, &facts) != 0) {
        check_skip(result, "%s is not there: see socket.directory", directory);
    } else if (facts.st_uid != 0 && facts.st_uid != subject->host->uid) {
        check_bad(result, "%s belongs to uid %u, who can put another socket in the place of ours", directory,
                  facts.st_uid);
    } else if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (facts.st_mode & S_ISVTX) == 0) {
        check_bad(result, "%s has mode %04o: others can put another socket in the place of ours", directory,
                  facts.st_mode & 07777);
    } else {
        check_pass(result, "only uid %u can change %s", facts.st_uid, directory);
    }
}

static void check_directory_mode(const CheckSubject *subject, CheckResult *result) {
    char directory[PATH_MAX];
    struct stat facts;
    if (!directory_of(subject, result, directory, sizeof directory)) {
        return;
    }
    if (host_stat(subject->host, directory, &facts) != 0) {
        check_skip(result, "%s is not there: see socket.directory", directory);
    } else if ((subject->settings->socket_mode & 06) != 0 && (facts.st_mode & S_IXOTH) == 0) {
        check_bad(result,
                  "the socket is for everybody (mode %04o), and %s (mode %04o) lets others not reach it",
                  subject->settings->socket_mode, directory, facts.st_mode & 07777);
    } else {
        check_pass(result, "whom the socket is for can reach it");
    }
}

static void check_file(const CheckSubject *subject, CheckResult *result) {
    struct stat facts;
    const char *path = subject->settings->socket_path;
    if (path == NULL) {
        check_skip(result, "the socket's path is not known");
    } else if (host_lstat(subject->host, path, &facts) != 0) {
        check_pass(result, "nothing is at %s yet", path);
    } else if (S_ISSOCK(facts.st_mode)) {
        check_pass(result, "%s is a socket", path);
    } else {
        check_bad(result, "%s is %s, not a socket", path,
                  S_ISDIR(facts.st_mode)   ? "a directory"
                  : S_ISLNK(facts.st_mode) ? "a link"
                                           : "a file");
    }
}

/* The first process with one of these names. */
static bool find_process(const Host *host, const char *const *wanted, char *pid, size_t size) {
    HostNames names;
    char path[HOST_NAME_SIZE + 16], name[PROCESS_NAME_SIZE];
    bool found = false;
    host_names(host, "/proc", &names);
    for (size_t i = 0; i < names.count && !found; i++) {
        (void)snprintf(path, sizeof path, "/proc/%s/comm", names.names[i]);
        if (names.names[i][0] < '1' || names.names[i][0] > '9' ||
            !host_read_line(host, path, name, sizeof name)) {
            continue;
        }
        for (const char *const *at = wanted; *at != NULL && !found; at++) {
            found = strcmp(*at, name) == 0;
        }
        if (found) {
            (void)snprintf(pid, size, "%.15s", names.names[i]);
        }
    }
    host_names_done(&names);
    return found;
}

static void check_foreign(const CheckSubject *subject, CheckResult *result) {
    static const char *const servers[] = {"aesm_service", "aesmd", NULL};
    char pid[16];
    if (find_process(subject->host, servers, pid, sizeof pid)) {
        check_bad(result, "Intel's aesm_service runs (process %s): it makes the socket anew at every start",
                  pid);
    } else {
        check_pass(result, "no other AESM server runs");
    }
}

static void check_foreign_unit(const CheckSubject *subject, CheckResult *result) {
    static const char *const wants[] = {"/etc/systemd/system/multi-user.target.wants/aesmd.service",
                                        "/etc/systemd/system/sockets.target.wants/aesmd.socket"};
    struct stat facts;
    for (size_t i = 0; i < sizeof wants / sizeof wants[0]; i++) {
        if (host_lstat(subject->host, wants[i], &facts) == 0) {
            check_bad(result, "%s starts Intel's daemon at the next boot", wants[i]);
            return;
        }
    }
    check_pass(result, "no unit of Intel's daemon is enabled");
}

static void check_foreign_plugin(const CheckSubject *subject, CheckResult *result) {
    static const char *const places[] = {"/opt/intel/sgx-aesm-service/aesm/bundles",
                                         "/usr/lib/sgx-aesm-service/aesm/bundles"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (host_has(subject->host, places[i])) {
            check_bad(
                result,
                "the package sgx-aesm-service is still installed (%s): an update of it starts its daemon",
                places[i]);
            return;
        }
    }
    check_pass(result, "Intel's daemon is not installed");
}

typedef struct Stale {
    const char *name; /* of the socket's file */
    bool found;
    char point[128];
} Stale;

static bool is_stale(void *context, const Mount *mount) {
    static const char deleted[] = "//deleted";
    Stale *stale = context;
    size_t length = strlen(mount->root), tail = sizeof deleted - 1, name = strlen(stale->name);
    if (length > tail + name && strcmp(mount->root + length - tail, deleted) == 0 &&
        strncmp(mount->root + length - tail - name, stale->name, name) == 0 &&
        mount->root[length - tail - name - 1] == '/') {
        stale->found = true;
        (void)snprintf(stale->point, sizeof stale->point, "%s", mount->point);
        return false;
    }
    return true;
}

/* A container that mounted the file of a former socket: it stays cut off until it is started again. */
static void check_stale_mounts(const CheckSubject *subject, CheckResult *result) {
    HostNames names;
    size_t found = 0, unreadable = 0, readable = 0;
    char first[256] = "";
    const char *path = subject->settings->socket_path;
    if (path == NULL) {
        check_skip(result, "the socket's path is not known");
        return;
    }
    host_names(subject->host, "/proc", &names);
    for (size_t i = 0; i < names.count; i++) {
        Stale stale = {.name = strrchr(path, '/') + 1};
        if (names.names[i][0] < '1' || names.names[i][0] > '9') {
            continue;
        }
        bool readable_now = mounts_each(subject->host, names.names[i], is_stale, &stale);
        readable += readable_now ? 1 : 0;
        unreadable += readable_now ? 0 : 1;
        if (stale.found && found++ == 0) {
            (void)snprintf(first, sizeof first, "process %.15s at %s", names.names[i], stale.point);
        }
    }
    host_names_done(&names);
    if (found > 0) {
        check_bad(result, "%zu %s mounted the file of a socket that is gone (%s)", found,
                  text_plural(found, "process has", "processes have"), first);
    } else if (readable == 0) {
        check_skip(result, "no process lets its mounts be read");
    } else {
        check_pass(result, "no process has mounted the file of a socket that is gone%s",
                   unreadable > 0 ? ", as far as they can be read" : "");
    }
}

/* Lines of /proc/net/unix that end in the path: "Num: RefCount Protocol Flags Type St Inode Path". With
 * `begins`, in a path that only begins so. */
static size_t count_listeners(const Host *host, const char *wanted, bool begins) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    size_t count = 0;
    enum { LISTENS = 0x10000 };
    if (!host_read(host, "/proc/net/unix", &text, &ignored)) {
        return 0;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        const char *path = strrchr(line, ' ');
        char *flags = line;
        for (int field = 0; field < 3 && flags != NULL; field++) {
            (void)strsep(&flags, " ");
        }
        bool listens = flags != NULL && strtoul(flags, NULL, 16) == LISTENS;
        bool fits = path != NULL &&
                    (begins ? strncmp(path + 1, wanted, strlen(wanted)) == 0 : strcmp(path + 1, wanted) == 0);
        count += listens && fits ? 1 : 0;
    }
    return count;
}

/* Ours was bound as .NAME.XXXXXXXX beside the path, and moved into place. */
static size_t count_named(const Host *host, const char *path) {
    char bound[PATH_MAX];
    const char *name = strrchr(path, '/') + 1;
    (void)snprintf(bound, sizeof bound, "%.*s.%s.", (int)(name - path), path, name);
    return count_listeners(host, path, false) + count_listeners(host, bound, true);
}

static void check_listeners(const CheckSubject *subject, CheckResult *result) {
    const char *path = subject->settings->socket_path;
    if (path == NULL || !host_has(subject->host, "/proc/net/unix")) {
        check_skip(result, "/proc/net/unix or the socket's path is not known");
        return;
    }
    const char *run = strncmp(path, "/var/run/", 9) == 0 ? path + 4 : path;
    size_t count = count_named(subject->host, path) + (run != path ? count_named(subject->host, run) : 0);
    if (count > 1) {
        check_bad(result,
                  "%zu sockets listen by the name %s: clients that hold an earlier one never reach the last",
                  count, path);
    } else if (count == 0 && host_has(subject->host, path)) {
        check_warn(result, "%s is there and nobody listens on it by that name", path);
    } else {
        check_pass(result, count == 1 ? "one socket listens on %s" : "nobody listens on %s yet", path);
    }
}

static void check_abstract(const CheckSubject *subject, CheckResult *result) {
    if (!host_has(subject->host, "/proc/net/unix")) {
        check_skip(result, "there is no /proc/net/unix");
        return;
    }
    char padded[128] = ABSTRACT_NAME; /* clients pad the name with NULs, which the kernel shows as @ */
    memset(padded + strlen(padded), '@', 108 - strlen(padded));
    if (count_listeners(subject->host, ABSTRACT_NAME, false) + count_listeners(subject->host, padded, false) >
        0) {
        check_bad(result,
                  "somebody listens on the abstract name sgx_aesm_socket_base, which Gramine asks first");
    } else {
        check_pass(result, "nobody listens on the abstract name that Gramine asks first");
    }
}

static void check_mode(const CheckSubject *subject, CheckResult *result) {
    struct stat facts;
    const char *path = subject->settings->socket_path;
    if (path == NULL || host_stat(subject->host, path, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
        check_skip(result, "there is no socket yet");
    } else if ((facts.st_mode & 0777) != subject->settings->socket_mode) {
        check_bad(result, "%s has mode %04o, socket.mode says %04o", path, facts.st_mode & 0777,
                  subject->settings->socket_mode);
    } else {
        check_pass(result, "%s has mode %04o", path, facts.st_mode & 0777);
    }
}

static void check_selinux(const CheckSubject *subject, CheckResult *result) {
    uint64_t enforcing = 0;
    if (!host_read_u64(subject->host, "/sys/fs/selinux/enforce", &enforcing) || enforcing == 0) {
        check_pass(result, "SELinux does not enforce a policy");
    } else {
        check_bad(
            result,
            "SELinux enforces a policy: containers need a rule for the socket, quoted one for the nodes");
    }
}

static void check_apparmor(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error unread = ERROR_INIT;
    if (!host_read(subject->host, "/sys/kernel/security/apparmor/profiles", &text, &unread)) {
        if (unread.kind == ERROR_NOT_FOUND) {
            check_pass(result, "AppArmor is not in use");
        } else {
            check_skip(result, "AppArmor's profiles cannot be read without root");
        }
        return;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strstr(line, "(enforce)") != NULL &&
            (strstr(line, "quoted") != NULL || strstr(line, "psw-manager") != NULL)) {
            check_bad(result, "AppArmor confines us by the profile %.100s", line);
            return;
        }
    }
    check_pass(result, "no AppArmor profile confines us");
}

static void check_space(const CheckSubject *subject, CheckResult *result) {
    struct stat facts;
    const char *path = subject->settings->socket_path;
    if (path == NULL || host_stat(subject->host, path, &facts) != 0 || !S_ISSOCK(facts.st_mode)) {
        check_skip(result, "there is no socket yet");
    } else if (facts.st_nlink == 1) {
        check_bad(result,
                  "%s has no second link: if somebody removes the path, its inode cannot be brought back",
                  path);
    } else {
        check_pass(result, "%s has a second link", path);
    }
}

static const Check checks[] = {
    {"socket.directory", "the socket's directory is there", "a manager that cannot make its socket",
     "https://github.com/intel/linux-sgx/issues/657", 0, CHECK_WARN, check_directory,
     "the unit makes /run/aesmd (RuntimeDirectory); elsewhere: install -d -m 0755"},
    {"socket.directory-owner", "nobody else can change the socket's directory",
     "a socket that another user put there", "https://github.com/intel/linux-sgx/issues/657", 0, CHECK_FAIL,
     check_directory_owner, "chown root and chmod 0755 the directory"},
    {"socket.directory-mode", "clients can reach the socket through its directory",
     "applications without permission to connect", "https://github.com/occlum/occlum/issues/1015", 0,
     CHECK_WARN, check_directory_mode, "chmod 0755 the directory"},
    {"socket.file", "what is at the socket's path is a socket",
     "a directory that a container engine made for a missing socket",
     "https://github.com/intel/linux-sgx/issues/792", 0, CHECK_FAIL, check_file,
     "remove it; start containers that mount it after the manager, or mount the directory"},
    {"socket.mode", "the socket has the mode that is configured",
     "applications that lose access after somebody's chmod", "https://github.com/occlum/occlum/issues/1015",
     0, CHECK_WARN, check_mode, "chmod it as socket.mode says"},
    {"socket.spare", "the socket's inode can be brought back", "containers cut off for good after rm",
     "https://github.com/intel/linux-sgx/issues/657", 0, CHECK_INFO, check_space,
     "the manager makes the link where it can; a file system without hard links has none"},
    {"socket.foreign", "no other AESM server runs", "two servers that take the socket from each other",
     "https://github.com/intel/linux-sgx/issues/792", CHECK_NEEDS_LIVE, CHECK_WARN, check_foreign,
     "systemctl disable --now aesmd, after the first bundle was tested"},
    {"socket.foreign-unit", "no unit of Intel's daemon is enabled", "a foreign socket after the next boot",
     "https://github.com/intel/linux-sgx/issues/910", 0, CHECK_WARN, check_foreign_unit,
     "systemctl disable aesmd; systemctl mask aesmd"},
    {"socket.foreign-package", "Intel's daemon is not installed", "a package update that starts it again",
     "https://github.com/intel/linux-sgx/issues/935", 0, CHECK_INFO, check_foreign_plugin,
     "apt remove sgx-aesm-service"},
    {"socket.listeners", "one socket listens by the path's name",
     "clients that hold an earlier socket and hang", "https://github.com/intel/linux-sgx/issues/657",
     CHECK_NEEDS_LIVE, CHECK_WARN, check_listeners,
     "end the process that holds the other one (ss -xlp), and start containers again that mounted its file"},
    {"socket.abstract", "nobody has the abstract name that Gramine asks first",
     "quotes of Gramine that another process answers",
     "https://github.com/gramineproject/gramine/blob/master/pal/src/host/linux-sgx/host_platform.c",
     CHECK_NEEDS_LIVE, CHECK_WARN, check_abstract, "find the process (ss -xlp) and end it"},
    {"socket.stale-mounts", "no container has mounted a socket that is gone",
     "containers that get ECONNREFUSED until restarted",
     "https://github.com/intel/intel-device-plugins-for-kubernetes/issues/1098", CHECK_NEEDS_LIVE, CHECK_WARN,
     check_stale_mounts, "start those containers again; mount the directory instead of the file"},
    {"socket.selinux", "SELinux does not stand in the way", "EACCES that no mode explains",
     "https://github.com/intel/intel-device-plugins-for-kubernetes/issues/1098", 0, CHECK_INFO, check_selinux,
     "allow it: ausearch -m avc, audit2allow; containers: the type container_file_t for the directory"},
    {"socket.apparmor", "no AppArmor profile confines us", "EACCES that no mode explains",
     "https://gitlab.com/apparmor/apparmor/-/wikis/home", 0, CHECK_INFO, check_apparmor,
     "the profile must allow the nodes, the store and the socket's directory"},
};

const CheckFamily family_socket = {"socket", FAMILY(checks)};
