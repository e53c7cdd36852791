/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/answer.h"

#include <string.h>

#include "bundles/sgx/att_key_id.h"

enum { LIST_HEADER_SIZE = 8 };

static AesmCode check_key_id(const AesmField *field) {
    if (field->bytes.size < SGX_ATT_KEY_ID_SIZE) {
        return AESM_PARAMETER;
    }
    return memcmp(field->bytes.data, &sgx_att_key_id_ecdsa, SGX_ATT_KEY_ID_BASE_SIZE) == 0
               ? AESM_SUCCESS
               : AESM_UNSUPPORTED_ATT_KEY_ID;
}

void answer_error(const AesmRequest *request, AesmCode code, AesmResponse *response) {
    const AesmField *fields = request->fields;
    aesm_response_begin(response, code);
    switch (request->number) {
    case AESM_INIT_QUOTE:
        aesm_response_add_number(response, 3, request->complete ? fields[4].value : 0);
        break;
    case AESM_QUOTE:
        if (request->complete && fields[3].bytes.size > 0) {
            aesm_response_add_bytes(response, 3, fields[3].bytes.data, fields[3].bytes.size,
                                    fields[3].bytes.size);
        }
        break;
    case AESM_QUOTE_SIZE:
    case AESM_KEY_COUNT:
    case AESM_LEGACY_WHITE_LIST_SIZE:
    case AESM_LEGACY_GET_GROUP:
        aesm_response_add_number(response, 2, 0);
        break;
    case AESM_LEGACY_UPDATE_STATUS:
        aesm_response_add_number(response, 3, 0);
        break;
    case AESM_LEGACY_INIT_QUOTE:
    case AESM_LEGACY_GET_QUOTE:
    case AESM_LEGACY_GET_LICENSE_TOKEN:
    case AESM_LEGACY_REPORT_ERROR:
    case AESM_LEGACY_WHITE_LIST:
    case AESM_LEGACY_SWITCH_GROUP:
    case AESM_LEGACY_REGISTER:
    case AESM_SELECT_KEY:
    case AESM_KEY_IDS:
    case AESM_NUMBERS_END:
        break;
    }
}

static AesmCode answer_init(const AesmField *fields, const AnswerFacts *facts, AesmResponse *response) {
    static const SgxTargetInfo no_target_info;
    AesmCode code = check_key_id(&fields[1]);
    bool wants_key = fields[3].value != 0;
    if (code != AESM_SUCCESS) {
        return code;
    }
    if (wants_key && fields[4].value != ENGINE_PUB_KEY_ID_SIZE) {
        return AESM_PARAMETER;
    }
    aesm_response_begin(response, AESM_SUCCESS);
    aesm_response_add_bytes(response, 2, wants_key ? &facts->engine.target_info : &no_target_info,
                            sizeof no_target_info, sizeof no_target_info);
    aesm_response_add_number(response, 3, ENGINE_PUB_KEY_ID_SIZE);
    if (wants_key) {
        aesm_response_add_bytes(response, 4, facts->engine.pub_key_id, ENGINE_PUB_KEY_ID_SIZE,
                                ENGINE_PUB_KEY_ID_SIZE);
    }
    return AESM_SUCCESS;
}

static AesmCode answer_size(const AesmField *fields, const AnswerFacts *facts, AesmResponse *response) {
    AesmCode code = check_key_id(&fields[1]);
    if (code == AESM_SUCCESS) {
        aesm_response_begin(response, AESM_SUCCESS);
        aesm_response_add_number(response, 2, facts->quote_size);
    }
    return code;
}

/* The caller's own entry is the answer, whatever it has behind the identity proper. */
static AesmCode select_from_list(Bytes list, AesmResponse *response) {
    if (list.size < LIST_HEADER_SIZE + SGX_ATT_KEY_ID_SIZE) {
        return AESM_PARAMETER;
    }
    uint32_t count = bytes_le32(list.data + 4);
    if (bytes_le32(list.data) != 0 || count > SGX_ATT_KEY_ID_LIST_MAX ||
        list.size != LIST_HEADER_SIZE + (size_t)count * SGX_ATT_KEY_ID_SIZE) {
        return AESM_PARAMETER;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = list.data + LIST_HEADER_SIZE + (size_t)i * SGX_ATT_KEY_ID_SIZE;
        if (memcmp(entry, &sgx_att_key_id_ecdsa, SGX_ATT_KEY_ID_BASE_SIZE) == 0) {
            aesm_response_begin(response, AESM_SUCCESS);
            aesm_response_add_bytes(response, 2, entry, SGX_ATT_KEY_ID_SIZE, SGX_ATT_KEY_ID_SIZE);
            return AESM_SUCCESS;
        }
    }
    return AESM_UNSUPPORTED_ATT_KEY_ID;
}

static AesmCode answer_own_key_id(AesmResponse *response) {
    aesm_response_begin(response, AESM_SUCCESS);
    aesm_response_add_bytes(response, 2, &sgx_att_key_id_ecdsa, SGX_ATT_KEY_ID_SIZE, SGX_ATT_KEY_ID_SIZE);
    return AESM_SUCCESS;
}

static AesmCode answer_count(AesmResponse *response) {
    aesm_response_begin(response, AESM_SUCCESS);
    aesm_response_add_number(response, 2, ANSWER_KEY_IDS);
    return AESM_SUCCESS;
}

/* Of a quote only what can be wrong before the engine sees it. */
static AesmCode check_quote(const AesmField *fields, const AnswerFacts *facts) {
    AesmCode code = check_key_id(&fields[2]);
    if (code != AESM_SUCCESS) {
        return code;
    }
    bool good = fields[1].bytes.size == SGX_REPORT_SIZE &&
                (!fields[3].present || fields[3].bytes.size == SGX_QE_REPORT_INFO_SIZE);
    if (!good || (fields[4].value < facts->engine.quote_size && !facts->ducks)) {
        return AESM_PARAMETER;
    }
    /* A quoting enclave copies the whole buffer into its heap, where no more fits. */
    return fields[4].value < ANSWER_BUFFER_SIZE_MAX ? AESM_SUCCESS : AESM_OUT_OF_MEMORY;
}

static AesmCode answer_content(const AesmRequest *request, const AnswerFacts *facts, AesmResponse *response) {
    const AesmField *fields = request->fields;
    switch (request->number) {
    case AESM_INIT_QUOTE:
        return answer_init(fields, facts, response);
    case AESM_QUOTE_SIZE:
        return answer_size(fields, facts, response);
    case AESM_QUOTE:
        return check_quote(fields, facts);
    case AESM_SELECT_KEY:
        return fields[1].present ? select_from_list(fields[1].bytes, response) : answer_own_key_id(response);
    case AESM_KEY_COUNT:
        return answer_count(response);
    case AESM_KEY_IDS:
        return fields[1].value == (uint64_t)ANSWER_KEY_IDS * SGX_ATT_KEY_ID_SIZE ? answer_own_key_id(response)
                                                                                 : AESM_PARAMETER;
    case AESM_LEGACY_REGISTER:
        return fields[2].value == 0 ? AESM_SERVICE_UNAVAILABLE : AESM_PARAMETER;
    case AESM_LEGACY_INIT_QUOTE:
    case AESM_LEGACY_GET_QUOTE:
    case AESM_LEGACY_GET_LICENSE_TOKEN:
    case AESM_LEGACY_REPORT_ERROR:
    case AESM_LEGACY_WHITE_LIST_SIZE:
    case AESM_LEGACY_WHITE_LIST:
    case AESM_LEGACY_GET_GROUP:
    case AESM_LEGACY_SWITCH_GROUP:
    case AESM_LEGACY_UPDATE_STATUS:
    case AESM_NUMBERS_END:
        break;
    }
    return AESM_SERVICE_UNAVAILABLE;
}

AnswerKind answer_request(const AesmRequest *request, const AnswerFacts *facts, AesmResponse *response,
                          AesmCode *ret_code) {
    AesmCode code = request->complete ? answer_content(request, facts, response) : AESM_UNEXPECTED;
    *ret_code = code;
    if (code != AESM_SUCCESS) {
        answer_error(request, code, response);
        return ANSWER_DONE;
    }
    return request->number == AESM_QUOTE ? ANSWER_NEEDS_QUOTE : ANSWER_DONE;
}

void answer_quote_take(const AesmRequest *request, AnswerQuote *ret_quote) {
    const AesmField *fields = request->fields;
    memcpy(&ret_quote->report, fields[1].bytes.data, sizeof ret_quote->report);
    ret_quote->buffer_size = (uint32_t)fields[4].value;
    ret_quote->has_info = fields[3].present;
    if (ret_quote->has_info) {
        memcpy(&ret_quote->info, fields[3].bytes.data, sizeof ret_quote->info);
    }
}

static void add_info(const AnswerQuote *quote, AesmResponse *response) {
    if (quote->has_info) {
        aesm_response_add_bytes(response, 3, &quote->info, sizeof quote->info, sizeof quote->info);
    }
}

void answer_quote(const AnswerQuote *quote, const uint8_t *bytes, uint32_t size, AesmResponse *response) {
    aesm_response_begin(response, AESM_SUCCESS);
    aesm_response_add_bytes(response, 2, bytes, size, quote->buffer_size);
    add_info(quote, response);
}

void answer_quote_error(const AnswerQuote *quote, AesmCode code, AesmResponse *response) {
    aesm_response_begin(response, code);
    add_info(quote, response);
}
