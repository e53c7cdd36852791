/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/log_line.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = LOG_LINE_SIZE - 2 }; /* for a closing quotation mark and the newline */

/* As a whole or not at all; nothing comes behind what had no room. */
static void put(LogLine *line, const char *bytes, size_t size) {
    line->full = line->full || line->length + size > ROOM;
    if (!line->full) {
        memcpy(line->text + line->length, bytes, size);
        line->length += size;
    }
}

static void put_mark(LogLine *line) {
    put(line, "\"", 1);
    if (!line->full) {
        line->open = !line->open;
    }
}

static bool is_control(unsigned char byte) {
    return byte < 0x20 || byte == 0x7f;
}

static void put_escaped(LogLine *line, unsigned char byte) {
    char text[8] = {'\\', (char)byte};
    if (byte == '\n' || byte == '\t') {
        text[1] = byte == '\n' ? 'n' : 't';
    } else if (is_control(byte)) {
        (void)snprintf(text, sizeof text, "\\x%02x", (unsigned)byte);
    } else if (byte != '"' && byte != '\\') {
        text[0] = (char)byte;
        text[1] = 0;
    }
    put(line, text, strlen(text));
}

static bool wants_quotes(const char *value, size_t length) {
    for (size_t at = 0; at < length; at++) {
        unsigned char byte = (unsigned char)value[at];
        if (is_control(byte) || byte == ' ' || byte == '"' || byte == '\\') {
            return true;
        }
    }
    return length == 0;
}

static void put_value(LogLine *line, const char *value, size_t most) {
    size_t length = strnlen(value, most);
    bool adds = !line->open && wants_quotes(value, length);
    if (adds) {
        put_mark(line);
    }
    for (size_t at = 0; at < length; at++) {
        put_escaped(line, (unsigned char)value[at]);
    }
    if (adds) {
        put_mark(line);
    }
}

typedef struct Args {
    va_list list;
} Args;

static void put_number(LogLine *line, const char *conversion, Args *args) {
    char text[32];
    if (strncmp(conversion, "llu", 3) == 0) {
        (void)snprintf(text, sizeof text, "%llu", va_arg(args->list, unsigned long long));
    } else if (strncmp(conversion, "zu", 2) == 0) {
        (void)snprintf(text, sizeof text, "%zu", va_arg(args->list, size_t));
    } else if (conversion[0] == 'd') {
        (void)snprintf(text, sizeof text, "%d", va_arg(args->list, int));
    } else if (conversion[0] == 'x') {
        (void)snprintf(text, sizeof text, "%x", va_arg(args->list, unsigned));
    } else {
        assert(conversion[0] == 'u');
        (void)snprintf(text, sizeof text, "%u", va_arg(args->list, unsigned));
    }
    put(line, text, strlen(text));
}

/* What stands behind a '%'; returns what comes after it. */
static const char *put_conversion(LogLine *line, const char *format, Args *args) {
    size_t most = SIZE_MAX;
    if (*format == '.') {
        char *end = NULL;
        most = strtoul(format + 1, &end, 10);
        format = end;
    }
    if (*format == 's') {
        put_value(line, va_arg(args->list, const char *), most);
    } else if (*format == '%') {
        put(line, "%", 1);
    } else {
        put_number(line, format, args);
        format += strcspn(format, "dux");
    }
    return format + 1;
}

void log_line_add_args(LogLine *line, const char *format, va_list list) {
    Args args;
    va_copy(args.list, list);
    while (*format != 0) {
        if (*format == '%') {
            format = put_conversion(line, format + 1, &args);
        } else if (*format == '"') {
            put_mark(line);
            format++;
        } else {
            put(line, format++, 1);
        }
    }
    va_end(args.list);
}

void log_line_add(LogLine *line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_line_add_args(line, format, args);
    va_end(args);
}

void log_line_end(LogLine *line) {
    if (line->open) {
        line->text[line->length++] = '"';
    }
    line->text[line->length++] = '\n';
}
