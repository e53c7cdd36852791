/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/trial_load.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "manager/checks/trial_parts.h"

enum { RESULT_FD = 3, KILL_WAIT_MS = 2000, CHILD_FILES_MAX = 64 };

typedef struct TrialTask TrialTask;
struct TrialTask {
    void (*run)(const TrialTask *task, TrialResult *ret_result); /* in the child */
    const char *root;
    const Bytes *files;
    size_t count;
    int timeout_ms;
};

static void limit(__rlimit_resource_t resource, rlim_t value) {
    struct rlimit limits = {.rlim_cur = value, .rlim_max = value};
    (void)setrlimit(resource, &limits);
}

/* Address space is not limited: an enclave's range may be large and costs nothing. */
static void child_confine(const TrialTask *task) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_DUMPABLE, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, CHILD_FILES_MAX);
    limit(RLIMIT_CPU, (rlim_t)task->timeout_ms / 1000 + 1);
}

static _Noreturn void child_run(const TrialTask *task, int fd) {
    TrialResult result = {0};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    fd = dup2(fd, RESULT_FD);
    (void)close_range(RESULT_FD + 1, UINT_MAX, 0); /* a child that hangs must not keep anything open */
    child_confine(task);
    task->run(task, &result);
    ssize_t written = write(fd, &result, sizeof result);
    _exit(written == (ssize_t)sizeof result ? 0 : 1);
}

static bool poll_once(int fd, int timeout_ms) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
    int ready = -1;
    do {
        ready = poll(&waiting, 1, clock_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* A process that hangs inside a driver does not even end when it is killed: it is left alone then. */
static bool child_end(pid_t pid, int pidfd, int *ret_status) {
    (void)kill(pid, SIGKILL);
    return poll_once(pidfd, KILL_WAIT_MS) && waitpid(pid, ret_status, 0) == pid;
}

static void child_wait(const TrialTask *task, pid_t pid, int pidfd, int fd, TrialResult *ret_result) {
    int status = 0;
    if (!poll_once(pidfd, task->timeout_ms)) {
        bool ended = child_end(pid, pidfd, &status);
        trial_say(
            ret_result, TRIAL_TIMED_OUT,
            "the SGX driver did not finish within %d ms%s: look into the kernel's log, and restart the node "
            "before it serves with this driver",
            task->timeout_ms, ended ? "" : ", and its caller cannot even be killed");
        return;
    }
    TrialResult result;
    if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status)) {
        trial_say(ret_result, TRIAL_CRASHED,
                  "the process that loaded the enclave was ended by SIG%s: look into the kernel's log",
                  sigabbrev_np(WTERMSIG(status)) != NULL ? sigabbrev_np(WTERMSIG(status)) : "?");
    } else if (read(fd, &result, sizeof result) != (ssize_t)sizeof result) {
        trial_say(ret_result, TRIAL_CRASHED, "the process that loaded the enclave ended without a verdict");
    } else {
        *ret_result = result;
        ret_result->text[TRIAL_TEXT_MAX - 1] = '\0';
    }
}

static bool task_run(const TrialTask *task, TrialResult *ret_result, Error *err) {
    *ret_result = (TrialResult){0};
    uint64_t begin = clock_monotonic_ns();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return error_set_errno(err, errno, "trial load: pipe");
    }
    AUTO_CLOSE int reading = ends[0];
    AUTO_CLOSE int writing = ends[1];
    pid_t pid = fork();
    if (pid == 0) {
        child_run(task, writing);
    }
    if (pid < 0) {
        return error_set_errno(err, errno, "trial load: fork");
    }
    AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        int failure = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return error_set_errno(err, failure, "trial load: pidfd_open");
    }
    close(TAKE_FD(writing));
    child_wait(task, pid, pidfd, reading, ret_result);
    ret_result->elapsed_us = (clock_monotonic_ns() - begin) / 1000;
    return true;
}

static void run_load(const TrialTask *task, TrialResult *ret_result) {
    trial_enclaves_run(task->root, task->files, task->count, ret_result);
}

bool trial_load(const char *root, const Bytes *files, size_t count, int timeout_ms, TrialResult *ret_result,
                Error *err) {
    assert(count > 0 && count <= TRIAL_FILES_MAX);
    const TrialTask task = {run_load, root, files, count, timeout_ms};
    return task_run(&task, ret_result, err);
}

static void run_provisioning(const TrialTask *task, TrialResult *ret_result) {
    trial_provisioning_run(task->root, ret_result);
}

bool trial_provisioning(const char *root, int timeout_ms, TrialResult *ret_result, Error *err) {
    const TrialTask task = {.run = run_provisioning, .root = root, .timeout_ms = timeout_ms};
    return task_run(&task, ret_result, err);
}

static void run_probe(const TrialTask *task, TrialResult *ret_result) {
    trial_probe_run(task->root, ret_result);
}

bool trial_probe(const char *root, int timeout_ms, TrialResult *ret_result, Error *err) {
    const TrialTask task = {.run = run_probe, .root = root, .timeout_ms = timeout_ms};
    return task_run(&task, ret_result, err);
}
