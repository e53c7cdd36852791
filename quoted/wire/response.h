/* SPDX-License-Identifier: Apache-2.0
 *
 * Response: the frame that answers a request, written so that one send() gives it away, and read by our own
 * client. Fields are written in ascending order; field 1, the code, is always there, also when it is 0.
 */
#ifndef QUOTED_WIRE_RESPONSE_H
#define QUOTED_WIRE_RESPONSE_H

#include "bundles/base/buffer.h"
#include "quoted/wire/code.h"
#include "quoted/wire/request.h"

enum { AESM_RESPONSE_HEADROOM = 24 };

typedef struct AesmResponse {
    Buffer buffer; /* reused from answer to answer; the first bytes are room for the headers */
    bool good;     /* false: the buffer's maximum was met */
} AesmResponse;

#define AESM_RESPONSE_INIT(maximum) ((AesmResponse){.buffer = BUFFER_INIT(maximum)})
void aesm_response_done(AesmResponse *response);

/* Starts anew, with the code. */
void aesm_response_begin(AesmResponse *response, AesmCode code);
void aesm_response_add_number(AesmResponse *response, unsigned field, uint64_t value);
/* `padded` bytes, of which the first `size` are given and the rest are zeros. */
void aesm_response_add_bytes(AesmResponse *response, unsigned field, const void *data, size_t size,
                             size_t padded);
/* The whole frame, borrowed until the next change; empty if the maximum was met or memory ran out. */
Bytes aesm_response_end(AesmResponse *response, AesmNumber number);

/* The answer in a frame's body: the fields of the response `number`. False: it is not that response, or not
 * readable to its end. fields[1].value is the code. Values borrow the body. */
bool aesm_response_read(Bytes body, AesmNumber number, AesmField fields[AESM_FIELDS_END]);

#endif
