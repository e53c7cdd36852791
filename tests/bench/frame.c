/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/frame.h"

#include <assert.h>
#include <string.h>

#include "bundles/sgx/att_key_id.h"

enum { WIRE_VARINT = 0, WIRE_BYTES = 2, LENGTH_SIZE = 4, KEY_ID_SIZE = 32, TIMEOUT_MS = 15000 };

typedef struct KindFacts {
    const char *name;
    uint32_t field; /* of the request and of its answer in the outer message */
} KindFacts;

static const KindFacts kinds[FRAME_KINDS_COUNT] = {
    [FRAME_NUM] = {"num", 21},
    [FRAME_INIT] = {"init", 15},
    [FRAME_SIZE] = {"size", 16},
    [FRAME_QUOTE] = {"quote", 17},
};

const char *frame_kind_name(FrameKind kind) {
    return kinds[kind].name;
}

static void put_varint(Frame *frame, uint64_t value) {
    do {
        assert(frame->size < sizeof frame->data);
        frame->data[frame->size++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
}

static void put_number(Frame *frame, uint32_t field, uint64_t value) {
    put_varint(frame, field << 3 | WIRE_VARINT);
    put_varint(frame, value);
}

static void put_bytes(Frame *frame, uint32_t field, const void *data, size_t size) {
    put_varint(frame, field << 3 | WIRE_BYTES);
    put_varint(frame, size);
    assert(size <= sizeof frame->data - frame->size);
    memcpy(frame->data + frame->size, data, size);
    frame->size += size;
}

void frame_make(Frame *frame, FrameKind kind, const SgxReport *report, uint32_t buffer_size) {
    Frame inner = {.size = 0};
    switch (kind) {
    case FRAME_INIT:
        put_bytes(&inner, 1, &sgx_att_key_id_ecdsa, sizeof sgx_att_key_id_ecdsa);
        put_number(&inner, 3, 1);
        put_number(&inner, 4, KEY_ID_SIZE);
        break;
    case FRAME_SIZE:
        put_bytes(&inner, 1, &sgx_att_key_id_ecdsa, sizeof sgx_att_key_id_ecdsa);
        break;
    case FRAME_QUOTE:
        put_bytes(&inner, 1, report, sizeof *report);
        put_bytes(&inner, 2, &sgx_att_key_id_ecdsa, sizeof sgx_att_key_id_ecdsa);
        put_number(&inner, 4, buffer_size);
        break;
    case FRAME_NUM:
    case FRAME_KINDS_COUNT:
        break;
    }
    put_number(&inner, 9, TIMEOUT_MS);
    frame->size = LENGTH_SIZE;
    put_bytes(frame, kinds[kind].field, inner.data, inner.size);
    bytes_put_le32(frame->data, (uint32_t)(frame->size - LENGTH_SIZE));
}

Bytes frame_bytes(const Frame *frame) {
    return (Bytes){frame->data, frame->size};
}

static bool take_varint(Bytes *cursor, uint64_t *ret_value) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = 0;
        if (!bytes_take_u8(cursor, &byte)) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

typedef struct Field {
    uint32_t id;
    bool is_bytes;
    uint64_t number;
    Bytes bytes;
} Field;

static bool take_field(Bytes *cursor, Field *ret_field) {
    uint64_t tag = 0;
    if (!take_varint(cursor, &tag)) {
        return false;
    }
    *ret_field = (Field){.id = (uint32_t)(tag >> 3), .is_bytes = (tag & 7) == WIRE_BYTES};
    return ((tag & 7) == WIRE_VARINT || ret_field->is_bytes) && take_varint(cursor, &ret_field->number) &&
           (!ret_field->is_bytes || bytes_take(cursor, ret_field->number, &ret_field->bytes));
}

static bool number_field(const Field *field, uint32_t *ret_number) {
    if (field->is_bytes || field->number > UINT32_MAX) {
        return false;
    }
    *ret_number = (uint32_t)field->number;
    return true;
}

static bool known_field(const Field *field, FrameKind kind, FrameAnswer *answer) {
    if (field->id == 1) {
        return number_field(field, &answer->code);
    }
    if (field->id == 2 && (kind == FRAME_NUM || kind == FRAME_SIZE)) {
        return number_field(field, &answer->number);
    }
    if (field->id == 2 && kind == FRAME_INIT) {
        answer->target_info = field->bytes;
        return field->is_bytes && field->bytes.size == SGX_TARGET_INFO_SIZE;
    }
    if (field->id == 2) {
        answer->quote = field->bytes;
        return field->is_bytes;
    }
    /* 15 also has pub_key_id_size (always) and pub_key_id (on success). */
    return kind == FRAME_INIT && ((field->id == 3 && !field->is_bytes) ||
                                  (field->id == 4 && field->is_bytes && field->bytes.size == KEY_ID_SIZE));
}

static bool answer_is_complete(const FrameAnswer *answer, FrameKind kind, uint32_t buffer_size) {
    if (answer->code != 0) {
        return answer->target_info.size == 0 && answer->quote.size == 0;
    }
    switch (kind) {
    case FRAME_INIT:
        return answer->target_info.size > 0;
    case FRAME_QUOTE:
        return answer->quote.size == buffer_size;
    case FRAME_SIZE:
        return answer->number > 0 && answer->number <= FRAME_QUOTE_BUFFER_MAX;
    case FRAME_NUM:
        return answer->number > 0;
    case FRAME_KINDS_COUNT:
        break;
    }
    return false;
}

bool frame_read(Bytes body, FrameKind kind, uint32_t buffer_size, FrameAnswer *ret_answer) {
    Field outer;
    if (!take_field(&body, &outer) || !outer.is_bytes || outer.id != kinds[kind].field || body.size != 0) {
        return false;
    }
    FrameAnswer answer = {.code = 0};
    Bytes inner = outer.bytes;
    uint32_t last = 0;
    while (inner.size > 0) {
        Field field;
        if (!take_field(&inner, &field) || field.id <= last || (last == 0 && field.id != 1) ||
            !known_field(&field, kind, &answer)) {
            return false;
        }
        last = field.id;
    }
    if (last == 0 || !answer_is_complete(&answer, kind, buffer_size)) {
        return false;
    }
    *ret_answer = answer;
    return true;
}
