/* SPDX-License-Identifier: Apache-2.0
 *
 * Report: the checks that were run and what came of each, in the order of the table.
 *
 * Invariant: every check of the selection has exactly one result.
 */
#ifndef MANAGER_CHECKS_REPORT_H
#define MANAGER_CHECKS_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "manager/checks/check.h"

enum { REPORT_WAIVERS_MAX = 64 };

typedef struct CheckWaiver {
    const char *check;  /* id */
    const char *reason; /* why it is accepted */
    int64_t until;      /* seconds since 1970; from then on it is ignored */
} CheckWaiver;          /* borrowed */

typedef struct CheckReport {
    CheckResult *results;
    size_t count;
    size_t counts[CHECK_STATUSES_COUNT];
    uint64_t microseconds;
} CheckReport;

/* Runs all checks, or without those that take time (`quick`). ERROR_MEMORY is all that can fail. */
bool report_run(const CheckSubject *subject, bool quick, CheckReport *ret_report, Error *err)
    __attribute__((warn_unused_result));
void report_done(CheckReport *report);

/* Runs one. */
void report_run_one(const CheckSubject *subject, const Check *check, CheckResult *ret_result);

/* What failed or warned and has a waiver that has not expired becomes "waived". */
void report_waive(CheckReport *report, const CheckWaiver *waivers, size_t count, int64_t now);

/* {"checks": [{"id", "status", "severity", "title", "text", "remedy"}], "counts": {...}, "milliseconds"};
 * "remedy" where there is something to do. NULL: out of memory. */
json_t *report_json(const CheckReport *report);

/* JUnit XML of such a document: one test case a check; warnings count as passed, with their text. */
bool report_write_junit(const json_t *report, FILE *out) __attribute__((warn_unused_result));

#endif
