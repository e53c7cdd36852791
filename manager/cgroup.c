/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ID_SIZE = 64 };

/* How runtimes name the scopes of their containers, and in the second column what comes as a directory of its
 * own above the id where they do not use systemd. */
static const struct {
    const char *prefix, *parent, *runtime;
} runtimes[] = {
    {"docker-", "docker", "docker"},        {"cri-containerd-", NULL, "containerd"},
    {"nerdctl-", NULL, "containerd"},       {"crio-", NULL, "cri-o"},
    {"libpod-", "libpod_parent", "podman"},
};

static bool is_id(const char *text, size_t length) {
    return length == ID_SIZE && strspn(text, "0123456789abcdef") >= ID_SIZE;
}

static bool ends_with(const char *text, size_t length, const char *end) {
    size_t size = strlen(end);
    return length > size && memcmp(text + length - size, end, size) == 0;
}

static bool is_part(const char *part, size_t length, const char *wanted) {
    return wanted != NULL && strlen(wanted) == length && memcmp(part, wanted, length) == 0;
}

static void take(CgroupPlace *place, const char *runtime, const char *id) {
    (void)snprintf(place->runtime, sizeof place->runtime, "%s", runtime);
    (void)snprintf(place->container, sizeof place->container, "%.*s", ID_SIZE, id);
}

/* One part of the path and the one above it. */
static void look(CgroupPlace *place, const char *above, size_t above_length, const char *part,
                 size_t length) {
    size_t bare = length - (ends_with(part, length, ".scope") ? strlen(".scope") : 0);
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++) {
        size_t prefix = strlen(runtimes[i].prefix);
        if (bare > prefix && memcmp(part, runtimes[i].prefix, prefix) == 0 &&
            is_id(part + prefix, bare - prefix)) {
            take(place, runtimes[i].runtime, part + prefix);
            return;
        }
        if (is_part(above, above_length, runtimes[i].parent) && is_id(part, length)) {
            take(place, runtimes[i].runtime, part);
            return;
        }
    }
    if (is_id(part, length)) {
        take(place, "container", part);
    } else if (ends_with(part, length, ".service") || ends_with(part, length, ".scope")) {
        (void)snprintf(place->unit, sizeof place->unit, "%.*s", (int)length, part);
    }
}

void cgroup_place(const char *path, CgroupPlace *ret_place) {
    const char *above = path;
    size_t above_length = 0;
    *ret_place = (CgroupPlace){0};
    for (const char *part = path; *part != '\0';) {
        part += *part == '/';
        size_t length = strcspn(part, "/");
        look(ret_place, above, above_length, part, length);
        above = part;
        above_length = length;
        part += length;
    }
}
