/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/relay.h"

#include <string.h>

void relay_question_write(RelayQuestion *question, const SgxReport *report, const SgxQeReportInfo *info,
                          uint32_t buffer_size) {
    bytes_put_le32(question->bytes, buffer_size);
    bytes_put_le32(question->bytes + 4, info != NULL);
    memcpy(question->bytes + 8, report, sizeof *report);
    question->size = RELAY_QUESTION_SIZE;
    if (info != NULL) {
        memcpy(question->bytes + RELAY_QUESTION_SIZE, info, sizeof *info);
        question->size = RELAY_QUESTION_SIZE_MAX;
    }
}

bool relay_question_read(Bytes payload, const SgxReport **ret_report, const SgxQeReportInfo **ret_info,
                         uint32_t *ret_buffer_size) {
    uint32_t buffer_size = 0;
    uint32_t has_info = 0;
    Bytes report;
    Bytes info = {0};
    if (!bytes_take_le32(&payload, &buffer_size) || !bytes_take_le32(&payload, &has_info) || has_info > 1 ||
        !bytes_take(&payload, SGX_REPORT_SIZE, &report) ||
        (has_info == 1 && !bytes_take(&payload, SGX_QE_REPORT_INFO_SIZE, &info)) || payload.size != 0) {
        return false;
    }
    /* Packed structures of bytes: any alignment will do. */
    *ret_report = (const SgxReport *)(const void *)report.data;
    *ret_info = (const SgxQeReportInfo *)(const void *)info.data;
    *ret_buffer_size = buffer_size;
    return true;
}

bool relay_answer_read(const ControlMessage *reply, SgxQeReportInfo *info, uint8_t *quote, uint32_t size,
                       Quote3Error *ret_code, uint32_t *ret_size) {
    Bytes payload = buffer_bytes(&reply->payload);
    Quote3Error code = 0;
    uint32_t quote_size = 0;
    Bytes quote_bytes;
    Bytes info_bytes = {0};
    if (reply->header.status != 0 || !bytes_take_le32(&payload, &code) ||
        !bytes_take_le32(&payload, &quote_size)) {
        return false;
    }
    if (code == QUOTE3_SUCCESS) {
        if (quote_size > size || !bytes_take(&payload, quote_size, &quote_bytes) ||
            (info != NULL && !bytes_take(&payload, sizeof *info, &info_bytes))) {
            return false;
        }
        memcpy(quote, quote_bytes.data, quote_size);
        if (info != NULL) {
            memcpy(info, info_bytes.data, sizeof *info);
        }
    }
    *ret_code = code;
    *ret_size = quote_size;
    return true;
}

bool relay_answer_write(Buffer *payload, Quote3Error code, const uint8_t *quote, uint32_t size,
                        const SgxQeReportInfo *info) {
    uint8_t header[RELAY_ANSWER_HEADER_SIZE];
    bool success = code == QUOTE3_SUCCESS;
    bytes_put_le32(header, code);
    bytes_put_le32(header + 4, success ? size : 0);
    buffer_clear(payload);
    return buffer_append(payload, header, sizeof header) &&
           (!success || buffer_append(payload, quote, size)) &&
           (!success || info == NULL || buffer_append(payload, info, sizeof *info));
}
