/* SPDX-License-Identifier: Apache-2.0
 *
 * Error: the failure of an operation, as a kind for programs and a sentence for people.
 *
 * It lives on the caller's stack (`Error err = ERROR_INIT;`) and is the last parameter of every function
 * that can fail. The functions here return false, so that `return error_set(...)` reads as "this failed".
 * The text reads from the outside in and ends in what to do:
 * "bundle 'psw-dcap' 1.23: file lib/x: SHA-256 is 83d7…, the manifest says 91ab…: fetch the bundle again".
 * Invariant: `kind` is ERROR_NONE exactly as long as nothing was set. An `err` may be NULL: then only the
 * result tells of the failure.
 */
#ifndef BUNDLES_BASE_ERROR_H
#define BUNDLES_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

typedef enum ErrorKind {
    ERROR_NONE = 0,
    ERROR_USAGE,       /* the command line or an API call is wrong */
    ERROR_CONFIG,      /* a configuration file is wrong */
    ERROR_INPUT,       /* outside bytes are malformed: archive, manifest, message, enclave file */
    ERROR_VERIFY,      /* outside bytes are well-formed and not to be trusted: digest, signature, signer */
    ERROR_LIMIT,       /* a stated maximum is exceeded */
    ERROR_NOT_FOUND,   /* what was named does not exist */
    ERROR_CONFLICT,    /* the present state forbids it: exists already, runs already, busy with another */
    ERROR_PERMISSION,  /* the system or a policy forbids it */
    ERROR_NO_SPACE,    /* disk or quota is full */
    ERROR_SYSTEM,      /* any other failed system call */
    ERROR_MEMORY,      /* out of memory */
    ERROR_NETWORK,     /* a transfer failed */
    ERROR_TIMEOUT,     /* a deadline passed */
    ERROR_UNAVAILABLE, /* the daemon or service to talk to is not there */
    ERROR_ENGINE,      /* a bundle's libraries or enclaves fail to load or to quote */
    ERROR_KINDS_COUNT
} ErrorKind;

enum { ERROR_TEXT_MAX = 1024 };

typedef struct Error {
    ErrorKind kind;
    char text[ERROR_TEXT_MAX];
} Error;

#define ERROR_INIT ((Error){.kind = ERROR_NONE})

/* Sets kind and text; a text that is too long is cut. Always returns false. */
bool error_set(Error *err, ErrorKind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool error_set_v(Error *err, ErrorKind kind, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* As error_set, with ": " and the name of errnum behind; the kind follows from errnum (EACCES and EPERM:
 * permission, ENOENT: not found, EEXIST: conflict, ENOSPC and EDQUOT: no space, ENOMEM: memory,
 * ETIMEDOUT: timeout, else system). */
bool error_set_errno(Error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<context>: " before the text of an error that is set already; keeps the kind. Always returns false.
 */
bool error_wrap(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
/* The analyser looks at one source at a time and shall know what "always returns false" means. */
#define error_set(...) ((void)error_set(__VA_ARGS__), false)
#define error_set_v(...) ((void)error_set_v(__VA_ARGS__), false)
#define error_set_errno(...) ((void)error_set_errno(__VA_ARGS__), false)
#define error_wrap(...) ((void)error_wrap(__VA_ARGS__), false)
#endif

/* The stable facts about a kind; one table holds them. */
const char *error_kind_name(ErrorKind kind); /* "not-found"; used in JSON, metrics and documentation */
int error_kind_exit_status(ErrorKind kind);  /* documented in docs/operating.md; 0 only for ERROR_NONE */
int error_kind_http_status(ErrorKind kind);
bool error_kind_parse(const char *name, ErrorKind *ret_kind);

#endif
