/* SPDX-License-Identifier: Apache-2.0
 *
 * Ctl: what pswctl's subcommands share: their options, the connection, and how they speak.
 *
 * A subcommand prints what was asked for on standard output, as text for people or with --json as one JSON
 * value, and everything else on standard error. Its exit status is that of the error's kind
 * (docs/operating.md).
 */
#ifndef MANAGER_CTL_CTL_H
#define MANAGER_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "bundles/base/error.h"
#include "manager/ctl/client.h"

enum { CTL_DOWNGRADES_MAX = 8, CTL_ANSWER_NO = 1 };

typedef struct Ctl {
    const char *api;    /* --api: path of the socket */
    const char *config; /* --config */
    bool json;
    bool no_wait;
    bool stage;                                 /* fetch */
    const char *sha256;                         /* fetch */
    const char *soak;                           /* swap, rollback */
    const char *downgrades[CTL_DOWNGRADES_MAX]; /* swap: --allow-downgrade */
    size_t downgrades_count;
    const char *count;      /* journal */
    bool remote;            /* list */
    bool stage_only;        /* update */
    const char *to;         /* update */
    const char *from;       /* update */
    const char *root;       /* doctor: NULL is the running system; verify: NULL is Intel's certificate */
    const char *junit;      /* doctor, test: a file for JUnit XML; NULL: none */
    const char *collateral; /* verify */
    const char *time;       /* verify */
    const char *operand;    /* the one argument that is no option; NULL: none */
    CtlClient *client;      /* NULL for commands that work without the manager */
    int answer;             /* exit status of what did its work: CTL_ANSWER_NO if the answer is no */
} Ctl;

/* The error's sentence is printed by main. */
typedef bool (*CtlCommandFn)(Ctl *ctl, Error *err);

bool ctl_status(Ctl *ctl, Error *err);
bool ctl_clients(Ctl *ctl, Error *err);
bool ctl_list(Ctl *ctl, Error *err);
bool ctl_fetch(Ctl *ctl, Error *err);
bool ctl_stage(Ctl *ctl, Error *err);
bool ctl_test(Ctl *ctl, Error *err);
bool ctl_diff(Ctl *ctl, Error *err);
bool ctl_swap(Ctl *ctl, Error *err);
bool ctl_commit(Ctl *ctl, Error *err);
bool ctl_adopt(Ctl *ctl, Error *err);
bool ctl_rollback(Ctl *ctl, Error *err);
bool ctl_remove(Ctl *ctl, Error *err);
bool ctl_journal(Ctl *ctl, Error *err);
bool ctl_check_update(Ctl *ctl, Error *err);
bool ctl_update(Ctl *ctl, Error *err);
bool ctl_explain(Ctl *ctl, Error *err);
bool ctl_doctor(Ctl *ctl, Error *err);
bool ctl_verify(Ctl *ctl, Error *err);
bool ctl_explain_code(Ctl *ctl, Error *err); /* explain CODE: without the manager */
bool ctl_list_remote(Ctl *ctl, Error *err);  /* list --remote */
bool ctl_tcb(Ctl *ctl, Error *err);

/* "NAME VERSION (DIGEST)" of a bundle's JSON, in the buffer; NULL and null: "nothing". */
const char *ctl_bundle_label(const json_t *bundle, char *buffer, size_t size);

/* The part of `status` about what went wrong in the last day, out of the journal. */
void ctl_print_lately(const json_t *journal);

/* The part of `status` about updates. */
void ctl_print_updates(const json_t *updates);

/* A report of checks (manager/checks/report.h): all that were run, or what is not as it should be; and
 * --junit, whose place is looked at before anything is run. */
void ctl_print_checks(const json_t *report, bool all);
bool ctl_check_junit(const Ctl *ctl, Error *err);
bool ctl_write_junit(const Ctl *ctl, const json_t *report, Error *err);
/* A verdict on a quote (bundles/dcap/verdict.h) as text. */
void ctl_print_verdict(const json_t *verdict);

/* A bundle's "tcb": the verdict today, and under Intel's newest data if it is another. False: not judged. */
bool ctl_format_tcb(const json_t *tcb, char *buffer, size_t size);
/* The line of `status` about the TCB. */
void ctl_print_tcb_line(const json_t *tcb);

/* Put --soak and --allow-downgrade into a request's body. */
bool ctl_add_soak(const Ctl *ctl, json_t *body);
bool ctl_add_downgrades(const Ctl *ctl, json_t *body);

/* Prints a value as JSON. */
bool ctl_print_json(const json_t *value, Error *err);

/* Follows an operation to its end unless --no-wait: progress on standard error, the outcome on standard
 * output. A failed operation fails with its own kind and sentence. Takes the reference. */
bool ctl_follow(Ctl *ctl, json_t *operation, Error *err);
/* Its two halves: waits for the end and gives the operation as it is then; and says what came of it. */
json_t *ctl_await(Ctl *ctl, json_t *operation, Error *err);
bool ctl_report(Ctl *ctl, const json_t *operation, Error *err);

/* Draws or clears a progress bar on a terminal; nothing elsewhere. */
void ctl_draw_progress(const char *step, uint64_t done, uint64_t total);
void ctl_clear_progress(void);

/* Borrowed; "" or 0 where a member is missing. */
const char *ctl_text(const json_t *object, const char *key);
long long ctl_number(const json_t *object, const char *key);

#endif
