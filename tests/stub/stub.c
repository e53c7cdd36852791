/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stub/stub.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Exported by all of Intel's; the first one loaded counts for all. */
void (*sgx_trace_logger_callback)(int, const char *);
int sgx_trace_loglevel;

static void record(const char *line) {
    char path[512];
    const char *directory = getenv("PSW_STUB");
    (void)snprintf(path, sizeof path, "%s/record", directory != NULL ? directory : "/nonexistent");
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, line, strlen(line));
        (void)close(fd);
    }
}

void stub_call(const char *function, const char *format, ...) {
    char line[1024];
    va_list args;
    int used = snprintf(line, sizeof line, "call %s %s ", stub_soname, function);
    va_start(args, format);
    (void)vsnprintf(line + used, sizeof line - (size_t)used - 1, format, args);
    va_end(args);
    (void)strcat(line, "\n");
    record(line);
}

__attribute__((constructor)) static void say_loaded(void) {
    char line[1024];
    Dl_info info;
    if (dladdr((const void *)stub_soname, &info) != 0) {
        (void)snprintf(line, sizeof line, "load %s %s\n", stub_soname, info.dli_fname);
        record(line);
    }
}

/* A wish for one call is crossed out, because the process may not remove files (quoted/confine.h). */
static int read_wish(const char *call, const char *suffix, char *wish, size_t size) {
    char path[512];
    const char *directory = getenv("PSW_STUB");
    (void)snprintf(path, sizeof path, "%s/%s%s", directory != NULL ? directory : "/nonexistent", call,
                   suffix);
    int fd = open(path, (suffix[0] != 0 ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t got = read(fd, wish, size - 1);
    wish[got > 0 ? got : 0] = 0;
    int fresh = wish[0] != '-' && (suffix[0] == 0 || pwrite(fd, "-", 1, 0) == 1);
    (void)close(fd);
    return fresh;
}

static void crash(void) {
    volatile int *nowhere = (volatile int *)(uintptr_t)8;
    *nowhere = 1; /* NOLINT: to crash is its purpose */
}

uint32_t stub_effect(const char *call) {
    char wish[64];
    if (!read_wish(call, ".once", wish, sizeof wish) && !read_wish(call, "", wish, sizeof wish)) {
        return 0;
    }
    if (strncmp(wish, "0x", 2) == 0) {
        return (uint32_t)strtoul(wish, NULL, 16);
    }
    if (strncmp(wish, "sleep ", 6) == 0) {
        unsigned long milliseconds = strtoul(wish + 6, NULL, 10);
        struct timespec pause = {.tv_sec = (time_t)(milliseconds / 1000),
                                 .tv_nsec = (long)(milliseconds % 1000) * 1000000};
        (void)nanosleep(&pause, NULL);
    } else if (strcmp(wish, "wait") == 0) {
        const struct timespec pause = {.tv_nsec = 5 * 1000000};
        while (!read_wish("go", "", wish, sizeof wish)) {
            (void)nanosleep(&pause, NULL);
        }
    } else if (strcmp(wish, "hang") == 0) {
        for (;;) {
            (void)pause();
        }
    } else if (strcmp(wish, "crash") == 0) {
        crash();
    } else if (strcmp(wish, "abort") == 0) {
        abort();
    } else if (strcmp(wish, "exit") == 0) {
        exit(0);
    } else if (strcmp(wish, "overflow") == 0) {
        return STUB_OVERFLOW;
    } else if (strcmp(wish, "foreign") == 0) {
        return STUB_FOREIGN;
    }
    return 0;
}
