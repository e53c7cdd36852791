/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/log.h"
#include "quoted/control/message.h"
#include "quoted/engine_process.h"

enum { CHANNEL_FD = 3, FORK_TIMEOUT_S = 20 };

struct Nursery {
    pthread_mutex_t lock; /* one request and its reply at a time */
    int channel;
    pid_t pid;
};

/* The channel is private and speaks control messages: the type is of no account, the descriptor is the
 * engine's socket on the way in and its pidfd on the way out, and a status is an ErrorKind as everywhere. */
static void reply(int fd, const char *problem) {
    (void)!control_message_send(CHANNEL_FD, CONTROL_ADOPT, 1, problem == NULL ? 0 : ERROR_SYSTEM, problem,
                                problem == NULL ? 0 : strlen(problem), fd, NULL);
}

static _Noreturn void be_engine(const NurserySpec *spec, int socket) {
    static char name[48];
    Error err = ERROR_INIT;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "quoted-engine");
    (void)signal(SIGCHLD, SIG_DFL);
    (void)close(CHANNEL_FD);
    (void)snprintf(name, sizeof name, "quoted[%u] engine", spec->generation);
    log_open(name, spec->config->log_level);
    _exit(engine_process_run(spec, socket, &err) ? 0 : error_kind_exit_status(err.kind));
}

static void fork_engine(const NurserySpec *spec, int socket) {
    pid_t pid = fork();
    if (pid == 0) {
        be_engine(spec, socket);
    }
    AUTO_CLOSE int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (pidfd < 0) {
        reply(-1, strerrordesc_np(errno));
        return;
    }
    reply(pidfd, NULL);
}

/* Whoever ends the generation ends this; a terminal or a service manager asks the generation. */
static void ignore_signals(void) {
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGCHLD};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
        (void)signal(ignored[i], SIG_IGN); /* of children: nobody has to wait for them */
    }
}

static _Noreturn void be_nursery(const NurserySpec *spec, int channel) {
    CLEANUP(control_message_done) ControlMessage message = CONTROL_MESSAGE_INIT;
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "quoted-nursery");
    ignore_signals();
    if (channel != CHANNEL_FD && dup3(channel, CHANNEL_FD, O_CLOEXEC) < 0) {
        _exit(error_kind_exit_status(ERROR_SYSTEM));
    }
    /* Above all the listener and the clients' connections are not its business. */
    (void)close_range(CHANNEL_FD + 1, ~0U, 0);
    while (control_message_receive(CHANNEL_FD, &message, &received, NULL) && received == CONTROL_RECEIVED) {
        if (message.fd >= 0) {
            fork_engine(spec, message.fd);
        }
    }
    _exit(0);
}

Nursery *nursery_start(const NurserySpec *spec, Error *err) {
    int pair[2];
    const struct timeval patience = {.tv_sec = FORK_TIMEOUT_S};
    AUTO_FREE Nursery *nursery = calloc(1, sizeof *nursery);
    if (nursery == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        error_set_errno(err, errno, "cannot make the channel to the engine processes");
        return NULL;
    }
    nursery->channel = pair[0];
    AUTO_CLOSE int its_end = pair[1];
    (void)setsockopt(nursery->channel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)pthread_mutex_init(&nursery->lock, NULL);
    nursery->pid = fork();
    if (nursery->pid == 0) {
        be_nursery(spec, its_end);
    }
    if (nursery->pid < 0) {
        error_set_errno(err, errno, "cannot start the nursery of engine processes");
        cleanup_close(&nursery->channel);
        return NULL;
    }
    return TAKE(nursery);
}

void nursery_stop(Nursery *nursery) {
    if (nursery != NULL) {
        (void)kill(nursery->pid, SIGKILL);
        (void)TEMP_FAILURE_RETRY(waitpid(nursery->pid, NULL, 0));
        cleanup_close(&nursery->channel);
        (void)pthread_mutex_destroy(&nursery->lock);
        free(nursery);
    }
}

static bool ask(Nursery *nursery, int its_end, int *ret_pidfd, Error *err) {
    CLEANUP(control_message_done) ControlMessage message = CONTROL_MESSAGE_INIT;
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    if (!control_message_send(nursery->channel, CONTROL_ADOPT, 1, 0, NULL, 0, its_end, err) ||
        !control_message_receive(nursery->channel, &message, &received, err)) {
        return error_wrap(err, "nursery of engine processes");
    }
    if (received != CONTROL_RECEIVED || message.fd < 0) {
        return error_set(err, ERROR_SYSTEM, "cannot fork an engine process: %.200s",
                         received == CONTROL_RECEIVED ? (const char *)buffer_text(&message.payload)
                                                      : "the nursery is gone");
    }
    *ret_pidfd = TAKE_FD(message.fd);
    return true;
}

bool nursery_bear(Nursery *nursery, int *ret_socket, int *ret_pidfd, Error *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return error_set_errno(err, errno, "cannot make a socket for an engine process");
    }
    AUTO_CLOSE int own_end = pair[0];
    AUTO_CLOSE int its_end = pair[1];
    (void)pthread_mutex_lock(&nursery->lock);
    bool good = ask(nursery, its_end, ret_pidfd, err);
    (void)pthread_mutex_unlock(&nursery->lock);
    if (good) {
        *ret_socket = TAKE_FD(own_end);
    }
    return good;
}
