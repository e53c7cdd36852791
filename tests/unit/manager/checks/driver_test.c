/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/scene.h"

#define GONE(path_)                                                                                          \
    { .path = (path_), .kind = PROP_GONE }
#define TEXT(path_, text_)                                                                                   \
    { .path = (path_), .kind = PROP_FILE, .text = (text_) }
#define NODE(path_, text_)                                                                                   \
    { .path = (path_), .kind = PROP_NODE, .text = (text_) }
#define NO_NODES GONE("dev")
#define KERNEL(release_) TEXT("proc/sys/kernel/osrelease", release_)
#define MODULE(version_) TEXT("sys/module/intel_sgx/version", version_)

static void stranger(Scene *scene) {
    scene->host.uid = scene->host.gid = 1000;
}

static bool of_the_drivers_groups(gid_t group) {
    return group == 106 || group == 107;
}

static void member(Scene *scene) {
    scene->host.uid = scene->host.gid = 1000;
    scene->host.is_member = of_the_drivers_groups;
}

static void device_policy(Scene *scene) {
    scene->open_error = EPERM;
}

static void no_driver_behind(Scene *scene) {
    scene->open_error = ENXIO;
}

static const SceneCase cases[] = {
    {"driver.nodes", CHECK_PASS, "/dev/sgx_enclave", {{0}}, NULL},
    {"driver.nodes", CHECK_FAIL, "neither", {NO_NODES}, NULL},
    {"driver.nodes", CHECK_FAIL, "only /dev/isgx", {NO_NODES, NODE("dev/isgx", "10:58")}, NULL},
    {"driver.nodes", CHECK_PASS, "/dev/sgx/enclave", {NO_NODES, NODE("dev/sgx/enclave", "10:58")}, NULL},
    {"driver.flavour", CHECK_PASS, "kernel's own", {{0}}, NULL},
    {"driver.flavour", CHECK_PASS, "version 1.41", {MODULE("1.41\n")}, NULL},
    {"driver.flavour", CHECK_FAIL, "legacy isgx", {NO_NODES, NODE("dev/isgx", "10:58")}, NULL},
    {"driver.flavour", CHECK_SKIP, "driver.nodes", {NO_NODES}, NULL},
    {"driver.two", CHECK_PASS, "no two", {{0}}, NULL},
    {"driver.two",
     CHECK_FAIL,
     "isgx is loaded beside",
     {{.path = "sys/module/isgx", .kind = PROP_DIR}},
     NULL},
    {"driver.two", CHECK_FAIL, "/dev/isgx and /dev/sgx_enclave", {NODE("dev/isgx", "10:58")}, NULL},
    {"driver.two",
     CHECK_FAIL,
     "beside the kernel's",
     {MODULE("1.41\n"), {.path = "sys/devices/virtual/misc/sgx_vepc", .kind = PROP_DIR}},
     NULL},
    {"driver.module-version", CHECK_PASS, "no driver from outside", {{0}}, NULL},
    {"driver.module-version", CHECK_PASS, "1.41", {MODULE("1.41\n")}, NULL},
    {"driver.module-version", CHECK_WARN, "1.36.2", {MODULE("1.36.2\n")}, NULL},
    {"driver.module-version", CHECK_WARN, "1.22", {MODULE("1.22\n")}, NULL},
    {"driver.module-version", CHECK_SKIP, "does not tell", {MODULE("\n")}, NULL},
    {"driver.module-kernel", CHECK_PASS, "no driver from outside", {{0}}, NULL},
    {"driver.module-kernel", CHECK_PASS, "needs a driver", {MODULE("1.41\n"), KERNEL("5.4.0\n")}, NULL},
    {"driver.module-kernel", CHECK_WARN, "has its own", {MODULE("1.41\n")}, NULL},
    {"driver.plain-file", CHECK_PASS, "is a device", {{0}}, NULL},
    {"driver.plain-file", CHECK_FAIL, "a plain file", {TEXT("dev/sgx_enclave", "")}, NULL},
    {"driver.plain-file", CHECK_FAIL, "a directory", {{.path = "dev/sgx_provision", .kind = PROP_DIR}}, NULL},
    {"driver.links", CHECK_PASS, "no link", {{0}}, NULL},
    {"driver.links", CHECK_WARN, "/dev/sgx/enclave", {GONE("dev/sgx_enclave")}, NULL},
    {"driver.names", CHECK_PASS, "old and new", {{0}}, NULL},
    {"driver.names", CHECK_INFO, "2.15.1", {GONE("dev/sgx")}, NULL},
    {"driver.names", CHECK_SKIP, "driver.nodes", {NO_NODES}, NULL},
    {"driver.registered", CHECK_PASS, "has its node", {{0}}, NULL},
    {"driver.registered", CHECK_PASS, "no driver", {TEXT("proc/misc", "1 psaux\n")}, NULL},
    {"driver.registered", CHECK_FAIL, "10:125", {NO_NODES}, NULL},
    {"driver.registered", CHECK_SKIP, "/proc/misc", {GONE("proc/misc")}, NULL},
    {"driver.number", CHECK_PASS, "same device numbers", {{0}}, NULL},
    {"driver.number",
     CHECK_FAIL,
     "10:124, the driver's is 10:125",
     {NODE("dev/sgx_enclave", "10:124")},
     NULL},
    {"driver.number", CHECK_SKIP, "compared", {NO_NODES}, NULL},
    {"driver.open", CHECK_PASS, "opens", {{0}}, NULL},
    {"driver.open", CHECK_FAIL, "No such device", {{0}}, no_driver_behind},
    {"driver.open", CHECK_SKIP, "permission", {{0}}, device_policy},
    {"driver.device-policy", CHECK_PASS, "no device policy", {{0}}, NULL},
    {"driver.device-policy", CHECK_FAIL, "the kernel refuses", {{0}}, device_policy},
    {"driver.device-policy", CHECK_SKIP, "no node", {{0}}, stranger},
    {"driver.enclave-access", CHECK_PASS, "uid 1000 may", {{0}}, member},
    {"driver.enclave-access", CHECK_PASS, "uid 0 may", {{0}}, NULL},
    {"driver.enclave-access", CHECK_FAIL, "group sgx", {{0}}, stranger},
    {"driver.enclave-access", CHECK_SKIP, "no such node", {NO_NODES}, stranger},
    {"driver.provision-node", CHECK_PASS, "is there", {{0}}, NULL},
    {"driver.provision-node", CHECK_FAIL, "no provisioning node", {GONE("dev/sgx_provision")}, NULL},
    {"driver.provision-node", CHECK_SKIP, "no driver", {NO_NODES}, NULL},
    {"driver.provision-access", CHECK_PASS, "may use", {{0}}, member},
    {"driver.provision-access", CHECK_FAIL, "group sgx_prv", {{0}}, stranger},
    {"driver.provision-open", CHECK_PASS, "0660", {{0}}, NULL},
    {"driver.provision-open", CHECK_WARN, "everybody", {NODE("dev/sgx_provision", "10:126")}, NULL},
    {"driver.provision-open", CHECK_SKIP, "no provisioning", {NO_NODES}, NULL},
    {"driver.group", CHECK_PASS, "group 'sgx'", {{0}}, NULL},
    {"driver.group", CHECK_PASS, "everybody", {NODE("dev/sgx_enclave", "10:125")}, NULL},
    {"driver.group", CHECK_WARN, "no group 'sgx'", {TEXT("etc/group", "root:x:0:\n")}, NULL},
    {"driver.group", CHECK_WARN, "belongs to gid 106", {TEXT("etc/group", "sgx:x:99:\n")}, NULL},
    {"driver.group-provision", CHECK_PASS, "belongs to the group", {{0}}, NULL},
    {"driver.group-provision", CHECK_PASS, "only root", {TEXT("etc/group", "root:x:0:\n")}, NULL},
    {"driver.group-provision", CHECK_WARN, "gid 99", {TEXT("etc/group", "sgx_prv:x:99:\n")}, NULL},
    {"driver.noexec", CHECK_PASS, "not mounted noexec", {{0}}, NULL},
    {"driver.noexec",
     CHECK_FAIL,
     "mounted noexec",
     {TEXT("proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                  "23 22 0:5 / /dev rw,nosuid,noexec shared:2 - devtmpfs udev rw\n")},
     NULL},
    {"driver.noexec", CHECK_SKIP, "does not tell", {TEXT("proc/self/mountinfo", "rubbish - x\n")}, NULL},
    {"driver.mmap-min-addr", CHECK_PASS, "65536", {{0}}, NULL},
    {"driver.mmap-min-addr", CHECK_WARN, "1048576", {TEXT("proc/sys/vm/mmap_min_addr", "1048576\n")}, NULL},
    {"driver.mmap-min-addr", CHECK_SKIP, "cannot be read", {GONE("proc/sys/vm")}, NULL},
    {"driver.kernel", CHECK_PASS, "Linux 6.1.0", {{0}}, NULL},
    {"driver.kernel", CHECK_PASS, "Linux 5.4.0", {KERNEL("5.4.0-42\n"), MODULE("1.41\n")}, NULL},
    {"driver.kernel", CHECK_FAIL, "5.11", {KERNEL("5.10.0-28-amd64\n")}, NULL},
    {"driver.kernel", CHECK_SKIP, "not known", {KERNEL("strange\n")}, NULL},
    {"driver.kernel-bad", CHECK_PASS, "not one of those", {{0}}, NULL},
    {"driver.kernel-bad", CHECK_WARN, "ENOMEM", {KERNEL("5.12.7\n")}, NULL},
};

static void the_driver_is_judged_by_its_facts(void **state) {
    (void)state;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_driver_is_judged_by_its_facts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
