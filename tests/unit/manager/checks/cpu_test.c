/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bundles/base/file.h"
#include "tests/support/scene.h"

static void no_sgx(Scene *scene) {
    scene_leaf(scene, 7, 0, (HostCpuid){0});
}

static void no_leaf_7(Scene *scene) {
    scene_leaf(scene, 0, 0, (HostCpuid){.eax = 5});
}

static void no_flc(Scene *scene) {
    scene_leaf(scene, 7, 0, (HostCpuid){.ebx = 4});
}

static void no_instructions(Scene *scene) {
    scene_leaf(scene, 0x12, 0, (HostCpuid){0});
}

static void no_attributes(Scene *scene) {
    scene_leaf(scene, 0x12, 1, (HostCpuid){.eax = 6});
}

static void a_guest(Scene *scene) {
    scene_leaf(scene, 1, 0, (HostCpuid){.ecx = 1U << 31});
}

static bool unknown_cpuid(const Host *host, uint32_t leaf, uint32_t subleaf, HostCpuid *ret_registers) {
    (void)host, (void)leaf, (void)subleaf, (void)ret_registers;
    return false;
}

static void unknown(Scene *scene) {
    scene->host.cpuid = unknown_cpuid;
}

static void put_msr(Scene *scene, uint64_t value) {
    Error err = ERROR_INIT;
    uint8_t bytes[0x3a + sizeof value] = {0};
    bytes_put_le64(bytes + 0x3a, value);
    scene_put(scene, &(Prop){.path = "dev/cpu/0/msr", .kind = PROP_FILE, .text = ""});
    assert_true(file_replace(scene->place->fd, "dev/cpu/0/msr", bytes, sizeof bytes, 0600, &err));
}

static void msr_good(Scene *scene) {
    put_msr(scene, 0x60005);
}

static void msr_unlocked(Scene *scene) {
    put_msr(scene, 0);
}

static void msr_disabled(Scene *scene) {
    put_msr(scene, 1);
}

static void msr_launch_locked(Scene *scene) {
    put_msr(scene, 0x40001);
}

#define CPUINFO(text_)                                                                                       \
    { .path = "proc/cpuinfo", .kind = PROP_FILE, .text = (text_) }

static const SceneCase cases[] = {
    {"cpu.vendor", CHECK_PASS, "GenuineIntel", {{0}}, NULL},
    {"cpu.vendor", CHECK_FAIL, "AuthenticAMD", {CPUINFO("vendor_id\t: AuthenticAMD\n")}, NULL},
    {"cpu.vendor", CHECK_SKIP, "does not name", {{.path = "proc/cpuinfo", .kind = PROP_GONE}}, NULL},
    {"cpu.sgx", CHECK_PASS, "has SGX", {{0}}, NULL},
    {"cpu.sgx", CHECK_FAIL, "does not offer SGX", {{0}}, no_sgx},
    {"cpu.sgx", CHECK_FAIL, "does not offer SGX", {{0}}, no_leaf_7},
    {"cpu.sgx", CHECK_PASS, "has SGX", {{0}}, unknown},
    {"cpu.sgx", CHECK_FAIL, "does not offer", {CPUINFO("flags\t: fpu sgx_lc sgxx\n")}, unknown},
    {"cpu.sgx", CHECK_SKIP, "not known", {{.path = "proc/cpuinfo", .kind = PROP_GONE}}, unknown},
    {"cpu.flc", CHECK_PASS, "launch control", {{0}}, NULL},
    {"cpu.flc", CHECK_FAIL, "launch control", {{0}}, no_flc},
    {"cpu.flc", CHECK_FAIL, "does not offer", {CPUINFO("flags\t: fpu sgx\n\nflags\t: sgx_lc\n")}, unknown},
    {"cpu.kernel-flag", CHECK_PASS, "lists", {{0}}, NULL},
    {"cpu.kernel-flag", CHECK_FAIL, "no flag sgx", {CPUINFO("flags\t: fpu\n")}, NULL},
    {"cpu.kernel-flag", CHECK_SKIP, "see cpu.sgx", {CPUINFO("flags\t: fpu\n")}, no_sgx},
    {"cpu.sgx1", CHECK_PASS, "SGX1", {{0}}, NULL},
    {"cpu.sgx1", CHECK_FAIL, "not enabled", {{0}}, no_instructions},
    {"cpu.sgx1", CHECK_SKIP, "not known", {{0}}, unknown},
    {"cpu.sgx1", CHECK_SKIP, "no SGX", {{0}}, no_sgx},
    {"cpu.sgx2", CHECK_PASS, "SGX2", {{0}}, NULL},
    {"cpu.sgx2", CHECK_INFO, "cannot grow", {{0}}, no_instructions},
    {"cpu.attributes", CHECK_PASS, "PROVISIONKEY", {{0}}, NULL},
    {"cpu.attributes", CHECK_FAIL, "may not have PROVISIONKEY", {{0}}, no_attributes},
    {"cpu.kss", CHECK_PASS, "sharing", {{0}}, NULL},
    {"cpu.kss", CHECK_INFO, "CONFIGID", {{0}}, no_attributes},
    {"cpu.enclave-size", CHECK_PASS, "2^56", {{0}}, NULL},
    {"cpu.enclave-size", CHECK_FAIL, "2^0", {{0}}, no_instructions},
    {"cpu.feature-control", CHECK_SKIP, "cannot be read", {{0}}, NULL},
    {"cpu.feature-control", CHECK_PASS, "locked", {{0}}, msr_good},
    {"cpu.feature-control", CHECK_FAIL, "unlocked", {{0}}, msr_unlocked},
    {"cpu.feature-control", CHECK_FAIL, "locked SGX off", {{0}}, msr_disabled},
    {"cpu.feature-control", CHECK_FAIL, "locked launch control", {{0}}, msr_launch_locked},
    {"cpu.microcode", CHECK_PASS, "all 2 processors run microcode 0xd0003b9", {{0}}, NULL},
    {"cpu.microcode",
     CHECK_WARN,
     "processor 1 runs 0xd0003a5",
     {{.path = "sys/devices/system/cpu/cpu1/microcode/version", .kind = PROP_FILE, .text = "0xd0003a5\n"}},
     NULL},
    {"cpu.microcode",
     CHECK_PASS,
     "the only processor runs microcode 0xd0003b9",
     {{.path = "sys/devices/system/cpu/cpu1", .kind = PROP_GONE}},
     NULL},
    {"cpu.microcode", CHECK_SKIP, "does not tell", {{.path = "sys", .kind = PROP_GONE}}, NULL},
    {"cpu.microcode-late", CHECK_PASS, "early", {{0}}, NULL},
    {"cpu.microcode-late",
     CHECK_WARN,
     "out of specification",
     {{.path = "proc/sys/kernel/tainted", .kind = PROP_FILE, .text = "4100\n"}},
     NULL},
    {"cpu.hypervisor", CHECK_PASS, "no virtual machine", {{0}}, NULL},
    {"cpu.hypervisor", CHECK_INFO, "virtual machine", {{0}}, a_guest},
};

static void the_processor_is_judged_by_its_facts(void **state) {
    (void)state;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_processor_is_judged_by_its_facts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
