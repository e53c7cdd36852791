/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/request.h"

#include "quoted/wire/protobuf.h"

typedef enum FieldType { FIELD_NONE, FIELD_U32, FIELD_U64, FIELD_BOOL, FIELD_BYTES } FieldType;

typedef struct RequestShape {
    const char *name;  /* NULL: there is no such request */
    uint16_t required; /* bit N: field N */
    uint8_t types[AESM_FIELDS_END];
} RequestShape;

#define REQUIRED(number) (1U << (number))

static const RequestShape shapes[AESM_NUMBERS_END] = {
    [AESM_LEGACY_INIT_QUOTE] = {"legacy-init-quote", 0, {[9] = FIELD_U32}},
    [AESM_LEGACY_GET_QUOTE] = {"legacy-quote",
                               REQUIRED(1) | REQUIRED(2) | REQUIRED(3) | REQUIRED(6),
                               {[1] = FIELD_BYTES,
                                [2] = FIELD_U32,
                                [3] = FIELD_BYTES,
                                [4] = FIELD_BYTES,
                                [5] = FIELD_BYTES,
                                [6] = FIELD_U32,
                                [7] = FIELD_BOOL,
                                [9] = FIELD_U32}},
    [AESM_LEGACY_GET_LICENSE_TOKEN] =
        {"legacy-license-token",
         REQUIRED(1) | REQUIRED(2) | REQUIRED(3),
         {[1] = FIELD_BYTES, [2] = FIELD_BYTES, [3] = FIELD_BYTES, [9] = FIELD_U32}},
    [AESM_LEGACY_REPORT_ERROR] = {"legacy-report-error",
                                  REQUIRED(1) | REQUIRED(2) | REQUIRED(3),
                                  {[1] = FIELD_BYTES, [2] = FIELD_U32, [3] = FIELD_U32, [9] = FIELD_U32}},
    [AESM_LEGACY_WHITE_LIST_SIZE] = {"legacy-white-list-size", 0, {[9] = FIELD_U32}},
    [AESM_LEGACY_WHITE_LIST] = {"legacy-white-list", 0, {[1] = FIELD_U32, [9] = FIELD_U32}},
    [AESM_LEGACY_GET_GROUP] = {"legacy-get-group", 0, {[9] = FIELD_U32}},
    [AESM_LEGACY_SWITCH_GROUP] = {"legacy-switch-group", 0, {[1] = FIELD_U32, [9] = FIELD_U32}},
    [AESM_LEGACY_REGISTER] = {"legacy-register",
                              REQUIRED(1) | REQUIRED(2),
                              {[1] = FIELD_BYTES, [2] = FIELD_U32, [9] = FIELD_U32}},
    [AESM_INIT_QUOTE] = {"init-quote",
                         REQUIRED(3),
                         {[1] = FIELD_BYTES, [3] = FIELD_BOOL, [4] = FIELD_U64, [9] = FIELD_U32}},
    [AESM_QUOTE_SIZE] = {"quote-size", 0, {[1] = FIELD_BYTES, [9] = FIELD_U32}},
    [AESM_QUOTE] =
        {"quote",
         REQUIRED(1) | REQUIRED(4),
         {[1] = FIELD_BYTES, [2] = FIELD_BYTES, [3] = FIELD_BYTES, [4] = FIELD_U32, [9] = FIELD_U32}},
    [AESM_LEGACY_UPDATE_STATUS] = {"legacy-update-status",
                                   REQUIRED(2) | REQUIRED(3),
                                   {[1] = FIELD_BYTES, [2] = FIELD_U32, [3] = FIELD_U32, [9] = FIELD_U32}},
    [AESM_SELECT_KEY] = {"select-key", 0, {[1] = FIELD_BYTES, [2] = FIELD_U32}},
    [AESM_KEY_COUNT] = {"key-count", 0, {[9] = FIELD_U32}},
    [AESM_KEY_IDS] = {"key-ids", REQUIRED(1), {[1] = FIELD_U32, [9] = FIELD_U32}},
};

/* Which of several requests in one message is answered. */
static const uint8_t order[] = {AESM_LEGACY_GET_LICENSE_TOKEN,
                                AESM_LEGACY_INIT_QUOTE,
                                AESM_LEGACY_GET_QUOTE,
                                AESM_LEGACY_REPORT_ERROR,
                                AESM_LEGACY_UPDATE_STATUS,
                                AESM_LEGACY_WHITE_LIST_SIZE,
                                AESM_LEGACY_WHITE_LIST,
                                AESM_LEGACY_GET_GROUP,
                                AESM_LEGACY_SWITCH_GROUP,
                                AESM_LEGACY_REGISTER,
                                AESM_INIT_QUOTE,
                                AESM_QUOTE_SIZE,
                                AESM_QUOTE,
                                AESM_SELECT_KEY,
                                AESM_KEY_COUNT,
                                AESM_KEY_IDS};

const char *aesm_number_name(unsigned number) {
    return number < AESM_NUMBERS_END ? shapes[number].name : NULL;
}

static bool is_known_request(const ProtobufField *field) {
    return field->type == PROTOBUF_BYTES && aesm_number_name(field->number) != NULL;
}

/* A value of another wire type than the field's is an unknown field. A field whose value cannot be read is
 * there all the same: a number as 0, bytes as they were before. */
static void store_field(const RequestShape *shape, const ProtobufField *read, AesmField *fields) {
    FieldType type = read->number < AESM_FIELDS_END ? (FieldType)shape->types[read->number] : FIELD_NONE;
    if (type == FIELD_NONE || read->type != (type == FIELD_BYTES ? PROTOBUF_BYTES : PROTOBUF_VARINT)) {
        return;
    }
    AesmField *field = &fields[read->number];
    field->present = true;
    switch (type) {
    case FIELD_BYTES:
        if (!read->broken) {
            field->bytes = (Bytes){read->bytes.data, read->bytes.size + read->zeros};
        }
        break;
    case FIELD_U32:
        field->value = (uint32_t)read->value;
        break;
    case FIELD_BOOL:
        field->value = read->value != 0;
        break;
    case FIELD_U64:
    case FIELD_NONE:
        field->value = read->value;
        break;
    }
}

/* True if the message could be read to its end. */
static bool read_fields(const RequestShape *shape, ProtobufCursor message, AesmField *fields) {
    ProtobufField field;
    ProtobufStep step;
    while ((step = protobuf_next(&message, &field)) == PROTOBUF_FIELD) {
        store_field(shape, &field, fields);
    }
    return step == PROTOBUF_END;
}

/* Walks over the outer message as far as it can be read: the set of requests that are there, and with
 * `wanted` also the fields of that one, merged if it is there more than once. */
static uint32_t walk(Bytes body, unsigned wanted, AesmField *fields) {
    uint32_t present = 0;
    ProtobufField field;
    AesmField unwanted[AESM_FIELDS_END] = {0};
    ProtobufCursor cursor = protobuf_begin(body);
    while (protobuf_next(&cursor, &field) == PROTOBUF_FIELD) {
        if (!is_known_request(&field)) {
            continue;
        }
        present |= 1U << field.number;
        if (field.broken || !read_fields(&shapes[field.number], protobuf_inside(&cursor, &field),
                                         field.number == wanted ? fields : unwanted)) {
            break;
        }
    }
    return present;
}

bool aesm_request_read(const uint8_t *body, size_t size, AesmRequest *ret_request) {
    AesmRequest request = {0};
    Bytes bytes = {body, size};
    uint32_t present = walk(bytes, 0, request.fields);
    for (size_t i = 0; i < sizeof order && request.number == 0; i++) {
        if ((present & 1U << order[i]) != 0) {
            request.number = (AesmNumber)order[i];
        }
    }
    if (request.number == 0) {
        return false;
    }
    (void)walk(bytes, request.number, request.fields);
    request.complete = true;
    for (unsigned i = 1; i < AESM_FIELDS_END; i++) {
        bool required = (shapes[request.number].required & REQUIRED(i)) != 0;
        request.complete = request.complete && (!required || request.fields[i].present);
    }
    *ret_request = request;
    return true;
}

static bool put_varint(Buffer *frame, uint64_t value) {
    uint8_t bytes[PROTOBUF_VARINT_MAX];
    return buffer_append(frame, bytes, protobuf_put_varint(bytes, value));
}

static bool put_fields(const AesmRequest *request, Buffer *message) {
    bool good = true;
    for (unsigned i = 1; good && i < AESM_FIELDS_END; i++) {
        const AesmField *field = &request->fields[i];
        if (!field->present) {
            continue;
        }
        bool is_bytes = shapes[request->number].types[i] == FIELD_BYTES;
        good = put_varint(message, i << 3 | (is_bytes ? PROTOBUF_BYTES : PROTOBUF_VARINT)) &&
               put_varint(message, is_bytes ? field->bytes.size : field->value) &&
               (!is_bytes || buffer_append(message, field->bytes.data, field->bytes.size));
    }
    return good;
}

bool aesm_request_write(const AesmRequest *request, Buffer *frame) {
    uint8_t length[AESM_FRAME_HEADER_SIZE] = {0};
    size_t start = frame->size;
    Buffer message = BUFFER_INIT(frame->max);
    bool good = put_fields(request, &message) && buffer_append(frame, length, sizeof length) &&
                put_varint(frame, (unsigned)request->number << 3 | PROTOBUF_BYTES) &&
                put_varint(frame, message.size) && buffer_append(frame, message.data, message.size);
    buffer_done(&message);
    if (good) {
        bytes_put_le32(frame->data + start, (uint32_t)(frame->size - start - sizeof length));
    }
    return good;
}
