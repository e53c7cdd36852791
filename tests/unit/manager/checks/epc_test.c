/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/scene.h"

#define TEXT(path_, text_)                                                                                   \
    { .path = (path_), .kind = PROP_FILE, .text = (text_) }
#define NO_KERNEL_FACTS                                                                                      \
    { .path = "sys/devices/system/node", .kind = PROP_GONE }
#define TOTAL(node_, text_) TEXT("sys/devices/system/node/node" node_ "/x86/sgx_total_bytes", text_)
#define LIMIT(text_) TEXT("sys/fs/cgroup/system.slice/misc.max", text_)

static void prepare(Scene *scene) {
    scene->bundle.epc_kib = 4096;
    scene->serving.epc_kib = 3072;
    scene->subject.bundle = &scene->bundle;
    scene->subject.serving = &scene->serving;
}

static void no_sections(Scene *scene) {
    scene_leaf(scene, 0x12, 2, (HostCpuid){0});
}

static void one_section_of_8_mib(Scene *scene) {
    scene_leaf(scene, 0x12, 2, (HostCpuid){.eax = 1, .ecx = 0x00800001});
    scene_leaf(scene, 0x12, 3, (HostCpuid){0});
}

static bool unknown_cpuid(const Host *host, uint32_t leaf, uint32_t subleaf, HostCpuid *ret_registers) {
    (void)host, (void)leaf, (void)subleaf, (void)ret_registers;
    return false;
}

static void unknown(Scene *scene) {
    scene->host.cpuid = unknown_cpuid;
}

static void little_is_allowed(Scene *scene) {
    scene->settings.epc_kib = 6144;
}

static void sequential(Scene *scene) {
    scene->settings.epc_kib = 6144;
    scene->settings.epc_sequential = true;
}

static void too_much_is_allowed(Scene *scene) {
    scene->settings.epc_kib = UINT64_C(1) << 30;
}

static const SceneCase cases[] = {
    {"epc.sections", CHECK_PASS, "131072 KiB in 2 sections", {{0}}, NULL},
    {"epc.sections", CHECK_FAIL, "no memory aside", {NO_KERNEL_FACTS}, no_sections},
    {"epc.sections", CHECK_PASS, "131072 KiB", {{0}}, unknown},
    {"epc.sections", CHECK_SKIP, "neither", {NO_KERNEL_FACTS}, unknown},
    {"epc.agree", CHECK_PASS, "all 131072 KiB", {{0}}, NULL},
    {"epc.agree", CHECK_WARN, "the kernel uses 65536", {TOTAL("1", "0\n")}, NULL},
    {"epc.agree", CHECK_SKIP, "the kernel does not tell", {NO_KERNEL_FACTS}, NULL},
    {"epc.spare", CHECK_PASS, "room for two", {{0}}, NULL},
    {"epc.spare", CHECK_WARN, "8192 KiB", {NO_KERNEL_FACTS}, one_section_of_8_mib},
    {"epc.spare", CHECK_SKIP, "not known", {NO_KERNEL_FACTS}, unknown},
    {"epc.headroom", CHECK_PASS, "fit into 131072", {{0}}, NULL},
    {"epc.headroom", CHECK_FAIL, "need 7168 KiB of EPC, there are 6144", {{0}}, little_is_allowed},
    {"epc.headroom", CHECK_WARN, "clients wait", {{0}}, sequential},
    {"epc.headroom", CHECK_SKIP, "there is is not known", {NO_KERNEL_FACTS}, unknown},
    {"epc.numa", CHECK_PASS, "each of the 2", {{0}}, NULL},
    {"epc.numa", CHECK_INFO, "1 of 2", {TOTAL("0", "0\n")}, NULL},
    {"epc.numa", CHECK_SKIP, "does not tell", {NO_KERNEL_FACTS}, NULL},
    {"epc.cgroup", CHECK_PASS, "no control group", {{0}}, NULL},
    {"epc.cgroup", CHECK_PASS, "no control group", {LIMIT("sgx_epc max\n")}, NULL},
    {"epc.cgroup", CHECK_PASS, "is enough", {LIMIT("other 1\nsgx_epc 33554432\n")}, NULL},
    {"epc.cgroup", CHECK_FAIL, "to 1024 KiB", {LIMIT("sgx_epc 1048576\n")}, NULL},
    {"epc.cgroup", CHECK_SKIP, "second version", {TEXT("proc/self/cgroup", "4:devices:/x\n")}, NULL},
    {"epc.setting", CHECK_PASS, "is not set", {{0}}, NULL},
    {"epc.setting", CHECK_PASS, "6144 of 131072", {{0}}, little_is_allowed},
    {"epc.setting", CHECK_WARN, "there are 131072", {{0}}, too_much_is_allowed},
};

static void the_page_cache_is_judged_by_its_facts(void **state) {
    (void)state;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], prepare);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_cache_is_judged_by_its_facts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
