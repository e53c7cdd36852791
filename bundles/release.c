/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/release.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/file.h"
#include "bundles/base/settings.h"
#include "bundles/base/text.h"
#include "bundles/release_table.h"
#include "bundles/version.h"

const ManifestRole release_roles[RELEASE_ENCLAVES_COUNT] = {MANIFEST_ROLE_QE3, MANIFEST_ROLE_ID_ENCLAVE,
                                                            MANIFEST_ROLE_PCE};

typedef struct EnclaveKeys {
    char *isvsvn, *version;
} EnclaveKeys;

typedef struct DriverKeys {
    char *flavour, *min_version;
} DriverKeys;

typedef struct ReleaseKeys {
    char *dcap, *date;
    char **psw;
    unsigned psw_count;
    EnclaveKeys qe3, id_enclave, pce;
    DriverKeys *drivers;
    unsigned drivers_count;
} ReleaseKeys;

typedef struct TableKeys {
    char *format;
    DriverKeys *drivers;
    unsigned drivers_count;
    ReleaseKeys *releases;
    unsigned releases_count;
} TableKeys;

static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, RELEASE_VERSION_MAX)};

static const cyaml_schema_field_t enclave_fields[] = {
    CYAML_FIELD_STRING_PTR("isvsvn", CYAML_FLAG_DEFAULT, EnclaveKeys, isvsvn, 1, RELEASE_VERSION_MAX),
    CYAML_FIELD_STRING_PTR("version", CYAML_FLAG_OPTIONAL, EnclaveKeys, version, 1, RELEASE_VERSION_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_field_t driver_fields[] = {
    CYAML_FIELD_STRING_PTR("flavour", CYAML_FLAG_DEFAULT, DriverKeys, flavour, 1, RELEASE_VERSION_MAX),
    CYAML_FIELD_STRING_PTR("min_version", CYAML_FLAG_OPTIONAL, DriverKeys, min_version, 1,
                           RELEASE_VERSION_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t driver_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, DriverKeys, driver_fields)};

static const cyaml_schema_field_t release_fields[] = {
    CYAML_FIELD_STRING_PTR("dcap", CYAML_FLAG_DEFAULT, ReleaseKeys, dcap, 1, RELEASE_VERSION_MAX),
    CYAML_FIELD_STRING_PTR("date", CYAML_FLAG_DEFAULT, ReleaseKeys, date, 1, RELEASE_VERSION_MAX),
    CYAML_FIELD_SEQUENCE("psw", CYAML_FLAG_POINTER, ReleaseKeys, psw, &text_schema, 1, RELEASE_PSW_MAX),
    CYAML_FIELD_MAPPING("qe3", CYAML_FLAG_DEFAULT, ReleaseKeys, qe3, enclave_fields),
    CYAML_FIELD_MAPPING("id_enclave", CYAML_FLAG_DEFAULT, ReleaseKeys, id_enclave, enclave_fields),
    CYAML_FIELD_MAPPING("pce", CYAML_FLAG_DEFAULT, ReleaseKeys, pce, enclave_fields),
    CYAML_FIELD_SEQUENCE("drivers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, ReleaseKeys, drivers,
                         &driver_schema, 1, RELEASE_DRIVERS_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t release_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, ReleaseKeys, release_fields)};

static const cyaml_schema_field_t table_fields[] = {
    CYAML_FIELD_STRING_PTR("format", CYAML_FLAG_DEFAULT, TableKeys, format, 1, RELEASE_VERSION_MAX),
    CYAML_FIELD_SEQUENCE("drivers", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, TableKeys, drivers,
                         &driver_schema, 1, RELEASE_DRIVERS_MAX),
    CYAML_FIELD_SEQUENCE("releases", CYAML_FLAG_POINTER, TableKeys, releases, &release_schema, 1,
                         RELEASES_MAX),
    CYAML_FIELD_END};
static const cyaml_schema_value_t table_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, TableKeys, table_fields)};

static void table_keys_free(TableKeys **keys) {
    settings_free(&table_schema, *keys);
}

static bool copy_version(const char *text, char version[RELEASE_VERSION_MAX + 1], Error *err) {
    if (text == NULL) {
        return true;
    }
    return (version_is_valid(text) && text_copy(version, RELEASE_VERSION_MAX + 1, text)) ||
           error_set(err, ERROR_CONFIG, "'%s' is not a version", text);
}

static bool enclave_read(const char *role, const EnclaveKeys *keys, ReleaseEnclave *ret_enclave, Error *err) {
    uint32_t svn = 0;
    if (!text_parse_u32(keys->isvsvn, 1, UINT16_MAX, &svn)) {
        return error_set(err, ERROR_CONFIG, "%s: isvsvn '%s' is not a number from 1 to %d", role,
                         keys->isvsvn, UINT16_MAX);
    }
    ret_enclave->svn = (uint16_t)svn;
    return copy_version(keys->version, ret_enclave->version, err) || error_wrap(err, "%s", role);
}

static bool drivers_read(const DriverKeys *keys, unsigned count, Release *release, Error *err) {
    for (unsigned i = 0; i < count; i++) {
        ReleaseDriver *driver = &release->drivers[release->drivers_count++];
        (void)text_copy(driver->flavour, sizeof driver->flavour, keys[i].flavour);
        if (!copy_version(keys[i].min_version, driver->min_version, err)) {
            return error_wrap(err, "drivers");
        }
    }
    return true;
}

static bool release_read(const ReleaseKeys *keys, const TableKeys *table, Release *release, Error *err) {
    bool own = keys->drivers_count > 0;
    (void)text_copy(release->date, sizeof release->date, keys->date);
    for (unsigned i = 0; i < keys->psw_count; i++) {
        if (!copy_version(keys->psw[i], release->psw[release->psw_count++], err)) {
            return error_wrap(err, "psw");
        }
    }
    return copy_version(keys->dcap, release->version, err) &&
           enclave_read("qe3", &keys->qe3, &release->enclaves[0], err) &&
           enclave_read("id_enclave", &keys->id_enclave, &release->enclaves[1], err) &&
           enclave_read("pce", &keys->pce, &release->enclaves[2], err) &&
           drivers_read(own ? keys->drivers : table->drivers,
                        own ? keys->drivers_count : table->drivers_count, release, err);
}

Releases *releases_parse(Bytes yaml, const char *name, Error *err) {
    void *value = NULL;
    if (!settings_parse(yaml, name, &table_schema, ERROR_CONFIG, &value, err)) {
        return NULL;
    }
    CLEANUP(table_keys_free) TableKeys *keys = value;
    if (strcmp(keys->format, "1") != 0) {
        error_set(err, ERROR_CONFIG, "%s: format '%s' is not known: this program reads format 1", name,
                  keys->format);
        return NULL;
    }
    CLEANUP(releases_freep)
    Releases *releases = calloc(1, sizeof *releases + keys->releases_count * sizeof releases->list[0]);
    if (releases == NULL) {
        error_set(err, ERROR_MEMORY, "%s: out of memory", name);
        return NULL;
    }
    for (unsigned i = 0; i < keys->releases_count; i++) {
        if (!release_read(&keys->releases[i], keys, &releases->list[releases->count++], err)) {
            error_wrap(err, "%s: release %s", name, keys->releases[i].dcap);
            return NULL;
        }
    }
    return TAKE(releases);
}

Releases *releases_new(Error *err) {
    return releases_parse((Bytes){.data = release_table_yaml, .size = release_table_yaml_size},
                          "the release table", err);
}

Releases *releases_load(int dir_fd, const char *path, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(SETTINGS_SIZE_MAX);
    return file_read(dir_fd, path, &yaml, err) ? releases_parse(buffer_bytes(&yaml), path, err) : NULL;
}

void releases_free(Releases *releases) {
    free(releases);
}

/* Is a package of the release? Its first two numbers name the release, the others the build. */
static bool same_release(const char *a, const char *b) {
    for (int parts = 0; parts < 2; parts++) {
        size_t length = strcspn(a, ".");
        if (length != strcspn(b, ".") || strncmp(a, b, length) != 0) {
            return false;
        }
        a += length + (a[length] == '.');
        b += length + (b[length] == '.');
    }
    return true;
}

static bool has_set(const Release *release, const ReleaseSet *set) {
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        const ReleaseEnclave *enclave = &release->enclaves[i];
        bool known = set->version[i] != NULL && enclave->version[0] != 0;
        if (enclave->svn != set->svn[i] ||
            (known && version_compare(enclave->version, set->version[i]) != 0)) {
            return false;
        }
    }
    return set->packages == NULL || same_release(release->version, set->packages);
}

static bool is_newer(const Releases *releases, const ReleaseSet *set) {
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        uint16_t highest = 0;
        for (size_t r = 0; r < releases->count; r++) {
            uint16_t svn = releases->list[r].enclaves[i].svn;
            highest = svn > highest ? svn : highest;
        }
        if (set->svn[i] > highest) {
            return true;
        }
    }
    return false;
}

ReleaseVerdict releases_judge(const Releases *releases, const ReleaseSet *set, const Release **ret_release) {
    for (size_t i = 0; i < releases->count; i++) {
        if (has_set(&releases->list[i], set)) {
            *ret_release = &releases->list[i];
            return RELEASE_FITS;
        }
    }
    return is_newer(releases, set) ? RELEASE_NEWER : RELEASE_MIXED;
}
