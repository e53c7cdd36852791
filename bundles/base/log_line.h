/* SPDX-License-Identifier: Apache-2.0
 *
 * Log line: the text of one event, in which no value can pass for something else.
 *
 * A value (%s) that stands in the format's quotes keeps them; another one gets quotes if it is empty or has a
 * blank, a quotation mark, a backslash or a control character. In quotes those last three are written as \",
 * \\, \n, \t and \xHH. So a line is parted at blanks outside quotes, whatever a client or a file is called.
 */
#ifndef BUNDLES_BASE_LOG_LINE_H
#define BUNDLES_BASE_LOG_LINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { LOG_LINE_SIZE = 4096 };

typedef struct LogLine {
    size_t length;
    bool open; /* in quotes */
    bool full;
    char text[LOG_LINE_SIZE]; /* not terminated; what is too long is cut, and its quotes are closed */
} LogLine;

#define LOG_LINE_INIT                                                                                        \
    { .length = 0 }

/* `format` may have %s, %.Ns, %d, %u, %x, %zu, %llu and %%. */
void log_line_add(LogLine *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_line_add_args(LogLine *line, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Ends it with a newline, for which there is always room. */
void log_line_end(LogLine *line);

#endif
