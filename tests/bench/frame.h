/* SPDX-License-Identifier: Apache-2.0
 *
 * Frame: the four AESM requests that a quoting application sends, ready to go, and a strict reader of their
 * answers.
 *
 * This is a second implementation on purpose: quoted's own decoder is lenient, as Intel's is, and a load
 * generator that shared it would not see a malformed answer. Here every rule that some client depends on is
 * insisted on: the answer's number, an explicit error code, fields in ascending order and nothing behind.
 */
#ifndef TESTS_BENCH_FRAME_H
#define TESTS_BENCH_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/sgx/report.h"

typedef enum FrameKind {
    FRAME_NUM,   /* number of attestation keys (21) */
    FRAME_INIT,  /* target info and key id (15) */
    FRAME_SIZE,  /* quote size (16) */
    FRAME_QUOTE, /* quote (17) */
    FRAME_KINDS_COUNT
} FrameKind;

const char *frame_kind_name(FrameKind kind); /* "init" */

enum { FRAME_SIZE_MAX = 1024, FRAME_QUOTE_BUFFER_MAX = 64 * 1024 };

typedef struct Frame {
    uint8_t data[FRAME_SIZE_MAX];
    size_t size;
} Frame;

/* `report` and `buffer_size` for FRAME_QUOTE only. */
void frame_make(Frame *frame, FrameKind kind, const SgxReport *report, uint32_t buffer_size);
Bytes frame_bytes(const Frame *frame);

typedef struct FrameAnswer {
    uint32_t code;     /* AESM error code; what follows is set only if it is 0 */
    uint32_t number;   /* count of key ids (21), quote size (16) */
    Bytes target_info; /* 512 (15); borrowed from the body */
    Bytes quote;       /* exactly the buffer size asked for (17); borrowed from the body */
} FrameAnswer;

/* False: not a well-formed answer to a request of this kind. */
bool frame_read(Bytes body, FrameKind kind, uint32_t buffer_size, FrameAnswer *ret_answer);

#endif
