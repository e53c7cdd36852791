/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"

#define FLAGS "flags\t\t: fpu vme sgx hypervisor_guest sgx_lc smap\n"

/* A Debian server with two NUMA nodes and the driver of the kernel. */
static const Prop good_node[] = {
    {.path = "proc/cpuinfo",
     .kind = PROP_FILE,
     .text = "processor\t: 0\nvendor_id\t: GenuineIntel\nmicrocode\t: 0xd0003b9\n" FLAGS
             "\nprocessor\t: 1\nvendor_id\t: GenuineIntel\nmicrocode\t: 0xd0003b9\n" FLAGS "\n"},
    {.path = "proc/sys/kernel/osrelease", .kind = PROP_FILE, .text = "6.1.0-18-amd64\n"},
    {.path = "proc/sys/kernel/tainted", .kind = PROP_FILE, .text = "0\n"},
    {.path = "proc/sys/vm/mmap_min_addr", .kind = PROP_FILE, .text = "65536\n"},
    {.path = "proc/misc", .kind = PROP_FILE, .text = "125 sgx_enclave\n126 sgx_provision\n  1 psaux\n"},
    {.path = "proc/self/mountinfo",
     .kind = PROP_FILE,
     .text = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
             "23 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw\n"},
    {.path = "proc/self/cgroup", .kind = PROP_FILE, .text = "0::/system.slice/psw-manager.service\n"},
    {.path = "etc/group", .kind = PROP_FILE, .text = "root:x:0:\nsgx:x:106:\nsgx_prv:x:107:aesmd\n"},
    {.path = "etc/passwd", .kind = PROP_FILE, .text = "root:x:0:0:root:/root:/bin/sh\n"},
    {.path = "dev/sgx_enclave", .kind = PROP_NODE, .text = "10:125", .mode = 0660, .gid = 106},
    {.path = "dev/sgx_provision", .kind = PROP_NODE, .text = "10:126", .mode = 0660, .gid = 107},
    {.path = "dev/sgx/enclave", .kind = PROP_LINK, .text = "../sgx_enclave"},
    {.path = "dev/sgx/provision", .kind = PROP_LINK, .text = "../sgx_provision"},
    {.path = "sys/devices/system/node/node0/cpulist", .kind = PROP_FILE, .text = "0-15\n"},
    {.path = "sys/devices/system/node/node0/x86/sgx_total_bytes", .kind = PROP_FILE, .text = "67108864\n"},
    {.path = "sys/devices/system/node/node1/cpulist", .kind = PROP_FILE, .text = "16-31\n"},
    {.path = "sys/devices/system/node/node1/x86/sgx_total_bytes", .kind = PROP_FILE, .text = "67108864\n"},
    {.path = "sys/devices/system/cpu/cpu0/microcode/version", .kind = PROP_FILE, .text = "0xd0003b9\n"},
    {.path = "sys/devices/system/cpu/cpu1/microcode/version", .kind = PROP_FILE, .text = "0xd0003b9\n"},
};

static const SceneLeaf good_leaves[] = {
    {0, 0, {.eax = 0x1b}},
    {1, 0, {.eax = 0x606a6, .ecx = 0x7ffafbff}},
    {7, 0, {.ebx = 1U << 2, .ecx = 1U << 30}},
    {0x12, 0, {.eax = 0x63, .edx = 0x381f}},
    {0x12, 1, {.eax = 0xb6}},
    {0x12, 2, {.eax = 0x70200001, .ecx = 0x04000001}}, /* 64 MiB */
    {0x12, 3, {.eax = 0x40000001, .ebx = 0x20, .ecx = 0x04000001}},
};

static const Prop *find_prop(const Scene *scene, const char *path) {
    for (size_t i = scene->props_count; i > 0; i--) {
        if (strcmp(scene->props[i - 1].path, path) == 0) {
            return &scene->props[i - 1];
        }
    }
    return NULL;
}

/* What the files cannot be for a test without privileges: devices and owners. */
static int scene_stat(const Host *host, const char *path, bool follow, struct stat *ret_facts) {
    char target[PATH_MAX];
    const Scene *scene = host->context;
    AUTO_CLOSE int fd = host_open_file(host, path, follow ? O_PATH : O_PATH | O_NOFOLLOW);
    AUTO_FREE char *link = text_format("/proc/self/fd/%d", fd);
    ssize_t length = fd >= 0 && link != NULL ? readlink(link, target, sizeof target - 1) : -1;
    if (length < 0 || fstat(fd, ret_facts) != 0) {
        return fd < 0 ? errno : EIO;
    }
    target[length] = '\0';
    size_t root = strlen(scene->place->path);
    const Prop *prop = strncmp(target, scene->place->path, root) == 0 && target[root] == '/'
                           ? find_prop(scene, target + root + 1)
                           : NULL;
    ret_facts->st_uid = prop != NULL ? prop->uid : 0;
    ret_facts->st_gid = prop != NULL ? prop->gid : 0;
    if (prop != NULL && prop->kind == PROP_NODE) {
        unsigned major_number = 0, minor_number = 0;
        assert_int_equal(sscanf(prop->text, "%u:%u", &major_number, &minor_number), 2); /* NOLINT */
        ret_facts->st_rdev = makedev(major_number, minor_number);
        ret_facts->st_mode = S_IFCHR;
    }
    if (prop != NULL && prop->mode != 0) {
        ret_facts->st_mode = (ret_facts->st_mode & S_IFMT) | prop->mode;
    } else if (prop != NULL && (prop->kind == PROP_NODE || prop->kind == PROP_SOCKET)) {
        ret_facts->st_mode = (ret_facts->st_mode & S_IFMT) | 0666;
    }
    return 0;
}

static HostCpuid scene_registers(const Scene *scene, uint32_t leaf, uint32_t subleaf) {
    for (size_t i = scene->leaves_count; i > 0; i--) {
        if (scene->leaves[i - 1].leaf == leaf && scene->leaves[i - 1].subleaf == subleaf) {
            return scene->leaves[i - 1].registers;
        }
    }
    return (HostCpuid){0};
}

void scene_leaf(Scene *scene, uint32_t leaf, uint32_t subleaf, HostCpuid registers) {
    assert_true(scene->leaves_count < SCENE_LEAVES_MAX);
    scene->leaves[scene->leaves_count++] = (SceneLeaf){leaf, subleaf, registers};
}

static bool scene_cpuid(const Host *host, uint32_t leaf, uint32_t subleaf, HostCpuid *ret_registers) {
    *ret_registers = scene_registers(host->context, leaf, subleaf);
    return true;
}

static int scene_try(const Host *host, const char *path) {
    const Scene *scene = host->context;
    (void)path;
    return scene->open_error;
}

static bool scene_room(const Host *host, const char *path, HostRoom *ret_room) {
    const Scene *scene = host->context;
    (void)path;
    *ret_room = scene->room;
    return scene->room.bytes != UINT64_MAX;
}

static void put_socket(const Scene *scene, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FREE char *full = text_format("%s/%s", scene->place->path, path);
    assert_true(full != NULL && text_copy(address.sun_path, sizeof address.sun_path, full));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void put_file(int root_fd, const char *path, const char *text) {
    AUTO_CLOSE int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Without the syncs of file_make_path: nobody needs this tree after a crash. */
static void make_parents(int root_fd, const char *path, bool itself) {
    char parent[PATH_MAX];
    for (size_t i = 1; path[i] != '\0'; i++) {
        if (path[i] == '/') {
            (void)snprintf(parent, sizeof parent, "%.*s", (int)i, path);
            (void)mkdirat(root_fd, parent, 0755);
        }
    }
    if (itself) {
        assert_int_equal(mkdirat(root_fd, path, 0755), 0);
    }
}

static void make_prop(const Scene *scene, const Prop *prop) {
    (void)umask(022); /* not the tester's: modes are looked at */
    if (prop->kind == PROP_GONE) {
        return;
    }
    make_parents(scene->place->fd, prop->path, prop->kind == PROP_DIR);
    switch (prop->kind) {
    case PROP_FILE:
    case PROP_NODE:
        put_file(scene->place->fd, prop->path, prop->text);
        break;
    case PROP_LINK:
        assert_int_equal(symlinkat(prop->text, scene->place->fd, prop->path), 0);
        break;
    case PROP_SOCKET:
        put_socket(scene, prop->path);
        break;
    case PROP_NONE:
    case PROP_DIR:
    case PROP_GONE:
        break;
    }
}

void scene_put(Scene *scene, const Prop *prop) {
    Error err = ERROR_INIT;
    assert_true(scene->props_count < SCENE_PROPS_MAX);
    assert_true(file_remove_tree(scene->place->fd, prop->path, &err));
    scene->props[scene->props_count++] = *prop;
    make_prop(scene, prop);
}

/* Of the good node only what is not there: the case before took it away. */
static void put_good(Scene *scene, const Prop *prop) {
    assert_true(scene->props_count < SCENE_PROPS_MAX);
    scene->props[scene->props_count++] = *prop;
    if (faccessat(scene->place->fd, prop->path, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
        make_prop(scene, prop);
    }
}

static void clear_away(const Scene *scene) {
    Error err = ERROR_INIT;
    for (size_t i = scene->good_count; i < scene->props_count; i++) {
        char parent[PATH_MAX];
        assert_true(file_remove_tree(scene->place->fd, scene->props[i].path, &err));
        assert_true(text_copy(parent, sizeof parent, scene->props[i].path));
        for (char *slash = strrchr(parent, '/'); slash != NULL; slash = strrchr(parent, '/')) {
            *slash = '\0';
            (void)unlinkat(scene->place->fd, parent, AT_REMOVEDIR); /* only what is empty */
        }
    }
}

static void scene_begin(Scene *scene, Place *place, const Prop *base) {
    static const CheckSettings settings = {.socket_path = "/var/run/aesmd/aesm.socket",
                                           .store = "/var/lib/psw-manager/store",
                                           .state = "/var/lib/psw-manager/state",
                                           .runtime = "/run/psw-manager",
                                           .socket_mode = 0666,
                                           .trial_latency_max_ms = 5000,
                                           .ducks_count = 2};
    Error err = ERROR_INIT;
    *scene = (Scene){.place = place, .settings = settings};
    for (size_t i = 0; i < sizeof good_node / sizeof good_node[0]; i++) {
        put_good(scene, &good_node[i]);
    }
    for (; base != NULL && base->kind != PROP_NONE; base++) {
        put_good(scene, base);
    }
    scene->good_count = scene->props_count;
    memcpy(scene->leaves, good_leaves, sizeof good_leaves);
    scene->leaves_count = sizeof good_leaves / sizeof good_leaves[0];
    if (!host_open(place->path, &scene->host, &err)) {
        fail_msg("%s", err.text);
    }
    scene->host.is_live = true;
    scene->host.uid = scene->host.gid = 0;
    scene->host.environment = scene->environment;
    scene->host.cpuid = scene_cpuid;
    scene->host.stat = scene_stat;
    scene->host.try_open = scene_try;
    scene->host.room = scene_room;
    scene->room = (HostRoom){.bytes = UINT64_C(1) << 40, .inodes = 1 << 20};
    scene->host.now = INT64_C(1800000000);
    scene->host.context = scene;
    scene->subject = (CheckSubject){.host = &scene->host, .settings = &scene->settings};
    (void)snprintf(scene->bundle_path, sizeof scene->bundle_path, "%s/bundle", place->path);
}

static void run_case(Place *place, const Prop *base, const SceneCase *wanted, void (*prepare)(Scene *)) {
    CheckResult result;
    AUTO_FREE Scene *scene = malloc(sizeof *scene);
    const Check *check = check_find(wanted->id);
    if (check == NULL) {
        fail_msg("there is no check '%s'", wanted->id);
    }
    assert_non_null(scene);
    scene_begin(scene, place, base);
    if (prepare != NULL) {
        prepare(scene);
    }
    for (size_t i = 0; i < SCENE_EDITS_MAX && wanted->edits[i].kind != PROP_NONE; i++) {
        scene_put(scene, &wanted->edits[i]);
    }
    (void)host_read_line(&scene->host, "/proc/sys/kernel/osrelease", scene->host.release,
                         sizeof scene->host.release);
    if (wanted->change != NULL) {
        wanted->change(scene);
    }
    report_run_one(&scene->subject, check, &result);
    host_close(&scene->host);
    clear_away(scene);
    if (result.status != wanted->status || strstr(result.text, wanted->words) == NULL) {
        fail_msg("%s: '%s: %s' where '%s: ...%s...' was wanted", wanted->id, check_status_name(result.status),
                 result.text, check_status_name(wanted->status), wanted->words);
    }
}

void scene_run(const Prop *base, const SceneCase *cases, size_t count, void (*prepare)(Scene *)) {
    void *state = NULL;
    assert_int_equal(place_setup(&state), 0);
    for (size_t i = 0; i < count; i++) {
        run_case(state, base, &cases[i], prepare);
    }
    assert_int_equal(place_teardown(&state), 0);
}
