/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/clock.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what four digits of year can say. */
static const int64_t WALL_MIN = INT64_C(-62167219200);
static const int64_t WALL_MAX = INT64_C(253402300799);

static struct timespec now(clockid_t id) {
    struct timespec time = {0};
    int failed = clock_gettime(id, &time);
    assert(failed == 0);
    (void)failed;
    return time;
}

uint64_t clock_monotonic_ns(void) {
    struct timespec time = now(CLOCK_MONOTONIC);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

uint64_t clock_monotonic_ms(void) {
    return clock_monotonic_ns() / UINT64_C(1000000);
}

int64_t clock_wall_s(void) {
    return now(CLOCK_REALTIME).tv_sec;
}

int clock_left_ms(uint64_t deadline_ms) {
    uint64_t present = clock_monotonic_ms();
    if (deadline_ms <= present) {
        return 0;
    }
    uint64_t left = deadline_ms - present;
    return left > INT_MAX ? INT_MAX : (int)left;
}

void clock_format(int64_t seconds, char text[CLOCK_TIME_SIZE]) {
    time_t time = seconds < WALL_MIN ? WALL_MIN : seconds > WALL_MAX ? WALL_MAX : seconds;
    struct tm parts = {0};
    (void)gmtime_r(&time, &parts);
    (void)strftime(text, CLOCK_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
    /* glibc does not pad %Y: a year before 1000 would come out short. */
    size_t length = strlen(text);
    size_t missing = strlen("0000-00-00T00:00:00Z") - length;
    memmove(text + missing, text, length + 1);
    memset(text, '0', missing);
}

static bool take_number(const char **text, size_t digits, char end, int *ret_value) {
    int value = 0;
    for (size_t at = 0; at < digits; at++) {
        char digit = (*text)[at];
        if (digit < '0' || digit > '9') {
            return false;
        }
        value = value * 10 + (digit - '0');
    }
    if ((*text)[digits] != end) {
        return false;
    }
    *text += digits + 1;
    *ret_value = value;
    return true;
}

bool clock_parse(const char *text, int64_t *ret_seconds) {
    struct tm parts = {0};
    const char *at = text;
    if (!take_number(&at, 4, '-', &parts.tm_year) || !take_number(&at, 2, '-', &parts.tm_mon) ||
        !take_number(&at, 2, 'T', &parts.tm_mday) || !take_number(&at, 2, ':', &parts.tm_hour) ||
        !take_number(&at, 2, ':', &parts.tm_min) || !take_number(&at, 2, 'Z', &parts.tm_sec) || *at != 0) {
        return false;
    }
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    int64_t seconds = timegm(&parts);
    /* timegm takes 31 February for 3 March: only a date that reads back the same is one. */
    char same[CLOCK_TIME_SIZE];
    clock_format(seconds, same);
    if (strcmp(same, text) != 0) {
        return false;
    }
    *ret_seconds = seconds;
    return true;
}
