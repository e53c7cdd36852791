/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/digest.h"
#include "bundles/sgx/measure.h"
#include "manager/checks/trial_parts.h"

void trial_say(TrialResult *result, TrialVerdict verdict, const char *format, ...) {
    va_list args;
    va_start(args, format);
    result->verdict = verdict;
    (void)vsnprintf(result->text, sizeof result->text, format, args);
    va_end(args);
}

static const char *node_of(const Trial *trial) {
    return sgx_flavour_node(trial->device.flavour);
}

static void judge_noexec(const Trial *trial, TrialResult *result) {
    trial_say(result, TRIAL_NOEXEC,
              "%s does not allow executable mappings: /dev is mounted noexec; remount it with exec",
              node_of(trial));
}

static void judge_foreign(const Trial *trial, TrialResult *result, const char *what) {
    trial_say(
        result, TRIAL_FOREIGN_DRIVER,
        "the driver behind %s does not know how the %s driver is asked to %s: another driver owns the device "
        "node; keep one driver, and let udev make its nodes anew",
        node_of(trial), sgx_flavour_name(trial->device.flavour), what);
}

static void judge_open(const Trial *trial, TrialResult *result) {
    switch (trial->failure) {
    case EACCES:
    case EPERM:
        trial_say(
            result, TRIAL_NO_PERMISSION,
            "%s cannot be opened by this user: add it to the group that owns the device (sgx), or, in a "
            "container, let the container have the device",
            node_of(trial));
        break;
    case ENODEV:
    case ENXIO:
        trial_say(result, TRIAL_NO_DEVICE,
                  "%s is there and no driver is behind it: remove it, or load the driver", node_of(trial));
        break;
    case ENOTTY:
        judge_foreign(trial, result, "add pages");
        break;
    default:
        trial_say(result, TRIAL_FAILED, "%s cannot be opened: %s", node_of(trial), strerror(trial->failure));
    }
}

static void judge_epc(const Trial *trial, TrialResult *result) {
    trial_say(
        result, TRIAL_NO_EPC,
        "the EPC was exhausted after %llu of %llu pages: %llu KiB are wanted; end other enclaves, or give "
        "the processor more reserved memory in the firmware",
        (unsigned long long)trial->added, (unsigned long long)trial->image.pages,
        (unsigned long long)image_epc_kib(&trial->image));
}

static void judge_reserve(const Trial *trial, TrialResult *result) {
    switch (trial->failure) {
    case EPERM:
        judge_noexec(trial, result);
        break;
    case ERANGE:
        trial_say(
            result, TRIAL_BAD_RANGE,
            "the driver behind %s placed the enclave's range of 0x%llx bytes where it is not aligned to its "
            "size: update the driver",
            node_of(trial), (unsigned long long)trial->secs.size);
        break;
    case ENOMEM:
    case EINVAL:
        trial_say(result, TRIAL_BAD_RANGE, "the enclave's range of 0x%llx bytes cannot be mapped from %s: %s",
                  (unsigned long long)trial->secs.size, node_of(trial), strerror(trial->failure));
        break;
    case EACCES:
        trial_say(
            result, TRIAL_NO_PERMISSION,
            "%s may not be mapped by this process: a security policy (SELinux, AppArmor) or the personality "
            "READ_IMPLIES_EXEC forbids it",
            node_of(trial));
        break;
    default:
        trial_say(result, TRIAL_FAILED, "%s cannot be mapped: %s", node_of(trial), strerror(trial->failure));
    }
}

/* ECREATE's refusals: what it demands of size, attributes and SSA frames is known, so that a good SECS leaves
 * only what the processor offers. */
static void judge_create(const Trial *trial, TrialResult *result) {
    switch (trial->failure) {
    case ENOTTY:
        judge_foreign(trial, result, "create an enclave");
        break;
    case ENOMEM:
        judge_epc(trial, result);
        break;
    case EINVAL:
    case EIO:
    case EFAULT:
        trial_say(
            result, TRIAL_BAD_RANGE,
            "the enclave's SECS was refused (%s): a range of 0x%llx bytes, attributes 0x%llx, XFRM 0x%llx, "
            "%u pages of state: more than this processor offers enclaves",
            strerrorname_np(trial->failure), (unsigned long long)trial->secs.size,
            (unsigned long long)trial->secs.attributes.flags, (unsigned long long)trial->secs.attributes.xfrm,
            trial->secs.ssa_frame_size);
        break;
    default:
        trial_say(result, TRIAL_FAILED, "the enclave cannot be created: %s", strerror(trial->failure));
    }
}

static void judge_lost(TrialResult *result) {
    trial_say(
        result, TRIAL_BUSY,
        "the EPC was lost while the enclave was loaded, as by suspending the node or moving the virtual "
        "machine: try again");
}

/* What image lets pass and drivers refuse is a layout that asks for permissions or a TCS that no processor
 * has. */
static void judge_page(const Trial *trial, TrialResult *result) {
    trial_say(result, TRIAL_BAD_FILE,
              "page %llu of %llu was refused (%s): its permissions (SECINFO 0x%llx) or its thread control "
              "structure "
              "are none that a processor accepts: the enclave's metadata are broken",
              (unsigned long long)trial->added + 1, (unsigned long long)trial->image.pages,
              strerrorname_np(trial->failure), (unsigned long long)trial->si_flags);
}

static void judge_add(const Trial *trial, TrialResult *result) {
    if (trial->code == SGX_EINIT_POWER_LOST) {
        judge_lost(result);
        return;
    }
    switch (trial->failure) {
    case ENOTTY:
        judge_foreign(trial, result, "add pages");
        break;
    case ENOMEM:
        judge_epc(trial, result);
        break;
    case EACCES:
        judge_noexec(trial, result);
        break;
    case EINVAL:
        judge_page(trial, result);
        break;
    case EIO: /* EADD failed: of a TCS because of its contents, of another page because there is no EPC behind
                 it */
        if ((trial->si_flags & SGX_SI_TCS) != 0) {
            judge_page(trial, result);
        } else {
            judge_lost(result);
        }
        break;
    default:
        trial_say(result, TRIAL_FAILED, "page %llu of %llu was refused: %s",
                  (unsigned long long)trial->added + 1, (unsigned long long)trial->image.pages,
                  strerror(trial->failure));
    }
}

void trial_judge_provisioning(const Trial *trial, TrialResult *result) {
    const char *node = sgx_flavour_provision_node(trial->device.flavour);
    int failure = trial->provision_failure;
    if ((trial->secs.attributes.flags & SGX_FLAGS_EINITTOKEN_KEY) != 0) {
        trial_say(result, TRIAL_BAD_ATTRIBUTES,
                  "the enclave wants the key of launch tokens, which drivers for launch control give to "
                  "none: it is "
                  "a launch enclave, and not needed here");
    } else if (failure == ENOENT || failure == ENODEV || failure == ENXIO) {
        trial_say(result, TRIAL_NO_PROVISION_DEVICE,
                  "the provisioning key is wanted, and %s is not there: load a driver that has it, "
                  "or, in a "
                  "container, let the container have the device",
                  node);
    } else if (failure == EACCES || failure == EPERM) {
        trial_say(result, TRIAL_NO_PROVISION_PERMISSION,
                  "the provisioning key is wanted, and %s cannot be opened by this user: add it to the "
                  "group that owns the device (sgx_prv)",
                  node);
    } else if (failure != 0) {
        trial_say(result, TRIAL_FAILED, "%s cannot be opened: %s", node, strerror(failure));
    } else {
        trial_say(
            result, TRIAL_NO_PROVISION_PERMISSION,
            "the driver behind %s does not let the enclave have the attributes that it asks for (0x%llx): "
            "only the provisioning key can be allowed",
            node_of(trial), (unsigned long long)trial->secs.attributes.flags);
    }
}

static void judge_provision_step(const Trial *trial, TrialResult *result) {
    if (trial->failure == ENOTTY) {
        judge_foreign(trial, result, "allow the provisioning key");
    } else {
        trial_say(result, TRIAL_NO_PROVISION_PERMISSION,
                  "the driver behind %s does not accept %s as its provisioning device (%s): one of the two "
                  "nodes is "
                  "another driver's, or stale",
                  node_of(trial), sgx_flavour_provision_node(trial->device.flavour),
                  strerror(trial->failure));
    }
}

static bool attributes_are_signed_for(const Trial *trial) {
    const Sigstruct *sigstruct = &trial->sigstruct;
    uint64_t flags = trial->secs.attributes.flags ^ sigstruct->attributes.flags;
    uint64_t xfrm = trial->secs.attributes.xfrm ^ sigstruct->attributes.xfrm;
    uint32_t misc = trial->secs.misc_select ^ sigstruct->misc_select;
    return (flags & sigstruct->attributes_mask.flags) == 0 && (xfrm & sigstruct->attributes_mask.xfrm) == 0 &&
           (misc & sigstruct->misc_mask) == 0;
}

static bool measures_as_signed(const Trial *trial) {
    Digest measured;
    Error ignored = ERROR_INIT;
    return measure_image(&trial->image, &measured, &ignored) &&
           memcmp(measured.bytes, trial->sigstruct.mr_enclave, sizeof measured.bytes) == 0;
}

static void say_attributes(const Trial *trial, TrialResult *result) {
    trial_say(result, TRIAL_BAD_ATTRIBUTES,
              "EINIT: SGX_INVALID_ATTRIBUTE: attributes 0x%llx and XFRM 0x%llx are not what was signed for, "
              "or more "
              "than this processor has: the enclave does not fit this processor or its metadata were changed",
              (unsigned long long)trial->secs.attributes.flags,
              (unsigned long long)trial->secs.attributes.xfrm);
}

static void say_launch_control(TrialResult *result) {
    trial_say(
        result, TRIAL_LAUNCH_CONTROL,
        "EINIT: SGX_INVALID_EINITTOKEN: launch control only lets enclaves of another signer start, or such "
        "with a launch token: unlock it in the firmware (flexible launch control) and use the kernel's "
        "driver; DCAP cannot run with launch tokens");
}

static void say_measurement(const Trial *trial, TrialResult *result) {
    if (measures_as_signed(trial)) {
        trial_say(
            result, TRIAL_DRIVER_BUG,
            "EINIT: SGX_INVALID_MEASUREMENT, though the pages that were handed over measure to what was "
            "signed: the driver or the hypervisor adds or measures pages wrongly: use another kernel");
    } else {
        trial_say(
            result, TRIAL_BAD_MEASUREMENT,
            "EINIT: SGX_INVALID_MEASUREMENT: the enclave's pages are not those that were signed: the file "
            "was changed");
    }
}

/* Most drivers only say EPERM: then the first reason that can be computed is the one to tell. */
static uint32_t guess_code(const Trial *trial, Error *err) {
    if (!sigstruct_check_form(&trial->sigstruct, err)) {
        return SGX_EINIT_INVALID_SIG_STRUCT;
    }
    if (!sigstruct_check_signature(&trial->sigstruct, err)) {
        return SGX_EINIT_INVALID_SIGNATURE;
    }
    if (!attributes_are_signed_for(trial)) {
        return SGX_EINIT_INVALID_ATTRIBUTE;
    }
    return measures_as_signed(trial) ? 0 : SGX_EINIT_INVALID_MEASUREMENT;
}

static void judge_code(const Trial *trial, TrialResult *result, uint32_t code, const char *detail) {
    switch (code) {
    case SGX_EINIT_INVALID_SIG_STRUCT:
        trial_say(result, TRIAL_BAD_SIGSTRUCT, "EINIT: SGX_INVALID_SIG_STRUCT: %s",
                  detail[0] != '\0' ? detail : "the SIGSTRUCT is malformed");
        break;
    case SGX_EINIT_INVALID_SIGNATURE:
        trial_say(result, TRIAL_BAD_SIGNATURE, "EINIT: SGX_INVALID_SIGNATURE: %s",
                  detail[0] != '\0' ? detail : "the SIGSTRUCT's signature, Q1 or Q2 is wrong");
        break;
    case SGX_EINIT_INVALID_MEASUREMENT:
        say_measurement(trial, result);
        break;
    case SGX_EINIT_INVALID_ATTRIBUTE:
        say_attributes(trial, result);
        break;
    case SGX_EINIT_INVALID_EINITTOKEN:
    case SGX_EINIT_INVALID_CPUSVN:
    case SGX_EINIT_INVALID_ISVSVN:
        say_launch_control(result);
        break;
    case SGX_EINIT_UNMASKED_EVENT:
        trial_say(result, TRIAL_BUSY,
                  "EINIT: SGX_UNMASKED_EVENT: interrupts kept the enclave from starting: try again");
        break;
    case SGX_EINIT_POWER_LOST:
        judge_lost(result);
        break;
    case SGX_EINIT_INVALID_PRIVILEGE:
        trial_judge_provisioning(trial, result);
        break;
    default:
        trial_say(result, TRIAL_FAILED, "EINIT: error 0x%x", code);
    }
}

static void judge_refusal(const Trial *trial, TrialResult *result) {
    Error detail = ERROR_INIT;
    uint32_t guess = guess_code(trial, &detail);
    if (trial->code != 0) {
        judge_code(trial, result, trial->code, guess == trial->code ? detail.text : "");
    } else if (guess != 0) {
        judge_code(trial, result, guess, detail.text);
    } else {
        trial_say(
            result, TRIAL_REFUSED,
            "EINIT was refused without a reason, and the enclave's signature, measurement and attributes are "
            "good: launch control is locked to another signer, or the driver or the hypervisor measures "
            "wrongly: look into the kernel's log; load.probe tells whether any enclave starts");
    }
}

static void judge_init(const Trial *trial, TrialResult *result) {
    switch (trial->failure) {
    case EPERM:
        judge_refusal(trial, result);
        break;
    case EACCES:
        trial_judge_provisioning(trial, result);
        break;
    case ENOTTY:
        judge_foreign(trial, result, "initialise an enclave");
        break;
    case EINVAL:
        say_attributes(trial, result);
        break;
    case ENOMEM:
        judge_epc(trial, result);
        break;
    case EIO:
    case EFAULT:
        judge_lost(result);
        break;
    default:
        trial_say(result, TRIAL_FAILED, "the enclave cannot be initialised: %s", strerror(trial->failure));
    }
}

static void judge_map(const Trial *trial, TrialResult *result) {
    if (trial->failure == EPERM) {
        judge_noexec(trial, result);
    } else {
        trial_say(
            result, TRIAL_FAILED,
            "the initialised enclave cannot be mapped for use (%s): a security policy (SELinux, AppArmor) "
            "may forbid it",
            strerror(trial->failure));
    }
}

void trial_judge(const Trial *trial, TrialResult *result) {
    static void (*const judges[TRIAL_STEPS_COUNT])(const Trial *, TrialResult *) = {
        [TRIAL_STEP_OPEN] = judge_open,     [TRIAL_STEP_RESERVE] = judge_reserve,
        [TRIAL_STEP_CREATE] = judge_create, [TRIAL_STEP_ADD] = judge_add,
        [TRIAL_STEP_INIT] = judge_init,     [TRIAL_STEP_PROVISION] = judge_provision_step,
        [TRIAL_STEP_MAP] = judge_map,
    };
    judges[trial->step](trial, result);
}
