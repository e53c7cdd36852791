/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the node around it: clock, disk, memory, limits, container, and the table with those of the
 * service.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/text.h"
#include "manager/checks/families.h"
#include "manager/checks/node_service.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)

enum { NOFILE_MIN = 4096, SOMAXCONN_MIN = 512, FREE_MIN_MIB = 256, MEMORY_MIN_MIB = 256, INODES_MIN = 1024 };

static void check_clock(const CheckSubject *subject, CheckResult *result) {
    static const int64_t earliest = INT64_C(1735689600), latest = INT64_C(4102444800); /* 2025, 2100 */
    char now[CLOCK_TIME_SIZE];
    clock_format(subject->host->now, now);
    if (subject->host->now < earliest || subject->host->now > latest) {
        check_bad(result, "the clock says %s", now);
    } else {
        check_pass(result, "the clock says %s", now);
    }
}

static void check_clock_synchronised(const CheckSubject *subject, CheckResult *result) {
    if (host_has(subject->host, "/run/systemd/timesync/synchronized") ||
        host_has(subject->host, "/run/chrony/chronyd.pid") || host_has(subject->host, "/run/ntpd.pid")) {
        check_pass(result, "something sets the clock");
    } else if (!host_has(subject->host, "/run/systemd/system")) {
        check_skip(result, "who sets the clock cannot be seen here");
    } else {
        check_bad(result, "nothing seems to set the clock");
    }
}

static bool measure(const CheckSubject *subject, CheckResult *result, const char *path, HostRoom *ret_room) {
    if (path == NULL || !subject->host->room(subject->host, path, ret_room)) {
        check_skip(result, "the room for %s cannot be measured", path != NULL ? path : "it");
        return false;
    }
    return true;
}

static uint64_t bundle_size(const CheckSubject *subject) {
    uint64_t size = 0;
    for (size_t i = 0; subject->bundle != NULL && i < subject->bundle->files_count; i++) {
        size += subject->bundle->files[i].size;
    }
    return size;
}

static void judge_room(CheckResult *result, const char *path, uint64_t have, uint64_t want) {
    char left[24], wanted[24];
    (void)text_format_size(left, sizeof left, have);
    (void)text_format_size(wanted, sizeof wanted, want);
    if (have < want) {
        check_bad(result, "%s has room for %s; %s is needed", path, left, wanted);
    } else {
        check_pass(result, "%s has room for %s", path, left);
    }
}

static void check_store_space(const CheckSubject *subject, CheckResult *result) {
    HostRoom room;
    uint64_t want = 2 * bundle_size(subject);
    if (measure(subject, result, subject->settings->store, &room)) {
        judge_room(result, subject->settings->store, room.bytes,
                   want > FREE_MIN_MIB * MIB ? want : FREE_MIN_MIB * MIB);
    }
}

static void check_state_space(const CheckSubject *subject, CheckResult *result) {
    HostRoom room;
    if (measure(subject, result, subject->settings->state, &room)) {
        judge_room(result, subject->settings->state, room.bytes, 16 * MIB);
    }
}

static void check_inodes(const CheckSubject *subject, CheckResult *result) {
    HostRoom room;
    if (!measure(subject, result, subject->settings->store, &room)) {
        return;
    }
    if (room.inodes < INODES_MIN) {
        check_bad(result, "the store's file system has %llu %s left", (unsigned long long)room.inodes,
                  text_plural(room.inodes, "inode", "inodes"));
    } else {
        check_pass(result, "the store's file system has inodes left");
    }
}

static bool read_meminfo(const Host *host, const char *name, uint64_t *ret_kib) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    size_t length = strlen(name);
    if (!host_read(host, "/proc/meminfo", &text, &ignored)) {
        return false;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            char *number = line + length + 1 + strspn(line + length + 1, " ");
            number[strcspn(number, " ")] = '\0';
            return text_parse_u64(number, 0, UINT64_MAX / KIB, ret_kib);
        }
    }
    return false;
}

static void check_memory(const CheckSubject *subject, CheckResult *result) {
    uint64_t kib = 0;
    if (!read_meminfo(subject->host, "MemAvailable", &kib)) {
        check_skip(result, "/proc/meminfo does not tell");
    } else if (kib * KIB < MEMORY_MIN_MIB * MIB) {
        check_bad(result, "%llu MiB of memory are available; two generations and an unpacking want %d",
                  (unsigned long long)(kib / KIB), MEMORY_MIN_MIB);
    } else {
        check_pass(result, "%llu MiB of memory are available", (unsigned long long)(kib / KIB));
    }
}

/* "Max open files            1024                 524288               files" */
static bool read_limit(const Host *host, const char *name, uint64_t *ret_hard) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    if (!host_read(host, "/proc/self/limits", &text, &ignored)) {
        return false;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            char *at = line + strlen(name) + strspn(line + strlen(name), " ");
            at += strcspn(at, " ");
            at += strspn(at, " ");
            at[strcspn(at, " ")] = '\0';
            *ret_hard = UINT64_MAX;
            return strcmp(at, "unlimited") == 0 || text_parse_u64(at, 0, UINT64_MAX, ret_hard);
        }
    }
    return false;
}

static void check_nofile(const CheckSubject *subject, CheckResult *result) {
    uint64_t hard = 0;
    if (!read_limit(subject->host, "Max open files", &hard)) {
        check_skip(result, "/proc/self/limits does not tell");
    } else if (hard < NOFILE_MIN) {
        check_bad(result, "%llu descriptors at most: so many clients at a time", (unsigned long long)hard);
    } else {
        check_pass(result, "descriptors enough");
    }
}

static void check_processes(const CheckSubject *subject, CheckResult *result) {
    uint64_t hard = 0;
    if (!read_limit(subject->host, "Max processes", &hard)) {
        check_skip(result, "/proc/self/limits does not tell");
    } else if (hard < 256) {
        check_bad(result, "%llu processes and threads at most", (unsigned long long)hard);
    } else {
        check_pass(result, "processes enough");
    }
}

static void check_address_space(const CheckSubject *subject, CheckResult *result) {
    uint64_t hard = 0;
    if (!read_limit(subject->host, "Max address space", &hard)) {
        check_skip(result, "/proc/self/limits does not tell");
    } else if (hard < 4096 * MIB) {
        check_bad(result, "%llu MiB of address space at most: enclaves reserve more",
                  (unsigned long long)(hard / MIB));
    } else {
        check_pass(result, "address space enough");
    }
}

static void check_somaxconn(const CheckSubject *subject, CheckResult *result) {
    uint64_t most = 0;
    if (!host_read_u64(subject->host, "/proc/sys/net/core/somaxconn", &most)) {
        check_skip(result, "/proc/sys/net/core/somaxconn cannot be read");
    } else if (most < SOMAXCONN_MIN) {
        check_bad(result, "net.core.somaxconn is %llu: so many clients may wait at a time",
                  (unsigned long long)most);
    } else {
        check_pass(result, "net.core.somaxconn is %llu", (unsigned long long)most);
    }
}

static bool is_container(const Host *host, char *kind, size_t size) {
    if (host_has(host, "/.dockerenv")) {
        return text_copy(kind, size, "docker");
    }
    if (host_has(host, "/run/.containerenv")) {
        return text_copy(kind, size, "podman");
    }
    return host_read_line(host, "/run/systemd/container", kind, size);
}

static void check_container(const CheckSubject *subject, CheckResult *result) {
    char kind[64];
    if (!is_container(subject->host, kind, sizeof kind)) {
        check_pass(result, "this is no container");
    } else if (!host_has_device(subject->host, "/dev/sgx_enclave") &&
               !host_has_device(subject->host, "/dev/sgx/enclave")) {
        check_bad(result, "this is a container (%s) without the driver's nodes", kind);
    } else {
        check_pass(result, "this is a container (%s) with the driver's nodes", kind);
    }
}

static void check_container_socket(const CheckSubject *subject, CheckResult *result) {
    char kind[64];
    const char *environment = host_environment(subject->host, "KUBERNETES_SERVICE_HOST");
    if (!is_container(subject->host, kind, sizeof kind) && environment == NULL) {
        check_pass(result, "this is no container");
    } else {
        check_bad(result,
                  "this is a container: the socket's directory must be a mount of the host's, or nobody else "
                  "reaches it");
    }
}

static void check_suspend(const CheckSubject *subject, CheckResult *result) {
    char states[128];
    if (!host_read_line(subject->host, "/sys/power/state", states, sizeof states)) {
        check_pass(result, "this machine does not suspend");
    } else if (strstr(states, "mem") == NULL && strstr(states, "disk") == NULL) {
        check_pass(result, "this machine neither suspends to memory nor to disk");
    } else if (host_has(subject->host, "/etc/systemd/system/sleep.target")) {
        check_pass(result, "suspending is masked");
    } else {
        check_bad(result, "this machine can suspend (%s), which empties the EPC", states);
    }
}

static void check_store_owner(const CheckSubject *subject, CheckResult *result) {
    const char *const paths[] = {subject->settings->store, subject->settings->state};
    struct stat facts;
    size_t seen = 0;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i] == NULL || host_stat(subject->host, paths[i], &facts) != 0) {
            continue;
        }
        seen++;
        if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
            check_bad(result, "%s has mode %04o: others can write into it", paths[i], facts.st_mode & 07777);
            return;
        }
    }
    if (seen == 0) {
        check_skip(result, "store and state are not there yet");
    } else {
        check_pass(result, "nobody else can write into store and state");
    }
}

#define SYSTEMD "https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html"

static const Check checks[] = {
    {"node.clock", "the clock is plausible", "certificates and collateral that seem expired or not yet valid",
     "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/250", 0, CHECK_FAIL, check_clock,
     "set the clock: timedatectl set-ntp true"},
    {"node.clock-synchronised", "something sets the clock",
     "updates that expire unnoticed on a clock that drifts",
     "https://theupdateframework.github.io/specification/latest/", 0, CHECK_WARN, check_clock_synchronised,
     "timedatectl set-ntp true, or install chrony"},
    {"node.store-space", "the store has room for two more bundles", "a staging that fails half-way",
     "https://github.com/openenclave/openenclave/issues/2597", 0, CHECK_WARN, check_store_space,
     "remove bundles that are not needed (pswctl list, pswctl remove), or move the store"},
    {"node.state-space", "the state directory has room",
     "a manager that cannot write its journal and so starts nothing",
     "https://github.com/openenclave/openenclave/issues/2597", 0, CHECK_FAIL, check_state_space,
     "free space on its file system"},
    {"node.inodes", "the store's file system has inodes left", "'no space left' with space left",
     "https://www.kernel.org/doc/html/latest/filesystems/ext4/overview.html", 0, CHECK_WARN, check_inodes,
     "remove small files from that file system"},
    {"node.store-owner", "nobody else can write into store and state",
     "enclaves that another user has put there", "https://github.com/intel/linux-sgx/issues/910", 0,
     CHECK_FAIL, check_store_owner, "chmod go-w the directory"},
    {"node.memory", "memory for two generations is available",
     "the out-of-memory killer in the middle of a swap",
     "https://docs.kernel.org/admin-guide/mm/concepts.html", 0, CHECK_WARN, check_memory,
     "free memory, or raise the container's limit"},
    {"node.descriptors", "descriptors for many clients are allowed",
     "clients that wait although quoted is idle", SYSTEMD, CHECK_NEEDS_LIVE, CHECK_WARN, check_nofile,
     "LimitNOFILE=1048576 in the unit; ulimit -n elsewhere"},
    {"node.processes", "processes and threads enough are allowed",
     "a generation that cannot start its threads", SYSTEMD, CHECK_NEEDS_LIVE, CHECK_WARN, check_processes,
     "raise TasksMax or LimitNPROC of the unit"},
    {"node.address-space", "enclaves may reserve their address space", "ENOMEM with memory and EPC left",
     SYSTEMD, CHECK_NEEDS_LIVE | CHECK_NEEDS_HARDWARE, CHECK_WARN, check_address_space,
     "remove LimitAS from the unit"},
    {"node.backlog", "many clients may wait to be accepted",
     "EAGAIN for clients that do not block (Rust, Go)", "https://github.com/fortanix/rust-sgx/issues/220", 0,
     CHECK_WARN, check_somaxconn, "sysctl net.core.somaxconn=4096"},
    {"node.container", "a container has the driver's nodes",
     "looking for a driver that the container does not show", "https://github.com/intel/linux-sgx/issues/792",
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_container,
     "start it with --device /dev/sgx_enclave --device /dev/sgx_provision, or with the device plug-in"},
    {"node.container-socket", "a container shares the socket's directory",
     "a socket that nobody else can see",
     "https://github.com/intel/intel-device-plugins-for-kubernetes/issues/1098", 0, CHECK_INFO,
     check_container_socket, "mount the directory of socket.path from the host"},
    {"node.suspend", "this machine does not suspend", "SGX_QL_ENCLAVE_LOST after waking up",
     "https://github.com/apache/incubator-teaclave/issues/175", CHECK_NEEDS_HARDWARE, CHECK_INFO,
     check_suspend, "systemctl mask sleep.target; quoted loads lost enclaves again by itself"},
    {"node.service-kill", "stopping the manager leaves the quoting alone",
     "an update of the manager that interrupts quotes",
     "https://www.freedesktop.org/software/systemd/man/latest/systemd.kill.html", 0, CHECK_WARN,
     node_service_kill, "KillMode=process in the unit, as shipped"},
    {"node.service-user", "the unit's user exists", "217/USER after an upgrade that removed the user",
     "https://github.com/intel/linux-sgx/issues/935", 0, CHECK_FAIL, node_service_user,
     "useradd -r it, or correct User= in the unit"},
    {"node.service-devices", "the unit may use the driver's nodes", "EPERM for the service alone",
     "https://www.freedesktop.org/software/systemd/man/latest/systemd.resource-control.html",
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, node_service_devices,
     "DeviceAllow=/dev/sgx_enclave rw and DeviceAllow=/dev/sgx_provision rw in the unit"},
};

const CheckFamily family_node = {"node", FAMILY(checks)};
