/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/response.h"

#include "quoted/wire/protobuf.h"

void aesm_response_done(AesmResponse *response) {
    buffer_done(&response->buffer);
}

static void put(AesmResponse *response, const void *data, size_t size) {
    response->good = response->good && buffer_append(&response->buffer, data, size);
}

static void put_varint(AesmResponse *response, uint64_t value) {
    uint8_t bytes[PROTOBUF_VARINT_MAX];
    put(response, bytes, protobuf_put_varint(bytes, value));
}

void aesm_response_begin(AesmResponse *response, AesmCode code) {
    buffer_clear(&response->buffer);
    response->good = buffer_append_zeros(&response->buffer, AESM_RESPONSE_HEADROOM);
    aesm_response_add_number(response, 1, code);
}

void aesm_response_add_number(AesmResponse *response, unsigned field, uint64_t value) {
    put_varint(response, field << 3 | PROTOBUF_VARINT);
    put_varint(response, value);
}

void aesm_response_add_bytes(AesmResponse *response, unsigned field, const void *data, size_t size,
                             size_t padded) {
    put_varint(response, field << 3 | PROTOBUF_BYTES);
    put_varint(response, padded);
    put(response, data, size);
    response->good = response->good && buffer_append_zeros(&response->buffer, padded - size);
}

Bytes aesm_response_end(AesmResponse *response, AesmNumber number) {
    if (!response->good) {
        return (Bytes){0};
    }
    uint8_t headers[AESM_RESPONSE_HEADROOM];
    size_t message_size = response->buffer.size - AESM_RESPONSE_HEADROOM;
    size_t size = AESM_FRAME_HEADER_SIZE;
    size += protobuf_put_varint(headers + size, (unsigned)number << 3 | PROTOBUF_BYTES);
    size += protobuf_put_varint(headers + size, message_size);
    bytes_put_le32(headers, (uint32_t)(size - AESM_FRAME_HEADER_SIZE + message_size));
    uint8_t *start = response->buffer.data + AESM_RESPONSE_HEADROOM - size;
    memcpy(start, headers, size);
    return (Bytes){start, size + message_size};
}

/* An answer is ours or Intel's own: what is cut or does not end with its message is no answer. */
static bool read_answer(Bytes body, AesmNumber number, AesmField fields[AESM_FIELDS_END]) {
    ProtobufField outer;
    ProtobufField inner;
    ProtobufStep step;
    ProtobufCursor cursor = protobuf_begin(body);
    if (protobuf_next(&cursor, &outer) != PROTOBUF_FIELD || outer.broken || outer.number != number ||
        outer.type != PROTOBUF_BYTES || outer.bytes.size != outer.size) {
        return false;
    }
    ProtobufCursor message = protobuf_inside(&cursor, &outer);
    while ((step = protobuf_next(&message, &inner)) == PROTOBUF_FIELD) {
        if (inner.number < AESM_FIELDS_END) {
            fields[inner.number] = (AesmField){.present = true, .value = inner.value, .bytes = inner.bytes};
        }
    }
    return step == PROTOBUF_END && fields[1].present;
}

bool aesm_response_read(Bytes body, AesmNumber number, AesmField fields[AESM_FIELDS_END]) {
    AesmField read[AESM_FIELDS_END] = {0};
    if (!read_answer(body, number, read)) {
        return false;
    }
    memcpy(fields, read, sizeof read);
    return true;
}
