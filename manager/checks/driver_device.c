/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/driver_device.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

static const char *const enclave_nodes[] = {"/dev/sgx_enclave", "/dev/sgx/enclave", "/dev/isgx", "/dev/sgx"};
static const char *const all_nodes[] = {"/dev/sgx_enclave",   "/dev/sgx_provision", "/dev/sgx/enclave",
                                        "/dev/sgx/provision", "/dev/isgx",          "/dev/sgx_prv"};

/* "125 sgx_enclave" in /proc/misc: the minor number that the driver has today. */
static bool find_minor(const Host *host, const char *name, unsigned *ret_minor) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    if (!host_read(host, "/proc/misc", &text, &ignored)) {
        return false;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        uint32_t number = 0;
        char *at = line + strspn(line, " ");
        char *digits = strsep(&at, " ");
        if (at != NULL && strcmp(at, name) == 0 && text_parse_u32(digits, 0, UINT32_MAX, &number)) {
            *ret_minor = number;
            return true;
        }
    }
    return false;
}

void driver_device_plain_file(const CheckSubject *subject, CheckResult *result) {
    struct stat facts;
    for (size_t i = 0; i < sizeof all_nodes / sizeof all_nodes[0]; i++) {
        if (host_stat(subject->host, all_nodes[i], &facts) == 0 && !S_ISCHR(facts.st_mode)) {
            check_bad(result, "%s is %s, not a device", all_nodes[i],
                      S_ISDIR(facts.st_mode)   ? "a directory"
                      : S_ISREG(facts.st_mode) ? "a plain file"
                                               : "something else");
            return;
        }
    }
    check_pass(result, "what has a node's name is a device");
}

void driver_device_links(const CheckSubject *subject, CheckResult *result) {
    struct stat facts;
    for (size_t i = 0; i < sizeof all_nodes / sizeof all_nodes[0]; i++) {
        if (host_lstat(subject->host, all_nodes[i], &facts) == 0 && S_ISLNK(facts.st_mode) &&
            host_stat(subject->host, all_nodes[i], &facts) != 0) {
            check_bad(result, "%s is a link that leads nowhere", all_nodes[i]);
            return;
        }
    }
    check_pass(result, "no link beneath /dev leads nowhere");
}

void driver_device_registered(const CheckSubject *subject, CheckResult *result) {
    unsigned number = 0;
    const Host *host = subject->host;
    bool registered = find_minor(host, "sgx_enclave", &number);
    if (!host_has(host, "/proc/misc")) {
        check_skip(result, "there is no /proc/misc");
    } else if (registered && !host_has_device(host, "/dev/sgx_enclave") &&
               !host_has_device(host, "/dev/sgx/enclave")) {
        check_bad(result, "the kernel has the device sgx_enclave (10:%u) and /dev has no node of it", number);
    } else {
        check_pass(result,
                   registered ? "the driver's device has its node" : "no driver has registered a device");
    }
}

void driver_device_number(const CheckSubject *subject, CheckResult *result) {
    static const char *const names[] = {"sgx_enclave", "sgx_provision"};
    char path[32];
    struct stat facts;
    size_t compared = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsigned number = 0;
        (void)snprintf(path, sizeof path, "/dev/%s", names[i]);
        if (!find_minor(subject->host, names[i], &number) || host_stat(subject->host, path, &facts) != 0 ||
            !S_ISCHR(facts.st_mode)) {
            continue;
        }
        compared++;
        if (major(facts.st_rdev) != 10 || minor(facts.st_rdev) != number) {
            check_bad(result, "%s is device %u:%u, the driver's is 10:%u", path, major(facts.st_rdev),
                      minor(facts.st_rdev), number);
            return;
        }
    }
    if (compared == 0) {
        check_skip(result, "no node could be compared with /proc/misc");
    } else {
        check_pass(result, "nodes and driver have the same device numbers");
    }
}

void driver_device_other_names(const CheckSubject *subject, CheckResult *result) {
    size_t found = 0;
    char names[128] = "";
    for (size_t i = 0; i < sizeof enclave_nodes / sizeof enclave_nodes[0]; i++) {
        if (host_has_device(subject->host, enclave_nodes[i])) {
            size_t used = strlen(names);
            (void)snprintf(names + used, sizeof names - used, "%s%s", found++ > 0 ? ", " : "",
                           enclave_nodes[i]);
        }
    }
    if (found == 0) {
        check_skip(result, "no driver is here: see driver.nodes");
    } else if (!host_has_device(subject->host, "/dev/sgx/enclave")) {
        check_bad(result,
                  "there is %s and not /dev/sgx/enclave: libraries of PSW 2.15.1 and before, and of 2.18, "
                  "do not find it",
                  names);
    } else {
        check_pass(result, "old and new libraries find a node: %s", names);
    }
}
