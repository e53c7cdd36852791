/* SPDX-License-Identifier: Apache-2.0
 *
 * Request: what a client asks, read from the body of one frame, and written by our own client.
 *
 * A frame is a u32 length (little endian) and that many bytes of one proto2 message. The reading rules are
 * those of Intel's server (docs/protocol.md): lenient, last value wins, one request is picked by a fixed
 * order if there are several. Values borrow the body and the zeros behind it.
 */
#ifndef QUOTED_WIRE_REQUEST_H
#define QUOTED_WIRE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/buffer.h"
#include "bundles/base/bytes.h"

enum { AESM_FRAME_HEADER_SIZE = 4 };

/* Request numbers; the response has the same. */
typedef enum AesmNumber {
    AESM_LEGACY_INIT_QUOTE = 1,
    AESM_LEGACY_GET_QUOTE = 2,
    AESM_LEGACY_GET_LICENSE_TOKEN = 3,
    AESM_LEGACY_REPORT_ERROR = 4,
    AESM_LEGACY_WHITE_LIST_SIZE = 10,
    AESM_LEGACY_WHITE_LIST = 11,
    AESM_LEGACY_GET_GROUP = 12,
    AESM_LEGACY_SWITCH_GROUP = 13,
    AESM_LEGACY_REGISTER = 14,
    AESM_INIT_QUOTE = 15,
    AESM_QUOTE_SIZE = 16,
    AESM_QUOTE = 17,
    AESM_LEGACY_UPDATE_STATUS = 18,
    AESM_SELECT_KEY = 19,
    AESM_KEY_COUNT = 21,
    AESM_KEY_IDS = 22,
    AESM_NUMBERS_END = 23
} AesmNumber;

/* "quote"; for metrics and the log. NULL if there is no such request. */
const char *aesm_number_name(unsigned number);

enum { AESM_FIELDS_END = 10 };

typedef struct AesmField {
    bool present;
    uint64_t value; /* numbers: u32 fields are cut to their low 32 bits already */
    Bytes bytes;
} AesmField;

typedef struct AesmRequest {
    AesmNumber number;
    bool complete;                     /* all required fields are there */
    AesmField fields[AESM_FIELDS_END]; /* by field number, from 1 */
} AesmRequest;

/* What must lie behind a body that is given to aesm_request_read: zeros, which a cut value may run into. */
enum { AESM_BODY_SLACK = 16 };

/* `size` bytes and AESM_BODY_SLACK zeros behind them, which are not counted in `size`. False: nothing known
 * in it; the connection is to be closed without an answer. */
bool aesm_request_read(const uint8_t *body, size_t size, AesmRequest *ret_request);

/* Appends a whole frame with the fields that are present. False: the buffer is full. */
bool aesm_request_write(const AesmRequest *request, Buffer *frame) __attribute__((warn_unused_result));

#endif
