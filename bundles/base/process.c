/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/process.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/text.h"

enum { FDS_MAX = 16 };

/* Everything posix_spawn wants to be told, and the descriptors held for the child. */
typedef struct Plan {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int held[FDS_MAX];
    size_t held_count;
} Plan;

static int plan_init(Plan *plan) {
    plan->held_count = 0;
    int errnum = posix_spawn_file_actions_init(&plan->actions);
    if (errnum != 0) {
        return errnum;
    }
    errnum = posix_spawnattr_init(&plan->attributes);
    if (errnum != 0) {
        (void)posix_spawn_file_actions_destroy(&plan->actions);
    }
    return errnum;
}

static void plan_done(Plan *plan) {
    for (size_t at = 0; at < plan->held_count; at++) {
        (void)close(plan->held[at]);
    }
    (void)posix_spawnattr_destroy(&plan->attributes);
    (void)posix_spawn_file_actions_destroy(&plan->actions);
}

/* Each source is copied above every target first: then no target overwrites a source that is still needed,
 * and the final dup2 always changes the number, which is what clears O_CLOEXEC. */
static int plan_fds(Plan *plan, const ProcessSpec *spec) {
    int above = STDERR_FILENO;
    for (size_t at = 0; at < spec->fds_count; at++) {
        above = spec->fds[at].to > above ? spec->fds[at].to : above;
    }
    for (size_t at = 0; at < spec->fds_count; at++) {
        int copy = fcntl(spec->fds[at].from, F_DUPFD_CLOEXEC, above + 1);
        if (copy < 0) {
            return errno;
        }
        plan->held[plan->held_count++] = copy;
        int errnum = posix_spawn_file_actions_adddup2(&plan->actions, copy, spec->fds[at].to);
        if (errnum != 0) {
            return errnum;
        }
    }
    return 0;
}

static int plan_attributes(Plan *plan, bool new_group) {
    sigset_t none;
    sigset_t all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (new_group ? POSIX_SPAWN_SETPGROUP : 0);
    int errnum = posix_spawnattr_setsigmask(&plan->attributes, &none);
    errnum = errnum != 0 ? errnum : posix_spawnattr_setsigdefault(&plan->attributes, &all);
    errnum = errnum != 0 ? errnum : posix_spawnattr_setpgroup(&plan->attributes, 0);
    return errnum != 0 ? errnum : posix_spawnattr_setflags(&plan->attributes, (short)flags);
}

static int plan_run(Plan *plan, const ProcessSpec *spec, pid_t *ret_pid) {
    int errnum = plan_attributes(plan, spec->new_group);
    if (errnum == 0) {
        errnum = plan_fds(plan, spec);
    }
    if (errnum != 0) {
        return errnum;
    }
    char *const *environment = spec->environment != NULL ? (char *const *)spec->environment : environ;
    return posix_spawn(ret_pid, spec->path, &plan->actions, &plan->attributes, (char *const *)spec->argv,
                       environment);
}

/* A child that cannot be watched is ended again. */
static bool watch(pid_t pid, const char *what, pid_t *ret_pid, int *ret_pidfd, Error *err) {
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        int errnum = errno;
        (void)kill(pid, SIGKILL);
        (void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
        return error_set_errno(err, errnum, "cannot watch %s (pidfd_open)", what);
    }
    *ret_pid = pid;
    *ret_pidfd = pidfd;
    return true;
}

bool process_start(const ProcessSpec *spec, pid_t *ret_pid, int *ret_pidfd, Error *err) {
    assert(spec->fds_count <= FDS_MAX);
    Plan plan;
    int errnum = plan_init(&plan);
    pid_t pid = -1;
    if (errnum == 0) {
        errnum = plan_run(&plan, spec, &pid);
        plan_done(&plan);
    }
    if (errnum != 0) {
        return error_set_errno(err, errnum, "cannot start %s", spec->path);
    }
    return watch(pid, spec->path, ret_pid, ret_pidfd, err);
}

/* Handlers of signals that a fault raises stay: they are a sanitizer's, if there are any. */
static void forget_signals(void) {
    sigset_t none;
    (void)sigemptyset(&none);
    for (int number = 1; number < NSIG; number++) {
        bool is_fault = number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
                        number == SIGABRT;
        if (!is_fault) {
            (void)signal(number, SIG_DFL);
        }
    }
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As plan_fds does it, but here everything that is not listed has to be closed. */
static bool take_fds(const ProcessFork *spec) {
    int copies[FDS_MAX];
    int above = STDERR_FILENO;
    for (size_t at = 0; at < spec->fds_count; at++) {
        above = spec->fds[at].to > above ? spec->fds[at].to : above;
    }
    for (size_t at = 0; at < spec->fds_count; at++) {
        copies[at] = fcntl(spec->fds[at].from, F_DUPFD_CLOEXEC, above + 1);
        if (copies[at] < 0) {
            return false;
        }
    }
    if (above > STDERR_FILENO && close_range(STDERR_FILENO + 1, (unsigned)above, 0) != 0) {
        return false;
    }
    for (size_t at = 0; at < spec->fds_count; at++) {
        if (dup2(copies[at], spec->fds[at].to) < 0) {
            return false;
        }
    }
    return close_range((unsigned)above + 1, UINT_MAX, 0) == 0;
}

bool process_fork(const ProcessFork *spec, pid_t *ret_pid, int *ret_pidfd, Error *err) {
    assert(spec->fds_count <= FDS_MAX);
    pid_t pid = fork();
    if (pid == 0) {
        forget_signals();
        _exit(setpgid(0, 0) == 0 && take_fds(spec) ? spec->run(spec->context) : 127);
    }
    return pid > 0 ? watch(pid, "a child", ret_pid, ret_pidfd, err)
                   : error_set_errno(err, errno, "cannot start a child");
}

bool process_wait(int pidfd, int timeout_ms, ProcessExit *ret_exit, Error *err) {
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int ready = 0;
    do {
        ready = poll(&ended, 1, timeout_ms < 0 ? -1 : clock_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) {
        return error_set_errno(err, errno, "cannot wait for a child process");
    }
    if (ready == 0) {
        return error_set(err, ERROR_TIMEOUT, "the child process still runs after %d ms", timeout_ms);
    }
    siginfo_t info = {0};
    if (TEMP_FAILURE_RETRY(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED)) != 0) {
        return error_set_errno(err, errno, "cannot collect a child process");
    }
    *ret_exit = (ProcessExit){.signalled = info.si_code != CLD_EXITED, .code = info.si_status};
    return true;
}

const char *process_exit_format(char *buffer, size_t size, ProcessExit how) {
    const char *name = how.signalled ? sigabbrev_np(how.code) : NULL;
    if (name != NULL) {
        (void)snprintf(buffer, size, "SIG%s", name);
    } else {
        (void)snprintf(buffer, size, "%s %d", how.signalled ? "signal" : "exit status", how.code);
    }
    return buffer;
}

bool process_signal(int pidfd, int signal_number, Error *err) {
    if (pidfd_send_signal(pidfd, signal_number, NULL, 0) == 0) {
        return true;
    }
    if (errno == ESRCH) {
        return error_set(err, ERROR_NOT_FOUND, "the process has ended");
    }
    return error_set_errno(err, errno, "cannot send signal %d", signal_number);
}

char *process_own_directory(Error *err) {
    AUTO_FREE char *path = calloc(1, PATH_MAX);
    if (path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    if (readlink("/proc/self/exe", path, PATH_MAX - 1) < 0) {
        error_set_errno(err, errno, "cannot find the program's own file (/proc/self/exe)");
        return NULL;
    }
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        error_set(err, ERROR_SYSTEM, "/proc/self/exe is not a path: '%s'", path);
        return NULL;
    }
    slash[slash == path ? 1 : 0] = 0;
    return TAKE(path);
}

uint64_t process_start_ticks(pid_t pid, bool *ret_gone) {
    enum { START_FIELD = 22 }; /* proc(5) */
    char path[64], text[1024];
    uint64_t start = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    *ret_gone = fd < 0 && errno == ENOENT;
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
    /* The command's name in the second field may have spaces and parentheses itself. */
    char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < START_FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    if (at != NULL) {
        at[1 + strcspn(at + 1, " \n")] = '\0';
        (void)text_parse_u64(at + 1, 0, UINT64_MAX, &start);
    }
    return start;
}
