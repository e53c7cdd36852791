/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/control/message.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

const char *control_state_name(ControlState state) {
    static const char *const names[] = {
        [CONTROL_STATE_WARMING] = "warming",     [CONTROL_STATE_READY] = "ready",
        [CONTROL_STATE_SERVING] = "serving",     [CONTROL_STATE_DRAINING] = "draining",
        [CONTROL_STATE_LAME_DUCK] = "lame-duck", [CONTROL_STATE_FAILED] = "failed",
    };
    assert((size_t)state < sizeof names / sizeof *names);
    return names[state];
}

void control_message_done(ControlMessage *message) {
    buffer_done(&message->payload);
    cleanup_close(&message->fd);
    message->fd = -1;
}

static bool send_failed(int errnum, Error *err) {
    if (errnum == EAGAIN) {
        return error_set(err, ERROR_TIMEOUT, "control socket: the other side does not read");
    }
    if (errnum == EPIPE || errnum == ECONNRESET || errnum == ENOTCONN) {
        return error_set(err, ERROR_UNAVAILABLE, "control socket: the other side is gone");
    }
    return error_set_errno(err, errnum, "control socket: cannot send");
}

bool control_message_send(int socket, ControlType type, uint32_t request, uint32_t status,
                          const void *payload, size_t size, int fd, Error *err) {
    if (size > CONTROL_PAYLOAD_MAX) {
        return error_set(err, ERROR_LIMIT, "control message of %zu bytes: at most %d are allowed", size,
                         CONTROL_PAYLOAD_MAX);
    }
    ControlHeader header = {.type = type, .request = request, .status = status, .size = (uint32_t)size};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)(uintptr_t)payload, size}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fd)];
    } control = {0};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(part), &fd, sizeof fd);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0 || send_failed(errno, err);
}

/* The descriptor that came along; one too many is not ours to keep. */
static int take_descriptor(struct msghdr *received) {
    int taken = -1;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(received); part != NULL; part = CMSG_NXTHDR(received, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (taken < 0) {
                taken = fd;
            } else {
                (void)close(fd);
            }
        }
    }
    return taken;
}

static bool receive_failed(int errnum, ControlReceived *ret_received, Error *err) {
    if (errnum == EAGAIN) {
        *ret_received = CONTROL_RECEIVED_NOTHING;
        return true;
    }
    return error_set_errno(err, errnum, "control socket: cannot receive");
}

bool control_message_receive(int socket, ControlMessage *message, ControlReceived *ret_received, Error *err) {
    control_message_done(message);
    if (!buffer_reserve(&message->payload, CONTROL_PAYLOAD_MAX)) {
        return error_set(err, ERROR_MEMORY, "control socket: out of memory");
    }
    struct iovec parts[] = {{&message->header, sizeof message->header},
                            {message->payload.data, CONTROL_PAYLOAD_MAX}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr received = {.msg_iov = parts,
                              .msg_iovlen = 2,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof control.bytes};
    ssize_t got;
    /* A peer that went without reading everything resets, once; what it had sent can be read after that. */
    do {
        got = recvmsg(socket, &received, MSG_CMSG_CLOEXEC);
    } while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0) {
        return receive_failed(errno, ret_received, err);
    }
    if (got == 0) {
        *ret_received = CONTROL_RECEIVED_END;
        return true;
    }
    message->fd = take_descriptor(&received);
    if ((size_t)got < sizeof message->header || (received.msg_flags & MSG_TRUNC) != 0 ||
        message->header.size != (size_t)got - sizeof message->header) {
        return error_set(err, ERROR_INPUT, "control socket: malformed message");
    }
    message->payload.size = message->header.size;
    message->payload.data[message->payload.size] = 0;
    *ret_received = CONTROL_RECEIVED;
    return true;
}

json_t *control_failed_json(const Error *failure) {
    return json_pack("{s:s, s:s}", "kind", error_kind_name(failure->kind), "error", failure->text);
}

void control_message_send_failed(int socket, const Error *failure) {
    CLEANUP(json_freep) json_t *payload = control_failed_json(failure);
    AUTO_FREE char *text = payload != NULL ? json_format(payload, false) : NULL;
    if (socket >= 0 && text != NULL) {
        (void)!control_message_send(socket, CONTROL_EVENT_FAILED, 0, 0, text, strlen(text), -1, NULL);
    }
}

json_t *control_message_json(const ControlMessage *message, Error *err) {
    if (message->header.status != 0) {
        ErrorKind kind =
            message->header.status < ERROR_KINDS_COUNT ? (ErrorKind)message->header.status : ERROR_INPUT;
        error_set(err, kind, "%.900s", buffer_text(&message->payload));
        return NULL;
    }
    if (message->payload.size == 0) {
        json_t *empty = json_object();
        if (empty == NULL) {
            error_set(err, ERROR_MEMORY, "control message: out of memory");
        }
        return empty;
    }
    json_t *json = json_parse(buffer_bytes(&message->payload), "control message", err);
    if (json != NULL && !json_is_object(json)) {
        json_decref(json);
        error_set(err, ERROR_INPUT, "control message: not an object");
        return NULL;
    }
    return json;
}
