/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Unit {
    const char *suffix;
    uint64_t factor;
} Unit;

/* Leading digits as a number: the count of digits, 0 if there is none, a needless zero, or an overflow. */
static size_t scan_number(const char *text, uint64_t *ret_value) {
    uint64_t value = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9'; digits++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[digits] - '0'), &value)) {
            return 0;
        }
    }
    if (digits > 1 && text[0] == '0') {
        return 0;
    }
    *ret_value = value;
    return digits;
}

static bool parse_with_unit(const char *text, const Unit *units, size_t units_count, uint64_t *ret_value) {
    uint64_t number = 0;
    size_t digits = scan_number(text, &number);
    if (digits == 0) {
        return false;
    }
    for (size_t at = 0; at < units_count; at++) {
        uint64_t value = 0;
        if (strcmp(text + digits, units[at].suffix) == 0) {
            if (__builtin_mul_overflow(number, units[at].factor, &value)) {
                return false;
            }
            *ret_value = value;
            return true;
        }
    }
    return false;
}

bool text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value) {
    uint64_t value = 0;
    size_t digits = scan_number(text, &value);
    if (digits == 0 || text[digits] != 0 || value < min || value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool text_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value) {
    uint64_t value = 0;
    if (!text_parse_u64(text, min, max, &value)) {
        return false;
    }
    *ret_value = (uint32_t)value;
    return true;
}

bool text_parse_bool(const char *text, bool *ret_value) {
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0) {
        return false;
    }
    *ret_value = is_true;
    return true;
}

bool text_parse_size(const char *text, uint64_t *ret_bytes) {
    static const Unit units[] = {
        {"", 1}, {"KiB", UINT64_C(1) << 10}, {"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30}};
    return parse_with_unit(text, units, sizeof units / sizeof *units, ret_bytes);
}

bool text_parse_duration(const char *text, uint64_t *ret_milliseconds) {
    static const Unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    if (strcmp(text, "0") == 0) {
        *ret_milliseconds = 0;
        return true;
    }
    return parse_with_unit(text, units, sizeof units / sizeof *units, ret_milliseconds);
}

bool text_parse_mode(const char *text, unsigned *ret_mode) {
    unsigned mode = 0;
    for (size_t at = 0; at < 4; at++) {
        if (text[at] < '0' || text[at] > '7') {
            return false;
        }
        mode = mode * 8 + (unsigned)(text[at] - '0');
    }
    if (text[4] != 0) {
        return false;
    }
    *ret_mode = mode;
    return true;
}

enum { NO_HEX_DIGIT = 16 };

static unsigned hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') {
        return (unsigned)(digit - '0');
    }
    if (digit >= 'a' && digit <= 'f') {
        return (unsigned)(digit - 'a') + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return (unsigned)(digit - 'A') + 10;
    }
    return NO_HEX_DIGIT;
}

bool text_parse_hex(const char *text, uint8_t *bytes, size_t size) {
    size_t length = strnlen(text, size * 2 + 1);
    if (length != size * 2) {
        return false;
    }
    for (size_t at = 0; at < length; at++) {
        if (hex_digit(text[at]) == NO_HEX_DIGIT) {
            return false;
        }
    }
    for (size_t at = 0; at < size; at++) {
        bytes[at] = (uint8_t)(hex_digit(text[at * 2]) << 4 | hex_digit(text[at * 2 + 1]));
    }
    return true;
}

void text_format_hex(const uint8_t *bytes, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t at = 0; at < size; at++) {
        text[at * 2] = digits[bytes[at] >> 4];
        text[at * 2 + 1] = digits[bytes[at] & 15];
    }
    text[size * 2] = 0;
}

const char *text_format_size(char *buffer, size_t size, uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    while (unit + 1 < sizeof units / sizeof *units && bytes >> (10 * (unit + 1)) != 0) {
        unit++;
    }
    uint64_t whole = bytes >> (10 * unit);
    /* Only the ten bits below the unit matter for a tenth. */
    uint64_t tenths = unit == 0 ? 0 : (bytes >> (10 * (unit - 1)) & 1023) * 10 / 1024;
    if (tenths == 0) {
        (void)snprintf(buffer, size, "%ju %s", (uintmax_t)whole, units[unit]);
    } else {
        (void)snprintf(buffer, size, "%ju.%ju %s", (uintmax_t)whole, (uintmax_t)tenths, units[unit]);
    }
    return buffer;
}

const char *text_format_duration(char *buffer, size_t size, uint64_t milliseconds) {
    static const Unit units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t last = sizeof units / sizeof *units - 1;
    size_t unit = 0;
    while (unit < last && milliseconds < units[unit].factor) {
        unit++;
    }
    uint64_t first = milliseconds / units[unit].factor;
    uint64_t second = unit == last ? 0 : milliseconds % units[unit].factor / units[unit + 1].factor;
    if (milliseconds == 0) {
        (void)snprintf(buffer, size, "0s");
    } else if (second == 0) {
        (void)snprintf(buffer, size, "%ju%s", (uintmax_t)first, units[unit].suffix);
    } else {
        (void)snprintf(buffer, size, "%ju%s%ju%s", (uintmax_t)first, units[unit].suffix, (uintmax_t)second,
                       units[unit + 1].suffix);
    }
    return buffer;
}

const char *text_plural(uint64_t count, const char *one, const char *many) {
    return count == 1 ? one : many;
}

bool text_is_printable(const char *text, size_t max) {
    for (size_t at = 0; text[at] != 0; at++) {
        if (at >= max || text[at] < 0x20 || text[at] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Bytes of the UTF-8 sequence that begins here; 0: there is none. */
static size_t utf8_size(const uint8_t *at) {
    static const struct {
        uint8_t mask, lead; /* of the first byte */
        uint32_t min;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        if ((at[0] & forms[form].mask) != forms[form].lead) {
            continue;
        }
        uint32_t code = at[0] & (uint8_t)~forms[form].mask;
        for (size_t i = 1; i <= form; i++) {
            if ((at[i] & 0xc0) != 0x80) {
                return 0; /* a NUL, too: nothing behind it is read */
            }
            code = code << 6 | (at[i] & 0x3f);
        }
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < forms[form].min || code > 0x10ffff || surrogate ? 0 : form + 1;
    }
    return 0;
}

bool text_is_utf8(const char *text) {
    const uint8_t *at = (const uint8_t *)text;
    while (*at != 0) {
        size_t size = utf8_size(at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

bool text_is_control(const char *at) {
    const uint8_t *bytes = (const uint8_t *)at;
    return bytes[0] < 0x20 || bytes[0] == 0x7f || (bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] < 0xa0);
}

char *text_show(const char *text) {
    enum { ESCAPE_SIZE = 4 };
    char *shown = malloc(strlen(text) * ESCAPE_SIZE + 1);
    if (shown == NULL) {
        return NULL;
    }
    char *to = shown;
    for (const uint8_t *at = (const uint8_t *)text; *at != 0;) {
        size_t size = utf8_size(at);
        if (size != 0 && !text_is_control((const char *)at)) {
            memcpy(to, at, size);
            to += size;
            at += size;
        } else {
            to += snprintf(to, ESCAPE_SIZE + 1, "\\x%02x", (unsigned)*at++);
        }
    }
    *to = 0;
    return shown;
}

bool text_copy(char *buffer, size_t size, const char *text) {
    size_t length = strnlen(text, size);
    if (length >= size) {
        return false;
    }
    memcpy(buffer, text, length + 1);
    return true;
}

char *text_format(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return length < 0 ? NULL : text;
}
