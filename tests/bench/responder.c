/* SPDX-License-Identifier: Apache-2.0
 *
 * Responder: the least that answers a quote request over a socket: accept, read one frame, send a constant
 * answer of a quote's size, close. What it reaches is the limit of the socket path on this machine; the
 * benchmark compares quoted with it. It checks nothing and is no use for anything else.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/base/text.h"

enum { THREADS_MAX = 64, LENGTH_SIZE = 4, REQUEST_MAX = 4096, ANSWER_MAX = 64 * 1024 };

typedef struct Responder {
    int listener;
    uint8_t answer[ANSWER_MAX];
    size_t answer_size;
} Responder;

static size_t put_varint(uint8_t *at, uint64_t value) {
    size_t size = 0;
    do {
        at[size++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    return size;
}

/* Response 17 with error code 0 and quote_size bytes of nothing. */
static void make_answer(Responder *responder, uint32_t quote_size) {
    uint8_t head[16] = {0x08, 0x00, 0x12};
    size_t head_size = 3 + put_varint(head + 3, quote_size);
    uint8_t *at = responder->answer + LENGTH_SIZE;
    at += put_varint(at, 17 << 3 | 2);
    at += put_varint(at, head_size + quote_size);
    memcpy(at, head, head_size);
    at += head_size + quote_size;
    responder->answer_size = (size_t)(at - responder->answer);
    bytes_put_le32(responder->answer, (uint32_t)(responder->answer_size - LENGTH_SIZE));
}

static bool frame_is_whole(const uint8_t *request, size_t size) {
    return size >= LENGTH_SIZE && size - LENGTH_SIZE >= bytes_le32(request);
}

/* Requests of benchmark clients come whole; what does not is waited for in place. */
static void serve(const Responder *responder, int fd) {
    uint8_t request[REQUEST_MAX];
    size_t size = 0;
    while (!frame_is_whole(request, size)) {
        ssize_t got = recv(fd, request + size, sizeof request - size, 0);
        if (got <= 0) {
            return;
        }
        size += (size_t)got;
    }
    (void)send(fd, responder->answer, responder->answer_size, MSG_NOSIGNAL);
}

static void *thread_main(void *argument) {
    const Responder *responder = argument;
    AUTO_CLOSE int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, responder->listener, &event) != 0) {
        return NULL;
    }
    for (;;) {
        if (epoll_wait(epoll, &event, 1, -1) < 0 && errno != EINTR) {
            return NULL;
        }
        for (;;) {
            AUTO_CLOSE int fd = accept4(responder->listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0) {
                break;
            }
            serve(responder, fd);
        }
    }
}

static bool open_listener(const char *path, int *ret_listener, Error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!text_copy(address.sun_path, sizeof address.sun_path, path)) {
        return error_set(err, ERROR_USAGE, "socket path '%s' is too long", path);
    }
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
        return error_set_errno(err, errno, "socket '%s'", path);
    }
    *ret_listener = TAKE_FD(fd);
    return true;
}

int main(int argc, char **argv) {
    static Responder responder;
    Error err = ERROR_INIT;
    uint32_t threads = 0;
    uint32_t quote_size = 0;
    if (argc != 4 || !text_parse_u32(argv[2], 1, THREADS_MAX, &threads) ||
        !text_parse_u32(argv[3], 1, ANSWER_MAX - 32, &quote_size)) {
        (void)fprintf(stderr, "usage: responder SOCKET THREADS QUOTE-SIZE\n");
        return error_kind_exit_status(ERROR_USAGE);
    }
    make_answer(&responder, quote_size);
    if (!open_listener(argv[1], &responder.listener, &err)) {
        (void)fprintf(stderr, "responder: %s\n", err.text);
        return error_kind_exit_status(err.kind);
    }
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (uint32_t i = 0; i < threads; i++) {
        pthread_t thread;
        int failure = pthread_create(&thread, NULL, thread_main, &responder);
        if (failure != 0) {
            (void)fprintf(stderr, "responder: thread: %s\n", strerror(failure));
            return error_kind_exit_status(ERROR_SYSTEM);
        }
    }
    (void)puts("ready");
    (void)fflush(stdout);
    int number = 0;
    (void)sigwait(&set, &number);
    return EXIT_SUCCESS;
}
