/* SPDX-License-Identifier: Apache-2.0
 *
 * TufProblem: why the client refused: which rule, which role, which file. One table gives each rule its
 * stable name, its kind of error, and what an operator should look at.
 */
#ifndef BUNDLES_TUF_PROBLEM_H
#define BUNDLES_TUF_PROBLEM_H

#include "bundles/base/error.h"
#include "bundles/tuf/limits.h"

typedef enum TufRule {
    TUF_RULE_NONE,
    TUF_RULE_FETCH,     /* the transfer failed */
    TUF_RULE_ABSENT,    /* the repository does not have a file that must be there */
    TUF_RULE_LENGTH,    /* longer than listed or than the limit, or shorter than listed */
    TUF_RULE_HASH,      /* not the listed bytes */
    TUF_RULE_FORMAT,    /* malformed, or of another type than asked for */
    TUF_RULE_SIGNATURE, /* not signed by enough keys of its role */
    TUF_RULE_VERSION,   /* not the version that was asked for */
    TUF_RULE_ROLLBACK,  /* older than what was trusted before */
    TUF_RULE_EXPIRED,
    TUF_RULE_UNLISTED, /* the snapshot does not list the role */
    TUF_RULE_LIMIT,    /* too many rounds */
    TUF_RULE_STORAGE,  /* the directory of trusted metadata cannot be read or written */
    TUF_RULES_COUNT
} TufRule;

typedef struct TufProblem {
    bool is_copy; /* the repository is a directory or a file that somebody carried here, not a mirror; kept */
    TufRule rule;
    char role[TUF_NAME_ENCODED_MAX + 1]; /* percent-encoded: fit for logs */
    char file[TUF_NAME_ENCODED_MAX + 64];
} TufProblem;

const char *tuf_rule_name(TufRule rule); /* "rollback": for JSON, metrics and documentation */

void tuf_problem_clear(TufProblem *problem);

/* Sets the problem and the error "FILE: role ROLE: <text>: <what to look at>"; returns false. A `file` of
 * NULL is the role's own, ROLE.json. When the error is set already, its text is kept as the detail and
 * `format` may be NULL. A fetch or storage error keeps its own kind. */
bool tuf_problem_set(TufProblem *problem, Error *err, TufRule rule, const char *role, const char *file,
                     const char *format, ...) __attribute__((format(printf, 6, 7)));

#endif
