/* SPDX-License-Identifier: Apache-2.0
 *
 * Child: a function run in a process of its own with a deadline, because what it touches may hang, crash or
 * write where it should not.
 *
 * fork: the caller must have one thread. The child has no terminal, no core dump, an address space of its own
 * and its standard streams on /dev/null. Invariant: the verdict is CHILD_ANSWERED only if the whole answer
 * came and nothing but the answer.
 */
#ifndef MANAGER_CHECKS_CHILD_H
#define MANAGER_CHECKS_CHILD_H

#include <stdbool.h>
#include <stddef.h>

enum { CHILD_TEXT_MAX = 400 };

typedef enum ChildVerdict {
    CHILD_ANSWERED,
    CHILD_HANGS,     /* the deadline passed */
    CHILD_CRASHES,   /* a signal, or an exit of its own accord */
    CHILD_SCRIBBLES, /* what came is not an answer, or memory of ours was changed */
    CHILD_IMPOSSIBLE /* no process could be made */
} ChildVerdict;

typedef struct ChildAnswer {
    ChildVerdict verdict;
    bool good;                 /* answered: what the function returned */
    int code;                  /* crashes: the signal, or 0 */
    char text[CHILD_TEXT_MAX]; /* answered: what the function wrote; else what happened, as a sentence */
} ChildAnswer;

/* Writes its sentence into text. */
typedef bool (*ChildFn)(void *context, char text[CHILD_TEXT_MAX]);

void child_run(ChildFn function, void *context, int timeout_ms, ChildAnswer *ret_answer);

#endif
