/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/encoding.h"

enum { BASE64_PAD = 64, BASE64_NONE = 65, HEX_NONE = 16 };

static unsigned hex_value(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - (unsigned)'0'
           : c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10
           : c >= 'A' && c <= 'F' ? c - (unsigned)'A' + 10
                                  : HEX_NONE;
}

static unsigned base64_value(uint8_t c) {
    return c >= 'A' && c <= 'Z'   ? c - (unsigned)'A'
           : c >= 'a' && c <= 'z' ? c - (unsigned)'a' + 26
           : c >= '0' && c <= '9' ? c - (unsigned)'0' + 52
           : c == '+' || c == '-' ? 62
           : c == '/' || c == '_' ? 63
           : c == '='             ? BASE64_PAD
                                  : BASE64_NONE;
}

Bytes encoding_without_0x(Bytes text) {
    bool there = text.size >= 2 && text.data[0] == '0' && (text.data[1] == 'x' || text.data[1] == 'X');
    return there ? (Bytes){text.data + 2, text.size - 2} : text;
}

bool encoding_is_hex(Bytes text) {
    for (size_t at = 0; at < text.size; at++) {
        if (hex_value(text.data[at]) == HEX_NONE) {
            return false;
        }
    }
    return text.size > 0 && text.size % 2 == 0;
}

bool encoding_decode_hex(Bytes text, Buffer *bytes) {
    for (size_t at = 0; at < text.size; at += 2) {
        unsigned high = hex_value(text.data[at]),
                 low = at + 1 < text.size ? hex_value(text.data[at + 1]) : HEX_NONE;
        uint8_t octet = (uint8_t)(high << 4 | low);
        if (high == HEX_NONE || low == HEX_NONE || !buffer_append(bytes, &octet, 1)) {
            return false;
        }
    }
    return true;
}

bool encoding_decode_base64(Bytes text, Buffer *bytes) {
    uint32_t bits = 0;
    unsigned count = 0;
    bool ended = false;
    for (size_t at = 0; at < text.size; at++) {
        unsigned value = base64_value(text.data[at]);
        if (value == BASE64_NONE || (ended && value != BASE64_PAD)) {
            return false;
        }
        if (value == BASE64_PAD) {
            ended = true;
            continue;
        }
        bits = (bits << 6 | value) & 0xffffff;
        count += 6;
        if (count >= 8) {
            count -= 8;
            uint8_t octet = (uint8_t)(bits >> count);
            if (!buffer_append(bytes, &octet, 1)) {
                return false;
            }
        }
    }
    return true;
}

bool encoding_decode_percent(Bytes text, bool plus_is_blank, Buffer *bytes) {
    for (size_t at = 0; at < text.size; at++) {
        uint8_t c = text.data[at];
        if (c == '%' && at + 2 < text.size && hex_value(text.data[at + 1]) != HEX_NONE &&
            hex_value(text.data[at + 2]) != HEX_NONE) {
            c = (uint8_t)(hex_value(text.data[at + 1]) << 4 | hex_value(text.data[at + 2]));
            at += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (!buffer_append(bytes, &c, 1)) {
            return false;
        }
    }
    return true;
}
