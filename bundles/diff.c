/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/diff.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"

static json_t *text_or_null(const char *text) {
    return text != NULL ? json_string(text) : json_null();
}

static json_t *number_or_null(uint64_t number) {
    return number != 0 ? json_integer((json_int_t)number) : json_null();
}

static json_t *pair(json_t *from, json_t *to) {
    return json_pack("[o, o]", from, to);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static json_t *side_json(const Manifest *manifest) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&manifest->digest, hex);
    return json_pack("{s:s, s:s, s:s}", "name", manifest->name, "version", manifest->version, "digest", hex);
}

static json_t *identity(const ManifestFile *file, bool mr_enclave) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(&file->mr_enclave, hex);
    return !file->has_identity ? json_null() : mr_enclave ? json_string(hex) : json_integer(file->isv_svn);
}

/* Every enclave, also one that stays the same: that is news as well. */
static json_t *enclave_json(size_t index, const DiffSide *from, const DiffSide *to) {
    ManifestRole role = release_roles[index];
    const ManifestFile *a = manifest_find(from->manifest, role);
    const ManifestFile *b = manifest_find(to->manifest, role);
    bool lower = a->has_identity && b->has_identity && b->isv_svn < a->isv_svn;
    return json_pack("{s:s, s:b, s:b, s:o, s:o, s:o, s:o}", "role", manifest_role_name(role), "same",
                     digest_equal(&a->digest, &b->digest), "downgrade", lower, "isvsvn",
                     pair(identity(a, false), identity(b, false)), "mrenclave",
                     pair(identity(a, true), identity(b, true)), "version",
                     pair(text_or_null(a->version), text_or_null(b->version)), "epc_kib",
                     pair(number_or_null(from->epc_kib[index]), number_or_null(to->epc_kib[index])));
}

static json_t *enclaves_json(const DiffSide *from, const DiffSide *to) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        if (json_array_append_new(list, enclave_json(i, from, to)) != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

static bool has_library(const Manifest *manifest, const char *soname) {
    for (size_t i = 0; i < manifest->libraries_count; i++) {
        if (strcmp(manifest->libraries[i], soname) == 0) {
            return true;
        }
    }
    return false;
}

/* Host libraries that `there` needs and `here` does not. */
static json_t *libraries_json(const Manifest *here, const Manifest *there) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < there->libraries_count; i++) {
        if (!has_library(here, there->libraries[i]) &&
            json_array_append_new(list, json_string(there->libraries[i])) != 0) {
            return NULL;
        }
    }
    return json_incref(list);
}

/* "in-kernel, dcap 1.32"; any of them will do. */
static json_t *drivers_json(const Manifest *manifest) {
    char text[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < manifest->drivers_count && at < sizeof text; i++) {
        const ManifestDriver *driver = &manifest->drivers[i];
        int length = snprintf(text + at, sizeof text - at, "%s%s%s%s", i > 0 ? ", " : "", driver->flavour,
                              driver->min_version != NULL ? " " : "",
                              driver->min_version != NULL ? driver->min_version : "");
        at += length > 0 ? (size_t)length : 0;
    }
    return manifest->drivers_count > 0 ? json_string(text) : json_null();
}

static json_t *requires_json(const Manifest *from, const Manifest *to) {
    CLEANUP(json_freep) json_t *object = json_object();
    json_t *drivers = pair(drivers_json(from), drivers_json(to));
    json_t *more = libraries_json(from, to);
    json_t *less = libraries_json(to, from);
    bool new_drivers = drivers != NULL && !json_equal(json_array_get(drivers, 0), json_array_get(drivers, 1));
    bool good =
        object != NULL && drivers != NULL && more != NULL && less != NULL &&
        (from->epc_kib == to->epc_kib ||
         json_put(object, "epc_kib", pair(number_or_null(from->epc_kib), number_or_null(to->epc_kib)))) &&
        (same_text(from->kernel, to->kernel) ||
         json_put(object, "kernel", pair(text_or_null(from->kernel), text_or_null(to->kernel)))) &&
        (from->provision == to->provision ||
         json_put(object, "provision", pair(json_boolean(from->provision), json_boolean(to->provision)))) &&
        (!new_drivers || json_put(object, "drivers", json_incref(drivers))) &&
        (json_array_size(more) == 0 || json_put(object, "libraries_added", json_incref(more))) &&
        (json_array_size(less) == 0 || json_put(object, "libraries_removed", json_incref(less)));
    json_decref(drivers);
    json_decref(more);
    json_decref(less);
    return good ? json_incref(object) : NULL;
}

static bool add_file(json_t *list, const ManifestFile *from, const ManifestFile *to) {
    const char *change = from == NULL                                       ? "added"
                         : to == NULL                                       ? "removed"
                         : !digest_equal(&from->digest, &to->digest)        ? "changed"
                         : from->mode != to->mode || from->role != to->role ? "mode or role"
                                                                            : NULL;
    const ManifestFile *any = to != NULL ? to : from;
    return change == NULL ||
           json_array_append_new(
               list, json_pack("{s:s, s:s, s:s, s:o}", "path", any->path, "role",
                               manifest_role_name(any->role), "change", change, "size",
                               pair(from != NULL ? json_integer((json_int_t)from->size) : json_null(),
                                    to != NULL ? json_integer((json_int_t)to->size) : json_null()))) == 0;
}

/* Both lists are sorted by path. */
static json_t *files_json(const Manifest *from, const Manifest *to) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0, j = 0; i < from->files_count || j < to->files_count;) {
        int order = i == from->files_count ? 1
                    : j == to->files_count ? -1
                                           : strcmp(from->files[i].path, to->files[j].path);
        if (!add_file(list, order <= 0 ? &from->files[i] : NULL, order >= 0 ? &to->files[j] : NULL)) {
            return NULL;
        }
        i += order <= 0;
        j += order >= 0;
    }
    return json_incref(list);
}

json_t *diff_json(const DiffSide *from, const DiffSide *to) {
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "from", side_json(from->manifest), "to",
                     side_json(to->manifest), "enclaves", enclaves_json(from, to), "requires",
                     requires_json(from->manifest, to->manifest), "files",
                     files_json(from->manifest, to->manifest));
}
