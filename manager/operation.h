/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation: something an operator asked for that takes a while: fetch, stage, test, swap, rollback.
 *
 * Each has a number that is never used twice and a revision that grows with every change, so that a client
 * can wait for news. The last OPERATIONS_KEPT are remembered; one that runs is never forgotten. Invariant: a
 * finished operation does not change any more.
 */
#ifndef MANAGER_OPERATION_H
#define MANAGER_OPERATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "manager/journal.h"

enum { OPERATIONS_KEPT = 64 };

typedef enum OperationState { OPERATION_RUNNING, OPERATION_SUCCEEDED, OPERATION_FAILED } OperationState;

typedef struct Operation {
    uint64_t id;
    uint64_t revision;
    const char *kind; /* "swap"; a constant */
    char what[128];   /* what it is about, for people: "sim-psw 1.2 (83d7…)" */
    OperationState state;
    char step[32];
    uint64_t done, total; /* bytes; total 0: not known */
    JournalWho who;
    int64_t started_at, finished_at;
    uint64_t started_ms;   /* monotonic */
    uint64_t milliseconds; /* once finished */
    Error error;           /* failed: why */
    json_t *result;        /* an object; NULL: none */
} Operation;

typedef void (*OperationChangedFn)(void *context, const Operation *operation);

typedef struct Operations Operations;

Operations *operations_new(OperationChangedFn changed, void *context); /* NULL: out of memory */
void operations_free(Operations *operations);
CLEANUP_DEFINE(Operations, operations_free)

/* NULL if all that are remembered still run. The result is borrowed until it is forgotten. */
Operation *operation_begin(Operations *operations, uint64_t id, const char *kind, JournalWho who,
                           const char *what);
Operation *operation_find(Operations *operations, uint64_t id); /* NULL: not known */

void operation_step(Operations *operations, Operation *operation, const char *step);
void operation_progress(Operations *operations, Operation *operation, uint64_t done, uint64_t total);
void operation_succeed(Operations *operations, Operation *operation, json_t *result); /* takes the result */
void operation_fail(Operations *operations, Operation *operation, const Error *error);

/* A new reference; NULL: out of memory. */
json_t *operation_json(const Operation *operation);
json_t *operations_json(const Operations *operations); /* oldest first */

/* A JSON string of a text that may not be UTF-8: other bytes become '?'. */
json_t *operation_text_json(const char *text);

#endif
