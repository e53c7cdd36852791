/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/der.h"

enum { LENGTH_LONG = 0x80, LENGTH_OCTETS_MAX = 2 };

static bool take_length(Bytes *cursor, size_t *ret_length) {
    uint8_t first = 0;
    if (!bytes_take_u8(cursor, &first)) {
        return false;
    }
    if (first < LENGTH_LONG) {
        *ret_length = first;
        return true;
    }
    unsigned octets = first - LENGTH_LONG;
    if (octets == 0 || octets > LENGTH_OCTETS_MAX) {
        return false;
    }
    size_t length = 0;
    for (unsigned at = 0; at < octets; at++) {
        uint8_t octet = 0;
        if (!bytes_take_u8(cursor, &octet)) {
            return false;
        }
        length = length << 8 | octet;
    }
    if (length < (octets == 1 ? 0x80U : 0x100U)) {
        return false;
    }
    *ret_length = length;
    return true;
}

bool der_take(Bytes *cursor, uint8_t tag, Bytes *ret_content) {
    Bytes rest = *cursor;
    uint8_t found = 0;
    size_t length = 0;
    if (!bytes_take_u8(&rest, &found) || found != tag || !take_length(&rest, &length) ||
        !bytes_take(&rest, length, ret_content)) {
        return false;
    }
    *cursor = rest;
    return true;
}

bool der_take_number(Bytes *cursor, uint8_t tag, uint32_t max, uint32_t *ret_value) {
    Bytes rest = *cursor, content;
    if (!der_take(&rest, tag, &content) || content.size == 0 || content.size > sizeof(uint32_t) + 1) {
        return false;
    }
    bool negative = (content.data[0] & 0x80) != 0;
    bool padded = content.size > 1 && content.data[0] == 0 && (content.data[1] & 0x80) == 0;
    uint64_t value = 0;
    for (size_t at = 0; at < content.size; at++) {
        value = value << 8 | content.data[at];
    }
    if (negative || padded || value > max) {
        return false;
    }
    *ret_value = (uint32_t)value;
    *cursor = rest;
    return true;
}

bool der_take_boolean(Bytes *cursor, bool *ret_value) {
    Bytes rest = *cursor, content;
    if (!der_take(&rest, DER_BOOLEAN, &content) || content.size != 1 ||
        (content.data[0] != 0 && content.data[0] != 0xff)) {
        return false;
    }
    *ret_value = content.data[0] != 0;
    *cursor = rest;
    return true;
}

bool der_take_octets(Bytes *cursor, uint8_t *octets, size_t size) {
    Bytes rest = *cursor, content;
    if (!der_take(&rest, DER_OCTET_STRING, &content) || content.size != size) {
        return false;
    }
    memcpy(octets, content.data, size);
    *cursor = rest;
    return true;
}
