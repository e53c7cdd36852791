/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/manifest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/settings.h"
#include "bundles/manifest_keys.h"

static const char *const role_names[MANIFEST_ROLES_COUNT] = {
    [MANIFEST_ROLE_QE3] = "qe3",
    [MANIFEST_ROLE_ID_ENCLAVE] = "id_enclave",
    [MANIFEST_ROLE_PCE] = "pce",
    [MANIFEST_ROLE_QUOTE_LIBRARY] = "quote_library",
    [MANIFEST_ROLE_QE3_LOGIC] = "qe3_logic",
    [MANIFEST_ROLE_PCE_LOGIC] = "pce_logic",
    [MANIFEST_ROLE_RUNTIME] = "runtime",
    [MANIFEST_ROLE_PROVIDER] = "provider",
    [MANIFEST_ROLE_DATA] = "data",
};

const char *manifest_role_name(ManifestRole role) {
    assert(role < MANIFEST_ROLES_COUNT);
    return role_names[role];
}

bool manifest_role_parse(const char *name, ManifestRole *ret_role) {
    for (int role = 0; role < MANIFEST_ROLES_COUNT; role++) {
        if (strcmp(role_names[role], name) == 0) {
            *ret_role = (ManifestRole)role;
            return true;
        }
    }
    return false;
}

Manifest *manifest_share(Manifest *manifest) {
    manifest->shares++;
    return manifest;
}

void manifest_free(Manifest *manifest) {
    if (manifest == NULL) {
        return;
    }
    if (manifest->shares > 0) {
        manifest->shares--;
        return;
    }
    for (size_t i = 0; i < manifest->files_count; i++) {
        free(manifest->files[i].path);
        free(manifest->files[i].version);
    }
    for (size_t i = 0; i < manifest->drivers_count; i++) {
        free(manifest->drivers[i].flavour);
        free(manifest->drivers[i].min_version);
    }
    for (size_t i = 0; i < manifest->libraries_count; i++) {
        free(manifest->libraries[i]);
    }
    free(manifest->files);
    free(manifest->drivers);
    free(manifest->libraries);
    free(manifest->name);
    free(manifest->version);
    free(manifest->vendor);
    free(manifest->description);
    free(manifest->kernel);
    free(manifest);
}

CLEANUP_DEFINE(Manifest, manifest_free)

bool manifest_role_is_enclave(ManifestRole role) {
    return role == MANIFEST_ROLE_QE3 || role == MANIFEST_ROLE_PCE || role == MANIFEST_ROLE_ID_ENCLAVE;
}

const ManifestFile *manifest_find(const Manifest *manifest, ManifestRole role) {
    for (size_t i = 0; i < manifest->files_count; i++) {
        if (manifest->files[i].role == role) {
            return &manifest->files[i];
        }
    }
    return NULL;
}

/* Always in quotes: other YAML readers take 1.10 for the number 1.1. The texts are printable. */
static bool write_quoted(Buffer *yaml, const char *value) {
    bool good = buffer_append_text(yaml, "\"");
    for (const char *at = value; good && *at != 0; at++) {
        good = (*at != '"' && *at != '\\') || buffer_append_text(yaml, "\\");
        good = good && buffer_append(yaml, at, 1);
    }
    return good && buffer_append_text(yaml, "\"\n");
}

/* "key: value"; nothing for NULL. */
static bool write_text(Buffer *yaml, const char *lead, const char *key, const char *value) {
    return value == NULL || (buffer_append_format(yaml, "%s%s: ", lead, key) && write_quoted(yaml, value));
}

static bool write_requires(const Manifest *manifest, Buffer *yaml) {
    bool good = buffer_append_text(yaml, "requires:\n") &&
                buffer_append_format(yaml, "  epc_kib: %llu\n", (unsigned long long)manifest->epc_kib) &&
                buffer_append_format(yaml, "  provision: %s\n", manifest->provision ? "true" : "false") &&
                write_text(yaml, "  ", "kernel", manifest->kernel);
    if (manifest->drivers_count > 0) {
        good = good && buffer_append_text(yaml, "  drivers:\n");
    }
    for (size_t i = 0; good && i < manifest->drivers_count; i++) {
        good = write_text(yaml, "    - ", "flavour", manifest->drivers[i].flavour) &&
               write_text(yaml, "      ", "min_version", manifest->drivers[i].min_version);
    }
    if (manifest->libraries_count > 0) {
        good = good && buffer_append_text(yaml, "  libraries:\n");
    }
    for (size_t i = 0; good && i < manifest->libraries_count; i++) {
        good = buffer_append_text(yaml, "    - ") && write_quoted(yaml, manifest->libraries[i]);
    }
    return good;
}

static bool write_identity(const ManifestFile *file, Buffer *yaml) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&file->mr_enclave, hex);
    return !file->has_identity ||
           buffer_append_format(yaml, "    isvsvn: %u\n    mrenclave: \"%s\"\n", file->isv_svn, hex);
}

static bool write_file(const ManifestFile *file, Buffer *yaml) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&file->digest, hex);
    return write_text(yaml, "  - ", "path", file->path) &&
           buffer_append_format(
               yaml, "    role: %s\n    size: %llu\n    sha256: \"%s\"\n    mode: \"%04o\"\n",
               manifest_role_name(file->role), (unsigned long long)file->size, hex, file->mode) &&
           write_text(yaml, "    ", "version", file->version) && write_identity(file, yaml);
}

static bool write_manifest(const Manifest *manifest, Buffer *yaml) {
    bool good = buffer_append_text(yaml, "format: 1\n") && write_text(yaml, "", "name", manifest->name) &&
                write_text(yaml, "", "version", manifest->version) &&
                write_text(yaml, "", "vendor", manifest->vendor) &&
                write_text(yaml, "", "description", manifest->description) &&
                buffer_append_format(yaml, "simulated: %s\n", manifest->simulated ? "true" : "false") &&
                write_requires(manifest, yaml) && buffer_append_text(yaml, "files:\n");
    for (size_t i = 0; good && i < manifest->files_count; i++) {
        good = write_file(&manifest->files[i], yaml);
    }
    return good;
}

bool manifest_format(Manifest *manifest, Buffer *ret_yaml, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    if (!write_manifest(manifest, &yaml)) {
        return error_set(err, ERROR_LIMIT, "the manifest of '%s' is larger than %d bytes", manifest->name,
                         MANIFEST_SIZE_MAX);
    }
    if (!digest_of(yaml.data, yaml.size, &manifest->digest) ||
        !buffer_append(ret_yaml, yaml.data, yaml.size)) {
        return error_set(err, ERROR_MEMORY, "out of memory for the manifest of '%s'", manifest->name);
    }
    return true;
}

Manifest *manifest_parse(Bytes yaml, const char *name, Error *err) {
    if (yaml.size > MANIFEST_SIZE_MAX) {
        error_set(err, ERROR_LIMIT, "%s: larger than %d bytes", name, MANIFEST_SIZE_MAX);
        return NULL;
    }
    void *value = NULL;
    if (!settings_parse(yaml, name, &manifest_keys_schema, ERROR_INPUT, &value, err)) {
        return NULL;
    }
    CLEANUP(manifest_keys_freep) ManifestKeys *keys = value;
    CLEANUP(manifest_freep) Manifest *manifest = manifest_keys_convert(keys, false, name, err);
    if (manifest == NULL) {
        return NULL;
    }
    CLEANUP(buffer_done) Buffer canonical = BUFFER_INIT(MANIFEST_SIZE_MAX);
    if (!manifest_format(manifest, &canonical, err)) {
        return NULL;
    }
    /* One content, one digest: any other spelling of the same manifest is refused. */
    if (!bytes_equal(yaml, buffer_bytes(&canonical))) {
        error_set(err, ERROR_INPUT, "%s: not in the form that psw-bundle writes: make the bundle again",
                  name);
        return NULL;
    }
    return TAKE(manifest);
}

Manifest *manifest_load(int dir_fd, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    return file_read(dir_fd, MANIFEST_NAME, &yaml, err)
               ? manifest_parse(buffer_bytes(&yaml), MANIFEST_NAME, err)
               : NULL;
}
