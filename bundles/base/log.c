/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/log_line.h"

static struct {
    const char *name; /* NULL until log_open: then the program's own */
    LogLevel level;
} state = {.level = LOG_LEVEL_INFO};

static const struct {
    LogLevel level;
    const char *name;
} levels[] = {{LOG_LEVEL_ERROR, "error"},
              {LOG_LEVEL_WARNING, "warning"},
              {LOG_LEVEL_INFO, "info"},
              {LOG_LEVEL_DEBUG, "debug"}};

static const char *level_name(LogLevel level) {
    for (size_t at = 0; at < sizeof levels / sizeof *levels; at++) {
        if (levels[at].level == level) {
            return levels[at].name;
        }
    }
    return "info";
}

void log_open(const char *name, LogLevel level) {
    state.name = name;
    state.level = level;
}

bool log_level_parse(const char *text, LogLevel *ret_level) {
    for (size_t at = 0; at < sizeof levels / sizeof *levels; at++) {
        if (strcmp(levels[at].name, text) == 0) {
            *ret_level = levels[at].level;
            return true;
        }
    }
    return false;
}

/* JOURNAL_STREAM is inherited by children whose standard error is something else: it names the journal's
 * stream by device and inode, and only that one understands priorities. */
static bool journal_listens(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char own[48];
    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0) {
        return false;
    }
    (void)snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, own) == 0;
}

static void begin_line(LogLine *line, LogLevel level, const char *event) {
    const char *name = state.name != NULL ? state.name : program_invocation_short_name;
    if (journal_listens()) {
        log_line_add(line, "<%d>%s: %s", (int)level, name, event);
        return;
    }
    char time[CLOCK_TIME_SIZE];
    clock_format(clock_wall_s(), time);
    log_line_add(line, "%s %s %s: %s", time, level_name(level), name, event);
}

void log_event(LogLevel level, const char *event, const char *format, ...) {
    if (level > state.level) {
        return;
    }
    int saved = errno;
    LogLine line = LOG_LINE_INIT;
    begin_line(&line, level, event);
    if (format[0] != 0) {
        log_line_add(&line, " ");
        va_list args;
        va_start(args, format);
        log_line_add_args(&line, format, args);
        va_end(args);
    }
    log_line_end(&line);
    /* One write, so that lines of several processes do not mix; a log that cannot be written to must not
     * stop the service. */
    ssize_t ignored = write(STDERR_FILENO, line.text, line.length);
    (void)ignored;
    errno = saved;
}

bool log_may(LogPace *pace, uint64_t pause_ms, unsigned *ret_left_out) {
    uint64_t now = clock_monotonic_ms();
    if (now < pace->next_ms) {
        pace->left_out++;
        return false;
    }
    *ret_left_out = pace->left_out;
    *pace = (LogPace){.next_ms = now + pause_ms};
    return true;
}
