/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/bytes.h"

#include <openssl/crypto.h>

bool bytes_slice(Bytes all, uint64_t offset, uint64_t size, Bytes *ret_part) {
    if (offset > all.size || size > all.size - offset) {
        return false;
    }
    *ret_part = (Bytes){.data = size == 0 ? all.data : all.data + offset, .size = (size_t)size};
    return true;
}

bool bytes_take(Bytes *cursor, uint64_t size, Bytes *ret_part) {
    if (!bytes_slice(*cursor, 0, size, ret_part)) {
        return false;
    }
    if (size > 0) {
        cursor->data += size;
        cursor->size -= (size_t)size;
    }
    return true;
}

bool bytes_take_u8(Bytes *cursor, uint8_t *ret_value) {
    Bytes part;
    if (!bytes_take(cursor, sizeof *ret_value, &part)) {
        return false;
    }
    *ret_value = part.data[0];
    return true;
}

bool bytes_take_le16(Bytes *cursor, uint16_t *ret_value) {
    Bytes part;
    if (!bytes_take(cursor, sizeof *ret_value, &part)) {
        return false;
    }
    *ret_value = bytes_le16(part.data);
    return true;
}

bool bytes_take_le32(Bytes *cursor, uint32_t *ret_value) {
    Bytes part;
    if (!bytes_take(cursor, sizeof *ret_value, &part)) {
        return false;
    }
    *ret_value = bytes_le32(part.data);
    return true;
}

bool bytes_equal(Bytes a, Bytes b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_are_zero(Bytes bytes) {
    for (size_t at = 0; at < bytes.size; at++) {
        if (bytes.data[at] != 0) {
            return false;
        }
    }
    return true;
}

void bytes_cleanse(void *data, size_t size) {
    OPENSSL_cleanse(data, size);
}
