/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of a bundle against this host: what its manifest asks for, and what its files show.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "manager/checks/driver_nodes.h"
#include "manager/checks/families.h"
#include "manager/checks/host_library.h"
#include "manager/checks/mounts.h"
#include "manager/checks/requirements.h"

enum { LIBRARY_SIZE_MAX = 64 * 1024 * 1024 };

static void judge(const CheckSubject *subject, CheckResult *result, RequirementFn holds, const char *good) {
    Error unmet = ERROR_INIT;
    RequirementsHost host;
    requirements_host_read(subject->host, &host);
    host.simulated_allowed = subject->settings->simulated_allowed;
    host.epc_kib = subject->settings->epc_kib != 0 ? subject->settings->epc_kib : host.epc_kib;
    if (holds(subject->bundle, &host, &unmet)) {
        check_pass(result, "%s", good);
    } else {
        check_bad(result, "%s", unmet.text);
    }
}

static void check_simulated(const CheckSubject *subject, CheckResult *result) {
    judge(subject, result, requirements_simulated,
          subject->bundle->simulated ? "the configuration allows the simulated platform"
                                     : "it is not for the simulated platform");
}

static void check_driver(const CheckSubject *subject, CheckResult *result) {
    judge(subject, result, requirements_driver,
          subject->bundle->drivers_count > 0 ? "a driver that it works with is here"
                                             : "it asks for no driver");
}

static void check_kernel(const CheckSubject *subject, CheckResult *result) {
    judge(subject, result, requirements_kernel,
          subject->bundle->kernel != NULL ? "the kernel is as new as it asks for" : "it asks for no kernel");
}

static void check_epc(const CheckSubject *subject, CheckResult *result) {
    if (subject->bundle->epc_kib == 0) {
        check_skip(result, "the manifest does not say how much EPC it takes");
        return;
    }
    judge(subject, result, requirements_epc, "its enclaves fit into the EPC");
}

static void check_provision(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    struct stat facts;
    driver_nodes_read(subject->host, &nodes);
    if (!subject->bundle->provision) {
        check_pass(result, "it asks for no provisioning privilege");
    } else if (nodes.provision == NULL || host_stat(subject->host, nodes.provision, &facts) != 0) {
        check_bad(result, "it needs the provisioning node and there is none");
    } else if (!host_may(subject->host, &facts, R_OK | W_OK)) {
        check_bad(result, "it needs the provisioning node, and uid %u may not use %s", subject->host->uid,
                  nodes.provision);
    } else {
        check_pass(result, "uid %u may use %s", subject->host->uid, nodes.provision);
    }
}

static void check_libraries(const CheckSubject *subject, CheckResult *result) {
    char path[HOST_LIBRARY_PATH_MAX];
    if (!host_library_is_known(subject->host)) {
        check_skip(result, "where this host keeps its libraries is not known");
        return;
    }
    for (size_t i = 0; i < subject->bundle->libraries_count; i++) {
        if (!host_library_find(subject->host, subject->bundle->libraries[i], path)) {
            check_bad(result, "the host has no %.64s", subject->bundle->libraries[i]);
            return;
        }
    }
    check_pass(result, "the host has all libraries that it asks for (%zu)", subject->bundle->libraries_count);
}

static void check_complete(const CheckSubject *subject, CheckResult *result) {
    static const ManifestRole wanted[] = {MANIFEST_ROLE_QE3_LOGIC, MANIFEST_ROLE_PCE_LOGIC,
                                          MANIFEST_ROLE_RUNTIME};
    const Manifest *bundle = subject->bundle;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (manifest_find(bundle, wanted[i]) == NULL &&
            !(bundle->simulated && wanted[i] == MANIFEST_ROLE_RUNTIME)) {
            check_bad(result, "it has no file of the role %s", manifest_role_name(wanted[i]));
            return;
        }
    }
    check_pass(result, "it has every part that quoting needs");
}

static void check_provider(const CheckSubject *subject, CheckResult *result) {
    char path[HOST_LIBRARY_PATH_MAX];
    if (subject->bundle->simulated || manifest_find(subject->bundle, MANIFEST_ROLE_PROVIDER) != NULL) {
        check_pass(result, "it brings its own certificate provider");
    } else if (host_library_find(subject->host, "libdcap_quoteprov.so.1", path)) {
        check_note(result, "it has no certificate provider; the host's %s is used", path);
    } else {
        check_bad(result,
                  "neither it nor the host has a certificate provider: quotes will need a PCK lookup");
    }
}

static void check_noexec(const CheckSubject *subject, CheckResult *result) {
    if (subject->bundle_path == NULL) {
        check_skip(result, "it is not unpacked");
        return;
    }
    switch (mounts_path_has(subject->host, subject->bundle_path, "noexec")) {
    case MOUNT_YES:
        check_bad(result, "%s lies on a file system that is mounted noexec", subject->bundle_path);
        break;
    case MOUNT_NO:
        check_pass(result, "its libraries may be executed where they lie");
        break;
    case MOUNT_UNKNOWN:
        check_skip(result, "/proc/self/mountinfo does not tell");
        break;
    }
}

typedef struct KnownNodes {
    bool any, enclave, old_enclave;
} KnownNodes;

static void look_into(const char *bundle_path, const ManifestFile *file, KnownNodes *known) {
    static const char enclave[] = "/dev/sgx_enclave", old_enclave[] = "/dev/sgx/enclave";
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(LIBRARY_SIZE_MAX);
    Error ignored = ERROR_INIT;
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, bundle_path, &ignored);
    if (dir_fd < 0 || !file_read(dir_fd, file->path, &bytes, &ignored) || bytes.size == 0) {
        return;
    }
    known->enclave = known->enclave || memmem(bytes.data, bytes.size, enclave, sizeof enclave - 1) != NULL;
    known->old_enclave =
        known->old_enclave || memmem(bytes.data, bytes.size, old_enclave, sizeof old_enclave - 1) != NULL;
    known->any = known->any || known->enclave || known->old_enclave;
}

/* Which names of the node Intel's runtime tries stands in its file. */
static void check_node_names(const CheckSubject *subject, CheckResult *result) {
    KnownNodes known = {0};
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    for (size_t i = 0; i < subject->bundle->files_count && subject->bundle_path != NULL; i++) {
        if (subject->bundle->files[i].role == MANIFEST_ROLE_RUNTIME) {
            look_into(subject->bundle_path, &subject->bundle->files[i], &known);
        }
    }
    if (!known.any || nodes.enclave == NULL) {
        check_skip(result, "%s",
                   nodes.enclave == NULL ? "no driver is here: see driver.nodes"
                                         : "its runtime names no device node");
    } else if ((known.enclave && nodes.in_kernel) || (known.old_enclave && nodes.dcap)) {
        check_pass(result, "its runtime knows the node");
    } else {
        check_bad(result, "its runtime looks for %s, and here is %s",
                  known.enclave ? "/dev/sgx_enclave" : "/dev/sgx/enclave", nodes.enclave);
    }
}

static const Check checks[] = {
    {"bundle.simulated", "a bundle of the simulated platform is allowed here",
     "quotes that prove nothing on a real node", "https://github.com/intel/linux-sgx/blob/master/README.md",
     CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_simulated,
     "on a test node: 'simulated: allow' in manager.yaml; elsewhere use a bundle of Intel's packages"},
    {"bundle.driver", "a driver that the bundle works with is here",
     "EINIT refusals and 0x2006 after the swap", "https://github.com/intel/linux-sgx/issues/978",
     CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_driver,
     "install or update the driver, or stage a bundle that works with the one that is here"},
    {"bundle.kernel", "the kernel is as new as the bundle asks for",
     "libraries that use calls that the driver lacks", "https://github.com/intel/linux-sgx/issues/712",
     CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_kernel, "boot a newer kernel"},
    {"bundle.epc", "the bundle's enclaves fit into the EPC", "SGX_QL_OUT_OF_EPC at the first quote",
     "https://github.com/intel/linux-sgx/issues/1083", CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_epc,
     "set a larger PRM in the firmware's setup, or raise swap.epc_size"},
    {"bundle.provision", "the provisioning privilege that the bundle needs is there",
     "0x4004 on loading its enclaves", "https://github.com/openenclave/openenclave/issues/4636",
     CHECK_NEEDS_BUNDLE | CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_provision,
     "make the provisioning node available to the manager: see driver.provision-access"},
    {"bundle.libraries", "the host has the libraries that the bundle asks for",
     "a generation that does not even load",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/105", CHECK_NEEDS_BUNDLE, CHECK_FAIL,
     check_libraries, "install the package that has the library"},
    {"bundle.complete", "the bundle has every part that quoting needs",
     "0x200f: an enclave that is looked for and not there",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/225", CHECK_NEEDS_BUNDLE, CHECK_FAIL,
     check_complete, "make the bundle anew of a whole release: psw-bundle import"},
    {"bundle.provider", "the bundle brings its certificate provider",
     "a provider of another release beside new libraries",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/335", CHECK_NEEDS_BUNDLE, CHECK_WARN,
     check_provider, "add libdcap_quoteprov.so.1 to the bundle, role provider"},
    {"bundle.noexec", "the store is not mounted noexec",
     "libraries that cannot be loaded from where they are staged",
     "https://github.com/intel/linux-sgx/issues/515", CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_noexec,
     "mount the file system of the store without noexec, or move the store"},
    {"bundle.node-names", "the bundle's runtime knows the driver's node",
     "0x2006 with PSW up to 2.15.1, and 2.18", "https://github.com/intel/linux-sgx/issues/920",
     CHECK_NEEDS_BUNDLE | CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_node_names,
     "use a newer release, or add a udev rule with SYMLINK+=\"sgx/enclave\""},
};

const CheckFamily family_bundle = {"bundle", FAMILY(checks)};
