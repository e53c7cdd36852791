/* SPDX-License-Identifier: Apache-2.0 */
/* link: psw-wire */
#include <stdint.h>
#include <stdlib.h>

#include "bundles/base/cleanup.h"
#include "quoted/wire/request.h"
#include "quoted/wire/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good) {
    if (!good) {
        abort();
    }
}

/* What was read lies inside the body and its zeros, and written anew it reads the same. */
static void check_request(const AesmRequest *request, const uint8_t *body, size_t size) {
    CLEANUP(buffer_done) Buffer frame = BUFFER_INIT(16 * 1024 * 1024);
    check(aesm_request_write(request, &frame));
    size_t written = frame.size - AESM_FRAME_HEADER_SIZE;
    check(buffer_append_zeros(&frame, AESM_BODY_SLACK));
    AesmRequest again;
    check(aesm_request_read(frame.data + AESM_FRAME_HEADER_SIZE, written, &again));
    check(again.number == request->number && again.complete == request->complete);
    for (size_t i = 0; i < AESM_FIELDS_END; i++) {
        const AesmField *field = &request->fields[i];
        check(field->present == again.fields[i].present && field->value == again.fields[i].value);
        check(bytes_equal(field->bytes, again.fields[i].bytes));
        check(field->bytes.size == 0 || (field->bytes.data >= body && field->bytes.data + field->bytes.size <=
                                                                          body + size + AESM_BODY_SLACK));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_FREE uint8_t *body = calloc(1, size + AESM_BODY_SLACK);
    check(body != NULL);
    for (size_t i = 0; i < size; i++) {
        body[i] = data[i];
    }
    AesmRequest request;
    if (aesm_request_read(body, size, &request)) {
        check_request(&request, body, size);
    }
    AesmField fields[AESM_FIELDS_END];
    for (unsigned number = 1; number < AESM_NUMBERS_END; number++) {
        if (aesm_response_read((Bytes){data, size}, (AesmNumber)number, fields)) {
            check(fields[1].present);
        }
    }
    return 0;
}
