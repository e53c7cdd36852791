/* SPDX-License-Identifier: Apache-2.0
 *
 * Is what was taken a whole set, and of one release?
 */
#include <string.h>

#include "bundles/import_parts.h"

static const struct {
    ManifestRole role;
    const char *what;
    const char *package; /* Intel's, that has it */
} needed[] = {
    {MANIFEST_ROLE_QE3, "the QE (libsgx_qe3.signed.so.1)", "libsgx-ae-qe3"},
    {MANIFEST_ROLE_ID_ENCLAVE, "the ID enclave (libsgx_id_enclave.signed.so.1)", "libsgx-ae-id-enclave"},
    {MANIFEST_ROLE_PCE, "the PCE (libsgx_pce.signed.so.1)", "libsgx-ae-pce"},
    {MANIFEST_ROLE_QUOTE_LIBRARY, "the quote library (libsgx_dcap_ql.so.1)", "libsgx-dcap-ql"},
    {MANIFEST_ROLE_QE3_LOGIC, "libsgx_qe3_logic.so", "libsgx-qe3-logic"},
    {MANIFEST_ROLE_PCE_LOGIC, "libsgx_pce_logic.so.1", "libsgx-pce-logic"},
};

static bool check_roles(const Import *import, Error *err) {
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (import_find(import, needed[i].role) == NULL) {
            return error_set(
                err, ERROR_NOT_FOUND,
                "the set is incomplete: %s is missing: add the package %s, or the archive that has it",
                needed[i].what, needed[i].package);
        }
    }
    return true;
}

static bool has_library(const Import *import, const char *soname) {
    for (size_t i = 0; i < import->files_count; i++) {
        const char *path = import->files[i].path;
        if (strncmp(path, "lib/", 4) == 0 && strcmp(path + 4, soname) == 0) {
            return true;
        }
    }
    return false;
}

/* Libraries of the platform software come from the bundle, others from the host. */
static bool check_needed(const Import *import, Error *err) {
    for (size_t i = 0; i < import->needed_count; i++) {
        if (strncmp(import->needed[i], "libsgx_", 7) == 0 && !has_library(import, import->needed[i])) {
            return error_set(
                err, ERROR_NOT_FOUND,
                "the set is incomplete: %s is needed by what was taken: add the package that has it",
                import->needed[i]);
        }
    }
    return true;
}

/* Which numbering a role's package follows: DCAP's 1.N or the Platform Software's 2.(N + 3). */
static bool is_platform_software(ManifestRole role) {
    return role == MANIFEST_ROLE_PCE || role == MANIFEST_ROLE_RUNTIME;
}

static size_t release_length(const char *version) {
    size_t first = strcspn(version, ".");
    return version[first] == 0 ? first : first + 1 + strcspn(version + first + 1, ".");
}

static bool same_release(const char *a, const char *b) {
    size_t length = release_length(a);
    return length == release_length(b) && strncmp(a, b, length) == 0;
}

/* Packages install next to each other however old they are, so their versions are compared here. */
static bool check_packages(const Import *import, Error *err) {
    const ImportFile *first[2] = {NULL, NULL};
    for (size_t i = 0; i < import->files_count; i++) {
        const ImportFile *file = &import->files[i];
        const ImportFile **reference = &first[is_platform_software(file->role)];
        if (file->packages[0] == 0 || file->role == MANIFEST_ROLE_DATA) {
            continue;
        }
        if (*reference == NULL) {
            *reference = file;
        } else if (!same_release((*reference)->packages, file->packages)) {
            return error_set(err, ERROR_VERIFY,
                             "the set is mixed: %s is of %s, %s is of %s: import the packages of one release",
                             (*reference)->path, (*reference)->item->package, file->path,
                             file->item->package);
        }
    }
    return true;
}

static bool fits_platform_software(const Release *release, const ImportFile *file) {
    for (size_t i = 0; i < release->psw_count; i++) {
        if (same_release(release->psw[i], file->packages)) {
            return true;
        }
    }
    return false;
}

/* The platform software of another release beside the enclaves of this one. */
static bool check_platform_software(const Import *import, const Release *release, Error *err) {
    for (size_t i = 0; i < import->files_count; i++) {
        const ImportFile *file = &import->files[i];
        if (is_platform_software(file->role) && file->packages[0] != 0 &&
            !fits_platform_software(release, file)) {
            return error_set(
                err, ERROR_VERIFY,
                "the set is mixed: the enclaves are of DCAP %s, which goes with the platform software "
                "%s, but %s is of %s",
                release->version, release->psw[0], file->path, file->item->package);
        }
    }
    return true;
}

static bool judge(const Import *import, const ReleaseSet *set, const Release **ret_release, Error *err) {
    switch (releases_judge(import->options.releases, set, ret_release)) {
    case RELEASE_FITS:
        return check_platform_software(import, *ret_release, err);
    case RELEASE_NEWER:
        return error_set(
            err, ERROR_VERIFY,
            "QE3 %u, ID enclave %u, PCE %u (ISVSVN): newer than the table of releases: give a newer "
            "table with --releases",
            set->svn[0], set->svn[1], set->svn[2]);
    case RELEASE_MIXED:
    default:
        return error_set(
            err, ERROR_VERIFY,
            "the set is mixed: no release has QE3 %u, ID enclave %u and PCE %u (ISVSVN)%s%s: import the "
            "packages of one release",
            set->svn[0], set->svn[1], set->svn[2], set->packages != NULL ? " in packages of " : "",
            set->packages != NULL ? set->packages : "");
    }
}

bool import_check_set(const Import *import, const Release **ret_release, Error *err) {
    ReleaseSet set = {0};
    bool simulated = true;
    if (!check_roles(import, err) || !check_needed(import, err) || !check_packages(import, err)) {
        return false;
    }
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        const ImportFile *file = import_find(import, release_roles[i]);
        set.svn[i] = import->enclaves[i].svn;
        set.version[i] = file->version[0] != 0 ? file->version : NULL;
        simulated = simulated && import->enclaves[i].simulated;
        if (import->enclaves[i].simulated != import->enclaves[0].simulated) {
            return error_set(err, ERROR_VERIFY,
                             "the set is mixed: some enclaves are simulated, others are not");
        }
    }
    const ImportFile *library = import_find(import, MANIFEST_ROLE_QUOTE_LIBRARY);
    set.packages = library->packages[0] != 0 ? library->packages : NULL;
    *ret_release = NULL;
    return (simulated && !import->options.own_releases) || judge(import, &set, ret_release, err);
}
