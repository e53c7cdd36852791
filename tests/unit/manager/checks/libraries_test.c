/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "manager/checks/library_set.h"
#include "tests/support/library_maker.h"
#include "tests/support/scene.h"

#define GONE(path_)                                                                                          \
    { .path = (path_), .kind = PROP_GONE }
#define TEXT(path_, text_)                                                                                   \
    { .path = (path_), .kind = PROP_FILE, .text = (text_) }
#define HOST "usr/lib/x86_64-linux-gnu/"

static char quote[] = "lib/libsgx_dcap_ql.so.1", urts[] = "lib/libsgx_urts.so.2", notes[] = "notes.txt";
static ManifestFile files[] = {{.path = quote, .role = MANIFEST_ROLE_QUOTE_LIBRARY},
                               {.path = urts, .role = MANIFEST_ROLE_RUNTIME},
                               {.path = notes, .role = MANIFEST_ROLE_DATA}};

static const LibrarySpec good_quote = {
    .soname = "libsgx_dcap_ql.so.1",
    .needed = {"libc.so.6", "libsgx_urts.so.2"},
    .defines = {"sgx_qe_get_target_info", "sgx_qe_get_quote_size", "sgx_qe_get_quote", "sgx_ql_set_path",
                "sgx_qe_cleanup_by_policy", "sgx_qe_set_enclave_load_policy"},
    .wants = {"malloc"},
    .wanted_version = "GLIBC_2.2.5"};
static const LibrarySpec good_urts = {.soname = "libsgx_urts.so.2",
                                      .needed = {"libc.so.6"},
                                      .defines = {"sgx_ecall"},
                                      .wants = {"free"},
                                      .wanted_version = "GLIBC_2.2.5",
                                      .gnu_hash = true};
static const LibrarySpec good_libc = {
    .soname = "libc.so.6", .defines = {"malloc", "free"}, .version = "GLIBC_2.2.5", .gnu_hash = true};

static void put_library(Scene *scene, const char *path, const LibrarySpec *spec) {
    uint8_t bytes[MAKER_SIZE_MAX];
    size_t size = library_make(spec, bytes);
    scene_put(scene, &(Prop)TEXT(path, ""));
    AUTO_CLOSE int fd = openat(scene->place->fd, path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
}

static void prepare(Scene *scene) {
    put_library(scene, "bundle/lib/libsgx_dcap_ql.so.1", &good_quote);
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &good_urts);
    put_library(scene, HOST "libc.so.6", &good_libc);
    scene->bundle = (Manifest){.files = files, .files_count = 3};
    scene->subject.bundle = &scene->bundle;
    scene->subject.bundle_path = scene->bundle_path;
}

static void other_symbol(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.wants[0] = "sgx_get_metadata";
    spec.wanted_version = NULL;
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void other_symbol_weak(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.wants[0] = "sgx_get_metadata";
    spec.wanted_version = NULL;
    spec.weak = true;
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void other_version(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.wanted_version = "GLIBC_2.38";
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void other_need(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.needed[1] = "libcurl.so.4";
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void other_soname(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.soname = "libsgx_urts_sim.so.2";
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void executable_stack(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.executable_stack = true;
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void run_path(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.run_path = "/opt/intel/lib";
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void run_path_of_its_own(Scene *scene) {
    LibrarySpec spec = good_urts;
    spec.run_path = "$ORIGIN";
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
}

static void one_function_less(Scene *scene) {
    LibrarySpec spec = good_quote;
    spec.defines[5] = NULL;
    put_library(scene, "bundle/lib/libsgx_dcap_ql.so.1", &spec);
}

/* The host's library of this number, of `count`: each needs the eight that follow in a tree. */
static void put_numbered(Scene *scene, int number, int count) {
    uint8_t bytes[MAKER_SIZE_MAX];
    char path[64], names[MAKER_NAMES_MAX][32];
    LibrarySpec spec = {.soname = path + strlen(HOST)};
    (void)snprintf(path, sizeof path, HOST "lib%d.so", number);
    for (int i = 0; i < MAKER_NAMES_MAX && MAKER_NAMES_MAX * number + i <= count; i++) {
        (void)snprintf(names[i], sizeof names[i], "lib%d.so", MAKER_NAMES_MAX * number + i);
        spec.needed[i] = names[i];
    }
    size_t size = library_make(&spec, bytes);
    AUTO_CLOSE int fd = openat(scene->place->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
}

/* So many libraries in all: the bundle's two, libc, and these. */
static void put_set(Scene *scene, int all) {
    const int count = all - 3;
    LibrarySpec spec = good_urts;
    for (int i = 1; i < MAKER_NAMES_MAX; i++) {
        static char names[MAKER_NAMES_MAX][32];
        (void)snprintf(names[i], sizeof names[i], "lib%d.so", i);
        spec.needed[i] = names[i];
    }
    put_library(scene, "bundle/lib/libsgx_urts.so.2", &spec);
    for (int number = 1; number <= count; number++) {
        put_numbered(scene, number, count);
    }
}

static void one_less_than_the_most(Scene *scene) {
    put_set(scene, LIBRARY_SET_MAX - 1);
}

static void the_most(Scene *scene) {
    put_set(scene, LIBRARY_SET_MAX);
}

static void one_more_than_the_most(Scene *scene) {
    put_set(scene, LIBRARY_SET_MAX + 1);
}

static void not_unpacked(Scene *scene) {
    scene->subject.bundle_path = NULL;
}

static void set(Scene *scene, const char *variable) {
    static char text[64];
    (void)snprintf(text, sizeof text, "%s", variable);
    scene->environment[0] = text;
}

static void preload(Scene *scene) {
    set(scene, "LD_PRELOAD=/tmp/x.so");
}

static void aesm_addr(Scene *scene) {
    set(scene, "SGX_AESM_ADDR=");
}

static void debug(Scene *scene) {
    set(scene, "AZDCAP_DEBUG_LOG_LEVEL=INFO");
}

static void no_environment(Scene *scene) {
    scene->host.environment = NULL;
}

static const SceneCase cases[] = {
    {"libraries.elf", CHECK_PASS, "its 2 libraries", {{0}}, NULL},
    {"libraries.elf",
     CHECK_FAIL,
     "libsgx_urts.so.2: not a",
     {TEXT("bundle/lib/libsgx_urts.so.2", "text")},
     NULL},
    {"libraries.elf", CHECK_SKIP, "not unpacked", {{0}}, not_unpacked},
    {"libraries.needed", CHECK_PASS, "3 in all", {{0}}, NULL},
    {"libraries.needed", CHECK_FAIL, "libsgx_urts.so.2 needs libcurl.so.4", {{0}}, other_need},
    {"libraries.needed", CHECK_PASS, "255 in all", {{0}}, one_less_than_the_most},
    {"libraries.needed", CHECK_PASS, "256 in all", {{0}}, the_most},
    {"libraries.needed", CHECK_SKIP, "more than 256 libraries are needed", {{0}}, one_more_than_the_most},
    {"libraries.needed", CHECK_SKIP, "not known", {GONE("usr")}, NULL},
    {"libraries.symbols", CHECK_PASS, "every symbol", {{0}}, NULL},
    {"libraries.symbols", CHECK_FAIL, "libsgx_urts.so.2 wants sgx_get_metadata", {{0}}, other_symbol},
    {"libraries.symbols", CHECK_PASS, "every symbol", {{0}}, other_symbol_weak},
    {"libraries.symbols", CHECK_FAIL, "free of version GLIBC_2.38", {{0}}, other_version},
    {"libraries.symbols", CHECK_SKIP, "libraries.needed", {GONE("usr")}, NULL},
    {"libraries.versions", CHECK_PASS, "every library", {{0}}, NULL},
    {"libraries.versions", CHECK_FAIL, "GLIBC_2.38 of libc.so.6", {{0}}, other_version},
    {"libraries.soname", CHECK_PASS, "as they call", {{0}}, NULL},
    {"libraries.soname", CHECK_WARN, "libsgx_urts_sim.so.2", {{0}}, other_soname},
    {"libraries.functions", CHECK_PASS, "every function", {{0}}, NULL},
    {"libraries.functions", CHECK_FAIL, "sgx_qe_set_enclave_load_policy", {{0}}, one_function_less},
    {"libraries.functions", CHECK_SKIP, "no quote library", {GONE("bundle/lib/libsgx_dcap_ql.so.1")}, NULL},
    {"libraries.stack", CHECK_PASS, "no library", {{0}}, NULL},
    {"libraries.stack", CHECK_FAIL, "libsgx_urts.so.2", {{0}}, executable_stack},
    {"libraries.run-path", CHECK_PASS, "no library", {{0}}, NULL},
    {"libraries.run-path", CHECK_PASS, "no library", {{0}}, run_path_of_its_own},
    {"libraries.run-path", CHECK_WARN, "/opt/intel/lib", {{0}}, run_path},
    {"libraries.leftovers", CHECK_PASS, "no quoting libraries", {{0}}, NULL},
    {"libraries.leftovers",
     CHECK_INFO,
     "libdcap_quoteprov.so.1",
     {TEXT(HOST "libdcap_quoteprov.so.1", "")},
     NULL},
    {"libraries.local", CHECK_PASS, "nothing", {{0}}, NULL},
    {"libraries.local", CHECK_WARN, "/usr/local/lib", {TEXT("usr/local/lib/libsgx_urts.so", "")}, NULL},
    {"libraries.preload", CHECK_PASS, "nothing", {{0}}, NULL},
    {"libraries.preload", CHECK_WARN, "LD_PRELOAD", {{0}}, preload},
    {"libraries.preload", CHECK_WARN, "every process", {TEXT("etc/ld.so.preload", "/lib/x.so\n")}, NULL},
    {"libraries.aesm-addr", CHECK_PASS, "not set", {{0}}, NULL},
    {"libraries.aesm-addr", CHECK_INFO, "is set", {{0}}, aesm_addr},
    {"libraries.aesm-addr", CHECK_SKIP, "not known", {{0}}, no_environment},
    {"libraries.debug", CHECK_PASS, "no variable", {{0}}, NULL},
    {"libraries.debug", CHECK_WARN, "AZDCAP_DEBUG_LOG_LEVEL", {{0}}, debug},
};

static void libraries_are_judged_without_loading_them(void **state) {
    (void)state;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], prepare);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(libraries_are_judged_without_loading_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
