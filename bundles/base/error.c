/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Here the functions themselves are meant, not what error.h tells the analyser about them. */
#undef error_set
#undef error_set_v
#undef error_set_errno
#undef error_wrap

typedef struct KindFacts {
    const char *name;
    int exit_status;
    int http_status;
} KindFacts;

/* Exit status 1 stays free for "the answer is no" (a check that failed), 2 is the shells' usage error. */
static const KindFacts kinds[ERROR_KINDS_COUNT] = {
    [ERROR_NONE] = {"none", 0, 200},
    [ERROR_USAGE] = {"usage", 2, 400},
    [ERROR_CONFIG] = {"config", 3, 500},
    [ERROR_INPUT] = {"input", 4, 422},
    [ERROR_VERIFY] = {"verify", 5, 422},
    [ERROR_LIMIT] = {"limit", 6, 413},
    [ERROR_NOT_FOUND] = {"not-found", 7, 404},
    [ERROR_CONFLICT] = {"conflict", 8, 409},
    [ERROR_PERMISSION] = {"permission", 9, 403},
    [ERROR_NO_SPACE] = {"no-space", 10, 507},
    [ERROR_SYSTEM] = {"system", 11, 500},
    [ERROR_MEMORY] = {"memory", 12, 500},
    [ERROR_NETWORK] = {"network", 13, 502},
    [ERROR_TIMEOUT] = {"timeout", 14, 504},
    [ERROR_UNAVAILABLE] = {"unavailable", 15, 503},
    [ERROR_ENGINE] = {"engine", 16, 424},
};

bool error_set_v(Error *err, ErrorKind kind, const char *format, va_list args) {
    assert(kind > ERROR_NONE && kind < ERROR_KINDS_COUNT);
    if (err == NULL) {
        return false;
    }
    err->kind = kind;
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    return false;
}

bool error_set(Error *err, ErrorKind kind, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_set_v(err, kind, format, args);
    va_end(args);
    return false;
}

static ErrorKind kind_of_errno(int errnum) {
    switch (errnum) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ERROR_PERMISSION;
    case ENOENT:
        return ERROR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return ERROR_CONFLICT;
    case ENOSPC:
    case EDQUOT:
        return ERROR_NO_SPACE;
    case ENOMEM:
        return ERROR_MEMORY;
    case ETIMEDOUT:
        return ERROR_TIMEOUT;
    default:
        return ERROR_SYSTEM;
    }
}

bool error_set_errno(Error *err, int errnum, const char *format, ...) {
    if (err == NULL) {
        return false;
    }
    va_list args;
    va_start(args, format);
    error_set_v(err, kind_of_errno(errnum), format, args);
    va_end(args);
    const char *name = strerrordesc_np(errnum);
    size_t length = strlen(err->text);
    (void)snprintf(err->text + length, sizeof err->text - length, ": %s", name ? name : "unknown error");
    return false;
}

bool error_wrap(Error *err, const char *format, ...) {
    if (err == NULL) {
        return false;
    }
    assert(err->kind != ERROR_NONE);
    char inner[ERROR_TEXT_MAX];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t length = strlen(err->text);
    (void)snprintf(err->text + length, sizeof err->text - length, ": %s", inner);
    return false;
}

const char *error_kind_name(ErrorKind kind) {
    assert(kind >= ERROR_NONE && kind < ERROR_KINDS_COUNT);
    return kinds[kind].name;
}

int error_kind_exit_status(ErrorKind kind) {
    assert(kind >= ERROR_NONE && kind < ERROR_KINDS_COUNT);
    return kinds[kind].exit_status;
}

int error_kind_http_status(ErrorKind kind) {
    assert(kind >= ERROR_NONE && kind < ERROR_KINDS_COUNT);
    return kinds[kind].http_status;
}

bool error_kind_parse(const char *name, ErrorKind *ret_kind) {
    for (int kind = ERROR_NONE; kind < ERROR_KINDS_COUNT; kind++) {
        if (strcmp(kinds[kind].name, name) == 0) {
            *ret_kind = (ErrorKind)kind;
            return true;
        }
    }
    return false;
}
