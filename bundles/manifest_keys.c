/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/manifest_keys.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/version.h"

enum { NAME_MAX_LENGTH = 64, TEXT_MAX = 1024 };

static const cyaml_schema_value_t text_schema = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, TEXT_MAX)};

static const cyaml_schema_field_t file_fields[] = {
    CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_DEFAULT, ManifestFileKeys, path, 1, MANIFEST_PATH_MAX),
    CYAML_FIELD_STRING_PTR("role", CYAML_FLAG_DEFAULT, ManifestFileKeys, role, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("size", CYAML_FLAG_OPTIONAL, ManifestFileKeys, size, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("sha256", CYAML_FLAG_OPTIONAL, ManifestFileKeys, sha256, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("mode", CYAML_FLAG_OPTIONAL, ManifestFileKeys, mode, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("version", CYAML_FLAG_OPTIONAL, ManifestFileKeys, version, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("isvsvn", CYAML_FLAG_OPTIONAL, ManifestFileKeys, isvsvn, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("mrenclave", CYAML_FLAG_OPTIONAL, ManifestFileKeys, mrenclave, 1, TEXT_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, ManifestFileKeys, file_fields)};

static const cyaml_schema_field_t driver_fields[] = {
    CYAML_FIELD_STRING_PTR("flavour", CYAML_FLAG_DEFAULT, ManifestDriverKeys, flavour, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("min_version", CYAML_FLAG_OPTIONAL, ManifestDriverKeys, min_version, 1,
                           NAME_MAX_LENGTH),
    CYAML_FIELD_END};
static const cyaml_schema_value_t driver_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, ManifestDriverKeys, driver_fields)};

static const cyaml_schema_field_t requires_fields[] = {
    CYAML_FIELD_SEQUENCE("drivers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ManifestRequiresKeys, drivers,
                         &driver_schema, 0, MANIFEST_REQUIREMENTS_MAX),
    CYAML_FIELD_STRING_PTR("kernel", CYAML_FLAG_OPTIONAL, ManifestRequiresKeys, kernel, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("epc_kib", CYAML_FLAG_OPTIONAL, ManifestRequiresKeys, epc_kib, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("provision", CYAML_FLAG_OPTIONAL, ManifestRequiresKeys, provision, 1,
                           NAME_MAX_LENGTH),
    CYAML_FIELD_SEQUENCE("libraries", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ManifestRequiresKeys,
                         libraries, &text_schema, 0, MANIFEST_REQUIREMENTS_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t manifest_fields[] = {
    CYAML_FIELD_STRING_PTR("format", CYAML_FLAG_DEFAULT, ManifestKeys, format, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_DEFAULT, ManifestKeys, name, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("version", CYAML_FLAG_DEFAULT, ManifestKeys, version, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("vendor", CYAML_FLAG_DEFAULT, ManifestKeys, vendor, 1, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("description", CYAML_FLAG_OPTIONAL, ManifestKeys, description, 0, TEXT_MAX),
    CYAML_FIELD_STRING_PTR("simulated", CYAML_FLAG_OPTIONAL, ManifestKeys, simulated, 1, NAME_MAX_LENGTH),
    CYAML_FIELD_MAPPING_PTR("requires", CYAML_FLAG_OPTIONAL, ManifestKeys, requires, requires_fields),
    CYAML_FIELD_SEQUENCE("files", CYAML_FLAG_POINTER, ManifestKeys, files, &file_schema, 1,
                         MANIFEST_FILES_MAX),
    CYAML_FIELD_END};

const cyaml_schema_value_t manifest_keys_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ManifestKeys, manifest_fields)};

static bool copy_text(const char *text, char **ret_copy, Error *err) {
    char *copy = strdup(text);
    if (copy == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory for a manifest");
    }
    *ret_copy = copy;
    return true;
}

static bool copy_printable(const char *key, const char *text, char **ret_copy, Error *err) {
    if (!text_is_printable(text, TEXT_MAX)) {
        return error_set(err, ERROR_INPUT, "%s: only printable ASCII is allowed", key);
    }
    return copy_text(text, ret_copy, err);
}

static bool copy_version(const char *key, const char *text, char **ret_copy, Error *err) {
    if (text == NULL) {
        return true;
    }
    if (!version_is_valid(text)) {
        return error_set(err, ERROR_INPUT,
                         "%s: '%.64s' is not a version: write 1 to 8 numbers with dots between", key, text);
    }
    return copy_text(text, ret_copy, err);
}

static bool copy_name(const char *text, char **ret_copy, Error *err) {
    size_t length = strlen(text);
    if (length > NAME_MAX_LENGTH || text[0] == '-' ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != length) {
        return error_set(err, ERROR_INPUT,
                         "name: '%.80s' is not allowed: write at most %d of a-z, 0-9 and -, no - first", text,
                         NAME_MAX_LENGTH);
    }
    return copy_text(text, ret_copy, err);
}

static bool convert_bool(const char *key, const char *text, bool *ret_value, Error *err) {
    if (text != NULL && !text_parse_bool(text, ret_value)) {
        return error_set(err, ERROR_INPUT, "%s: '%.64s' is neither true nor false", key, text);
    }
    return true;
}

static bool convert_content(const ManifestFileKeys *keys, bool recipe, ManifestFile *file, Error *err) {
    if (recipe) {
        return (keys->size == NULL && keys->sha256 == NULL) ||
               error_set(err, ERROR_INPUT, "size and sha256 are computed: remove them");
    }
    if (keys->size == NULL || keys->sha256 == NULL || keys->mode == NULL) {
        return error_set(err, ERROR_INPUT, "size, sha256 and mode have to be there");
    }
    if (!text_parse_u64(keys->size, 0, MANIFEST_FILE_SIZE_MAX, &file->size)) {
        return error_set(err, ERROR_INPUT, "size '%.64s' is not a number of at most %llu", keys->size,
                         (unsigned long long)MANIFEST_FILE_SIZE_MAX);
    }
    return digest_parse(keys->sha256, &file->digest) ||
           error_set(err, ERROR_INPUT, "sha256 is not 64 hex digits");
}

static bool convert_identity(const ManifestFileKeys *keys, ManifestFile *file, Error *err) {
    uint32_t svn = 0;
    if (keys->isvsvn == NULL && keys->mrenclave == NULL) {
        return true;
    }
    if (keys->isvsvn == NULL || keys->mrenclave == NULL || !manifest_role_is_enclave(file->role)) {
        return error_set(err, ERROR_INPUT, "isvsvn and mrenclave stand together, and at an enclave only");
    }
    if (!text_parse_u32(keys->isvsvn, 0, UINT16_MAX, &svn)) {
        return error_set(err, ERROR_INPUT, "isvsvn '%.64s' is not a number of at most %d", keys->isvsvn,
                         UINT16_MAX);
    }
    file->has_identity = true;
    file->isv_svn = (uint16_t)svn;
    return digest_parse(keys->mrenclave, &file->mr_enclave) ||
           error_set(err, ERROR_INPUT, "mrenclave is not 64 hex digits");
}

static bool convert_file(const ManifestFileKeys *keys, bool recipe, ManifestFile *file, Error *err) {
    if (!file_name_is_safe(keys->path) || strcmp(keys->path, MANIFEST_NAME) == 0) {
        return error_set(err, ERROR_INPUT,
                         "the path is not allowed: write a relative path of letters, digits and . _ + -");
    }
    if (!manifest_role_parse(keys->role, &file->role)) {
        return error_set(err, ERROR_INPUT, "there is no role '%.64s'", keys->role);
    }
    const char *mode = keys->mode != NULL ? keys->mode : "0644";
    if (!text_parse_mode(mode, &file->mode) || (file->mode != 0644 && file->mode != 0755)) {
        return error_set(err, ERROR_INPUT, "mode '%.64s' is neither 0644 nor 0755", mode);
    }
    return convert_content(keys, recipe, file, err) && convert_identity(keys, file, err) &&
           copy_version("version", keys->version, &file->version, err) &&
           copy_text(keys->path, &file->path, err);
}

static int compare_files(const void *a, const void *b) {
    return strcmp(((const ManifestFile *)a)->path, ((const ManifestFile *)b)->path);
}

/* Sorted paths: a path that is also another's directory stands somewhere before it. */
static bool paths_are_distinct(const Manifest *manifest, Error *err) {
    for (size_t i = 0; i < manifest->files_count; i++) {
        const char *path = manifest->files[i].path;
        size_t length = strlen(path);
        for (size_t j = i + 1; j < manifest->files_count; j++) {
            const char *other = manifest->files[j].path;
            if (strncmp(path, other, length) != 0) {
                break;
            }
            if (other[length] == 0 || other[length] == '/') {
                return error_set(err, ERROR_INPUT, "files: '%s' and '%s' exclude each other", path, other);
            }
        }
    }
    return true;
}

static bool convert_files(const ManifestKeys *keys, bool recipe, Manifest *manifest, Error *err) {
    uint64_t total = 0;
    manifest->files = calloc(keys->files_count, sizeof *manifest->files);
    if (manifest->files == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory for a manifest");
    }
    for (unsigned i = 0; i < keys->files_count; i++) {
        ManifestFile *file = &manifest->files[manifest->files_count++];
        if (!convert_file(&keys->files[i], recipe, file, err)) {
            return error_wrap(err, "files: '%.100s'", keys->files[i].path);
        }
        total += file->size;
    }
    if (total > MANIFEST_TOTAL_SIZE_MAX) {
        return error_set(err, ERROR_LIMIT, "files: %llu bytes in all, at most %llu are allowed",
                         (unsigned long long)total, (unsigned long long)MANIFEST_TOTAL_SIZE_MAX);
    }
    qsort(manifest->files, manifest->files_count, sizeof *manifest->files, compare_files);
    return paths_are_distinct(manifest, err);
}

static bool convert_driver(const ManifestDriverKeys *keys, ManifestDriver *driver, Error *err) {
    static const char *const flavours[] = {"in-kernel", "dcap", "legacy", "simulated"};
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++) {
        if (strcmp(keys->flavour, flavours[i]) == 0) {
            return copy_text(keys->flavour, &driver->flavour, err) &&
                   copy_version("drivers: min_version", keys->min_version, &driver->min_version, err);
        }
    }
    return error_set(err, ERROR_INPUT,
                     "drivers: '%.64s' is no flavour: write in-kernel, dcap, legacy or simulated",
                     keys->flavour);
}

static bool requirements_are_distinct(const Manifest *manifest, Error *err) {
    for (size_t i = 0; i < manifest->drivers_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(manifest->drivers[i].flavour, manifest->drivers[j].flavour) == 0) {
                return error_set(err, ERROR_INPUT, "drivers: '%s' stands there twice",
                                 manifest->drivers[i].flavour);
            }
        }
    }
    for (size_t i = 0; i < manifest->libraries_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(manifest->libraries[i], manifest->libraries[j]) == 0) {
                return error_set(err, ERROR_INPUT, "libraries: '%.128s' stands there twice",
                                 manifest->libraries[i]);
            }
        }
    }
    return true;
}

static bool convert_requires(const ManifestRequiresKeys *keys, Manifest *manifest, Error *err) {
    manifest->drivers = calloc(keys->drivers_count + 1, sizeof *manifest->drivers);
    manifest->libraries = calloc(keys->libraries_count + 1, sizeof *manifest->libraries);
    if (manifest->drivers == NULL || manifest->libraries == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory for a manifest");
    }
    for (unsigned i = 0; i < keys->drivers_count; i++) {
        if (!convert_driver(&keys->drivers[i], &manifest->drivers[manifest->drivers_count++], err)) {
            return false;
        }
    }
    for (unsigned i = 0; i < keys->libraries_count; i++) {
        if (!file_name_is_safe(keys->libraries[i]) || strchr(keys->libraries[i], '/') != NULL) {
            return error_set(err, ERROR_INPUT, "libraries: '%.128s' is not the name of a library",
                             keys->libraries[i]);
        }
        if (!copy_text(keys->libraries[i], &manifest->libraries[manifest->libraries_count++], err)) {
            return false;
        }
    }
    if (keys->epc_kib != NULL && !text_parse_u64(keys->epc_kib, 0, UINT32_MAX, &manifest->epc_kib)) {
        return error_set(err, ERROR_INPUT, "epc_kib: '%.64s' is not a number of KiB", keys->epc_kib);
    }
    return copy_version("kernel", keys->kernel, &manifest->kernel, err) &&
           convert_bool("provision", keys->provision, &manifest->provision, err) &&
           requirements_are_distinct(manifest, err);
}

static bool roles_are_complete(const Manifest *manifest, Error *err) {
    static const ManifestRole needed[] = {MANIFEST_ROLE_QUOTE_LIBRARY, MANIFEST_ROLE_QE3, MANIFEST_ROLE_PCE,
                                          MANIFEST_ROLE_ID_ENCLAVE};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        unsigned count = 0;
        for (size_t j = 0; j < manifest->files_count; j++) {
            count += manifest->files[j].role == needed[i];
        }
        if (count != 1) {
            return error_set(err, ERROR_INPUT, "files: %s of role %s: a bundle has exactly one",
                             count == 0 ? "none" : "more than one", manifest_role_name(needed[i]));
        }
    }
    return true;
}

static bool convert(const ManifestKeys *keys, bool recipe, Manifest *manifest, Error *err) {
    if (strcmp(keys->format, "1") != 0) {
        return error_set(err, ERROR_INPUT, "format '%.64s' is not known: this program reads format 1",
                         keys->format);
    }
    const char *description = keys->description != NULL ? keys->description : "";
    return copy_name(keys->name, &manifest->name, err) &&
           copy_version("version", keys->version, &manifest->version, err) &&
           copy_printable("vendor", keys->vendor, &manifest->vendor, err) &&
           copy_printable("description", description, &manifest->description, err) &&
           convert_bool("simulated", keys->simulated, &manifest->simulated, err) &&
           (keys->requires == NULL || convert_requires(keys->requires, manifest, err) ||
            error_wrap(err, "requires")) &&
           convert_files(keys, recipe, manifest, err) && roles_are_complete(manifest, err);
}

CLEANUP_DEFINE(Manifest, manifest_free)

Manifest *manifest_keys_convert(const ManifestKeys *keys, bool recipe, const char *name, Error *err) {
    CLEANUP(manifest_freep) Manifest *manifest = calloc(1, sizeof *manifest);
    if (manifest == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    if (!convert(keys, recipe, manifest, err)) {
        error_wrap(err, "%s", name);
        return NULL;
    }
    return TAKE(manifest);
}
