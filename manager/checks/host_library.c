/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/host_library.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"

static const char *const usual[] = {
    "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
};

typedef struct Walk {
    HostLibraryFn visit;
    void *context;
    bool go_on;
} Walk;

static void walk_file(const Host *host, const char *path, Walk *walk) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    if (!host_read(host, path, &text, &ignored)) {
        return;
    }
    char *rest = (char *)text.data, *line = NULL;
    while (walk->go_on && (line = strsep(&rest, "\n")) != NULL) {
        line[strcspn(line, " \t#")] = '\0';
        if (line[0] == '/') {
            walk->go_on = walk->visit(walk->context, line);
        }
    }
}

void host_library_directories(const Host *host, HostLibraryFn visit, void *context) {
    Walk walk = {visit, context, true};
    HostNames names;
    char path[HOST_NAME_SIZE + 32];
    walk_file(host, "/etc/ld.so.conf", &walk);
    host_names(host, "/etc/ld.so.conf.d", &names);
    for (size_t i = 0; i < names.count && walk.go_on; i++) {
        (void)snprintf(path, sizeof path, "/etc/ld.so.conf.d/%s", names.names[i]);
        walk_file(host, path, &walk);
    }
    host_names_done(&names);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0] && walk.go_on; i++) {
        walk.go_on = walk.visit(walk.context, usual[i]);
    }
}

typedef struct Search {
    const Host *host;
    const char *soname;
    char *path;
    bool found;
} Search;

static bool look(void *context, const char *directory) {
    Search *search = context;
    struct stat facts;
    int length = snprintf(search->path, HOST_LIBRARY_PATH_MAX, "%s/%s", directory, search->soname);
    search->found = length > 0 && length < HOST_LIBRARY_PATH_MAX &&
                    host_stat(search->host, search->path, &facts) == 0 && S_ISREG(facts.st_mode);
    return !search->found;
}

bool host_library_find(const Host *host, const char *soname, char path[HOST_LIBRARY_PATH_MAX]) {
    Search search = {host, soname, path, false};
    if (strchr(soname, '/') != NULL) {
        return false;
    }
    host_library_directories(host, look, &search);
    return search.found;
}

bool host_library_is_known(const Host *host) {
    char path[HOST_LIBRARY_PATH_MAX];
    return host_library_find(host, "libc.so.6", path);
}
