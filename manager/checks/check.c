/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[CHECK_STATUSES_COUNT] = {"pass", "info", "warn",
                                                               "fail", "skip", "waived"};

const char *check_status_name(CheckStatus status) {
    return status_names[status];
}

const Check *check_find(const char *id) {
    for (size_t i = 0; i < check_families_count; i++) {
        for (size_t j = 0; j < check_families[i]->count; j++) {
            if (strcmp(check_families[i]->checks[j].id, id) == 0) {
                return &check_families[i]->checks[j];
            }
        }
    }
    return NULL;
}

static void __attribute__((format(printf, 3, 0)))
answer(CheckResult *result, CheckStatus status, const char *format, va_list args) {
    result->status = status;
    (void)vsnprintf(result->text, sizeof result->text, format, args);
    for (char *at = result->text; *at != '\0'; at++) {
        *at = *at >= ' ' && *at <= '~' ? *at : '?';
    }
}

void check_pass(CheckResult *result, const char *format, ...) {
    va_list args;
    va_start(args, format);
    answer(result, CHECK_PASS, format, args);
    va_end(args);
}

void check_bad(CheckResult *result, const char *format, ...) {
    va_list args;
    va_start(args, format);
    answer(result, result->check->severity, format, args);
    va_end(args);
}

void check_warn(CheckResult *result, const char *format, ...) {
    va_list args;
    va_start(args, format);
    answer(result, CHECK_WARN, format, args);
    va_end(args);
}

void check_note(CheckResult *result, const char *format, ...) {
    va_list args;
    va_start(args, format);
    answer(result, CHECK_INFO, format, args);
    va_end(args);
}

void check_skip(CheckResult *result, const char *format, ...) {
    va_list args;
    va_start(args, format);
    answer(result, CHECK_SKIP, format, args);
    va_end(args);
}

bool check_is_simulated(const CheckSubject *subject) {
    return subject->bundle != NULL ? subject->bundle->simulated : subject->settings->simulated_allowed;
}
