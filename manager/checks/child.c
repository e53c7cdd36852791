/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"

enum { CANARY_SIZE = 4096, CANARY_BYTE = 0xa5 };
#define MAGIC UINT64_C(0x70737763686b3031)

typedef struct Message {
    uint64_t magic;
    uint64_t good;
    char text[CHILD_TEXT_MAX];
    uint64_t end;
} Message;

/* What no honest library has a reason to change. */
static uint8_t canary[CANARY_SIZE];

static bool canary_lives(void) {
    for (size_t i = 0; i < CANARY_SIZE; i++) {
        if (canary[i] != CANARY_BYTE) {
            return false;
        }
    }
    return true;
}

static void quieten(void) {
    const struct rlimit none = {0, 0};
    sigset_t all;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++) {
        (void)dup2(null, fd);
    }
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigemptyset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    for (int number = 1; number < NSIG; number++) {
        (void)signal(number, SIG_DFL); /* NOLINT(bugprone-signal-handler,cert-sig30-c) */
    }
}

static void __attribute__((noreturn)) live(ChildFn function, void *context, int out) {
    Message message = {.magic = MAGIC, .end = ~MAGIC};
    quieten();
    memset(canary, CANARY_BYTE, sizeof canary);
    message.good = function(context, message.text) ? 1 : 0;
    if (!canary_lives()) {
        message.magic = 0;
    }
    (void)!write(out, &message, sizeof message);
    _exit(0);
}

/* Everything until the end of file or the deadline; one byte more than an answer is enough to know. */
static size_t collect(int in, uint8_t *bytes, size_t size, uint64_t deadline, bool *ret_ended) {
    size_t done = 0;
    *ret_ended = false;
    while (done < size) {
        struct pollfd wait = {.fd = in, .events = POLLIN};
        int ready = poll(&wait, 1, clock_left_ms(deadline));
        if (ready == 0 || (ready < 0 && errno != EINTR)) {
            break;
        }
        ssize_t count = ready > 0 ? read(in, bytes + done, size - done) : 0;
        if (ready > 0 && count <= 0) {
            *ret_ended = true;
            break;
        }
        done += (size_t)count;
    }
    return done;
}

static void judge(ChildAnswer *answer, const uint8_t *bytes, size_t size, int status, bool ended) {
    Message message = {0};
    if (size == sizeof message) {
        memcpy(&message, bytes, sizeof message);
    }
    bool whole = size == sizeof message && message.magic == MAGIC && message.end == ~MAGIC;
    if (!ended && size <= sizeof message) {
        answer->verdict = CHILD_HANGS;
        (void)snprintf(answer->text, sizeof answer->text, "it hangs: no end within the deadline");
    } else if (whole && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        answer->verdict = CHILD_ANSWERED;
        answer->good = message.good == 1;
        (void)snprintf(answer->text, sizeof answer->text, "%.*s", CHILD_TEXT_MAX - 1, message.text);
    } else if (size > 0) {
        answer->verdict = CHILD_SCRIBBLES;
        (void)snprintf(answer->text, sizeof answer->text,
                       "it scribbles: it wrote into descriptors or memory that are not its own");
    } else if (WIFSIGNALED(status)) {
        answer->verdict = CHILD_CRASHES;
        answer->code = WTERMSIG(status);
        (void)snprintf(answer->text, sizeof answer->text, "it crashes: %s",
                       sigabbrev_np(answer->code) != NULL ? sigabbrev_np(answer->code) : "by a signal");
    } else {
        answer->verdict = CHILD_CRASHES;
        (void)snprintf(answer->text, sizeof answer->text, "it crashes: it ended the process with status %d",
                       WEXITSTATUS(status));
    }
}

void child_run(ChildFn function, void *context, int timeout_ms, ChildAnswer *ret_answer) {
    int pipe_fds[2];
    uint8_t bytes[sizeof(Message) + 1];
    bool ended = false;
    int status = 0;
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
    *ret_answer = (ChildAnswer){.verdict = CHILD_IMPOSSIBLE};
    (void)snprintf(ret_answer->text, sizeof ret_answer->text, "no child process could be made");
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return;
    }
    AUTO_CLOSE int in = pipe_fds[0];
    pid_t pid = fork();
    if (pid == 0) {
        live(function, context, pipe_fds[1]);
    }
    (void)close(pipe_fds[1]);
    if (pid < 0) {
        return;
    }
    size_t size = collect(in, bytes, sizeof bytes, deadline, &ended);
    if (!ended) {
        (void)kill(pid, SIGKILL);
    }
    (void)TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
    judge(ret_answer, bytes, size, status, ended);
}
