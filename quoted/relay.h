/* SPDX-License-Identifier: Apache-2.0
 *
 * Relay: the binary message CONTROL_QUOTE between generations (quoted/control/protocol.h), both ways.
 */
#ifndef QUOTED_RELAY_H
#define QUOTED_RELAY_H

#include "bundles/sgx/quote_library.h"
#include "quoted/control/message.h"

enum {
    RELAY_QUESTION_SIZE = 8 + SGX_REPORT_SIZE,
    RELAY_QUESTION_SIZE_MAX = RELAY_QUESTION_SIZE + SGX_QE_REPORT_INFO_SIZE,
    RELAY_ANSWER_HEADER_SIZE = 8
};

typedef struct RelayQuestion {
    size_t size;
    uint8_t bytes[RELAY_QUESTION_SIZE_MAX];
} RelayQuestion;

void relay_question_write(RelayQuestion *question, const SgxReport *report, const SgxQeReportInfo *info,
                          uint32_t buffer_size);
/* Borrows the payload. False: malformed. */
bool relay_question_read(Bytes payload, const SgxReport **ret_report, const SgxQeReportInfo **ret_info,
                         uint32_t *ret_buffer_size);

/* Fills info (may be NULL if the question had none) and quote on success. False: malformed. */
bool relay_answer_read(const ControlMessage *reply, SgxQeReportInfo *info, uint8_t *quote, uint32_t size,
                       Quote3Error *ret_code, uint32_t *ret_size);
/* The whole payload; quote and info only with QUOTE3_SUCCESS. */
bool relay_answer_write(Buffer *payload, Quote3Error code, const uint8_t *quote, uint32_t size,
                        const SgxQeReportInfo *info) __attribute__((warn_unused_result));

#endif
