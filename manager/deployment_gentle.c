/* SPDX-License-Identifier: Apache-2.0
 *
 * A swap that the clients do not feel: as long as somebody serves them well, the manager does its part of it,
 * and starts the new generation, at the lowest priority. On a busy node a swap then takes a little longer,
 * and no request waits for it. Whoever has to be quick ends that: clients that nobody serves, or GENTLE_MS in
 * which a step has not come to its end because the node has no time to spare. Such a node does not run the
 * manager either, not for seconds, nor what it starts: its waker, a process at the ordinary priority, brings
 * them back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/priority.h"
#include "bundles/base/process.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/timer.h"

enum { GENTLE_MS = 100, LATE_MS = 20, WAKER_SOCKET = 3 };

/* Also one that has not come to its exec(), for which the manager waits. */
static void restore_children(pid_t manager) {
    char path[64], list[4096], *rest = list;
    uint32_t pid = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)manager, (int)manager);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, list, sizeof list - 1) : 0;
    list[size > 0 ? size : 0] = '\0';
    for (const char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        if (text_parse_u32(word, 1, INT32_MAX, &pid)) {
            priority_restore((pid_t)pid);
        }
    }
}

/* Whenever it is told, and GENTLE_MS have passed since. */
static int wake(void *context) {
    const pid_t *manager = context;
    int timeout = -1;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "psw-waker");
    for (;;) {
        char byte = 0;
        struct pollfd told = {.fd = WAKER_SOCKET, .events = POLLIN};
        int ready = poll(&told, 1, timeout);
        if (ready == 0) {
            priority_restore(*manager);
            restore_children(*manager);
            timeout = -1;
        } else if (ready > 0 && recv(WAKER_SOCKET, &byte, 1, 0) != 1) {
            return 0; /* there is no manager any more */
        } else if (ready > 0) {
            timeout = GENTLE_MS;
        } else if (errno != EINTR) {
            return 1;
        }
    }
}

static bool start_waker(DeploymentWaker *waker) {
    int pair[2];
    pid_t pid = 0, manager = getpid();
    Error ignored = ERROR_INIT; /* without it the manager stays as it is */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    AUTO_CLOSE int own = pair[0], its = pair[1];
    const ProcessFd fds[] = {{its, WAKER_SOCKET}};
    const ProcessFork process = {.run = wake, .context = &manager, .fds = fds, .fds_count = 1};
    if (!process_fork(&process, &pid, &waker->pidfd, &ignored)) {
        return false;
    }
    waker->socket = TAKE_FD(own);
    return true;
}

void deployment_waker_done(Deployment *deployment) {
    DeploymentWaker *waker = &deployment->waker;
    ProcessExit how;
    Error ignored = ERROR_INIT;
    if (waker->pidfd >= 0 &&
        (process_signal(waker->pidfd, SIGKILL, &ignored) || ignored.kind == ERROR_NOT_FOUND)) {
        (void)!process_wait(waker->pidfd, -1, &how, &ignored);
    }
    cleanup_close(&waker->pidfd);
    cleanup_close(&waker->socket);
}

/* Not before there is somebody who brings it back. */
static bool lower(Deployment *deployment) {
    DeploymentWaker *waker = &deployment->waker;
    const char byte = 0;
    if (!priority_lower()) {
        return false;
    }
    if (waker->socket < 0) {
        priority_restore(0); /* which the waker inherits */
        if (!start_waker(waker) || !priority_lower()) {
            return false;
        }
    }
    if (send(waker->socket, &byte, sizeof byte, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof byte) {
        priority_restore(0);
        deployment_waker_done(deployment); /* somebody killed it: there is another one next time */
        return false;
    }
    return true;
}

static bool may_take_its_time(const Deployment *deployment) {
    const SwapState state = deployment->journal->swap.state;
    return !deployment->has_no_time && state != SWAP_IDLE && state != SWAP_YIELDING &&
           state != SWAP_REVERTING && deployment->journal->swap.foreign.pid == 0 &&
           deployment->restart_timer == NULL && !deployment_has_role(deployment, GENERATION_RESTART) &&
           deployment_former_alive(deployment);
}

static void restore(Deployment *deployment) {
    timer_stop(&deployment->gentle_timer);
    priority_restore(0);
    /* Those that have not come to the point where they do it themselves, and those whose room is wanted. */
    for (size_t i = 0; i < deployment->generations_count; i++) {
        const Generation *generation = deployment->generations[i];
        bool is_waited_for = !generation_is_warm(generation) ||
                             (deployment->awaits_room && generation_role(generation) == GENERATION_LEAVING);
        if (generation_is_alive(generation) && is_waited_for) {
            priority_restore(generation_pid(generation));
        }
    }
}

void deployment_hurry(Deployment *deployment) {
    if (deployment->gentle_timer != NULL) {
        restore(deployment);
    }
}

static int on_time(sd_event_source *source, uint64_t usec, void *context) {
    (void)source;
    Deployment *deployment = context;
    if (clock_monotonic_ns() / 1000 > usec + LATE_MS * UINT64_C(1000)) {
        deployment->has_no_time = true;
    }
    restore(deployment);
    deployment_await_room(deployment);
    return 0;
}

void deployment_await_room(Deployment *deployment) {
    if (deployment->awaits_room && deployment->gentle_timer == NULL) {
        (void)!timer_start(deployment->event, &deployment->gentle_timer, GENTLE_MS, on_time, deployment);
    }
}

void deployment_be_gentle(Deployment *deployment) {
    if (!may_take_its_time(deployment)) {
        deployment_hurry(deployment);
    } else if ((deployment->gentle_timer != NULL || lower(deployment)) &&
               !timer_start(deployment->event, &deployment->gentle_timer, GENTLE_MS, on_time, deployment)) {
        restore(deployment);
    }
}
