/* SPDX-License-Identifier: Apache-2.0
 *
 * Log: one line an event on standard error, `event key=value …`, for people and for `grep`.
 *
 * log_info("swap-committed", "generation=%u bundle=%s", 8, version). The first word is a stable event name
 * (lower case, hyphens); log_line.h has the form of values: none can pass for something else. Under systemd
 * (JOURNAL_STREAM is set) the line carries a "<N>" priority, else an RFC 3339 time and the level. Only
 * programs log: library code reports through Error.
 */
#ifndef BUNDLES_BASE_LOG_H
#define BUNDLES_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum LogLevel {
    LOG_LEVEL_ERROR = 3, /* the numbers are syslog's */
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
} LogLevel;

#define log_error(event, ...) log_event(LOG_LEVEL_ERROR, (event), __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_LEVEL_WARNING, (event), __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_LEVEL_INFO, (event), __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, (event), __VA_ARGS__)

/* `name` goes before every event ("quoted[8]"); borrowed for the life of the process. */
void log_open(const char *name, LogLevel level);
bool log_level_parse(const char *text, LogLevel *ret_level); /* error, warning, info, debug */
void log_event(LogLevel level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For complaints that outsiders can cause: true if this one may be logged now, with how many were not since
 * the last one that was. One at a time may, and the next after pause_ms. Not thread-safe. */
typedef struct LogPace {
    uint64_t next_ms;
    unsigned left_out;
} LogPace;
bool log_may(LogPace *pace, uint64_t pause_ms, unsigned *ret_left_out);

#endif
