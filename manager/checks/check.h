/* SPDX-License-Identifier: Apache-2.0
 *
 * Check: one compatibility check: a question about host and bundle that has a stable id, and its answer.
 *
 * A family is a file with a table of checks (family_cpu, ...); manager/checks/table.c lists the families.
 * A check's function takes its facts from the subject alone and says one sentence. What it cannot know it
 * skips, with the reason: an unknown is never a pass and never a failure. docs/checks.md lists every check.
 */
#ifndef MANAGER_CHECKS_CHECK_H
#define MANAGER_CHECKS_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/manifest.h"
#include "manager/checks/host.h"

enum { CHECK_TEXT_MAX = 512, CHECK_ID_MAX = 48 };

typedef enum CheckStatus {
    CHECK_PASS,
    CHECK_INFO,   /* worth knowing, nothing to do */
    CHECK_WARN,   /* will bite some day; does not stop a swap */
    CHECK_FAIL,   /* stops a swap */
    CHECK_SKIP,   /* not known, and why */
    CHECK_WAIVED, /* failed or warned, and the configuration says that this is accepted */
    CHECK_STATUSES_COUNT
} CheckStatus;

/* What a check that needs something is skipped without. */
enum {
    CHECK_NEEDS_HARDWARE = 1, /* means nothing for the simulated platform */
    CHECK_NEEDS_ROOT = 2,
    CHECK_NEEDS_LIVE = 4, /* the running system, not a tree */
    CHECK_NEEDS_BUNDLE = 8,
    CHECK_NEEDS_SERVING = 16, /* a bundle that serves, besides the one that is checked */
    CHECK_NEEDS_TRIAL = 32,   /* what a test generation said */
    CHECK_NEEDS_TIME = 64     /* network or a child: is not run for a swap */
};

/* From the configuration; strings may be NULL: not known. */
typedef struct CheckSettings {
    const char *socket_path, *store, *state, *runtime;
    unsigned socket_mode;
    bool simulated_allowed;
    bool epc_sequential;
    uint64_t epc_kib;              /* swap.epc_size; 0: the platform's */
    uint64_t trial_latency_max_ms; /* 0: not known */
    unsigned ducks_count;
    const char *collateral;      /* a directory or file; NULL or "": what the advisor keeps in state */
    const char *collateral_root; /* file of the root; NULL or "": Intel's */
} CheckSettings;

/* All borrowed. */
typedef struct CheckSubject {
    const Host *host;
    const CheckSettings *settings;
    const Manifest *bundle;  /* NULL: only the host is looked at */
    const char *bundle_path; /* where it lies unpacked, on the running system; NULL: nowhere */
    const Manifest *serving; /* NULL: nothing serves, or it is not known */
    const json_t *trial;     /* {"trial", "status"} of a test generation; NULL: none was made */
    struct LibrarySet *
        *libraries; /* where the checks of one run share what they read; NULL: each reads anew */
} CheckSubject;

typedef struct Check Check;

typedef struct CheckResult {
    const Check *check;
    CheckStatus status;
    char text[CHECK_TEXT_MAX];
} CheckResult;

typedef void (*CheckFn)(const CheckSubject *subject, CheckResult *result);

struct Check {
    const char *id;        /* "driver.nodes": never changes its meaning */
    const char *title;     /* what is asked: "the driver's device nodes are there" */
    const char *protects;  /* from what */
    const char *reference; /* URL of the public report or document */
    unsigned needs;        /* CHECK_NEEDS_... */
    CheckStatus severity;  /* how bad "bad" is: CHECK_INFO, CHECK_WARN or CHECK_FAIL */
    CheckFn run;
    const char *remedy; /* what to do */
};

typedef struct CheckFamily {
    const char *name; /* "cpu": the part of the ids before the dot */
    const Check *checks;
    size_t count;
} CheckFamily;

extern const CheckFamily *const check_families[];
extern const size_t check_families_count;

/* By id; NULL: there is none. */
const Check *check_find(const char *id);

const char *check_status_name(CheckStatus status); /* "pass" */

/* How a check function answers, once. check_bad gives the check's severity; check_warn something milder than
 * its worst. The text is cut where it is too long; bytes that are not printable become '?'. */
void check_pass(CheckResult *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_bad(CheckResult *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_warn(CheckResult *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_note(CheckResult *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
void check_skip(CheckResult *result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Is the platform of this subject the simulated one? By the bundle; without one, by the configuration. */
bool check_is_simulated(const CheckSubject *subject);

#endif
