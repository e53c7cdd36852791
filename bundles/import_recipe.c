/* SPDX-License-Identifier: Apache-2.0
 *
 * What an import writes about its files: bundle.yaml, with what they require of a node.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/file.h"
#include "bundles/base/settings.h"
#include "bundles/import_parts.h"
#include "bundles/recipe.h"

enum { RECIPE_SIZE_MAX = MANIFEST_SIZE_MAX };

static bool write_text(Buffer *yaml, const char *lead, const char *text) {
    AUTO_FREE char *quoted = settings_quote(text);
    return quoted != NULL && buffer_append_format(yaml, "%s%s\n", lead, quoted);
}

static const char *vendor_of(const Import *import) {
    if (import->options.vendor != NULL) {
        return import->options.vendor;
    }
    return import->enclaves[0].simulated ? "psw-manager" : "Intel Corporation";
}

static bool write_head(const Import *import, const Release *release, const char *version, Buffer *yaml) {
    const EnclaveReport *enclaves = import->enclaves;
    char description[256];
    (void)snprintf(description, sizeof description, "%s%s%sQE3 %u, ID enclave %u, PCE %u (ISVSVN)",
                   release != NULL ? "DCAP " : "", release != NULL ? release->version : "",
                   release != NULL ? ": " : "", enclaves[0].svn, enclaves[1].svn, enclaves[2].svn);
    return buffer_append_text(yaml, "format: 1\n") && write_text(yaml, "name: ", import->options.name) &&
           buffer_append_format(yaml, "version: \"%s\"\n", version) &&
           write_text(yaml, "vendor: ", vendor_of(import)) &&
           write_text(yaml, "description: ", description) &&
           buffer_append_format(yaml, "simulated: %s\n", enclaves[0].simulated ? "true" : "false");
}

static bool write_drivers(const Import *import, const Release *release, Buffer *yaml) {
    if (import->enclaves[0].simulated) {
        return buffer_append_text(yaml, "  drivers:\n    - flavour: simulated\n");
    }
    bool good = release == NULL || release->drivers_count == 0 || buffer_append_text(yaml, "  drivers:\n");
    for (size_t i = 0; good && release != NULL && i < release->drivers_count; i++) {
        const ReleaseDriver *driver = &release->drivers[i];
        good = write_text(yaml, "    - flavour: ", driver->flavour) &&
               (driver->min_version[0] == 0 || write_text(yaml, "      min_version: ", driver->min_version));
    }
    return good;
}

static bool is_own(const Import *import, const char *soname) {
    for (size_t i = 0; i < import->files_count; i++) {
        const char *path = import->files[i].path;
        if (strncmp(path, "lib/", 4) == 0 && strcmp(path + 4, soname) == 0) {
            return true;
        }
    }
    return false;
}

static bool write_libraries(const Import *import, Buffer *yaml) {
    bool begun = false;
    bool good = true;
    for (size_t i = 0; good && i < import->needed_count; i++) {
        if (!is_own(import, import->needed[i])) {
            good = (begun || buffer_append_text(yaml, "  libraries:\n")) &&
                   write_text(yaml, "    - ", import->needed[i]);
            begun = true;
        }
    }
    return good;
}

static bool write_requires(const Import *import, const Release *release, Buffer *yaml) {
    unsigned long long epc_kib = 0;
    bool provision = false;
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        epc_kib += import->enclaves[i].epc_kib;
        provision |= (import->enclaves[i].attributes.flags & SGX_FLAGS_PROVISION_KEY) != 0;
    }
    return buffer_append_format(yaml, "requires:\n  epc_kib: %llu\n  provision: %s\n", epc_kib,
                                provision && !import->enclaves[0].simulated ? "true" : "false") &&
           write_drivers(import, release, yaml) && write_libraries(import, yaml);
}

static bool write_file(const Import *import, const ImportFile *file, Buffer *yaml) {
    bool library = file->role != MANIFEST_ROLE_DATA && !manifest_role_is_enclave(file->role);
    bool good = write_text(yaml, "  - path: ", file->path) &&
                buffer_append_format(yaml, "    role: %s\n    mode: \"%s\"\n", manifest_role_name(file->role),
                                     library ? "0755" : "0644") &&
                (file->version[0] == 0 || write_text(yaml, "    version: ", file->version));
    for (size_t i = 0; good && i < RELEASE_ENCLAVES_COUNT; i++) {
        char hex[DIGEST_HEX_SIZE];
        digest_format(&import->enclaves[i].mr_enclave, hex);
        good = release_roles[i] != file->role ||
               buffer_append_format(yaml, "    isvsvn: %u\n    mrenclave: \"%s\"\n", import->enclaves[i].svn,
                                    hex);
    }
    return good;
}

static const char *version_of(const Import *import) {
    const char *packages = import_find(import, MANIFEST_ROLE_QUOTE_LIBRARY)->packages;
    return import->options.version != NULL ? import->options.version : packages[0] != 0 ? packages : NULL;
}

static bool import_write_recipe(const Import *import, const Release *release, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(RECIPE_SIZE_MAX);
    const char *version = version_of(import);
    if (version == NULL) {
        return error_set(err, ERROR_USAGE, "the packages do not say which version they are: give --version");
    }
    bool good = write_head(import, release, version, &yaml) && write_requires(import, release, &yaml) &&
                buffer_append_text(&yaml, "files:\n");
    for (size_t i = 0; good && i < import->files_count; i++) {
        good = write_file(import, &import->files[i], &yaml);
    }
    if (!good) {
        return error_set(err, ERROR_LIMIT, "the names in the packages do not fit into a manifest");
    }
    AUTO_CLOSE int fd = file_open(import->dir_fd, RECIPE_NAME, O_WRONLY | O_CREAT | O_EXCL, 0644, err);
    return fd >= 0 && file_write_fd(fd, RECIPE_NAME, yaml.data, yaml.size, err);
}

Manifest *import_finish(Import *import, Error *err) {
    const Release *release = NULL;
    if (!import_check_set(import, &release, err) || !import_write_recipe(import, release, err)) {
        return NULL;
    }
    return recipe_load(import->dir_fd, err);
}
