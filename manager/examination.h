/* SPDX-License-Identifier: Apache-2.0
 *
 * Examination: the compatibility checks (manager/checks), run in a child of the manager, and what the last
 * ones said.
 *
 * A report holds for a bundle, for what serves beside it, and for a fingerprint of the platform; as long as
 * these stay, a swap takes what is known already. Invariant: at most one child at a time; `examined` is
 * called exactly once for each examination_begin that succeeded.
 */
#ifndef MANAGER_EXAMINATION_H
#define MANAGER_EXAMINATION_H

#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/store.h"
#include "manager/checks/check.h"
#include "manager/config.h"

typedef struct Examinations Examinations;

Examinations *examinations_new(sd_event *event, const Config *config, Store *store); /* NULL: out of memory */
void examinations_free(Examinations *examinations);
CLEANUP_DEFINE(Examinations, examinations_free)

typedef struct ExaminationWish {
    const char *bundle;  /* digest */
    const char *serving; /* digest; "": nothing serves besides */
    const json_t *trial; /* of a test generation; NULL: none */
    bool all;            /* also checks that take time */
    bool background;     /* gives way to the next one that is not; then its failure is ERROR_CONFLICT */
} ExaminationWish;

/* report: borrowed; NULL with `failure`: they could not be run. */
typedef void (*ExaminedFn)(void *context, const json_t *report, const Error *failure);

/* From memory, at once, if it was done for the same platform; not if there is a trial or all are wanted.
 * `examined` NULL: ahead of time, for the memory. */
bool examination_begin(Examinations *examinations, const ExaminationWish *wish, ExaminedFn examined,
                       void *context, Error *err) __attribute__((warn_unused_result));
bool examinations_is_busy(const Examinations *examinations);

/* ERROR_VERIFY with id, text and remedy of the first check that failed; true: none did. */
bool examination_passes(const json_t *report, Error *err) __attribute__((warn_unused_result));

/* {"failed": [...], "warned": [...], "waived": [...], "counts": {...}}: what status shows; NULL: out of
 * memory. */
json_t *examination_summary(const json_t *report);

/* The configuration as the checks want it; borrows it. */
CheckSettings examination_settings(const Config *config);

#endif
