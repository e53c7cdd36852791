/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/problem.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "bundles/tuf/path.h"

typedef struct RuleFacts {
    const char *name;
    ErrorKind kind;
    const char *advice;
    const char *copy_advice; /* NULL: the same */
} RuleFacts;

#define DAMAGED "the copy is damaged: export or copy it again"

static const RuleFacts rules[TUF_RULES_COUNT] = {
    [TUF_RULE_NONE] = {"none", ERROR_USAGE, "", NULL},
    [TUF_RULE_FETCH] = {"fetch", ERROR_NETWORK, "look at the mirror's address, proxy and TLS settings",
                        DAMAGED},
    [TUF_RULE_ABSENT] =
        {"absent", ERROR_NOT_FOUND, "the mirror is incomplete: try another, or publish again",
         "the copy lacks it: export or copy it again, or ask for a version that it has (--to)"},
    [TUF_RULE_LENGTH] = {"length", ERROR_VERIFY, "the mirror serves other bytes than were published",
                         DAMAGED},
    [TUF_RULE_HASH] = {"hash", ERROR_VERIFY, "the mirror serves other bytes than were published", DAMAGED},
    [TUF_RULE_FORMAT] = {"format", ERROR_INPUT, "what the mirror serves there is not this TUF file", DAMAGED},
    [TUF_RULE_SIGNATURE] = {"signature", ERROR_VERIFY,
                            "if the publisher rotated keys, ask for the new root; else distrust the mirror",
                            NULL},
    [TUF_RULE_VERSION] = {"version", ERROR_VERIFY, "the mirror mixes versions: try another, or publish again",
                          DAMAGED},
    [TUF_RULE_ROLLBACK] = {"rollback", ERROR_VERIFY, "the mirror offers an older state than it did before",
                           "the copy is older than what this node has seen: export or copy it again"},
    [TUF_RULE_EXPIRED] = {"expired", ERROR_VERIFY,
                          "look at this node's clock; else the mirror is stale or the publisher must renew",
                          "look at this node's clock; else the copy is too old: export or copy it again"},
    [TUF_RULE_UNLISTED] = {"unlisted", ERROR_VERIFY, "the publisher must list the role in the snapshot",
                           NULL},
    [TUF_RULE_LIMIT] = {"limit", ERROR_LIMIT, "run again to go on from here", NULL},
    [TUF_RULE_STORAGE] = {"storage", ERROR_SYSTEM, "look at the directory of trusted metadata and its disk",
                          NULL},
};

const char *tuf_rule_name(TufRule rule) {
    assert(rule >= TUF_RULE_NONE && rule < TUF_RULES_COUNT);
    return rules[rule].name;
}

void tuf_problem_clear(TufProblem *problem) {
    *problem = (TufProblem){.is_copy = problem->is_copy};
}

bool tuf_problem_set(TufProblem *problem, Error *err, TufRule rule, const char *role, const char *file,
                     const char *format, ...) {
    assert(rule > TUF_RULE_NONE && rule < TUF_RULES_COUNT);
    problem->rule = rule;
    if (!tuf_path_encode(role, false, problem->role, sizeof problem->role)) {
        (void)snprintf(problem->role, sizeof problem->role, "?");
    }
    if (file != NULL) {
        (void)snprintf(problem->file, sizeof problem->file, "%s", file);
    } else {
        (void)snprintf(problem->file, sizeof problem->file, "%s.json", problem->role);
    }
    if (err == NULL) {
        return false;
    }
    char detail[ERROR_TEXT_MAX / 2];
    ErrorKind kind = rules[rule].kind;
    if (err->kind != ERROR_NONE) {
        bool own = rule == TUF_RULE_FETCH || rule == TUF_RULE_STORAGE || err->kind == ERROR_MEMORY;
        kind = own ? err->kind : kind;
        (void)snprintf(detail, sizeof detail, "%.*s", (int)sizeof detail - 1, err->text);
    } else {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(detail, sizeof detail, format, args);
        va_end(args);
    }
    bool is_copy = problem->is_copy && rules[rule].copy_advice != NULL;
    return error_set(err, kind, "%s: role %s: %s: %s", problem->file, problem->role, detail,
                     is_copy ? rules[rule].copy_advice : rules[rule].advice);
}
