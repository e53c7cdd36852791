/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the bundle's libraries against each other and the host, without loading them, and of what else
 * the loader would find.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "manager/checks/bundle_loading.h"
#include "manager/checks/families.h"
#include "manager/checks/host_library.h"
#include "manager/checks/library_set.h"

/* Shared by the checks of one run; else `*ret_own` is the caller's to free. */
static const LibrarySet *open_set(const CheckSubject *subject, CheckResult *result, LibrarySet **ret_own) {
    Error err = ERROR_INIT;
    LibrarySet **place = subject->libraries != NULL ? subject->libraries : ret_own;
    if (subject->bundle_path == NULL) {
        check_skip(result, "it is not unpacked");
        return NULL;
    }
    if (*place == NULL) {
        *place = library_set_new(subject, &err);
    }
    if (*place == NULL) {
        check_skip(result, "its libraries cannot be read: %s", err.text);
    }
    return *place;
}

static bool is_usable(const Library *library) {
    return library->is_bundles && library->is_readable;
}

static void check_elf(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    size_t count = 0;
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        if (!set->libraries[i]->is_readable) {
            check_bad(result, "%s: %s", set->libraries[i]->name, set->libraries[i]->error.text);
            return;
        }
        count += set->libraries[i]->is_bundles ? 1 : 0;
    }
    if (set != NULL) {
        check_pass(result, "its %zu %s for x86-64", count,
                   text_plural(count, "library is a shared object", "libraries are shared objects"));
    }
}

static void check_needed(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    if (set != NULL && !host_library_is_known(subject->host)) {
        check_skip(result, "where this host keeps its libraries is not known");
    } else if (set != NULL && set->missing[0] != '\0') {
        check_bad(result, "%s needs %s, which neither the bundle nor the host has", set->missing_for,
                  set->missing);
    } else if (set != NULL) {
        check_pass(result, "bundle and host have every library that is needed (%zu in all)", set->count);
    }
}

typedef struct Search {
    const LibrarySet *set;
    CheckResult *result;
    const Library *library;
} Search;

static bool is_given(void *context, const ElfSymbol *symbol, Error *err) {
    const Search *search = context;
    if (symbol->defined || symbol->weak || symbol->name[0] == '\0' ||
        library_set_gives(search->set, symbol->name, symbol->version)) {
        return true;
    }
    check_bad(search->result, "%s wants %s%s%s, which no library gives", search->library->name, symbol->name,
              symbol->version[0] != '\0' ? " of version " : "", symbol->version);
    return error_set(err, ERROR_VERIFY, "enough");
}

static void check_symbols(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    if (set == NULL) {
        return;
    }
    if (set->missing[0] != '\0') {
        check_skip(result, "a library is missing: see libraries.needed");
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        Search search = {set, result, set->libraries[i]};
        Error stop = ERROR_INIT;
        if (is_usable(search.library) &&
            !elf_library_each_symbol(&search.library->elf, is_given, &search, &stop)) {
            return;
        }
    }
    check_pass(result, "every symbol that its libraries want is there");
}

static bool is_version_given(void *context, const char *soname, const char *version, Error *err) {
    const Search *search = context;
    const Library *giver = library_set_find(search->set, soname);
    if (giver == NULL || !giver->is_readable || elf_library_gives_version(&giver->elf, version)) {
        return true;
    }
    check_bad(search->result, "%s wants version %s of %s, and the one that is here does not have it",
              search->library->name, version, soname);
    return error_set(err, ERROR_VERIFY, "enough");
}

static void check_versions(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        Search search = {set, result, set->libraries[i]};
        Error stop = ERROR_INIT;
        if (is_usable(search.library) &&
            !elf_library_each_need(&search.library->elf, is_version_given, &search, &stop)) {
            return;
        }
    }
    check_pass(result, "every library has the versions that are wanted of it");
}

static void check_soname(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        const Library *library = set->libraries[i];
        const char *soname = library->elf.soname.text;
        if (is_usable(library) && soname[0] != '\0' && strncmp(library->name, soname, strlen(soname)) != 0 &&
            strncmp(library->name, soname, strlen(library->name)) != 0) {
            check_bad(result, "%s calls itself %s", library->name, soname);
            return;
        }
    }
    check_pass(result, "its libraries are called as they call themselves");
}

static void check_stack(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (is_usable(set->libraries[i]) && elf_library_has_executable_stack(&set->libraries[i]->elf)) {
            check_bad(result, "%s asks for an executable stack", set->libraries[i]->name);
            return;
        }
    }
    check_pass(result, "no library asks for an executable stack");
}

static void check_run_path(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        const char *path =
            is_usable(set->libraries[i]) ? elf_library_run_path(&set->libraries[i]->elf) : NULL;
        if (path != NULL && strncmp(path, "$ORIGIN", 7) != 0) {
            check_bad(result, "%s looks for its libraries in %.200s first", set->libraries[i]->name, path);
            return;
        }
    }
    check_pass(result, "no library has a path of its own to look in");
}

static bool is_symbol(void *context, const ElfSymbol *symbol, Error *err) {
    return !(symbol->defined && strcmp(symbol->name, context) == 0) || error_set(err, ERROR_VERIFY, "found");
}

static void check_functions(const CheckSubject *subject, CheckResult *result) {
    CLEANUP(library_set_freep) LibrarySet *own = NULL;
    const LibrarySet *set = open_set(subject, result, &own);
    const Library *quote = NULL;
    for (size_t i = 0; set != NULL && i < set->count; i++) {
        if (is_usable(set->libraries[i]) && set->libraries[i]->role == MANIFEST_ROLE_QUOTE_LIBRARY) {
            quote = set->libraries[i];
        }
    }
    if (set == NULL) {
        return;
    }
    if (quote == NULL) {
        check_skip(result, "it has no quote library that can be read: see libraries.elf");
        return;
    }
    for (const char *const *name = bundle_loading_functions; *name != NULL; name++) {
        Error found = ERROR_INIT;
        if (elf_library_each_symbol(&quote->elf, is_symbol, (void *)(uintptr_t)*name, &found) ||
            found.kind != ERROR_VERIFY) {
            check_bad(result, "%s has no function %s", quote->name, *name);
            return;
        }
    }
    check_pass(result, "%s has every function that quoted calls", quote->name);
}

/* Names of Intel's that the loader of an application or of a library without a path would take. */
static const char *const names[] = {"libsgx_dcap_ql.so.1",    "libsgx_qe3_logic.so", "libsgx_pce_logic.so.1",
                                    "libdcap_quoteprov.so.1", "libsgx_urts.so.2",    "libsgx_urts.so"};

static void check_leftovers(const CheckSubject *subject, CheckResult *result) {
    char path[HOST_LIBRARY_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (host_library_find(subject->host, names[i], path)) {
            check_bad(result, "the host has %s in its loader's path, besides the bundles' own", path);
            return;
        }
    }
    check_pass(result, "the host has no quoting libraries of its own in the loader's path");
}

static bool has_local_copy(const Host *host, char path[HOST_LIBRARY_PATH_MAX]) {
    static const char *const places[] = {"/usr/local/lib", "/usr/local/lib64", "/opt/intel/sgxsdk/lib64",
                                         "/opt/intel/sgxpsw/aesm", "/opt/intel/libsgx-enclave-common/aesm"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            (void)snprintf(path, HOST_LIBRARY_PATH_MAX, "%s/%s", places[i], names[j]);
            if (host_has(host, path)) {
                return true;
            }
        }
    }
    return false;
}

static void check_local(const CheckSubject *subject, CheckResult *result) {
    char path[HOST_LIBRARY_PATH_MAX];
    if (has_local_copy(subject->host, path)) {
        check_bad(result, "%s is there, installed by hand or by an old installer", path);
    } else {
        check_pass(result, "nothing was installed by hand or by an old installer");
    }
}

static void check_preload(const CheckSubject *subject, CheckResult *result) {
    static const char *const variables[] = {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"};
    char line[128];
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = host_environment(subject->host, variables[i]);
        if (value != NULL && value[0] != '\0') {
            check_bad(result, "%s is set to '%.100s'", variables[i], value);
            return;
        }
    }
    if (host_read_line(subject->host, "/etc/ld.so.preload", line, sizeof line) && line[0] != '\0') {
        check_bad(result, "/etc/ld.so.preload loads '%.100s' into every process", line);
    } else {
        check_pass(result, "nothing is put between the libraries and their loader");
    }
}

static void check_aesm_addr(const CheckSubject *subject, CheckResult *result) {
    if (subject->host->environment == NULL) {
        check_skip(result, "the environment behind this root is not known");
    } else if (host_environment(subject->host, "SGX_AESM_ADDR") != NULL) {
        check_bad(result,
                  "SGX_AESM_ADDR is set in this environment: Intel's library then asks a daemon for quotes "
                  "instead of making them. quoted unsets it; other programs do not");
    } else {
        check_pass(result, "SGX_AESM_ADDR is not set");
    }
}

static void check_debug(const CheckSubject *subject, CheckResult *result) {
    static const char *const variables[] = {"SGX_DBG_OPTIN", "AZDCAP_DEBUG_LOG_LEVEL", "SGX_QCNL_LOG_LEVEL"};
    if (subject->host->environment == NULL) {
        check_skip(result, "the environment behind this root is not known");
        return;
    }
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        if (host_environment(subject->host, variables[i]) != NULL) {
            check_bad(result, "%s is set in this environment", variables[i]);
            return;
        }
    }
    check_pass(result, "no variable for debugging is set");
}

#define ISSUES "https://github.com/intel/SGXDataCenterAttestationPrimitives/issues/"

static const Check checks[] = {
    {"libraries.elf", "the bundle's libraries are shared objects for this processor",
     "files that the loader refuses",
     "https://github.com/inclavare-containers/inclavare-containers/issues/1547", CHECK_NEEDS_BUNDLE,
     CHECK_FAIL, check_elf, "make the bundle anew of Intel's packages, unchanged"},
    {"libraries.needed", "bundle and host have every library that is needed",
     "a generation that does not even load", ISSUES "105", CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_needed,
     "install the package that has the library, or add it to the bundle, role runtime"},
    {"libraries.symbols", "every symbol that the libraries want is given by one of them",
     "'undefined symbol' from libraries of different releases", ISSUES "105", CHECK_NEEDS_BUNDLE, CHECK_FAIL,
     check_symbols, "make the bundle of one whole release (PSW 2.N goes with DCAP 1.(N-3))"},
    {"libraries.versions", "the host's libraries have the versions that are wanted of them",
     "'version GLIBC_2.38 not found' on an older distribution",
     "https://github.com/intel/linux-sgx/issues/935", CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_versions,
     "use a bundle made of packages for this distribution"},
    {"libraries.soname", "libraries are called as they call themselves",
     "needs that are met by another file of the host", ISSUES "335", CHECK_NEEDS_BUNDLE, CHECK_WARN,
     check_soname, "name the file as its DT_SONAME says"},
    {"libraries.functions", "the quote library has every function that quoted calls",
     "a library that is too old or another one", ISSUES "225", CHECK_NEEDS_BUNDLE, CHECK_FAIL,
     check_functions, "the role quote_library is for libsgx_dcap_ql.so.1"},
    {"libraries.stack", "no library asks for an executable stack",
     "drivers that refuse processes with such a stack",
     "https://github.com/intel/linux-sgx-driver/issues/149", CHECK_NEEDS_BUNDLE, CHECK_FAIL, check_stack,
     "use an unchanged release; execstack -c clears the flag of own libraries"},
    {"libraries.run-path", "no library looks for its libraries in a path of its own",
     "another install that gets into the process unseen", ISSUES "45", CHECK_NEEDS_BUNDLE, CHECK_WARN,
     check_run_path, "patchelf --remove-rpath, or make sure that the path is empty"},
    {"libraries.leftovers", "the host has no quoting libraries of its own in the loader's path",
     "a provider of another release beside new libraries", ISSUES "335", CHECK_NEEDS_HARDWARE, CHECK_INFO,
     check_leftovers, "nothing to do for quoted; applications that quote in their own process use these"},
    {"libraries.local", "nothing was installed by hand or by an old installer",
     "libraries that no package update reaches", ISSUES "45", CHECK_NEEDS_HARDWARE, CHECK_WARN, check_local,
     "remove it (/opt/intel/.../uninstall.sh), then: ldconfig"},
    {"libraries.preload", "nothing is put between the libraries and their loader",
     "functions that are not the ones tested", "https://man7.org/linux/man-pages/man8/ld.so.8.html", 0,
     CHECK_WARN, check_preload, "remove it from the unit's environment"},
    {"libraries.aesm-addr", "SGX_AESM_ADDR is not set",
     "a quote library that asks a daemon which asks itself",
     "https://github.com/intel/intel-device-plugins-for-kubernetes/issues/1098", 0, CHECK_INFO,
     check_aesm_addr, "unset it in the unit's environment"},
    {"libraries.debug", "no variable for debugging is set", "secrets and slowness in production",
     "https://github.com/microsoft/Azure-DCAP-Client", 0, CHECK_WARN, check_debug,
     "unset it in the unit's environment"},
};

const CheckFamily family_libraries = {"libraries", FAMILY(checks)};
