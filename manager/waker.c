/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/waker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/priority.h"
#include "bundles/base/process.h"
#include "bundles/base/text.h"

enum { SOCKET = 3 };

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

/* Whenever it is told, and so many milliseconds have passed since. */
static int wake(void *context) {
    const pid_t *manager = context;
    int timeout = -1;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NAME, "psw-waker");
    for (;;) {
        struct pollfd told = {.fd = SOCKET, .events = POLLIN};
        int ready = poll(&told, 1, timeout);
        if (ready == 0) {
            priority_restore(*manager);
            restore_children(*manager);
            timeout = -1;
        } else if (ready > 0 && recv(SOCKET, &timeout, sizeof timeout, 0) != sizeof timeout) {
            return 0; /* there is no manager any more */
        } else if (ready < 0 && errno != EINTR) {
            return 1;
        }
    }
}

static bool start(Waker *waker) {
    int pair[2];
    pid_t pid = 0, manager = getpid();
    Error ignored = ERROR_INIT; /* without it the manager stays as it is */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return false;
    }
    AUTO_CLOSE int own = pair[0], its = pair[1];
    const ProcessFd fds[] = {{its, SOCKET}};
    const ProcessFork process = {.run = wake, .context = &manager, .fds = fds, .fds_count = 1};
    if (!process_fork(&process, &pid, &waker->pidfd, &ignored)) {
        return false;
    }
    waker->socket = TAKE_FD(own);
    return true;
}

bool waker_tell(Waker *waker, int milliseconds) {
    if (waker->socket < 0 && !start(waker)) {
        return false;
    }
    if (send(waker->socket, &milliseconds, sizeof milliseconds, MSG_NOSIGNAL | MSG_DONTWAIT) !=
        sizeof milliseconds) {
        waker_done(waker); /* somebody killed it: there is another one next time */
        return false;
    }
    return true;
}

void waker_done(Waker *waker) {
    ProcessExit how;
    Error ignored = ERROR_INIT;
    if (waker->pidfd >= 0 &&
        (process_signal(waker->pidfd, SIGKILL, &ignored) || ignored.kind == ERROR_NOT_FOUND)) {
        (void)!process_wait(waker->pidfd, -1, &how, &ignored);
    }
    cleanup_close(&waker->pidfd);
    cleanup_close(&waker->socket);
    *waker = (Waker)WAKER_INIT;
}
