/* SPDX-License-Identifier: Apache-2.0
 *
 * Buffer: growing bytes with a maximum. It owns its memory; buffer_init says the most it may ever hold, and
 * what would exceed that fails and leaves the contents as they were. A NUL that is not counted in `size`
 * always follows the contents, so that text can be read from `data` directly.
 */
#ifndef BUNDLES_BASE_BUFFER_H
#define BUNDLES_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"

typedef struct Buffer {
    uint8_t *data; /* never NULL after a successful append; "" with size 0 through buffer_text before */
    size_t size;
    size_t capacity;
    size_t max;
} Buffer;

#define BUFFER_INIT(maximum) ((Buffer){.max = (maximum)})

void buffer_init(Buffer *buffer, size_t max);
void buffer_done(Buffer *buffer); /* frees and leaves it empty with the same maximum; usable with CLEANUP */

/* False: the maximum would be exceeded, or out of memory. */
bool buffer_reserve(Buffer *buffer, size_t more) __attribute__((warn_unused_result));
bool buffer_append(Buffer *buffer, const void *data, size_t size) __attribute__((warn_unused_result));
bool buffer_append_text(Buffer *buffer, const char *text) __attribute__((warn_unused_result));
bool buffer_append_format(Buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));
bool buffer_append_zeros(Buffer *buffer, size_t size) __attribute__((warn_unused_result));

void buffer_clear(Buffer *buffer);                /* keeps the memory */
void buffer_consume(Buffer *buffer, size_t size); /* drops the first bytes */

Bytes buffer_bytes(const Buffer *buffer);      /* borrowed until the next change */
const char *buffer_text(const Buffer *buffer); /* the same, as text */
char *buffer_take_text(Buffer *buffer);        /* the caller frees; NULL when out of memory */

#endif
