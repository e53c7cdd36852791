/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/handover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

enum { SEND_TRIES = 200, SEND_PAUSE_MS = 5 };

/* The message without a descriptor. */
static void send_dying(int channel) {
    const char byte = 0;
    (void)!send(channel, &byte, sizeof byte, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool handover_send(int channel, int connection) {
    char byte = 0;
    struct iovec part = {&byte, sizeof byte};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof connection)];
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof connection);
    memcpy(CMSG_DATA(header), &connection, sizeof connection);
    return sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* An accepted stream connection has the listener's name; control sockets are of another type. */
static bool is_client(int fd) {
    struct sockaddr_un name = {0};
    socklen_t name_size = sizeof name;
    int type = 0;
    int listening = 1;
    socklen_t size = sizeof type;
    if (getsockname(fd, (struct sockaddr *)&name, &name_size) != 0 || name.sun_family != AF_UNIX ||
        name_size <= sizeof name.sun_family) {
        return false;
    }
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening == 0;
}

/* The manager may need a moment to make room. */
static void send_patiently(int channel, int fd) {
    for (int i = 0; i < SEND_TRIES && !handover_send(channel, fd); i++) {
        if (errno != EAGAIN && errno != ETOOMANYREFS) {
            return;
        }
        (void)poll(NULL, 0, SEND_PAUSE_MS);
    }
}

/* Without opendir(): the keeper may have been made while another thread held the heap's lock. */
static void send_all(int channel) {
    char entries[4096] __attribute__((aligned(8)));
    int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ssize_t size;
    while (directory >= 0 && (size = getdents64(directory, entries, sizeof entries)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const void *)(entries + at);
            uint32_t fd = 0;
            at += entry->d_reclen;
            if (text_parse_u32(entry->d_name, 0, INT32_MAX, &fd) && is_client((int)fd)) {
                send_patiently(channel, (int)fd);
            }
        }
    }
}

/* Waits until the lock's holder ends; false: it is not held. The first word of a robust lock is the kernel's
 * as well, and is waited for as glibc does, without calling it: the holder's thread is copied into this
 * process, and sanitizers take that for the same one. */
static bool await_release(pthread_mutex_t *lock) {
    _Atomic uint32_t *word = (void *)lock;
    for (;;) {
        uint32_t now = atomic_load(word);
        if ((now & FUTEX_OWNER_DIED) != 0 || (now & FUTEX_TID_MASK) == 0) {
            return (now & FUTEX_OWNER_DIED) != 0;
        }
        if (atomic_compare_exchange_strong(word, &now, now | FUTEX_WAITERS) &&
            syscall(SYS_futex, word, FUTEX_WAIT, now | FUTEX_WAITERS, NULL, NULL, 0) != 0 &&
            errno != EAGAIN && errno != EINTR) {
            return false;
        }
    }
}

/* The kernel lets go of the lock as the first thing of an end; the process is gone after the last thing. */
static void await_death(const Handover *handover) {
    struct pollfd parent = {.fd = handover->parent_fd, .events = POLLIN};
    if (await_release(handover->life)) {
        send_dying(handover->send_fd);
    }
    while (poll(&parent, 1, -1) < 0 && errno == EINTR) {
    }
}

/* Its descriptors are those of the process that it watches, until that one is gone: it must not close any.
 */
static void keep(const Handover *handover) {
    (void)prctl(PR_SET_NAME, "quoted-keeper");
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    await_death(handover);
    send_all(handover->send_fd);
    _exit(0);
}

static bool start_keeper(Handover *handover, Error *err) {
    long keeper = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, NULL, NULL, 0);
    if (keeper == 0) {
        keep(handover);
    }
    if (keeper < 0) {
        return error_set_errno(err, errno, "cannot start the keeper of connections");
    }
    handover->keeper = (pid_t)keeper;
    handover->keeper_fd = pidfd_open(handover->keeper, 0);
    return handover->keeper_fd >= 0 || error_set_errno(err, errno, "cannot watch the keeper of connections");
}

static void end_keeper(Handover *handover) {
    if (handover->keeper > 0) {
        (void)kill(handover->keeper, SIGKILL);
        while (waitpid(handover->keeper, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    handover->keeper = 0;
    cleanup_close(&handover->keeper_fd);
    handover->keeper_fd = -1;
}

static pthread_mutex_t *begin_life(void) {
    pthread_mutexattr_t attributes;
    const int shared = MAP_SHARED | MAP_ANONYMOUS;
    /* cppcheck-suppress invalidFunctionArg; there is no file */
    pthread_mutex_t *life = mmap(NULL, sizeof(pthread_mutex_t), PROT_READ | PROT_WRITE, shared, -1, 0);
    if (life == MAP_FAILED) {
        return NULL;
    }
    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    (void)pthread_mutex_init(life, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    (void)pthread_mutex_lock(life);
    return life;
}

bool handover_start(Handover *handover, Error *err) {
    int pair[2];
    AUTO_CLOSE int parent = pidfd_open(getpid(), 0);
    if (parent < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return error_set_errno(err, errno, "cannot make the channel for handing connections over");
    }
    *handover = HANDOVER_INIT;
    handover->send_fd = pair[0];
    handover->receive_fd = pair[1];
    handover->parent_fd = TAKE_FD(parent);
    handover->life = begin_life();
    if (handover->life == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return start_keeper(handover, err);
}

bool handover_restart(Handover *handover, Error *err) {
    end_keeper(handover);
    return start_keeper(handover, err);
}

void handover_stop(Handover *handover) {
    end_keeper(handover);
    cleanup_close(&handover->send_fd);
    cleanup_close(&handover->receive_fd);
    cleanup_close(&handover->parent_fd);
    if (handover->life != NULL) { /* a locked one may not be forgotten: the kernel looks for it at our end */
        (void)pthread_mutex_unlock(handover->life);
        (void)munmap(handover->life, sizeof(pthread_mutex_t));
    }
    *handover = HANDOVER_INIT;
}
