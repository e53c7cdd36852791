/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/foreign_unit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"

enum { CGROUP_SIZE = 4096 };

static void close_file(FILE **file) {
    if (*file != NULL) {
        (void)fclose(*file);
    }
}

bool foreign_unit_parse(const char *cgroup, char *ret_unit, size_t size) {
    static const char suffix[] = ".service";
    for (const char *line = cgroup; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t length = end != NULL ? (size_t)(end - line) : strlen(line);
        const char *at = memrchr(line, '/', length);
        size_t name = at != NULL ? length - (size_t)(at + 1 - line) : 0;
        if (name > sizeof suffix - 1 && name < size &&
            memcmp(at + 1 + name - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0) {
            memcpy(ret_unit, at + 1, name);
            ret_unit[name] = '\0';
            return true;
        }
        line = end != NULL ? end + 1 : NULL;
    }
    return false;
}

static bool unit_of(const char *process, char *ret_unit, size_t size) {
    char path[64], text[CGROUP_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%s/cgroup", process);
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    size_t got = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    text[got] = '\0';
    return foreign_unit_parse(text, ret_unit, size);
}

static bool is_masked(const char *directory, const char *unit) {
    char path[PATH_MAX], target[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", directory, unit);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    return strcmp(target, "/dev/null") == 0;
}

bool foreign_unit_check(ForeignId id, Error *err) {
    char process[16], unit[NAME_MAX + 1], own[NAME_MAX + 1] = "";
    (void)snprintf(process, sizeof process, "%d", (int)id.pid);
    (void)unit_of("self", own, sizeof own);
    if (!unit_of(process, unit, sizeof unit) || strcmp(unit, own) == 0 ||
        is_masked("/etc/systemd/system", unit) || is_masked("/run/systemd/system", unit)) {
        return true;
    }
    return error_set(
        err, ERROR_CONFLICT,
        "process %d belongs to %s, which systemd would start again over our socket: run 'systemctl mask "
        "%s' first (it goes on running), then adopt",
        (int)id.pid, unit, unit);
}
