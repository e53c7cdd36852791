/* SPDX-License-Identifier: Apache-2.0
 *
 * Text: strict conversions between text and values. A number is decimal digits and nothing else: no sign, no
 * blank, no leading zero, no octal; what does not fit is refused. On failure the result stays untouched.
 */
#ifndef BUNDLES_BASE_TEXT_H
#define BUNDLES_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool text_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
bool text_parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value);

/* "true" or "false". */
bool text_parse_bool(const char *text, bool *ret_value);

/* Bytes: "4096", "64KiB", "16MiB", "2GiB". */
bool text_parse_size(const char *text, uint64_t *ret_bytes);

/* Milliseconds from "250ms", "30s", "15m", "12h", "7d"; a bare "0" is allowed. */
bool text_parse_duration(const char *text, uint64_t *ret_milliseconds);

/* "0644": exactly four octal digits. */
bool text_parse_mode(const char *text, unsigned *ret_mode);

/* Exactly 2 * size hex digits of either case into bytes; and back in lower case with a NUL (2 * size + 1). */
bool text_parse_hex(const char *text, uint8_t *bytes, size_t size);
void text_format_hex(const uint8_t *bytes, size_t size, char *text);

/* 1536 -> "1.5 KiB"; returns buffer. At least 16 bytes. */
const char *text_format_size(char *buffer, size_t size, uint64_t bytes);

/* 93784000 -> "1d2h" (the two largest units); returns buffer. At least 24 bytes. */
const char *text_format_duration(char *buffer, size_t size, uint64_t milliseconds);

/* For "1 file" and "2 files": the word for so many. */
const char *text_plural(uint64_t count, const char *one, const char *many);

/* True if all of the text is printable ASCII (0x20 to 0x7e) and at most max bytes long. */
bool text_is_printable(const char *text, size_t max);

/* True if all of the text is well-formed UTF-8. */
bool text_is_utf8(const char *text);

/* A control character of Unicode (C0, DEL, or C1 in UTF-8) begins here. */
bool text_is_control(const char *at);

/* A copy to show: control characters, and bytes that are not UTF-8, become \xHH. NULL when out of memory. The
 * caller frees. */
char *text_show(const char *text);

/* Copies with a NUL; false (and nothing copied) if it does not fit. */
bool text_copy(char *buffer, size_t size, const char *text);

/* printf into a new string; NULL when out of memory. The caller frees. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
