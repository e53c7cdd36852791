/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes: a bounded view of bytes that were read from outside, and loads and stores at any alignment.
 *
 * A Bytes borrows: it lives as long as what it points into. A cursor over it is the view itself: every take
 * function moves `data` forward or fails without moving. Nothing here reads beyond `size`.
 */
#ifndef BUNDLES_BASE_BYTES_H
#define BUNDLES_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct Bytes {
    const uint8_t *data;
    size_t size;
} Bytes;

/* The part [offset, offset + size); false if it is not all inside. Safe against overflow. */
bool bytes_slice(Bytes all, uint64_t offset, uint64_t size, Bytes *ret_part);

bool bytes_take(Bytes *cursor, uint64_t size, Bytes *ret_part);
bool bytes_take_u8(Bytes *cursor, uint8_t *ret_value);
bool bytes_take_le16(Bytes *cursor, uint16_t *ret_value);
bool bytes_take_le32(Bytes *cursor, uint32_t *ret_value);

bool bytes_equal(Bytes a, Bytes b);
bool bytes_are_zero(Bytes bytes);

/* Overwrites so that the compiler cannot leave it out. */
void bytes_cleanse(void *data, size_t size);

static inline uint16_t bytes_le16(const void *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value; /* x86-64 only, as SGX is: the host is little endian */
}

static inline uint32_t bytes_le32(const void *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t bytes_le64(const void *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline void bytes_put_le16(void *at, uint16_t value) {
    memcpy(at, &value, sizeof value);
}

static inline void bytes_put_le32(void *at, uint32_t value) {
    memcpy(at, &value, sizeof value);
}

static inline void bytes_put_le64(void *at, uint64_t value) {
    memcpy(at, &value, sizeof value);
}

#endif
