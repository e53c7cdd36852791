/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 64 };

void buffer_init(Buffer *buffer, size_t max) {
    *buffer = BUFFER_INIT(max);
}

void buffer_done(Buffer *buffer) {
    free(buffer->data);
    *buffer = BUFFER_INIT(buffer->max);
}

/* The capacity counts the NUL behind the contents, the maximum does not. */
static size_t grown_capacity(const Buffer *buffer, size_t needed) {
    size_t doubled = buffer->capacity > SIZE_MAX / 2 ? SIZE_MAX : buffer->capacity * 2;
    size_t capacity = doubled > CAPACITY_MIN ? doubled : CAPACITY_MIN;
    if (capacity > buffer->max) {
        capacity = buffer->max + 1;
    }
    return capacity > needed ? capacity : needed;
}

bool buffer_reserve(Buffer *buffer, size_t more) {
    assert(buffer->max < SIZE_MAX && buffer->size <= buffer->max);
    if (more > buffer->max - buffer->size) {
        return false;
    }
    size_t needed = buffer->size + more + 1;
    if (needed <= buffer->capacity) {
        return true;
    }
    size_t capacity = grown_capacity(buffer, needed);
    uint8_t *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        return false;
    }
    data[buffer->size] = 0;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool buffer_append(Buffer *buffer, const void *data, size_t size) {
    if (!buffer_reserve(buffer, size)) {
        return false;
    }
    if (size > 0) {
        memcpy(buffer->data + buffer->size, data, size);
    }
    buffer->size += size;
    buffer->data[buffer->size] = 0;
    return true;
}

bool buffer_append_text(Buffer *buffer, const char *text) {
    return buffer_append(buffer, text, strlen(text));
}

bool buffer_append_format(Buffer *buffer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !buffer_reserve(buffer, (size_t)length)) {
        return false;
    }
    va_start(args, format);
    (void)vsnprintf((char *)buffer->data + buffer->size, (size_t)length + 1, format, args);
    va_end(args);
    buffer->size += (size_t)length;
    return true;
}

bool buffer_append_zeros(Buffer *buffer, size_t size) {
    if (!buffer_reserve(buffer, size)) {
        return false;
    }
    memset(buffer->data + buffer->size, 0, size + 1);
    buffer->size += size;
    return true;
}

void buffer_clear(Buffer *buffer) {
    buffer->size = 0;
    if (buffer->data != NULL) {
        buffer->data[0] = 0;
    }
}

void buffer_consume(Buffer *buffer, size_t size) {
    assert(size <= buffer->size);
    if (size > 0) {
        buffer->size -= size;
        memmove(buffer->data, buffer->data + size, buffer->size + 1);
    }
}

Bytes buffer_bytes(const Buffer *buffer) {
    return (Bytes){.data = (const uint8_t *)buffer_text(buffer), .size = buffer->size};
}

const char *buffer_text(const Buffer *buffer) {
    return buffer->data == NULL ? "" : (const char *)buffer->data;
}

char *buffer_take_text(Buffer *buffer) {
    if (!buffer_reserve(buffer, 0)) {
        return NULL;
    }
    char *text = (char *)buffer->data;
    *buffer = BUFFER_INIT(buffer->max);
    return text;
}
