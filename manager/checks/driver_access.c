/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/driver_access.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "manager/checks/driver_nodes.h"
#include "manager/checks/mounts.h"

enum { GROUP_SIZE = 64 };

static const char no_driver[] = "no driver is here: see driver.nodes";
static const char no_provision[] = "there is no provisioning node: see driver.provision-node";

/* False, and skipped in these words: there is no such node. */
static bool find_node(const CheckSubject *subject, CheckResult *result, const char *path, const char *absent,
                      struct stat *ret_facts) {
    if (path == NULL || host_stat(subject->host, path, ret_facts) != 0) {
        check_skip(result, "%s", absent);
        return false;
    }
    return true;
}

static void judge_access(const CheckSubject *subject, CheckResult *result, const char *path) {
    struct stat facts;
    char group[GROUP_SIZE];
    if (!find_node(subject, result, path, "there is no such node: see driver.nodes and driver.provision-node",
                   &facts)) {
        return;
    }
    if (host_may(subject->host, &facts, R_OK | W_OK)) {
        check_pass(result, "uid %u may use %s", subject->host->uid, path);
    } else {
        check_bad(result, "uid %u may not use %s (mode %04o, owner %u, group %s)", subject->host->uid, path,
                  facts.st_mode & 07777, facts.st_uid,
                  host_group_name(subject->host, facts.st_gid, group, sizeof group));
    }
}

void driver_access_enclave(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    judge_access(subject, result, nodes.enclave);
}

void driver_access_provision(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    judge_access(subject, result, nodes.provision);
}

void driver_access_provision_open(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    struct stat facts;
    driver_nodes_read(subject->host, &nodes);
    if (!find_node(subject, result, nodes.provision, no_provision, &facts)) {
        return;
    }
    if ((facts.st_mode & 06) != 0) {
        check_bad(result, "%s is open to everybody (mode %04o): every user can learn the platform's identity",
                  nodes.provision, facts.st_mode & 07777);
    } else {
        check_pass(result, "%s has mode %04o", nodes.provision, facts.st_mode & 07777);
    }
}

void driver_access_group(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    struct stat facts;
    gid_t group = 0;
    driver_nodes_read(subject->host, &nodes);
    if (!find_node(subject, result, nodes.enclave, no_driver, &facts)) {
        return;
    }
    if ((facts.st_mode & 06) == 06) {
        check_pass(result, "%s is open to everybody: no group is needed", nodes.enclave);
    } else if (!host_find_group(subject->host, "sgx", &group)) {
        check_bad(result,
                  "%s has mode %04o and there is no group 'sgx': applications of other users cannot use it",
                  nodes.enclave, facts.st_mode & 07777);
    } else if (facts.st_gid != group) {
        check_bad(result, "%s belongs to gid %u, not to the group 'sgx' (gid %u)", nodes.enclave,
                  facts.st_gid, group);
    } else {
        check_pass(result, "%s belongs to the group 'sgx'", nodes.enclave);
    }
}

void driver_access_group_provision(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    struct stat facts;
    gid_t group = 0;
    driver_nodes_read(subject->host, &nodes);
    if (!find_node(subject, result, nodes.provision, no_provision, &facts)) {
        return;
    }
    if (!host_find_group(subject->host, "sgx_prv", &group)) {
        check_pass(result, "there is no group 'sgx_prv': only root uses %s", nodes.provision);
    } else if (facts.st_gid != group) {
        check_bad(result, "there is a group 'sgx_prv' (gid %u) and %s belongs to gid %u", group,
                  nodes.provision, facts.st_gid);
    } else {
        check_pass(result, "%s belongs to the group 'sgx_prv'", nodes.provision);
    }
}

void driver_access_noexec(const CheckSubject *subject, CheckResult *result) {
    switch (mounts_path_has(subject->host, "/dev", "noexec")) {
    case MOUNT_YES:
        check_bad(result, "/dev is mounted noexec: enclave pages cannot be made executable");
        break;
    case MOUNT_NO:
        check_pass(result, "/dev is not mounted noexec");
        break;
    case MOUNT_UNKNOWN:
        check_skip(result, "/proc/self/mountinfo does not tell");
        break;
    }
}

void driver_access_open(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    driver_nodes_read(subject->host, &nodes);
    if (nodes.enclave == NULL) {
        check_skip(result, "%s", no_driver);
        return;
    }
    int error = subject->host->try_open(subject->host, nodes.enclave);
    if (error == 0) {
        check_pass(result, "%s opens", nodes.enclave);
    } else if (error == EACCES || error == EPERM) {
        check_skip(result,
                   "%s does not open for lack of permission: see driver.enclave-access and "
                   "driver.device-policy",
                   nodes.enclave);
    } else {
        check_bad(result, "%s does not open: %s", nodes.enclave,
                  strerror(error)); /* NOLINT(concurrency-mt-unsafe) */
    }
}

/* Permissions allow it and the kernel does not: a device policy of the control group, or a security module.
 */
void driver_access_device_policy(const CheckSubject *subject, CheckResult *result) {
    DriverNodes nodes;
    struct stat facts;
    driver_nodes_read(subject->host, &nodes);
    const char *const paths[] = {nodes.enclave, nodes.provision};
    size_t opened = 0;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (paths[i] == NULL || host_stat(subject->host, paths[i], &facts) != 0 ||
            !host_may(subject->host, &facts, R_OK | W_OK)) {
            continue;
        }
        opened++;
        if (subject->host->try_open(subject->host, paths[i]) == EPERM) {
            check_bad(result, "the permissions of %s allow its use, and the kernel refuses it", paths[i]);
            return;
        }
    }
    if (opened == 0) {
        check_skip(result, "no node may be opened: see driver.nodes, driver.enclave-access");
    } else {
        check_pass(result, "no device policy stands in the way");
    }
}
