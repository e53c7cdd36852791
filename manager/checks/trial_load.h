/* SPDX-License-Identifier: Apache-2.0
 *
 * TrialLoad: does this node's SGX driver take these enclaves? Each is built page by page with the driver's
 * own ioctls, initialised, mapped as it would be used, and destroyed; not one instruction of it runs.
 *
 * The pages are those that image makes and measure hashes. The work is done in a child with a deadline and
 * resource limits, because drivers hang and processes die in them. Invariant: the verdict names one cause,
 * and where the driver only says "no", the cause is sought in what can be computed without it: form and
 * signature of the SIGSTRUCT, MRENCLAVE, attributes. What is left over is not the enclave's fault.
 */
#ifndef MANAGER_CHECKS_TRIAL_LOAD_H
#define MANAGER_CHECKS_TRIAL_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "manager/checks/sgx_device.h"

typedef enum TrialVerdict {
    TRIAL_LOADED,
    TRIAL_NO_DEVICE,
    TRIAL_NO_PERMISSION,           /* to open the enclave device */
    TRIAL_NO_PROVISION_DEVICE,     /* the enclave wants the provisioning key; its device is not there */
    TRIAL_NO_PROVISION_PERMISSION, /* … is there, and not for us */
    TRIAL_NO_EPC,
    TRIAL_NOEXEC,          /* the device lies on a file system without execution */
    TRIAL_BAD_RANGE,       /* size or place of the enclave */
    TRIAL_FOREIGN_DRIVER,  /* does not know the ioctls that its device node promises */
    TRIAL_BAD_FILE,        /* no loader could load this */
    TRIAL_BAD_SIGSTRUCT,   /* malformed */
    TRIAL_BAD_SIGNATURE,   /* RSA signature, Q1 or Q2 */
    TRIAL_BAD_MEASUREMENT, /* the pages are not those that were signed */
    TRIAL_BAD_ATTRIBUTES,  /* the processor or the signer does not allow what the enclave asks for */
    TRIAL_LAUNCH_CONTROL,  /* the processor only starts enclaves of a certain signer, or with a token */
    TRIAL_DRIVER_BUG,      /* the processor measured something else than was handed over */
    TRIAL_REFUSED,         /* by EINIT, and nothing is wrong with the enclave as far as can be computed */
    TRIAL_BUSY,            /* interrupts all the time, or the EPC was lost meanwhile: worth another try */
    TRIAL_FAILED,          /* any other failed call */
    TRIAL_CRASHED,
    TRIAL_TIMED_OUT,
    TRIAL_VERDICTS_COUNT
} TrialVerdict;

enum { TRIAL_FILES_MAX = 8, TRIAL_TEXT_MAX = 400, TRIAL_TIMEOUT_MS = 20000 };

typedef struct TrialResult {
    TrialVerdict verdict;
    bool has_flavour;
    SgxFlavour flavour; /* of the driver that was asked */
    size_t index;       /* of the enclave that the verdict is about */
    uint64_t pages;     /* added until the verdict, of all enclaves */
    uint64_t epc_kib;   /* that the enclaves want, those behind the verdict's left out; 0: not known */
    uint64_t elapsed_us;
    char text[TRIAL_TEXT_MAX]; /* a sentence in any case, with what to do where that is known */
} TrialResult;

/* Loads all of these enclave files, so that at the end all of them are in the EPC together, up to the first
 * that is refused. `root`: "" for the running system. False only if no child could be made or memory is
 * short. May be called only by a process with one thread. */
bool trial_load(const char *root, const Bytes *files, size_t count, int timeout_ms, TrialResult *ret_result,
                Error *err) __attribute__((warn_unused_result));

/* May this process let enclaves use the provisioning key? Asks the driver, without an enclave. TRIAL_LOADED:
 * yes. In the same kind of child. */
bool trial_provisioning(const char *root, int timeout_ms, TrialResult *ret_result, Error *err)
    __attribute__((warn_unused_result));

/* Does any enclave start here? Tries one of our own, which wants no privilege. TRIAL_LOADED: yes. */
bool trial_probe(const char *root, int timeout_ms, TrialResult *ret_result, Error *err)
    __attribute__((warn_unused_result));

#endif
