/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/confine.h"

#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/priority.h"
#include "bundles/base/sandbox.h"
#include "bundles/base/text.h"
#include "quoted/library.h"

static const char *const devices[] = {"/dev/sgx_enclave", "/dev/sgx_provision", "/dev/sgx",
                                      "/dev/isgx",        "/dev/null",          "/dev/zero"};

typedef struct Places {
    SandboxPlace list[16];
    size_t count;
} Places;

static void add(Places *places, const char *path, SandboxAccess access) {
    places->list[places->count++] = (SandboxPlace){.path = path, .access = access, .optional = true};
}

/* Intel's quote library finds it by the loader's path; these are the places of its packages. */
static bool host_has_provider(void) {
    static const char *const paths[] = {
        "/usr/lib/x86_64-linux-gnu/libdcap_quoteprov.so.1", "/usr/lib64/libdcap_quoteprov.so.1",
        "/usr/lib/libdcap_quoteprov.so.1", "/usr/local/lib/libdcap_quoteprov.so.1"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (access(paths[i], F_OK) == 0) {
            return true;
        }
    }
    return false;
}

static bool confine_allows_network(const Config *config, const Manifest *manifest) {
    switch (config->network) {
    case CONFIG_NETWORK_ALLOW:
        return true;
    case CONFIG_NETWORK_REFUSE:
        return false;
    case CONFIG_NETWORK_BY_BUNDLE:
    default:
        return !manifest->simulated &&
               (config->host_provider || libraries_find_provider(manifest) != NULL || host_has_provider());
    }
}

/* Where Intel's certificate provider and Azure's keep what they fetched: beneath the first of these that is
 * set to anything. NULL: nowhere that would be ours. */
static const char *find_cache_home(void) {
    static const char *const variables[] = {"AZDCAP_CACHE", "XDG_CACHE_HOME", "HOME", "TMPDIR"};
    const char *directory = NULL;
    for (size_t i = 0; i < sizeof variables / sizeof *variables && directory == NULL; i++) {
        directory = secure_getenv(variables[i]);
        directory = directory != NULL && directory[0] != '\0' ? directory : NULL;
    }
    return directory != NULL && directory[0] == '/' ? directory : NULL;
}

/* The caller frees; NULL: out of memory. */
static char *make_cache(const char *home, const char *name) {
    char *path = text_format("%s/%s", home, name);
    if (path != NULL) {
        (void)mkdir(path, 0755); /* it could not make it itself */
    }
    return path;
}

/* Up to the last slash. The caller frees. */
static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* A thread that began at the lowest priority has to come back to the ordinary one (quoted/generation.c),
 * which takes a limit, or where that cannot be raised, a capability. The capabilities that stay. */
static uint64_t keep_ordinary_priority(void) {
    return priority_allow_return() ? 0 : UINT64_C(1) << CAP_SYS_NICE;
}

static void tell(const SandboxReport *report, bool network) {
    log_debug("confined", "landlock=%d seccomp=%s network=%s", report->landlock_abi,
              report->seccomp ? "yes" : "no", network ? "allowed" : "refused");
    if (report->missing[0] != '\0') {
        log_warning("sandbox-incomplete", "missing=\"%s\"", report->missing);
    }
}

bool confine_enter(const Config *config, const Manifest *manifest, const char *control_path, Error *err) {
    Places places = {.count = 0};
    SandboxReport report;
    if (!config->sandbox) {
        log_warning("sandbox-off", "advice=\"remove 'sandbox: off' from quoted.yaml\"");
        return true;
    }
    const bool network = confine_allows_network(config, manifest);
    AUTO_FREE char *directory = control_path != NULL ? directory_of(control_path) : NULL;
    const char *home = network ? find_cache_home() : NULL;
    AUTO_FREE char *intel_cache = home != NULL ? make_cache(home, ".dcap-qcnl") : NULL;
    AUTO_FREE char *azure_cache = home != NULL ? make_cache(home, ".az-dcap-client") : NULL;
    if (control_path != NULL && directory == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        add(&places, devices[i], SANDBOX_DEVICE);
    }
    if (directory != NULL) {
        add(&places, directory, SANDBOX_SOCKETS);
    }
    if (intel_cache != NULL) {
        add(&places, intel_cache, SANDBOX_WRITE);
    }
    if (azure_cache != NULL) {
        add(&places, azure_cache, SANDBOX_WRITE);
    }
    const Sandbox profile = {.capabilities = keep_ordinary_priority(),
                             .places = places.list,
                             .places_count = places.count,
                             .read_anywhere = true,
                             .write_existing = manifest->simulated,
                             .calls = SANDBOX_CALLS_ANY | (network ? SANDBOX_CALLS_NETWORK : 0)};
    if (!sandbox_apply(&profile, &report, err)) {
        return false;
    }
    tell(&report, network);
    return true;
}
