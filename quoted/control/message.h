/* SPDX-License-Identifier: Apache-2.0
 *
 * Message: one control message in memory, and moving it over a SOCK_SEQPACKET descriptor.
 *
 * A ControlMessage owns its payload and its descriptor; control_message_done releases both.
 */
#ifndef QUOTED_CONTROL_MESSAGE_H
#define QUOTED_CONTROL_MESSAGE_H

#include <jansson.h>

#include "bundles/base/buffer.h"
#include "bundles/base/error.h"
#include "quoted/control/protocol.h"

typedef struct ControlMessage {
    ControlHeader header;
    Buffer payload;
    int fd; /* -1: none */
} ControlMessage;

#define CONTROL_MESSAGE_INIT ((ControlMessage){.payload = BUFFER_INIT(CONTROL_PAYLOAD_MAX), .fd = -1})

void control_message_done(ControlMessage *message);

/* Sends; the descriptor is borrowed (-1: none). With a non-blocking socket whose buffer is full it fails
 * with ERROR_TIMEOUT; a peer that is gone is ERROR_UNAVAILABLE. */
bool control_message_send(int socket, ControlType type, uint32_t request, uint32_t status,
                          const void *payload, size_t size, int fd, Error *err)
    __attribute__((warn_unused_result));

/* Replaces the contents of *message by the next one. */
typedef enum ControlReceived {
    CONTROL_RECEIVED,
    CONTROL_RECEIVED_NOTHING,
    CONTROL_RECEIVED_END
} ControlReceived;
bool control_message_receive(int socket, ControlMessage *message, ControlReceived *ret_received, Error *err)
    __attribute__((warn_unused_result));

/* The payload of CONTROL_EVENT_FAILED and _ALARM. NULL: out of memory. The caller owns it. */
json_t *control_failed_json(const Error *failure) __attribute__((warn_unused_result));
/* CONTROL_EVENT_FAILED, as the last words of a process: nobody may be there to hear them. -1: nobody is. */
void control_message_send_failed(int socket, const Error *failure);

/* The payload as JSON object; for a reply with status != 0 it fails with that kind and text instead. */
json_t *control_message_json(const ControlMessage *message, Error *err) __attribute__((warn_unused_result));

#endif
