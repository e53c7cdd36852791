/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the trial load share: trial_load (the child and its deadline), trial_enclave (the steps),
 * trial_probe (an enclave of our own) and trial_verdict (what a failed step means).
 */
#ifndef MANAGER_CHECKS_TRIAL_PARTS_H
#define MANAGER_CHECKS_TRIAL_PARTS_H

#include "bundles/sgx/image.h"
#include "bundles/sgx/metadata.h"
#include "bundles/sgx/sigstruct.h"
#include "manager/checks/trial_load.h"

typedef enum TrialStep {
    TRIAL_STEP_OPEN,
    TRIAL_STEP_RESERVE,
    TRIAL_STEP_CREATE,
    TRIAL_STEP_ADD,
    TRIAL_STEP_PROVISION,
    TRIAL_STEP_INIT,
    TRIAL_STEP_MAP,
    TRIAL_STEPS_COUNT
} TrialStep;

/* One load; too large for the stack. */
typedef struct Trial {
    const char *root;
    Elf elf;
    Metadata metadata;
    Sigstruct sigstruct;
    Image image;
    SgxSecs secs;
    SgxDevice device;
    uint64_t added;    /* pages */
    uint64_t si_flags; /* of the last page that was to be added */
    /* where it ended */
    TrialStep step;
    int failure;           /* errno */
    uint32_t code;         /* EINIT's, where the driver tells it; else 0 */
    int provision_failure; /* errno of opening the provisioning device; 0: it was opened or is not wanted */
} Trial;

/* In the child. */
void trial_enclaves_run(const char *root, const Bytes *files, size_t count, TrialResult *ret_result);
void trial_provisioning_run(const char *root, TrialResult *ret_result);
void trial_probe_run(const char *root, TrialResult *ret_result);

/* What the trial of a probe borrows. */
typedef struct TrialProbe {
    MetadataEntry entry;
    uint8_t sigstruct[SIGSTRUCT_SIZE];
} TrialProbe;

/* Image and SIGSTRUCT of a trial; takes a second at worst, for the key. */
bool trial_probe_plan(TrialProbe *probe, Trial *trial, Error *err) __attribute__((warn_unused_result));

/* Verdict and sentence for the step at which the trial ended. */
void trial_judge(const Trial *trial, TrialResult *result);
/* The same when the enclave may not have the provisioning key. */
void trial_judge_provisioning(const Trial *trial, TrialResult *result);
void trial_say(TrialResult *result, TrialVerdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
