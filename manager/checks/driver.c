/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the SGX driver: which one, and the table with those of its devices and of who may use them.
 */
#include "bundles/version.h"
#include "manager/checks/driver_access.h"
#include "manager/checks/driver_device.h"
#include "manager/checks/driver_nodes.h"
#include "manager/checks/families.h"

#define KERNEL_SGX "https://docs.kernel.org/arch/x86/sgx.html"

enum { MMAP_MIN_ADDR_USUAL = 65536 };

static void check_nodes(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    if (nodes.enclave != NULL) {
        check_pass(result, "%s is there", nodes.enclave);
    } else if (nodes.legacy) {
        check_bad(result, "there is only /dev/isgx, of the legacy driver");
    } else {
        check_bad(result, "there is neither /dev/sgx_enclave nor /dev/sgx/enclave");
    }
}

static void check_flavour(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    if (nodes.enclave != NULL && nodes.module) {
        check_pass(result, "Intel's driver from outside the kernel, version %s",
                   nodes.version[0] != '\0' ? nodes.version : "not known");
    } else if (nodes.enclave != NULL) {
        check_pass(result, "the kernel's own driver");
    } else if (nodes.legacy || nodes.legacy_module) {
        check_bad(result, "the driver is the legacy isgx, which cannot run DCAP's enclaves");
    } else {
        check_skip(result, "no driver is here: see driver.nodes");
    }
}

static void check_two(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    if (nodes.legacy_module && (nodes.enclave != NULL || nodes.module)) {
        check_bad(result, "the legacy module isgx is loaded beside %s",
                  nodes.module ? "intel_sgx" : "the kernel's driver");
    } else if (nodes.legacy && nodes.enclave != NULL) {
        check_bad(result, "/dev/isgx and %s are both there", nodes.enclave);
    } else if (nodes.module && host_has_cpu_flag(subject->host, "sgx") &&
               host_has(subject->host, "/sys/devices/virtual/misc/sgx_vepc")) {
        check_bad(result, "the module intel_sgx is loaded beside the kernel's driver");
    } else {
        check_pass(result, "there are no two drivers");
    }
}

static void check_module_version(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    if (!nodes.module) {
        check_pass(result, "no driver from outside the kernel is loaded");
    } else if (!version_is_valid(nodes.version)) {
        check_skip(result, "the module intel_sgx does not tell its version");
    } else if (version_compare(nodes.version, "1.32") < 0) {
        check_bad(result,
                  "the module intel_sgx is %s: its calls have another form, which later releases of Intel's "
                  "runtime need not know",
                  nodes.version);
    } else if (version_compare(nodes.version, "1.41") < 0) {
        check_warn(result, "the module intel_sgx is %s, of 2020, and nobody mends it any more",
                   nodes.version);
    } else {
        check_pass(result, "the module intel_sgx is %s, the last of its kind", nodes.version);
    }
}

static void check_provision_node(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    if (nodes.provision != NULL) {
        check_pass(result, "%s is there", nodes.provision);
    } else if (nodes.enclave == NULL) {
        check_skip(result, "no driver is here: see driver.nodes");
    } else {
        check_bad(result, "%s is there and no provisioning node beside it", nodes.enclave);
    }
}

static void check_mmap_min_addr(const CheckSubject *subject, CheckResult *result) {
    uint64_t lowest = 0;
    if (!host_read_u64(subject->host, "/proc/sys/vm/mmap_min_addr", &lowest)) {
        check_skip(result, "/proc/sys/vm/mmap_min_addr cannot be read");
    } else if (lowest > MMAP_MIN_ADDR_USUAL) {
        check_bad(result, "vm.mmap_min_addr is %llu: enclaves that ask for low addresses do not start",
                  (unsigned long long)lowest);
    } else {
        check_pass(result, "vm.mmap_min_addr is %llu", (unsigned long long)lowest);
    }
}

static void check_kernel(const CheckSubject *subject, CheckResult *result) {
    char kernel[HOST_RELEASE_SIZE];
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    host_kernel(subject->host, kernel, sizeof kernel);
    if (!version_is_valid(kernel)) {
        check_skip(result, "the kernel's release is not known");
    } else if (version_compare(kernel, "5.11") < 0 && !nodes.module && !nodes.legacy_module) {
        check_bad(result, "Linux %s has no SGX driver of its own; 5.11 is the first that has", kernel);
    } else {
        check_pass(result, "Linux %s", kernel);
    }
}

static void check_kernel_bad(const CheckSubject *subject, CheckResult *result) {
    char kernel[HOST_RELEASE_SIZE];
    host_kernel(subject->host, kernel, sizeof kernel);
    if (!version_is_valid(kernel)) {
        check_skip(result, "the kernel's release is not known");
    } else if (version_compare(kernel, "5.12") >= 0 && version_compare(kernel, "5.13") < 0) {
        check_bad(result,
                  "Linux %s runs out of EPC pages by a fault of its own: every enclave ends in ENOMEM",
                  kernel);
    } else {
        check_pass(result, "Linux %s is not one of those known for trouble", kernel);
    }
}

static void check_module_kernel(const CheckSubject *subject, CheckResult *result) {
    char kernel[HOST_RELEASE_SIZE];
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    host_kernel(subject->host, kernel, sizeof kernel);
    if (!nodes.module && !nodes.legacy_module) {
        check_pass(result, "no driver from outside the kernel is loaded");
    } else if (!version_is_valid(kernel)) {
        check_skip(result, "the kernel's release is not known");
    } else if (version_compare(kernel, "5.11") >= 0) {
        check_bad(result, "a driver from outside is loaded into Linux %s, which has its own", kernel);
    } else {
        check_pass(result, "Linux %s needs a driver from outside", kernel);
    }
}

static const Check checks[] = {
    {"driver.nodes", "a device node of a driver that can run DCAP is there",
     "0x2006 and SGX_QL_ENCLAVE_LOAD_ERROR from a library that finds no driver",
     "https://github.com/intel/linux-sgx/issues/772", CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_nodes,
     "boot a kernel with CONFIG_X86_SGX; in a container, map /dev/sgx_enclave and /dev/sgx_provision into "
     "it"},
    {"driver.flavour", "the driver is of a kind that can run DCAP",
     "launch enclaves and tokens where none are needed", "https://github.com/intel/linux-sgx/issues/754",
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_flavour,
     "remove the package of the legacy driver (isgx) and boot a kernel from 5.11 on"},
    {"driver.two", "there is one driver, not two", "AESM 30 from whichever library meets the other driver",
     "https://github.com/intel/linux-sgx/issues/807", CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_two,
     "remove the driver from outside the kernel: modprobe -r isgx intel_sgx, and its package"},
    {"driver.module-version", "a driver from outside the kernel is new enough",
     "EINIT refusals after one side was updated", "https://github.com/intel/linux-sgx/issues/44",
     CHECK_NEEDS_HARDWARE, CHECK_WARN, check_module_version,
     "boot a kernel from 5.11 on instead of the driver from outside"},
    {"driver.module-kernel", "no driver from outside is loaded into a kernel that has its own",
     "a driver that no longer builds or loads with the next kernel",
     "https://github.com/intel/linux-sgx-driver/issues/149", CHECK_NEEDS_HARDWARE, CHECK_WARN,
     check_module_kernel, "remove the package of the driver from outside and reboot"},
    {"driver.plain-file", "what has a node's name is a device",
     "a file or directory that a container engine made for a device that was not there",
     "https://github.com/intel/linux-sgx/issues/792", CHECK_NEEDS_HARDWARE, CHECK_FAIL,
     driver_device_plain_file,
     "remove it, load the driver first, and start the container anew with --device instead of --volume"},
    {"driver.links", "no link to a node leads nowhere",
     "a library that tries the old name first and stops there",
     "https://github.com/intel/linux-sgx/issues/920", CHECK_NEEDS_HARDWARE, CHECK_WARN, driver_device_links,
     "remove the link, or repair the udev rule that makes it, then: udevadm trigger"},
    {"driver.names", "old libraries find the node, too", "0x2006 with PSW up to 2.15.1 and with 2.18",
     "https://github.com/intel/linux-sgx/pull/1064", CHECK_NEEDS_HARDWARE, CHECK_INFO,
     driver_device_other_names, "for such releases add a udev rule with SYMLINK+=\"sgx/enclave\""},
    {"driver.registered", "what the kernel has registered has a node",
     "a container or initramfs without udev",
     "https://github.com/intel/intel-device-plugins-for-kubernetes/issues/1098", CHECK_NEEDS_HARDWARE,
     CHECK_FAIL, driver_device_registered,
     "udevadm trigger --subsystem-match=misc; in a container, map the devices into it"},
    {"driver.number", "nodes and driver have the same device numbers",
     "static nodes that another boot's driver does not stand behind", KERNEL_SGX, CHECK_NEEDS_HARDWARE,
     CHECK_FAIL, driver_device_number, "remove the static node and let udev make it: its number is dynamic"},
    {"driver.open", "the enclave node opens", "a driver that gave up after its node was made", KERNEL_SGX,
     CHECK_NEEDS_HARDWARE | CHECK_NEEDS_LIVE, CHECK_FAIL, driver_access_open,
     "look for 'sgx:' in the kernel's messages"},
    {"driver.device-policy", "no device policy forbids the nodes",
     "EPERM in containers and units whose device list leaves the nodes out",
     "https://github.com/opencontainers/runtime-tools/issues/759", CHECK_NEEDS_HARDWARE | CHECK_NEEDS_LIVE,
     CHECK_FAIL, driver_access_device_policy,
     "allow the nodes: DeviceAllow=/dev/sgx_enclave rw in the unit, --device in a container"},
    {"driver.enclave-access", "our user may use the enclave node",
     "EPERM on every enclave for users outside the group",
     "https://github.com/gramineproject/gramine/issues/1217", CHECK_NEEDS_HARDWARE, CHECK_FAIL,
     driver_access_enclave, "add the user to the node's group (usually sgx), or run the manager as root"},
    {"driver.provision-node", "a provisioning node is there",
     "0x4004 and SGX_QL_ERROR_INVALID_PRIVILEGE on loading the QE",
     "https://github.com/intel/linux-sgx/issues/787", CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_provision_node,
     "in a container, map /dev/sgx_provision into it, too"},
    {"driver.provision-access", "our user may use the provisioning node",
     "0x4004 and SGX_QL_ERROR_INVALID_PRIVILEGE on loading the QE, often after a change to the kernel's "
     "driver",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/210", CHECK_NEEDS_HARDWARE,
     CHECK_FAIL, driver_access_provision, "add the user to the group sgx_prv, or run the manager as root"},
    {"driver.provision-open", "not everybody may use the provisioning node",
     "applications that identify the platform for ever", KERNEL_SGX, CHECK_NEEDS_HARDWARE, CHECK_WARN,
     driver_access_provision_open, "give the node mode 0660 and the group sgx_prv by a udev rule"},
    {"driver.group", "the enclave node belongs to the group sgx, or to everybody",
     "applications that may not make enclaves", "https://github.com/systemd/systemd/pull/18944",
     CHECK_NEEDS_HARDWARE, CHECK_WARN, driver_access_group,
     "groupadd -r sgx && udevadm trigger --subsystem-match=misc"},
    {"driver.group-provision", "the provisioning node belongs to the group sgx_prv where there is one",
     "a quoting service that is a member and is refused all the same",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/62", CHECK_NEEDS_HARDWARE,
     CHECK_WARN, driver_access_group_provision,
     "install the udev rule 92-sgx-provision.rules and: udevadm trigger --subsystem-match=misc"},
    {"driver.noexec", "/dev is not mounted noexec", "EPERM on mapping enclave pages as executable",
     "https://github.com/systemd/systemd/pull/17940", CHECK_NEEDS_HARDWARE, CHECK_FAIL, driver_access_noexec,
     "mount -o remount,exec /dev, and update udev (systemd 248 or later) or the container engine"},
    {"driver.mmap-min-addr", "low addresses may be mapped",
     "enclaves that ask for low addresses and get EPERM",
     "https://github.com/gramineproject/graphene/issues/472", CHECK_NEEDS_HARDWARE, CHECK_WARN,
     check_mmap_min_addr, "sysctl vm.mmap_min_addr=65536"},
    {"driver.kernel", "the kernel is new enough for a driver of its own",
     "looking for a driver that cannot be there", KERNEL_SGX, CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_kernel,
     "boot Linux 5.11 or later"},
    {"driver.kernel-bad", "the kernel is not one with a known fault in its driver",
     "ENOMEM on every enclave until the next boot", "https://github.com/intel/linux-sgx-driver/issues/134",
     CHECK_NEEDS_HARDWARE, CHECK_WARN, check_kernel_bad, "boot Linux 5.13 or later"},
};

const CheckFamily family_driver = {"driver", FAMILY(checks)};
