/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/protobuf.h"

enum {
    TAG_BYTES_MAX = 5,
    LENGTH_BYTES_MAX = 5,
    LENGTH_MAX = INT32_MAX - PROTOBUF_ZEROS_MAX,
    GROUP_END = 4,
    GROUP_DEPTH_MAX = 100
};

static uint8_t byte_at(const ProtobufCursor *cursor, size_t at) {
    return at < cursor->body.size ? cursor->body.data[at] : 0;
}

static bool take_varint(ProtobufCursor *cursor, unsigned max_bytes, uint64_t *ret_value) {
    uint64_t value = 0;
    for (unsigned i = 0; i < max_bytes; i++) {
        uint8_t byte = byte_at(cursor, cursor->at + i);
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            cursor->at += i + 1;
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* A tag has 32 bits, whatever more its five bytes say; field number 0 does not exist. */
static bool take_tag(ProtobufCursor *cursor, uint32_t *ret_number, unsigned *ret_type) {
    uint64_t tag = 0;
    if (!take_varint(cursor, TAG_BYTES_MAX, &tag)) {
        return false;
    }
    *ret_number = (uint32_t)tag >> 3;
    *ret_type = (unsigned)tag & 7;
    return *ret_number != 0;
}

/* What becomes of bytes that run beyond the body. The runtime keeps the body's last 16 bytes with 16 zeros
 * in a buffer of its own: from inside that buffer, a field fits into it with its zeros or is empty; from
 * outside, it is taken as far as the body goes, and takes zeros only if its message claims to go on. */
static void cut_bytes(const ProtobufCursor *cursor, size_t tag_at, ProtobufField *field) {
    size_t left = cursor->body.size > field->start ? cursor->body.size - field->start : 0;
    bool in_last_bytes = tag_at + PROTOBUF_ZEROS_MAX >= cursor->body.size;
    bool fits = field->start + field->size <= cursor->body.size + PROTOBUF_ZEROS_MAX;
    if (fits && (in_last_bytes || cursor->end > cursor->body.size)) {
        field->zeros = (unsigned)(field->size - left);
    } else if (in_last_bytes) {
        left = 0;
    }
    field->bytes.size = left;
}

static bool take_bytes(ProtobufCursor *cursor, size_t tag_at, ProtobufField *field) {
    uint64_t size = 0;
    if (!take_varint(cursor, LENGTH_BYTES_MAX, &size) || size > LENGTH_MAX) {
        return false;
    }
    field->start = cursor->at;
    field->size = size;
    field->bytes =
        (Bytes){cursor->body.data + (cursor->at < cursor->body.size ? cursor->at : cursor->body.size), size};
    if (size > cursor->body.size || cursor->at > cursor->body.size - size) {
        cut_bytes(cursor, tag_at, field);
    }
    cursor->at += size;
    return true;
}

static bool take_value(ProtobufCursor *cursor, size_t tag_at, unsigned type, ProtobufField *field) {
    switch (type) {
    case PROTOBUF_VARINT:
        return take_varint(cursor, PROTOBUF_VARINT_MAX, &field->value);
    case PROTOBUF_FIXED64:
        cursor->at += 8;
        return true;
    case PROTOBUF_FIXED32:
        cursor->at += 4;
        return true;
    case PROTOBUF_BYTES:
        return take_bytes(cursor, tag_at, field);
    default:
        return false;
    }
}

static ProtobufStep look(const ProtobufCursor *cursor) {
    if (cursor->at == cursor->end && cursor->at <= cursor->body.size) {
        return PROTOBUF_END;
    }
    return cursor->at < cursor->end && cursor->at < cursor->body.size ? PROTOBUF_FIELD : PROTOBUF_ERROR;
}

/* From behind a group's start tag to behind its end tag, with the groups inside. */
static bool skip_group(ProtobufCursor *cursor, uint32_t number) {
    uint32_t open[GROUP_DEPTH_MAX] = {number};
    unsigned depth = 1;
    while (depth > 0) {
        ProtobufField field = {0};
        uint32_t inner = 0;
        unsigned type = 0;
        size_t tag_at = cursor->at;
        if (look(cursor) != PROTOBUF_FIELD || !take_tag(cursor, &inner, &type)) {
            return false;
        }
        if (type == PROTOBUF_GROUP) {
            if (depth == cursor->depth) {
                return false;
            }
            open[depth++] = inner;
        } else if (type == GROUP_END) {
            if (open[--depth] != inner) {
                return false;
            }
        } else if (!take_value(cursor, tag_at, type, &field)) {
            return false;
        }
    }
    return true;
}

ProtobufCursor protobuf_begin(Bytes body) {
    return (ProtobufCursor){.body = body, .end = body.size, .depth = GROUP_DEPTH_MAX};
}

ProtobufCursor protobuf_inside(const ProtobufCursor *outer, const ProtobufField *field) {
    return (ProtobufCursor){.body = outer->body,
                            .at = field->start,
                            .end = field->start + field->size,
                            .depth = outer->depth - 1};
}

ProtobufStep protobuf_next(ProtobufCursor *cursor, ProtobufField *ret_field) {
    ProtobufField field = {0};
    unsigned type = 0;
    size_t tag_at = cursor->at;
    ProtobufStep step = look(cursor);
    if (step != PROTOBUF_FIELD) {
        return step;
    }
    if (!take_tag(cursor, &field.number, &type) ||
        (type == PROTOBUF_GROUP && !skip_group(cursor, field.number))) {
        return PROTOBUF_ERROR;
    }
    field.type = (ProtobufType)type;
    if (type != PROTOBUF_GROUP && !take_value(cursor, tag_at, type, &field)) {
        field.broken = true;
        cursor->at = SIZE_MAX;
    }
    *ret_field = field;
    return PROTOBUF_FIELD;
}

size_t protobuf_put_varint(uint8_t *at, uint64_t value) {
    size_t size = 0;
    for (; value >= 0x80; value >>= 7) {
        at[size++] = (uint8_t)(value | 0x80);
    }
    at[size++] = (uint8_t)value;
    return size;
}
