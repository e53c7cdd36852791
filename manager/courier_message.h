/* SPDX-License-Identifier: Apache-2.0
 *
 * CourierMessage: the messages between the courier and its neighbour, for those two only.
 */
#ifndef MANAGER_COURIER_MESSAGE_H
#define MANAGER_COURIER_MESSAGE_H

#include <jansson.h>

#include "manager/courier.h"

enum {
    COURIER_REQUEST = 'Q',
    COURIER_CANCEL = 'C',
    COURIER_HEAD = 'H',
    COURIER_DATA = 'D',
    COURIER_END = 'E',
    COURIER_FAILURE = 'F'
};

/* Takes the reference. */
bool courier_send(int socket, char kind, json_t *message, Error *err) __attribute__((warn_unused_result));
bool courier_send_bytes(int socket, char kind, const void *data, size_t size, Error *err)
    __attribute__((warn_unused_result));

json_t *courier_validator_json(const CourierValidator *validator);
bool courier_validator_read(const json_t *object, CourierValidator *ret_validator);

#endif
