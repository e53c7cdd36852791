/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/scene.h"

#define GONE(path_)                                                                                          \
    { .path = (path_), .kind = PROP_GONE }
#define TEXT(path_, text_)                                                                                   \
    { .path = (path_), .kind = PROP_FILE, .text = (text_) }
#define NODE(path_, text_)                                                                                   \
    { .path = (path_), .kind = PROP_NODE, .text = (text_) }

static char in_kernel[] = "in-kernel", dcap[] = "dcap", name[] = "psw-dcap", version[] = "1.23",
            kernel[] = "5.13", urts[] = "lib/libsgx_urts.so.2", qe3[] = "lib/libsgx_qe3_logic.so",
            pce[] = "lib/libsgx_pce_logic.so.1", provider[] = "lib/libdcap_quoteprov.so.1",
            protobuf[] = "libprotobuf.so.32";
static ManifestDriver drivers[] = {{.flavour = in_kernel}, {.flavour = dcap}};
static ManifestFile files[] = {{.path = urts, .role = MANIFEST_ROLE_RUNTIME},
                               {.path = qe3, .role = MANIFEST_ROLE_QE3_LOGIC},
                               {.path = pce, .role = MANIFEST_ROLE_PCE_LOGIC},
                               {.path = provider, .role = MANIFEST_ROLE_PROVIDER}};
static char *libraries[] = {protobuf};

static const Prop base[] = {
    TEXT("bundle/lib/libsgx_urts.so.2", "ELF.../dev/sgx/enclave.../dev/sgx_enclave..."),
    TEXT("usr/lib/x86_64-linux-gnu/libprotobuf.so.32", ""),
    TEXT("lib64/libc.so.6", ""),
    {0},
};

static void prepare(Scene *scene) {
    scene->bundle = (Manifest){.name = name,
                               .version = version,
                               .drivers = drivers,
                               .drivers_count = 2,
                               .kernel = kernel,
                               .epc_kib = 4096,
                               .provision = true,
                               .files = files,
                               .files_count = 4,
                               .libraries = libraries,
                               .libraries_count = 1};
    scene->subject.bundle = &scene->bundle;
    scene->subject.bundle_path = scene->bundle_path;
}

static void simulated(Scene *scene) {
    scene->bundle.simulated = true;
}

static void simulated_and_allowed(Scene *scene) {
    scene->bundle.simulated = true;
    scene->settings.simulated_allowed = true;
}

static void asks_for_nothing(Scene *scene) {
    scene->bundle.drivers_count = scene->bundle.libraries_count = 0;
    scene->bundle.kernel = NULL;
    scene->bundle.provision = false;
    scene->bundle.epc_kib = 0;
}

static void stranger(Scene *scene) {
    scene->host.uid = scene->host.gid = 1000;
}

static void large(Scene *scene) {
    scene->bundle.epc_kib = 1U << 20;
}

static void without_pce_logic(Scene *scene) {
    scene->bundle.files_count = 2;
}

static void without_provider(Scene *scene) {
    scene->bundle.files_count = 3;
}

static void noexec(Scene *scene) {
    char text[256];
    (void)snprintf(text, sizeof text, "22 1 8:1 / / rw - ext4 x rw\n23 22 8:2 / %s rw,noexec - ext4 y rw\n",
                   scene->bundle_path);
    scene_put(scene, &(Prop)TEXT("proc/self/mountinfo", text));
}

static void not_unpacked(Scene *scene) {
    scene->subject.bundle_path = NULL;
}

static const SceneCase cases[] = {
    {"bundle.simulated", CHECK_PASS, "not for the simulated", {{0}}, NULL},
    {"bundle.simulated", CHECK_PASS, "allows", {{0}}, simulated_and_allowed},
    {"bundle.simulated", CHECK_FAIL, "simulated: allow", {{0}}, simulated},
    {"bundle.driver", CHECK_PASS, "is here", {{0}}, NULL},
    {"bundle.driver", CHECK_PASS, "asks for no driver", {{0}}, asks_for_nothing},
    {"bundle.driver", CHECK_FAIL, "none of the SGX drivers", {GONE("dev")}, NULL},
    {"bundle.kernel", CHECK_PASS, "as new as", {{0}}, NULL},
    {"bundle.kernel", CHECK_FAIL, "needs Linux 5.13", {TEXT("proc/sys/kernel/osrelease", "5.11.3\n")}, NULL},
    {"bundle.epc", CHECK_PASS, "fit", {{0}}, NULL},
    {"bundle.epc", CHECK_FAIL, "1048576 KiB", {{0}}, large},
    {"bundle.epc", CHECK_SKIP, "does not say", {{0}}, asks_for_nothing},
    {"bundle.provision", CHECK_PASS, "may use", {{0}}, NULL},
    {"bundle.provision", CHECK_PASS, "asks for no", {{0}}, asks_for_nothing},
    {"bundle.provision", CHECK_FAIL, "there is none", {GONE("dev/sgx_provision")}, NULL},
    {"bundle.provision", CHECK_FAIL, "uid 1000", {{0}}, stranger},
    {"bundle.libraries", CHECK_PASS, "all libraries that it asks for (1)", {{0}}, NULL},
    {"bundle.libraries", CHECK_FAIL, "libprotobuf.so.32", {GONE("usr")}, NULL},
    {"bundle.libraries", CHECK_SKIP, "not known", {GONE("lib64")}, NULL},
    {"bundle.libraries",
     CHECK_PASS,
     "all libraries that it asks for (1)",
     {GONE("usr"), TEXT("opt/lib/libprotobuf.so.32", ""),
      TEXT("etc/ld.so.conf.d/opt.conf", "# ours\n/opt/lib\n")},
     NULL},
    {"bundle.complete", CHECK_PASS, "every part", {{0}}, NULL},
    {"bundle.complete", CHECK_FAIL, "pce_logic", {{0}}, without_pce_logic},
    {"bundle.provider", CHECK_PASS, "its own", {{0}}, NULL},
    {"bundle.provider", CHECK_WARN, "neither", {{0}}, without_provider},
    {"bundle.provider",
     CHECK_INFO,
     "the host's",
     {TEXT("usr/lib/x86_64-linux-gnu/libdcap_quoteprov.so.1", "")},
     without_provider},
    {"bundle.noexec", CHECK_PASS, "may be executed", {{0}}, NULL},
    {"bundle.noexec", CHECK_FAIL, "noexec", {{0}}, noexec},
    {"bundle.noexec", CHECK_SKIP, "not unpacked", {{0}}, not_unpacked},
    {"bundle.node-names", CHECK_PASS, "knows the node", {{0}}, NULL},
    {"bundle.node-names",
     CHECK_FAIL,
     "looks for /dev/sgx/enclave, and here is /dev/sgx_enclave",
     {GONE("dev/sgx"), TEXT("bundle/lib/libsgx_urts.so.2", "/dev/sgx/enclave")},
     NULL},
    {"bundle.node-names", CHECK_SKIP, "names no device", {TEXT("bundle/lib/libsgx_urts.so.2", "x")}, NULL},
};

static void the_bundle_is_judged_by_its_facts(void **state) {
    (void)state;
    scene_run(base, cases, sizeof cases / sizeof cases[0], prepare);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_bundle_is_judged_by_its_facts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
