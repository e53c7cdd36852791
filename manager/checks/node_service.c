/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/node_service.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"

static bool find_unit(const Host *host, const char *name, char *path, size_t size) {
    static const char *const places[] = {"/etc/systemd/system", "/run/systemd/system",
                                         "/usr/local/lib/systemd/system", "/lib/systemd/system",
                                         "/usr/lib/systemd/system"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(path, size, "%s/%s", places[i], name);
        if (host_has(host, path)) {
            return true;
        }
    }
    return false;
}

/* The last value of a key in our unit; false: there is no unit, or it does not have the key. */
static bool unit_value(const Host *host, const char *key, char *value, size_t size, bool *ret_unit) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    char path[128];
    bool found = false;
    *ret_unit = find_unit(host, "psw-manager.service", path, sizeof path);
    if (!*ret_unit || !host_read(host, path, &text, &ignored)) {
        return false;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == '=') {
            (void)snprintf(value, size, "%s", line + strlen(key) + 1);
            found = true;
        }
    }
    return found;
}

void node_service_kill(const CheckSubject *subject, CheckResult *result) {
    char value[64];
    bool unit = false;
    bool found = unit_value(subject->host, "KillMode", value, sizeof value, &unit);
    if (!unit) {
        check_skip(result, "there is no unit psw-manager.service");
    } else if (!found || strcmp(value, "process") != 0) {
        check_bad(result, "the unit says KillMode=%s: stopping the manager ends the quoting with it",
                  found ? value : "control-group, by leaving it out");
    } else {
        check_pass(result, "quoting goes on when the manager is stopped");
    }
}

void node_service_user(const CheckSubject *subject, CheckResult *result) {
    char value[64];
    bool unit = false;
    uid_t uid = 0;
    uint32_t number = 0;
    bool found = unit_value(subject->host, "User", value, sizeof value, &unit);
    if (!unit) {
        check_skip(result, "there is no unit psw-manager.service");
    } else if (found && !text_parse_u32(value, 0, UINT32_MAX, &number) &&
               !host_find_user(subject->host, value, &uid)) {
        check_bad(result, "the unit's user '%s' does not exist: systemd ends it with status 217/USER", value);
    } else {
        check_pass(result, "the unit's user exists");
    }
}

void node_service_devices(const CheckSubject *subject, CheckResult *result) {
    char policy[64], allowed[128];
    bool unit = false;
    bool closed = unit_value(subject->host, "DevicePolicy", policy, sizeof policy, &unit) &&
                  (strcmp(policy, "closed") == 0 || strcmp(policy, "strict") == 0);
    if (!unit) {
        check_skip(result, "there is no unit psw-manager.service");
    } else if (closed && !unit_value(subject->host, "DeviceAllow", allowed, sizeof allowed, &unit)) {
        check_bad(result, "the unit says DevicePolicy=%s and allows no device", policy);
    } else {
        check_pass(result, "the unit allows the driver's nodes, or all devices");
    }
}
