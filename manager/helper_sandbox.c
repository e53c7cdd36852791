/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/helper_sandbox.h"

#include <string.h>

#include "bundles/base/digest.h"
#include "bundles/base/sandbox.h"

enum { FILES_MAX = 256, NAMED_MAX = 8, NOBODY = 65534 /* the kernel's own for somebody without rights */ };

typedef struct Named {
    const char *argument; /* a path, a list of paths or null; "a/b" is a member of a member */
    SandboxAccess access;
} Named;

typedef struct Profile {
    const char *task;
    unsigned calls;
    bool nobody;              /* instead of root */
    const char *const *paths; /* to read, where they exist; NULL-terminated */
    Named named[NAMED_MAX];
} Profile;

enum {
    WORKER = SANDBOX_CALLS_BASE | SANDBOX_CALLS_WRITE,
    /* Looking up a host may take a thread and libraries (nsswitch.conf). */
    COURIER = SANDBOX_CALLS_BASE | SANDBOX_CALLS_READ | SANDBOX_CALLS_NETWORK | SANDBOX_CALLS_THREADS |
              SANDBOX_CALLS_LOAD
};

static const char *const nothing[] = {NULL};

static const Profile profiles[] = {
    {"stage", WORKER, false, nothing, {{"store", SANDBOX_WRITE}, {"gate/trust", SANDBOX_READ}}},
    {"verify", WORKER, false, nothing, {{"store", SANDBOX_READ}, {"gate/trust", SANDBOX_READ}}},
    {"remove", WORKER, false, nothing, {{"store", SANDBOX_WRITE}}},
    {"fetch", WORKER, false, nothing, {{"directory", SANDBOX_WRITE}, {"source", SANDBOX_READ}}},
    {"update",
     WORKER,
     false,
     nothing,
     {{"trust", SANDBOX_WRITE},
      {"downloads", SANDBOX_WRITE},
      {"root", SANDBOX_READ},
      {"repository", SANDBOX_READ}}},
    {"checks", SANDBOX_CALLS_BASE, false, nothing, {{NULL, SANDBOX_READ}}}, /* its work is done before */
    {"advice",
     WORKER,
     false,
     nothing,
     {{"directory", SANDBOX_WRITE}, {"root", SANDBOX_READ}, {"local", SANDBOX_READ}}},
    {"courier", COURIER, true, sandbox_name_service, {{NULL, SANDBOX_READ}}},
};

typedef struct Places {
    SandboxPlace list[SANDBOX_PLACES_MAX];
    size_t count;
} Places;

/* What is not there is for the task to tell. */
static bool add(Places *places, const char *path, SandboxAccess access, Error *err) {
    if (path == NULL) {
        return true;
    }
    if (places->count == SANDBOX_PLACES_MAX) {
        return error_set(err, ERROR_LIMIT, "more than %d paths", SANDBOX_PLACES_MAX);
    }
    places->list[places->count++] = (SandboxPlace){.path = path, .access = access, .optional = true};
    return true;
}

static const json_t *find(const json_t *arguments, const char *name) {
    const char *slash = strchr(name, '/');
    return slash == NULL
               ? json_object_get(arguments, name)
               : json_object_get(json_object_getn(arguments, name, (size_t)(slash - name)), slash + 1);
}

static bool add_named(Places *places, const Named *named, const json_t *arguments, Error *err) {
    const json_t *value = find(arguments, named->argument), *each = NULL;
    size_t index = 0;
    json_array_foreach(value, index, each) {
        if (!add(places, json_string_value(each), named->access, err)) {
            return false;
        }
    }
    return add(places, json_string_value(value), named->access, err);
}

static bool find_places(const Profile *profile, const json_t *arguments, Places *places, Error *err) {
    for (const char *const *path = profile->paths; *path != NULL; path++) {
        if (!add(places, *path, SANDBOX_READ, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < NAMED_MAX && profile->named[i].argument != NULL; i++) {
        if (!add_named(places, &profile->named[i], arguments, err)) {
            return false;
        }
    }
    return true;
}

/* OpenSSL reads its configuration at its first use, and takes it amiss if it must not. */
static bool warm_up(Error *err) {
    Digest unused;
    return digest_of("", 0, &unused) || error_set(err, ERROR_MEMORY, "out of memory");
}

static bool enter(const Profile *profile, const json_t *arguments, uint64_t file_size_max, Error *err) {
    Places places = {.count = 0};
    SandboxReport report;
    if (!find_places(profile, arguments, &places, err) || !warm_up(err)) {
        return false;
    }
    const Sandbox sandbox = {.uid = profile->nobody ? NOBODY : 0,
                             .gid = profile->nobody ? NOBODY : 0,
                             .limits = {.memory = HELPER_MEMORY_MAX,
                                        .file_size = file_size_max,
                                        .files = FILES_MAX,
                                        .alone = (profile->calls & SANDBOX_CALLS_THREADS) == 0},
                             .places = places.list,
                             .places_count = places.count,
                             .calls = profile->calls};
    return sandbox_apply(&sandbox, &report, err);
}

bool helper_sandbox_enter(const char *task, const json_t *arguments, uint64_t file_size_max, Error *err) {
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        if (strcmp(profiles[i].task, task) == 0) {
            return enter(&profiles[i], arguments, file_size_max, err);
        }
    }
    return error_set(err, ERROR_USAGE, "there is no sandbox for '%s'", task);
}
