/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/process.h"
#include "bundles/base/sandbox.h"

#define MEMORY_MAX (UINT64_C(1) << 30)

/* OpenSSL reads its configuration at its first use, and takes it amiss if it must not. */
static bool enter(const Sandbox *profile, Error *err) {
    Digest unused;
    SandboxReport report;
    return (digest_of("", 0, &unused) || error_set(err, ERROR_MEMORY, "out of memory")) &&
           sandbox_apply(profile, &report, err);
}

bool confine_reading(Error *err) {
    const Sandbox profile = {.limits = {.memory = MEMORY_MAX, .alone = true},
                             .read_anywhere = true,
                             .calls = SANDBOX_CALLS_BASE | SANDBOX_CALLS_READ};
    return enter(&profile, err);
}

/* Below what a pipe takes in one piece. */
typedef struct Outcome {
    Error err;
    char said[CONFINE_SAID_SIZE];
} Outcome;

static _Noreturn void be_child(int channel, int dir_fd, ConfineWorkFn work, void *context) {
    Outcome outcome = {.err = ERROR_INIT};
    Error *err = &outcome.err;
    const SandboxPlace place = {.fd = dir_fd, .access = SANDBOX_WRITE};
    const Sandbox profile = {.limits = {.memory = MEMORY_MAX, .alone = true},
                             .places = &place,
                             .places_count = 1,
                             .calls = SANDBOX_CALLS_BASE | SANDBOX_CALLS_WRITE};
    if (enter(&profile, err) && work(context, outcome.said, err) && fflush(stdout) != 0) {
        error_set_errno(err, errno, "cannot write to standard output");
    }
    (void)fflush(stdout);
    _exit(write(channel, &outcome, sizeof outcome) == (ssize_t)sizeof outcome ? 0 : 1);
}

static bool take_outcome(int channel, pid_t child, char ret_said[CONFINE_SAID_SIZE], Error *err) {
    Outcome outcome;
    int status = 0;
    char text[48];
    ssize_t size = TEMP_FAILURE_RETRY(read(channel, &outcome, sizeof outcome));
    (void)TEMP_FAILURE_RETRY(waitpid(child, &status, 0));
    if (size != (ssize_t)sizeof outcome || outcome.err.kind >= ERROR_KINDS_COUNT) {
        const ProcessExit how = {.signalled = WIFSIGNALED(status),
                                 .code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)};
        return error_set(err, ERROR_INPUT, "the child that read it ended with %s: it is damaged or hostile",
                         process_exit_format(text, sizeof text, how));
    }
    outcome.err.text[ERROR_TEXT_MAX - 1] = outcome.said[CONFINE_SAID_SIZE - 1] = '\0';
    if (outcome.err.kind != ERROR_NONE) {
        return error_set(err, outcome.err.kind, "%s", outcome.err.text);
    }
    memcpy(ret_said, outcome.said, CONFINE_SAID_SIZE);
    return true;
}

bool confine_work(int dir_fd, ConfineWorkFn work, void *context, char ret_said[CONFINE_SAID_SIZE],
                  Error *err) {
    int ends[2];
    if (fflush(NULL) != 0 || pipe2(ends, O_CLOEXEC) != 0) {
        return error_set_errno(err, errno, "cannot start a child");
    }
    AUTO_CLOSE int from = ends[0];
    AUTO_CLOSE int to = ends[1];
    pid_t child = fork();
    if (child < 0) {
        return error_set_errno(err, errno, "cannot start a child");
    }
    if (child == 0) {
        be_child(to, dir_fd, work, context);
    }
    cleanup_close(&to);
    to = -1;
    return take_outcome(from, child, ret_said, err);
}
