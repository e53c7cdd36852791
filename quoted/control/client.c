/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/control/client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"

int control_client_connect(const char *path, pid_t *ret_pid, Error *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        error_set(err, ERROR_CONFIG, "control socket '%s': the path is longer than %zu bytes", path,
                  sizeof address.sun_path - 1);
        return -1;
    }
    memcpy(address.sun_path, path, length);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error_set_errno(err, errno, "control socket '%s'", path);
        return -1;
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        bool absent = errno == ENOENT || errno == ECONNREFUSED;
        error_set_errno(err, errno, "control socket '%s': cannot connect", path);
        if (absent && err != NULL) {
            err->kind = ERROR_UNAVAILABLE;
        }
        return -1;
    }
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (ret_pid != NULL && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
        *ret_pid = peer.pid;
    }
    return TAKE_FD(fd);
}

static bool wait_for_message(int socket, uint64_t deadline, Error *err) {
    struct pollfd poller = {.fd = socket, .events = POLLIN};
    int ready;
    do {
        ready = poll(&poller, 1, clock_left_ms(deadline));
    } while (ready < 0 && errno == EINTR);
    if (ready == 0) {
        return error_set(err, ERROR_TIMEOUT, "control socket: no reply in time");
    }
    return ready > 0 || error_set_errno(err, errno, "control socket: poll");
}

/* Takes messages in until the reply to `request` is there. */
static bool await_reply(int socket, uint32_t request, uint64_t deadline, ControlMessage *reply, Error *err) {
    for (;;) {
        ControlReceived received = CONTROL_RECEIVED_NOTHING;
        if (!control_message_receive(socket, reply, &received, err)) {
            return false;
        }
        if (received == CONTROL_RECEIVED_END) {
            return error_set(err, ERROR_UNAVAILABLE, "control socket: the other side is gone");
        }
        if (received == CONTROL_RECEIVED && reply->header.request == request) {
            return true;
        }
        if (received == CONTROL_RECEIVED_NOTHING && !wait_for_message(socket, deadline, err)) {
            return false;
        }
    }
}

bool control_client_call(int socket, ControlType type, const json_t *arguments, int fd, int timeout_ms,
                         ControlMessage *ret_reply, Error *err) {
    static _Thread_local uint32_t last_request;
    uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;
    AUTO_FREE char *text = arguments != NULL ? json_format(arguments, false) : strdup("");
    if (text == NULL) {
        return error_set(err, ERROR_MEMORY, "control socket: out of memory");
    }
    uint32_t request = ++last_request != 0 ? last_request : ++last_request;
    CLEANUP(control_message_done) ControlMessage reply = CONTROL_MESSAGE_INIT;
    if (!control_message_send(socket, type, request, 0, text, strlen(text), fd, err) ||
        !await_reply(socket, request, deadline, &reply, err)) {
        return false;
    }
    if (reply.header.status != 0) {
        CLEANUP(json_freep) json_t *unused = control_message_json(&reply, err);
        return false;
    }
    control_message_done(ret_reply);
    *ret_reply = reply;
    reply = CONTROL_MESSAGE_INIT;
    return true;
}
