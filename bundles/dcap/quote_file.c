/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/quote_file.h"

#include "bundles/base/cleanup.h"
#include "bundles/dcap/encoding.h"

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_text(Bytes file) {
    for (size_t at = 0; at < file.size; at++) {
        uint8_t c = file.data[at];
        if (!is_blank(c) && (c < 0x20 || c > 0x7e)) {
            return false;
        }
    }
    return file.size > 0;
}

bool quote_file_decode(Bytes file, const char *name, Buffer *quote, Error *err) {
    CLEANUP(buffer_done) Buffer dense = BUFFER_INIT(QUOTE_FILE_MAX);
    if (!is_text(file)) {
        return buffer_append(quote, file.data, file.size) ||
               error_set(err, ERROR_LIMIT, "%s: %zu bytes are no quote: it has at most %d", name, file.size,
                         QUOTE_FILE_MAX);
    }
    for (size_t at = 0; at < file.size; at++) {
        if (!is_blank(file.data[at]) && !buffer_append(&dense, &file.data[at], 1)) {
            return error_set(err, ERROR_LIMIT, "%s: more than %d letters and digits are no quote", name,
                             QUOTE_FILE_MAX);
        }
    }
    Bytes text = encoding_without_0x(buffer_bytes(&dense));
    size_t before = quote->size;
    if (encoding_decode_hex(text, quote)) {
        return true;
    }
    quote->size = before;
    return encoding_decode_base64(text, quote) ||
           error_set(err, ERROR_INPUT, "%s: this text is neither hex nor base64 of a quote", name);
}
