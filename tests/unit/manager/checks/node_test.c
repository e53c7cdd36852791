/* SPDX-License-Identifier: Apache-2.0 */
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
#define UNIT(text_) TEXT("lib/systemd/system/psw-manager.service", "[Service]\n" text_)
#define LIMIT(name_, hard_) name_ "  1024   " hard_ "   units\n"
#define LIMITS(files_, processes_, space_)                                                                   \
    TEXT("proc/self/limits", LIMIT("Max processes", processes_) LIMIT("Max open files", files_)              \
                                 LIMIT("Max address space", space_))

static const Prop base[] = {
    {.path = "run/systemd/system", .kind = PROP_DIR},
    TEXT("run/systemd/timesync/synchronized", ""),
    TEXT("proc/meminfo", "MemTotal:       65536000 kB\nMemAvailable:   32768000 kB\n"),
    LIMITS("1048576", "63000", "unlimited"),
    TEXT("proc/sys/net/core/somaxconn", "4096\n"),
    TEXT("sys/power/state", "freeze\n"),
    {.path = "var/lib/psw-manager/store", .kind = PROP_DIR},
    {.path = "var/lib/psw-manager/state", .kind = PROP_DIR},
    UNIT("KillMode=process\nDevicePolicy=closed\nDeviceAllow=/dev/sgx_enclave rw\nUser=root\n"),
    {0},
};

static void past(Scene *scene) {
    scene->host.now = 86400;
}

static void full(Scene *scene) {
    scene->room = (HostRoom){.bytes = 1 << 20, .inodes = 12};
}

static void unknown_room(Scene *scene) {
    scene->room.bytes = UINT64_MAX;
}

static ManifestFile large_file = {.size = UINT64_C(1) << 40};

static void large_bundle(Scene *scene) {
    scene->bundle = (Manifest){.files = &large_file, .files_count = 1};
    scene->subject.bundle = &scene->bundle;
}

static const SceneCase cases[] = {
    {"node.clock", CHECK_PASS, "2027", {{0}}, NULL},
    {"node.clock", CHECK_FAIL, "1970-01-02", {{0}}, past},
    {"node.clock-synchronised", CHECK_PASS, "something", {{0}}, NULL},
    {"node.clock-synchronised", CHECK_WARN, "nothing", {GONE("run/systemd/timesync")}, NULL},
    {"node.clock-synchronised", CHECK_SKIP, "cannot be seen", {GONE("run/systemd")}, NULL},
    {"node.store-space", CHECK_PASS, "1 TiB", {{0}}, NULL},
    {"node.store-space", CHECK_WARN, "1 MiB; 256 MiB is needed", {{0}}, full},
    {"node.store-space", CHECK_WARN, "2 TiB is needed", {{0}}, large_bundle},
    {"node.store-space", CHECK_SKIP, "cannot be measured", {{0}}, unknown_room},
    {"node.state-space", CHECK_PASS, "has room", {{0}}, NULL},
    {"node.state-space", CHECK_FAIL, "16 MiB is needed", {{0}}, full},
    {"node.inodes", CHECK_PASS, "inodes left", {{0}}, NULL},
    {"node.inodes", CHECK_WARN, "12 inodes", {{0}}, full},
    {"node.store-owner", CHECK_PASS, "nobody else", {{0}}, NULL},
    {"node.store-owner",
     CHECK_FAIL,
     "mode 0775",
     {{.path = "var/lib/psw-manager/state", .kind = PROP_DIR, .mode = 0775}},
     NULL},
    {"node.store-owner", CHECK_SKIP, "not there yet", {GONE("var/lib/psw-manager")}, NULL},
    {"node.memory", CHECK_PASS, "32000 MiB", {{0}}, NULL},
    {"node.memory", CHECK_WARN, "97 MiB", {TEXT("proc/meminfo", "MemAvailable: 100000 kB\n")}, NULL},
    {"node.memory", CHECK_SKIP, "does not tell", {GONE("proc/meminfo")}, NULL},
    {"node.descriptors", CHECK_PASS, "enough", {{0}}, NULL},
    {"node.descriptors", CHECK_WARN, "1024 descriptors", {LIMITS("1024", "63000", "unlimited")}, NULL},
    {"node.descriptors", CHECK_SKIP, "does not tell", {GONE("proc/self/limits")}, NULL},
    {"node.processes", CHECK_PASS, "enough", {{0}}, NULL},
    {"node.processes", CHECK_WARN, "64 processes", {LIMITS("1048576", "64", "unlimited")}, NULL},
    {"node.address-space", CHECK_PASS, "enough", {{0}}, NULL},
    {"node.address-space", CHECK_WARN, "1024 MiB", {LIMITS("1048576", "63000", "1073741824")}, NULL},
    {"node.backlog", CHECK_PASS, "4096", {{0}}, NULL},
    {"node.backlog", CHECK_WARN, "is 128", {TEXT("proc/sys/net/core/somaxconn", "128\n")}, NULL},
    {"node.backlog", CHECK_SKIP, "cannot be read", {GONE("proc/sys/net")}, NULL},
    {"node.container", CHECK_PASS, "no container", {{0}}, NULL},
    {"node.container", CHECK_PASS, "(docker) with", {TEXT(".dockerenv", "")}, NULL},
    {"node.container", CHECK_FAIL, "(podman) without", {TEXT("run/.containerenv", ""), GONE("dev")}, NULL},
    {"node.container",
     CHECK_FAIL,
     "(lxc) without",
     {TEXT("run/systemd/container", "lxc\n"), GONE("dev")},
     NULL},
    {"node.container-socket", CHECK_PASS, "no container", {{0}}, NULL},
    {"node.container-socket", CHECK_INFO, "must be a mount", {TEXT(".dockerenv", "")}, NULL},
    {"node.suspend", CHECK_PASS, "neither", {{0}}, NULL},
    {"node.suspend", CHECK_PASS, "does not suspend", {GONE("sys/power")}, NULL},
    {"node.suspend", CHECK_INFO, "empties the EPC", {TEXT("sys/power/state", "freeze mem disk\n")}, NULL},
    {"node.suspend",
     CHECK_PASS,
     "masked",
     {TEXT("sys/power/state", "freeze mem disk\n"), TEXT("etc/systemd/system/sleep.target", "")},
     NULL},
    {"node.service-kill", CHECK_PASS, "goes on", {{0}}, NULL},
    {"node.service-kill", CHECK_WARN, "leaving it out", {UNIT("User=root\n")}, NULL},
    {"node.service-kill", CHECK_WARN, "KillMode=mixed", {UNIT("KillMode=process\nKillMode=mixed\n")}, NULL},
    {"node.service-kill", CHECK_SKIP, "no unit", {GONE("lib")}, NULL},
    {"node.service-user", CHECK_PASS, "exists", {{0}}, NULL},
    {"node.service-user", CHECK_PASS, "exists", {UNIT("User=1234\n")}, NULL},
    {"node.service-user", CHECK_FAIL, "217/USER", {UNIT("User=psw\n")}, NULL},
    {"node.service-devices", CHECK_PASS, "allows", {{0}}, NULL},
    {"node.service-devices", CHECK_FAIL, "DevicePolicy=closed", {UNIT("DevicePolicy=closed\n")}, NULL},
    {"node.service-devices", CHECK_SKIP, "no unit", {GONE("lib")}, NULL},
};

static void the_node_is_judged_by_its_facts(void **state) {
    (void)state;
    scene_run(base, cases, sizeof cases / sizeof cases[0], NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_node_is_judged_by_its_facts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
