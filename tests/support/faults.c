/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    atomic_bool armed;
    FaultMode mode;
    const char *const *only; /* NULL-terminated; NULL: every call */
    atomic_uint_fast64_t left;
} state;

static void arm(FaultMode mode, const char *const *only, uint64_t nth) {
    state.mode = mode;
    state.only = only;
    atomic_store(&state.left, nth);
    atomic_store(&state.armed, true);
}

void faults_arm(FaultMode mode, uint64_t nth) {
    arm(mode, NULL, nth);
}

void faults_arm_call(const char *call, uint64_t nth) {
    static const char *only[2];
    only[0] = call;
    arm(FAULT_FAIL, only, nth);
}

bool faults_disarm(void) {
    atomic_store(&state.armed, false);
    return atomic_load(&state.left) == 0;
}

static bool is_meant(const char *wrapper) {
    const char *const *call = state.only;
    while (call != NULL && *call != NULL && strcmp(wrapper + strlen("__wrap_"), *call) != 0) {
        call++;
    }
    return call == NULL || *call != NULL;
}

/* True if this call is the one. */
static bool is_hit(const char *wrapper, bool interruptible) {
    if (!atomic_load(&state.armed) || (state.mode == FAULT_INTERRUPT && !interruptible)) {
        return false;
    }
    if (!is_meant(wrapper)) {
        return false;
    }
    uint_fast64_t left = atomic_load(&state.left);
    while (left > 0 && !atomic_compare_exchange_weak(&state.left, &left, left - 1)) {
    }
    if (left != 1) {
        return false;
    }
    if (state.mode == FAULT_CRASH) {
        _exit(FAULT_CRASH_STATUS);
    }
    return true;
}

/* The error to give, with which every faulty call below ends. */
static void set_errno(int errnum) {
    errno = state.mode == FAULT_INTERRUPT ? EINTR : errnum;
}

/* The wrapped calls. The build takes their names from the "wrap:" lines. */
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the linker sets these names

/* wrap: malloc */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return NULL;
    }
    return __real_malloc(size);
}

/* wrap: calloc */
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return NULL;
    }
    return __real_calloc(count, size);
}

/* wrap: realloc */
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return NULL;
    }
    return __real_realloc(old, size);
}

/* wrap: strdup */
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return NULL;
    }
    return __real_strdup(text);
}

/* wrap: strndup */
char *__real_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return NULL;
    }
    return __real_strndup(text, size);
}

/* wrap: vasprintf */
int __real_vasprintf(char **ret_text, const char *format, va_list args);
int __wrap_vasprintf(char **ret_text, const char *format, va_list args);
int __wrap_vasprintf(char **ret_text, const char *format, va_list args) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return -1;
    }
    return __real_vasprintf(ret_text, format, args);
}

/* What the release build's headers make of it. */
/* wrap: __vasprintf_chk */
int __real___vasprintf_chk(char **ret_text, int flag, const char *format, va_list args);
int __wrap___vasprintf_chk(char **ret_text, int flag, const char *format, va_list args);
int __wrap___vasprintf_chk(char **ret_text, int flag, const char *format, va_list args) {
    if (is_hit("__wrap_vasprintf", false)) {
        set_errno(ENOMEM);
        return -1;
    }
    return __real___vasprintf_chk(ret_text, flag, format, args);
}

/* wrap: read */
ssize_t __real_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size);
ssize_t __wrap_read(int fd, void *data, size_t size) {
    if (is_hit(__func__, true)) {
        if (state.mode == FAULT_INTERRUPT && size > 1) {
            return __real_read(fd, data, size / 2);
        }
        set_errno(EIO);
        return -1;
    }
    return __real_read(fd, data, size);
}

/* wrap: write */
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size) {
    if (is_hit(__func__, true)) {
        if (state.mode == FAULT_INTERRUPT && size > 1) {
            return __real_write(fd, data, size / 2);
        }
        set_errno(ENOSPC);
        return -1;
    }
    return __real_write(fd, data, size);
}

/* wrap: pread */
ssize_t __real_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t offset) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_pread(fd, data, size, offset);
}

/* wrap: pwrite */
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset) {
    if (is_hit(__func__, false)) {
        set_errno(ENOSPC);
        return -1;
    }
    return __real_pwrite(fd, data, size, offset);
}

/* wrap: fsync */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_fsync(fd);
}

/* wrap: fdatasync */
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_fdatasync(fd);
}

/* wrap: ftruncate */
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_ftruncate(fd, size);
}

/* wrap: flock */
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __wrap_flock(int fd, int operation) {
    if (is_hit(__func__, true)) {
        set_errno(ENOLCK);
        return -1;
    }
    return __real_flock(fd, operation);
}

/* wrap: fstat */
int __real_fstat(int fd, struct stat *ret_status);
int __wrap_fstat(int fd, struct stat *ret_status);
int __wrap_fstat(int fd, struct stat *ret_status) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_fstat(fd, ret_status);
}

/* wrap: fchmod */
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode) {
    if (is_hit(__func__, false)) {
        set_errno(EPERM);
        return -1;
    }
    return __real_fchmod(fd, mode);
}

/* wrap: fchown */
int __real_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid);
int __wrap_fchown(int fd, uid_t uid, gid_t gid) {
    if (is_hit(__func__, false)) {
        set_errno(EPERM);
        return -1;
    }
    return __real_fchown(fd, uid, gid);
}

/* wrap: chmod */
int __real_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode);
int __wrap_chmod(const char *path, mode_t mode) {
    if (is_hit(__func__, false)) {
        set_errno(EPERM);
        return -1;
    }
    return __real_chmod(path, mode);
}

/* wrap: mkdir */
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode) {
    if (is_hit(__func__, false)) {
        set_errno(ENOSPC);
        return -1;
    }
    return __real_mkdir(path, mode);
}

/* wrap: mkdirat */
int __real_mkdirat(int dir_fd, const char *name, mode_t mode);
int __wrap_mkdirat(int dir_fd, const char *name, mode_t mode);
int __wrap_mkdirat(int dir_fd, const char *name, mode_t mode) {
    if (is_hit(__func__, false)) {
        set_errno(ENOSPC);
        return -1;
    }
    return __real_mkdirat(dir_fd, name, mode);
}

/* wrap: rename */
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_rename(from, to);
}

/* wrap: renameat */
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_renameat(from_fd, from, to_fd, to);
}

/* wrap: renameat2 */
int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_renameat2(from_fd, from, to_fd, to, flags);
}

/* wrap: linkat */
int __real_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
int __wrap_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_linkat(from_fd, from, to_fd, to, flags);
}

/* wrap: unlink */
int __real_unlink(const char *path);
int __wrap_unlink(const char *path);
int __wrap_unlink(const char *path) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_unlink(path);
}

/* wrap: unlinkat */
int __real_unlinkat(int dir_fd, const char *name, int flags);
int __wrap_unlinkat(int dir_fd, const char *name, int flags);
int __wrap_unlinkat(int dir_fd, const char *name, int flags) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_unlinkat(dir_fd, name, flags);
}

/* wrap: fdopendir */
DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return NULL;
    }
    return __real_fdopendir(fd);
}

/* wrap: readdir */
struct dirent *__real_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return NULL;
    }
    return __real_readdir(directory);
}

/* wrap: getrandom */
ssize_t __real_getrandom(void *data, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags) {
    if (is_hit(__func__, false)) {
        set_errno(EIO);
        return -1;
    }
    return __real_getrandom(data, size, flags);
}

/* wrap: poll */
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    if (is_hit(__func__, true)) {
        set_errno(ENOMEM);
        return -1;
    }
    return __real_poll(fds, count, timeout_ms);
}

/* wrap: pidfd_open */
int __real_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags) {
    if (is_hit(__func__, false)) {
        set_errno(EMFILE);
        return -1;
    }
    return __real_pidfd_open(pid, flags);
}

/* wrap: posix_spawn_file_actions_adddup2 */
int __real_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to);
int __wrap_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to);
int __wrap_posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to) {
    if (is_hit(__func__, false)) {
        set_errno(ENOMEM);
        return ENOMEM;
    }
    return __real_posix_spawn_file_actions_adddup2(actions, from, to);
}

/* wrap: waitid */
int __real_waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options) {
    if (is_hit(__func__, true)) {
        set_errno(EINVAL);
        return -1;
    }
    return __real_waitid(type, id, ret_info, options);
}

/* wrap: socket */
int __real_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_socket(int domain, int type, int protocol) {
    if (is_hit(__func__, false)) {
        set_errno(EMFILE);
        return -1;
    }
    return __real_socket(domain, type, protocol);
}

/* wrap: socketpair */
int __real_socketpair(int domain, int type, int protocol, int *ret_fds);
int __wrap_socketpair(int domain, int type, int protocol, int *ret_fds);
int __wrap_socketpair(int domain, int type, int protocol, int *ret_fds) {
    if (is_hit(__func__, false)) {
        set_errno(EMFILE);
        return -1;
    }
    return __real_socketpair(domain, type, protocol, ret_fds);
}

/* wrap: sendmsg */
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
    if (is_hit(__func__, true)) {
        set_errno(ENOBUFS);
        return -1;
    }
    return __real_sendmsg(fd, message, flags);
}

/* wrap: recvmsg */
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
    if (is_hit(__func__, true)) {
        set_errno(ENOMEM);
        return -1;
    }
    return __real_recvmsg(fd, message, flags);
}

/* wrap: openat */
int __real_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...);
int __wrap_openat(int dir_fd, const char *name, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (is_hit(__func__, true)) {
        set_errno(EMFILE);
        return -1;
    }
    return __real_openat(dir_fd, name, flags, mode);
}

/* wrap: open */
int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (is_hit(__func__, true)) {
        set_errno(EMFILE);
        return -1;
    }
    return __real_open(name, flags, mode);
}

/* wrap: fcntl */
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
    va_list args;
    va_start(args, command);
    void *argument = va_arg(args, void *);
    va_end(args);
    if (is_hit(__func__, false)) {
        set_errno(EMFILE);
        return -1;
    }
    return __real_fcntl(fd, command, argument);
}

/* wrap: syscall */
long __real_syscall(long number, ...);
/* As the C library's it takes six arguments, however many were given. */
long __wrap_syscall(long number, ...) __attribute__((no_sanitize_address));
long __wrap_syscall(long number, ...) {
    long arguments[6];
    va_list args;
    va_start(args, number);
    for (size_t at = 0; at < 6; at++) {
        arguments[at] = va_arg(args, long);
    }
    va_end(args);
    if (is_hit(__func__, true)) {
        set_errno(EMFILE);
        return -1;
    }
    return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                          arguments[5]);
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)

size_t faults_count_fds(void) {
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    size_t count = 0;
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

/* Runs with the nth call hit; true if there was an nth call. */
static bool run_once(const FaultSweep *sweep, FaultMode mode, uint64_t nth) {
    Error err = ERROR_INIT;
    if (sweep->prepare != NULL) {
        sweep->prepare(sweep->context);
    }
    size_t fds_before = faults_count_fds();
    arm(mode, sweep->calls, nth);
    bool succeeded = sweep->run(sweep->context, &err);
    bool reached = faults_disarm();
    if (faults_count_fds() != fds_before) {
        fail_msg("fault %ju: descriptors were left open or closed twice", (uintmax_t)nth);
    }
    if (!succeeded && (!reached || mode == FAULT_INTERRUPT)) {
        fail_msg("fault %ju: must not fail, but: %s", (uintmax_t)nth, err.text);
    }
    if (!succeeded && (err.kind == ERROR_NONE || err.text[0] == 0)) {
        fail_msg("fault %ju: failed without saying why", (uintmax_t)nth);
    }
    sweep->check(sweep->context, succeeded ? FAULT_SUCCEEDED : FAULT_FAILED);
    return reached;
}

static bool crash_once(const FaultSweep *sweep, uint64_t nth) {
    if (sweep->prepare != NULL) {
        sweep->prepare(sweep->context);
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err = ERROR_INIT;
        arm(FAULT_CRASH, sweep->calls, nth);
        bool succeeded = sweep->run(sweep->context, &err);
        (void)faults_disarm();
        _exit(succeeded ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status = 0;
    assert_int_equal(TEMP_FAILURE_RETRY(waitpid(child, &status, 0)), child);
    assert_true(WIFEXITED(status));
    bool reached = WEXITSTATUS(status) == FAULT_CRASH_STATUS;
    if (!reached && WEXITSTATUS(status) != EXIT_SUCCESS) {
        fail_msg("crash %ju: the undisturbed run failed", (uintmax_t)nth);
    }
    sweep->check(sweep->context, reached ? FAULT_CRASHED : FAULT_SUCCEEDED);
    return reached;
}

static void sweep_mode(const FaultSweep *sweep, FaultMode mode) {
    uint64_t nth = 1;
    while (mode == FAULT_CRASH ? crash_once(sweep, nth) : run_once(sweep, mode, nth)) {
        nth++;
        assert_true(nth <= FAULT_POINTS_MAX);
    }
    /* A failure or crash sweep that met no call at all tests nothing: the wrapping is broken. */
    assert_true(mode == FAULT_INTERRUPT || nth > 1);
}

void faults_sweep_failures(const FaultSweep *sweep) {
    sweep_mode(sweep, FAULT_FAIL);
}

void faults_sweep_interrupts(const FaultSweep *sweep) {
    sweep_mode(sweep, FAULT_INTERRUPT);
}

void faults_sweep_crashes(const FaultSweep *sweep) {
    sweep_mode(sweep, FAULT_CRASH);
}

void faults_sweep(const FaultSweep *sweep) {
    faults_sweep_failures(sweep);
    faults_sweep_interrupts(sweep);
    faults_sweep_crashes(sweep);
}
