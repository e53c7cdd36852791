/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scene.h"

#define GONE(path_)                                                                                          \
    { .path = (path_), .kind = PROP_GONE }
#define TEXT(path_, text_)                                                                                   \
    { .path = (path_), .kind = PROP_FILE, .text = (text_) }
#define SOCKET "run/aesmd/aesm.socket"
#define UNIX_HEAD "Num       RefCount Protocol Flags    Type St Inode Path\n"
#define LISTENS "0000000000000000: 00000002 00000000 00010000 0001 01 21341 "
#define CONNECTED "0000000000000000: 00000003 00000000 00000000 0001 03 21342 "

static const Prop base[] = {
    {.path = "run/aesmd", .kind = PROP_DIR},
    {.path = SOCKET, .kind = PROP_SOCKET},
    {.path = "var/run", .kind = PROP_LINK, .text = "/run"},
    TEXT("proc/1/comm", "systemd\n"),
    TEXT("proc/1/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"),
    TEXT("proc/net/unix", UNIX_HEAD LISTENS "/run/aesmd/aesm.socket\n" CONNECTED "/run/aesmd/aesm.socket\n"),
    {0},
};

static void no_path(Scene *scene) {
    scene->settings.socket_path = NULL;
}

static void for_a_group(Scene *scene) {
    scene->settings.socket_mode = 0660;
}

static const SceneCase cases[] = {
    {"socket.directory", CHECK_PASS, "is there", {{0}}, NULL},
    {"socket.directory", CHECK_WARN, "not there", {GONE("run/aesmd")}, NULL},
    {"socket.directory", CHECK_WARN, "not a directory", {TEXT("run/aesmd", "")}, NULL},
    {"socket.directory", CHECK_SKIP, "not known", {{0}}, no_path},
    {"socket.directory-owner", CHECK_PASS, "only uid 0", {{0}}, NULL},
    {"socket.directory-owner",
     CHECK_FAIL,
     "uid 1000",
     {{.path = "run/aesmd", .kind = PROP_DIR, .uid = 1000}},
     NULL},
    {"socket.directory-owner",
     CHECK_FAIL,
     "mode 0777",
     {{.path = "run/aesmd", .kind = PROP_DIR, .mode = 0777}},
     NULL},
    {"socket.directory-owner",
     CHECK_PASS,
     "only uid 0",
     {{.path = "run/aesmd", .kind = PROP_DIR, .mode = 01777}},
     NULL},
    {"socket.directory-owner", CHECK_SKIP, "not there", {GONE("run/aesmd")}, NULL},
    {"socket.directory-mode", CHECK_PASS, "can reach", {{0}}, NULL},
    {"socket.directory-mode",
     CHECK_WARN,
     "mode 0750",
     {{.path = "run/aesmd", .kind = PROP_DIR, .mode = 0750}},
     NULL},
    {"socket.directory-mode",
     CHECK_PASS,
     "can reach",
     {{.path = "run/aesmd", .kind = PROP_DIR, .mode = 0750}},
     for_a_group},
    {"socket.file", CHECK_PASS, "is a socket", {{0}}, NULL},
    {"socket.file", CHECK_PASS, "nothing", {GONE(SOCKET)}, NULL},
    {"socket.file", CHECK_FAIL, "a directory", {{.path = SOCKET, .kind = PROP_DIR}}, NULL},
    {"socket.file", CHECK_FAIL, "a link", {{.path = SOCKET, .kind = PROP_LINK, .text = "x"}}, NULL},
    {"socket.mode", CHECK_PASS, "0666", {{0}}, NULL},
    {"socket.mode", CHECK_WARN, "has mode 0666, socket.mode says 0660", {{0}}, for_a_group},
    {"socket.mode", CHECK_SKIP, "no socket", {GONE(SOCKET)}, NULL},
    {"socket.spare", CHECK_INFO, "no second link", {{0}}, NULL},
    {"socket.spare", CHECK_SKIP, "no socket", {GONE(SOCKET)}, NULL},
    {"socket.foreign", CHECK_PASS, "no other", {{0}}, NULL},
    {"socket.foreign", CHECK_WARN, "process 812", {TEXT("proc/812/comm", "aesm_service\n")}, NULL},
    {"socket.foreign-unit", CHECK_PASS, "no unit", {{0}}, NULL},
    {"socket.foreign-unit",
     CHECK_WARN,
     "next boot",
     {{.path = "etc/systemd/system/multi-user.target.wants/aesmd.service",
       .kind = PROP_LINK,
       .text = "/lib/systemd/system/aesmd.service"}},
     NULL},
    {"socket.foreign-package", CHECK_PASS, "not installed", {{0}}, NULL},
    {"socket.foreign-package",
     CHECK_INFO,
     "still installed",
     {{.path = "opt/intel/sgx-aesm-service/aesm/bundles", .kind = PROP_DIR}},
     NULL},
    {"socket.listeners", CHECK_PASS, "one socket", {{0}}, NULL},
    {"socket.listeners",
     CHECK_WARN,
     "2 sockets",
     {TEXT("proc/net/unix",
           UNIX_HEAD LISTENS "/run/aesmd/aesm.socket\n" LISTENS "/var/run/aesmd/aesm.socket\n")},
     NULL},
    {"socket.listeners",
     CHECK_PASS,
     "one socket",
     {TEXT("proc/net/unix", UNIX_HEAD LISTENS "/var/run/aesmd/.aesm.socket.0123abcd\n")},
     NULL},
    {"socket.listeners",
     CHECK_WARN,
     "2 sockets",
     {TEXT("proc/net/unix",
           UNIX_HEAD LISTENS "/var/run/aesmd/.aesm.socket.0123abcd\n" LISTENS "/run/aesmd/aesm.socket\n")},
     NULL},
    {"socket.listeners", CHECK_WARN, "nobody listens", {TEXT("proc/net/unix", UNIX_HEAD)}, NULL},
    {"socket.listeners", CHECK_PASS, "yet", {TEXT("proc/net/unix", UNIX_HEAD), GONE(SOCKET)}, NULL},
    {"socket.listeners", CHECK_SKIP, "not known", {GONE("proc/net")}, NULL},
    {"socket.abstract", CHECK_PASS, "nobody", {{0}}, NULL},
    {"socket.abstract",
     CHECK_WARN,
     "Gramine",
     {TEXT("proc/net/unix", UNIX_HEAD LISTENS "@sgx_aesm_socket_base\n")},
     NULL},
    {"socket.abstract", CHECK_SKIP, "no /proc/net/unix", {GONE("proc/net")}, NULL},
    {"socket.stale-mounts", CHECK_PASS, "no process", {{0}}, NULL},
    {"socket.stale-mounts",
     CHECK_WARN,
     "process 4711 at /var/run/aesmd/aesm.socket",
     {TEXT("proc/4711/mountinfo",
           "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
           "90 22 0:20 /aesmd/aesm.socket//deleted /var/run/aesmd/aesm.socket rw - tmpfs "
           "tmpfs rw\n")},
     NULL},
    {"socket.stale-mounts",
     CHECK_PASS,
     "no process",
     {TEXT("proc/4711/mountinfo", "90 22 0:20 /aesmd/other.socket//deleted /x rw - tmpfs tmpfs rw\n")},
     NULL},
    {"socket.stale-mounts", CHECK_SKIP, "no process lets", {GONE("proc/1")}, NULL},
    {"socket.selinux", CHECK_PASS, "does not enforce", {{0}}, NULL},
    {"socket.selinux", CHECK_INFO, "enforces", {TEXT("sys/fs/selinux/enforce", "1")}, NULL},
    {"socket.apparmor", CHECK_PASS, "not in use", {{0}}, NULL},
    {"socket.apparmor",
     CHECK_PASS,
     "no AppArmor profile",
     {TEXT("sys/kernel/security/apparmor/profiles", "/usr/bin/man (enforce)\n")},
     NULL},
    {"socket.apparmor",
     CHECK_INFO,
     "quoted (enforce)",
     {TEXT("sys/kernel/security/apparmor/profiles", "/usr/sbin/quoted (enforce)\n")},
     NULL},
};

static void the_socket_is_judged_by_its_facts(void **state) {
    (void)state;
    scene_run(base, cases, sizeof cases / sizeof cases[0], NULL);
}

/* What two links to one socket look like cannot be in a table. */
static int linked_stat(const Host *host, const char *path, bool follow, struct stat *ret_facts) {
    (void)host, (void)path, (void)follow;
    *ret_facts = (struct stat){.st_mode = S_IFSOCK | 0666, .st_nlink = 2};
    return 0;
}

static void linked(Scene *scene) {
    scene->host.stat = linked_stat;
}

static void a_second_link_is_seen(void **state) {
    (void)state;
    static const SceneCase spare[] = {{"socket.spare", CHECK_PASS, "second link", {{0}}, linked}};
    scene_run(base, spare, 1, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_socket_is_judged_by_its_facts),
        cmocka_unit_test(a_second_link_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
