/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/courier.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/courier_message.h"

bool courier_send(int socket, char kind, json_t *message, Error *err) {
    CLEANUP(json_freep) json_t *owned = message;
    AUTO_FREE char *text = owned != NULL ? json_format(owned, false) : NULL;
    if (text == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    return courier_send_bytes(socket, kind, text, strlen(text), err);
}

bool courier_send_bytes(int socket, char kind, const void *data, size_t size, Error *err) {
    struct iovec parts[] = {{&kind, 1}, {(void *)(uintptr_t)data, size}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = size > 0 ? 2 : 1};
    return TEMP_FAILURE_RETRY(sendmsg(socket, &message, MSG_NOSIGNAL)) == (ssize_t)size + 1 ||
           error_set_errno(err, errno, "the other child is gone");
}

json_t *courier_validator_json(const CourierValidator *validator) {
    return json_pack("{s:s, s:s}", "etag", validator->etag, "modified", validator->modified);
}

bool courier_validator_read(const json_t *object, CourierValidator *ret_validator) {
    const char *etag = json_string_value(json_object_get(object, "etag"));
    const char *modified = json_string_value(json_object_get(object, "modified"));
    return etag != NULL && modified != NULL && text_is_printable(etag, COURIER_VALIDATOR_MAX - 1) &&
           text_is_printable(modified, COURIER_VALIDATOR_MAX - 1) &&
           text_copy(ret_validator->etag, sizeof ret_validator->etag, etag) &&
           text_copy(ret_validator->modified, sizeof ret_validator->modified, modified);
}

static bool send_request(int socket, const CourierRequest *request, Error *err) {
    return courier_send(socket, COURIER_REQUEST,
                        json_pack("{s:s, s:i, s:I, s:I, s:I, s:b, s:b, s:o}", "path", request->path, "mirror",
                                  (int)request->mirror, "offset", (json_int_t)request->offset, "size",
                                  (json_int_t)request->size, "size_max", (json_int_t)request->size_max,
                                  "conditional", request->conditional, "optional", request->optional,
                                  "validator", courier_validator_json(&request->validator)),
                        err);
}

/* One fetch as the asking side sees it. */
typedef struct Reception {
    const CourierRequest *request;
    const CourierSink *sink;
    uint64_t at;  /* offset that the next bytes belong to */
    bool begun;   /* a head came */
    bool refused; /* by the sink: what comes is thrown away */
    Error error;  /* the sink's */
} Reception;

static bool broken(Error *err) {
    return error_set(err, ERROR_NETWORK, "the child with the network broke its rules");
}

static void refuse(Reception *reception, int socket) {
    Error ignored = ERROR_INIT;
    reception->refused = true;
    if (!courier_send_bytes(socket, COURIER_CANCEL, NULL, 0, &ignored)) {
        return; /* it is gone, as the next receive will say */
    }
}

static bool take_head(Reception *reception, int socket, Bytes text, Error *err) {
    CourierHead head = {0};
    CLEANUP(json_freep) json_t *object = json_parse(text, "head", err);
    if (object == NULL || !json_get_u64(object, "offset", &head.offset, err) ||
        !json_get_u64(object, "total", &head.total, err) ||
        !courier_validator_read(json_object_get(object, "validator"), &head.validator) ||
        !json_get_text(object, "issuer_chain", &head.issuer_chain, err) ||
        !text_is_printable(head.issuer_chain, COURIER_CHAIN_MAX - 1)) {
        return broken(err);
    }
    if (head.offset != 0 && head.offset != (reception->begun ? reception->at : reception->request->offset)) {
        return broken(err);
    }
    reception->begun = true;
    reception->at = head.offset;
    if (!reception->refused && !reception->sink->begin(reception->sink->context, &head, &reception->error)) {
        refuse(reception, socket);
    }
    return true;
}

static bool take_data(Reception *reception, int socket, Bytes data, Error *err) {
    if (!reception->begun || data.size > reception->request->size_max - reception->at) {
        return broken(err);
    }
    reception->at += data.size;
    if (!reception->refused &&
        !reception->sink->data(reception->sink->context, data.data, data.size, &reception->error)) {
        refuse(reception, socket);
    }
    return true;
}

static bool take_end(const Reception *reception, Bytes text, CourierEnd *ret_end, Error *err) {
    uint64_t outcome = 0, mirror = 0, status = 0;
    CourierEnd end = {0};
    CLEANUP(json_freep) json_t *object = json_parse(text, "end", err);
    if (object == NULL || !json_get_u64(object, "outcome", &outcome, err) ||
        !json_get_u64(object, "mirror", &mirror, err) || !json_get_u64(object, "status", &status, err) ||
        !courier_validator_read(json_object_get(object, "validator"), &end.validator) ||
        outcome > COURIER_UNCHANGED || mirror > UINT8_MAX || status > 999 ||
        (outcome == COURIER_ALL && !reception->begun) ||
        (outcome == COURIER_UNCHANGED && !reception->request->conditional)) {
        return broken(err);
    }
    end.outcome = (CourierOutcome)outcome;
    end.mirror = (unsigned)mirror;
    end.status = (unsigned)status;
    *ret_end = end;
    return true;
}

static bool take_failure(Bytes text, Error *err) {
    CLEANUP(json_freep) json_t *object = json_parse(text, "failure", err);
    return object != NULL && json_get_failure(object, err) ? false : broken(err);
}

typedef enum Turn { TURN_MORE, TURN_DONE, TURN_FAILED } Turn;

static Turn take_message(Reception *reception, int socket, Bytes message, CourierEnd *ret_end, Error *err) {
    const Bytes rest = {message.data + 1, message.size - 1};
    switch (message.data[0]) {
    case COURIER_HEAD:
        return take_head(reception, socket, rest, err) ? TURN_MORE : TURN_FAILED;
    case COURIER_DATA:
        return take_data(reception, socket, rest, err) ? TURN_MORE : TURN_FAILED;
    case COURIER_END:
        return take_end(reception, rest, ret_end, err) ? TURN_DONE : TURN_FAILED;
    case COURIER_FAILURE:
        (void)take_failure(rest, err);
        return TURN_FAILED;
    default:
        (void)broken(err);
        return TURN_FAILED;
    }
}

bool courier_fetch(int socket, const CourierRequest *request, const CourierSink *sink, CourierEnd *ret_end,
                   Error *err) {
    Reception reception = {.request = request, .sink = sink};
    Turn turn = TURN_MORE;
    AUTO_FREE uint8_t *message = malloc(COURIER_MESSAGE_MAX);
    if (message == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!send_request(socket, request, err)) {
        return false;
    }
    while (turn == TURN_MORE) {
        ssize_t size = TEMP_FAILURE_RETRY(recv(socket, message, COURIER_MESSAGE_MAX, MSG_TRUNC));
        if (size <= 0) {
            return error_set(err, ERROR_NETWORK, "the child with the network ended");
        }
        if (size > COURIER_MESSAGE_MAX) {
            return broken(err);
        }
        turn = take_message(&reception, socket, (Bytes){message, (size_t)size}, ret_end, err);
    }
    if (reception.refused) {
        *err = reception.error;
        return false;
    }
    return turn == TURN_DONE;
}
