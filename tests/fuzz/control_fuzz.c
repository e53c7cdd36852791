/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-control */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "quoted/control/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2];
    if (size > CONTROL_MESSAGE_MAX + 1 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return 0;
    }
    AUTO_CLOSE int sender = ends[0];
    AUTO_CLOSE int receiver = ends[1];
    if (send(sender, data, size, 0) != (ssize_t)size) {
        return 0;
    }
    CLEANUP(control_message_done) ControlMessage message = CONTROL_MESSAGE_INIT;
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    if (control_message_receive(receiver, &message, &received, NULL) && received == CONTROL_RECEIVED) {
        if (message.payload.size != size - CONTROL_HEADER_SIZE || message.fd >= 0 ||
            strlen(buffer_text(&message.payload)) > message.payload.size) {
            abort();
        }
        Error err = ERROR_INIT;
        CLEANUP(json_freep) json_t *json = control_message_json(&message, &err);
        if ((json != NULL) != (err.kind == ERROR_NONE)) {
            abort();
        }
    }
    return 0;
}
