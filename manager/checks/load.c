/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of loading: the driver is asked for what nothing else proves: it builds each enclave of the bundle
 * and lets the processor judge it. Where there is no SGX device there is nothing to ask; that one should be
 * there is said by the family driver.
 */
#include <stdio.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/sgx/image.h"
#include "manager/checks/families.h"
#include "manager/checks/trial_load.h"

#define KERNEL_SGX "https://docs.kernel.org/arch/x86/sgx.html"

/* A simulated bundle does not need what the trial found missing. */
static void answer_trial(const CheckSubject *subject, CheckResult *result, const TrialResult *trial,
                         const char *what) {
    if (trial->verdict == TRIAL_LOADED) {
        check_pass(result, "%s%s (%llu ms)", what, trial->text, (unsigned long long)trial->elapsed_us / 1000);
    } else if (trial->verdict == TRIAL_NO_DEVICE) {
        check_skip(result, "%s",
                   check_is_simulated(subject) ? "no SGX device, and the simulated platform needs none"
                                               : trial->text);
    } else if (trial->verdict == TRIAL_BUSY) {
        check_warn(result, "%s%s", what, trial->text);
    } else if (check_is_simulated(subject)) {
        check_note(result, "%s%s", what, trial->text);
    } else {
        check_bad(result, "%s%s", what, trial->text);
    }
}

static bool ask_driver(CheckResult *result, TrialResult *ret_trial) {
    Error err = ERROR_INIT;
    if (!trial_provisioning("", TRIAL_TIMEOUT_MS, ret_trial, &err)) {
        check_skip(result, "cannot be tried: %s", err.text);
        return false;
    }
    return true;
}

static bool is_about_provisioning(const TrialResult *trial) {
    return trial->verdict == TRIAL_NO_PROVISION_DEVICE || trial->verdict == TRIAL_NO_PROVISION_PERMISSION;
}

static void check_driver(const CheckSubject *subject, CheckResult *result) {
    TrialResult trial;
    if (!ask_driver(result, &trial)) {
        return;
    }
    if (trial.has_flavour && (trial.verdict == TRIAL_LOADED || is_about_provisioning(&trial))) {
        check_pass(result, "%s answers as the %s driver does", sgx_flavour_node(trial.flavour),
                   sgx_flavour_name(trial.flavour));
    } else {
        answer_trial(subject, result, &trial, "");
    }
}

static void check_provision(const CheckSubject *subject, CheckResult *result) {
    TrialResult trial;
    if (!ask_driver(result, &trial)) {
        return;
    }
    if (trial.verdict == TRIAL_LOADED || is_about_provisioning(&trial)) {
        answer_trial(subject, result, &trial, "");
    } else {
        check_skip(result, "the driver cannot be asked: see load.driver");
    }
}

static void check_probe(const CheckSubject *subject, CheckResult *result) {
    TrialResult trial;
    Error err = ERROR_INIT;
    if (trial_probe("", TRIAL_TIMEOUT_MS, &trial, &err)) {
        answer_trial(subject, result, &trial, "");
    } else {
        check_skip(result, "cannot be tried: %s", err.text);
    }
}

static bool read_enclave(const CheckSubject *subject, ManifestRole role, Buffer *buffer,
                         CheckResult *result) {
    const ManifestFile *file = manifest_find(subject->bundle, role);
    Error err = ERROR_INIT;
    if (subject->bundle_path == NULL) {
        check_skip(result, "the bundle is not unpacked anywhere");
        return false;
    }
    if (file == NULL) {
        check_skip(result, "the bundle has no %s", manifest_role_name(role));
        return false;
    }
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, subject->bundle_path, &err);
    if (dir_fd < 0 || !file_read(dir_fd, file->path, buffer, &err)) {
        check_skip(result, "the enclave cannot be read: %s", err.text);
        return false;
    }
    return true;
}

static void try_roles(const CheckSubject *subject, CheckResult *result, const ManifestRole *roles,
                      size_t count) {
    Buffer buffers[TRIAL_FILES_MAX];
    Bytes files[TRIAL_FILES_MAX] = {{0}};
    TrialResult trial;
    Error err = ERROR_INIT;
    size_t done = 0;
    bool good = true;
    for (; good && done < count; done++) {
        buffers[done] = BUFFER_INIT(image_limits_bundle.file_size);
        good = read_enclave(subject, roles[done], &buffers[done], result);
        files[done] = buffer_bytes(&buffers[done]);
    }
    if (good && !trial_load("", files, count, TRIAL_TIMEOUT_MS, &trial, &err)) {
        check_skip(result, "cannot be tried: %s", err.text);
        good = false;
    }
    if (good) {
        char what[32] = "";
        if (count > 1 && trial.verdict != TRIAL_LOADED) {
            (void)snprintf(what, sizeof what, "%s: ", manifest_role_name(roles[trial.index]));
        }
        answer_trial(subject, result, &trial, what);
    }
    while (done > 0) {
        buffer_done(&buffers[--done]);
    }
}

static const ManifestRole set[] = {MANIFEST_ROLE_QE3, MANIFEST_ROLE_ID_ENCLAVE, MANIFEST_ROLE_PCE};

static void check_qe3(const CheckSubject *subject, CheckResult *result) {
    try_roles(subject, result, &set[0], 1);
}

static void check_id_enclave(const CheckSubject *subject, CheckResult *result) {
    try_roles(subject, result, &set[1], 1);
}

static void check_pce(const CheckSubject *subject, CheckResult *result) {
    try_roles(subject, result, &set[2], 1);
}

static void check_set(const CheckSubject *subject, CheckResult *result) {
    try_roles(subject, result, set, sizeof set / sizeof set[0]);
}

enum {
    NEEDS_DRIVER = CHECK_NEEDS_LIVE | CHECK_NEEDS_TIME,
    NEEDS_ENCLAVES = CHECK_NEEDS_LIVE | CHECK_NEEDS_TIME | CHECK_NEEDS_BUNDLE
};

static const Check checks[] = {
    {"load.driver", "the driver behind the device node answers as its name promises",
     "a device node that another driver, or none, is behind", "https://github.com/intel/linux-sgx/issues/807",
     NEEDS_DRIVER, CHECK_FAIL, check_driver,
     "keep one SGX driver, let udev make its device nodes anew, and let this user open them"},
    {"load.probe", "any enclave starts here: one of our own, which wants no privilege",
     "looking for the fault in Intel's enclaves when no enclave can start", KERNEL_SGX, NEEDS_DRIVER,
     CHECK_FAIL, check_probe, "do as the sentence says; until then no bundle can serve from this node"},
    {"load.provision", "the driver lets this process have the provisioning key",
     "EINIT that ends in 'not authorised' (0x4004) after the enclave was loaded",
     "https://github.com/intel/linux-sgx/issues/787", NEEDS_DRIVER, CHECK_FAIL, check_provision,
     "let the manager's user into the group that owns the provisioning device (sgx_prv)"},
    {"load.qe3", "the driver and the processor take the quoting enclave",
     "a bundle that verifies and whose QE does not start here",
     "https://github.com/edgelesssys/ego/issues/205", NEEDS_ENCLAVES, CHECK_FAIL, check_qe3,
     "do as the sentence says; until then keep the bundle that serves"},
    {"load.id_enclave", "the driver and the processor take the ID enclave",
     "a bundle whose ID enclave does not start: no attestation key then", KERNEL_SGX, NEEDS_ENCLAVES,
     CHECK_FAIL, check_id_enclave, "do as the sentence says; until then keep the bundle that serves"},
    {"load.pce", "the driver and the processor take the PCE",
     "a bundle whose PCE does not start: quotes without a certificate", KERNEL_SGX, NEEDS_ENCLAVES,
     CHECK_FAIL, check_pce, "do as the sentence says; until then keep the bundle that serves"},
    {"load.set", "all of the bundle's enclaves fit into the EPC together, beside what runs now",
     "a swap that ends in SGX_ERROR_OUT_OF_EPC because the former set is still loaded", KERNEL_SGX,
     NEEDS_ENCLAVES, CHECK_FAIL, check_set,
     "give the processor more reserved memory, end other enclaves, or set swap.epc to sequential"},
};

const CheckFamily family_load = {"load", FAMILY(checks)};
