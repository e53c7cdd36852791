/* SPDX-License-Identifier: Apache-2.0
 *
 * Protobuf: as much of the proto2 wire format as AESM needs, read as Google's C++ runtime reads it.
 *
 * Intel's server decodes with that runtime and goes on with whatever it made of a damaged message, so what
 * a client is answered depends on the runtime's habits: everything before the first error counts, and a
 * value may be read beyond the end of its message before the error is noticed; behind the last byte lie
 * zeros. No library that refuses a message as a whole can serve here (docs/decisions/0021). A cursor walks
 * over the fields of one message; nothing is allocated, views borrow the body, and only its bytes are read.
 */
#ifndef QUOTED_WIRE_PROTOBUF_H
#define QUOTED_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"

typedef enum ProtobufType {
    PROTOBUF_VARINT = 0,
    PROTOBUF_FIXED64 = 1,
    PROTOBUF_BYTES = 2,
    PROTOBUF_GROUP = 3, /* skipped as a whole */
    PROTOBUF_FIXED32 = 5
} ProtobufType;

enum { PROTOBUF_VARINT_MAX = 10, PROTOBUF_ZEROS_MAX = 16 };

typedef struct ProtobufCursor {
    Bytes body;     /* of the outermost message */
    size_t at;      /* may run beyond `end` and beyond the body: then the next step is the error */
    size_t end;     /* of this message; beyond the body if the message's length says so */
    unsigned depth; /* how many groups may still be nested here */
} ProtobufCursor;

typedef struct ProtobufField {
    uint32_t number;
    ProtobufType type;
    uint64_t value; /* varint */
    bool broken;    /* no value could be read; the walk is over */
    Bytes bytes;    /* of PROTOBUF_BYTES: as much as the body has */
    unsigned zeros; /* that follow the bytes where the body ended too early, at most PROTOBUF_ZEROS_MAX */
    size_t start;   /* where PROTOBUF_BYTES begin, */
    size_t size;    /* and how long they claim to be: for protobuf_inside */
} ProtobufField;

typedef enum ProtobufStep { PROTOBUF_FIELD, PROTOBUF_END, PROTOBUF_ERROR } ProtobufStep;

ProtobufCursor protobuf_begin(Bytes body);
/* Over the message that a PROTOBUF_BYTES field is. */
ProtobufCursor protobuf_inside(const ProtobufCursor *outer, const ProtobufField *field);

/* After PROTOBUF_ERROR the walk is over, also that over the messages around this one. */
ProtobufStep protobuf_next(ProtobufCursor *cursor, ProtobufField *ret_field);

/* Writes at `at`, which has room for 10 bytes; returns the number of bytes written. */
size_t protobuf_put_varint(uint8_t *at, uint64_t value);

#endif
