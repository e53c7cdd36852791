/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/import.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/import_parts.h"
#include "bundles/package.h"
#include "bundles/sgx/metadata.h"
#include "bundles/version.h"

enum { LICENCE_SIZE_MAX = 1024 * 1024 };

/* The libraries that make quotes, by DT_SONAME; a number may follow where none stands. */
static const struct {
    const char *soname;
    ManifestRole role;
    const char *what;
} libraries[] = {
    {"libsgx_dcap_ql.so.1", MANIFEST_ROLE_QUOTE_LIBRARY, "the quote library"},
    {"libsgx_qe3_logic.so", MANIFEST_ROLE_QE3_LOGIC, "drives the QE"},
    {"libsgx_pce_logic.so", MANIFEST_ROLE_PCE_LOGIC, "drives the PCE"},
    {"libdcap_quoteprov.so", MANIFEST_ROLE_PROVIDER, "fetches PCK certificates"},
    {"libsgx_default_qcnl_wrapper.so", MANIFEST_ROLE_PROVIDER, "talks to the certificate service"},
    {"libsgx_urts.so", MANIFEST_ROLE_RUNTIME, "loads enclaves"},
    {"libsgx_enclave_common.so", MANIFEST_ROLE_RUNTIME, "loads enclaves"},
};

Import *import_new(const ImportOptions *options, int dir_fd, Error *err) {
    Import *import = calloc(1, sizeof *import);
    if (import == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    import->options = *options;
    import->dir_fd = dir_fd;
    return import;
}

void import_free(Import *import) {
    if (import == NULL) {
        return;
    }
    for (size_t i = 0; i < import->items_count; i++) {
        free(import->items[i].package);
        free(import->items[i].path);
        free(import->items[i].as);
    }
    for (size_t i = 0; i < import->files_count; i++) {
        free(import->files[i].path);
    }
    for (size_t i = 0; i < import->needed_count; i++) {
        free(import->needed[i]);
    }
    free(import->package_name);
    free(import);
}

size_t import_items_count(const Import *import) {
    return import->items_count;
}

const ImportItem *import_item(const Import *import, size_t index) {
    return &import->items[index];
}

size_t import_others_count(const Import *import) {
    return import->others_count;
}

const ImportFile *import_find(const Import *import, ManifestRole role) {
    for (size_t i = 0; i < import->files_count; i++) {
        if (import->files[i].role == role) {
            return &import->files[i];
        }
    }
    return NULL;
}

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* An account of a file; `as` NULL: it is left. */
static ImportItem *note(Import *import, const char *path, const char *as, Error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static ImportItem *note(Import *import, const char *path, const char *as, Error *err, const char *format,
                        ...) {
    va_list args;
    if (import->items_count == IMPORT_ITEMS_MAX) {
        error_set(err, ERROR_LIMIT, "more than %d libraries, enclaves and licences", IMPORT_ITEMS_MAX);
        return NULL;
    }
    ImportItem *item = &import->items[import->items_count];
    *item = (ImportItem){
        .package = strdup(import->package), .path = strdup(path), .as = as != NULL ? strdup(as) : NULL};
    import->items_count++;
    if (item->package == NULL || item->path == NULL || (as != NULL && item->as == NULL)) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    va_start(args, format);
    (void)vsnprintf(item->text, sizeof item->text, format, args);
    va_end(args);
    return item;
}

/* "libsgx_qe3.signed.so.1.22.100.1" -> "1.22.100.1"; fewer than three numbers are no version of a file. */
static void file_version(const char *path, char version[RELEASE_VERSION_MAX + 1]) {
    const char *tail = strstr(base_of(path), ".so.");
    const char *dot = tail != NULL ? strchr(tail + 4, '.') : NULL;
    version[0] = 0;
    if (dot != NULL && strchr(dot + 1, '.') != NULL && version_is_valid(tail + 4)) {
        (void)text_copy(version, RELEASE_VERSION_MAX + 1, tail + 4);
    }
}

/* "1:1.22.100.3-noble1" -> "1.22.100.3"; "" if it is not like that. */
static void package_version(const char *text, char version[RELEASE_VERSION_MAX + 1]) {
    const char *colon = strchr(text, ':');
    const char *begin = colon != NULL ? colon + 1 : text;
    size_t length = strspn(begin, "0123456789.");
    version[0] = 0;
    if (length > 0 && length <= RELEASE_VERSION_MAX) {
        memcpy(version, begin, length);
        version[length] = 0;
    }
    if (!version_is_valid(version)) {
        version[0] = 0;
    }
}

static bool make_parents(int dir_fd, const char *path, Error *err) {
    char parent[MANIFEST_PATH_MAX + 1];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - path);
        memcpy(parent, path, length);
        parent[length] = 0;
        if (mkdirat(dir_fd, parent, 0755) != 0 && errno != EEXIST) {
            return error_set_errno(err, errno, "cannot make '%s'", parent);
        }
    }
    return true;
}

static bool store(const Import *import, const char *path, Bytes content, unsigned mode, Error *err) {
    if (!make_parents(import->dir_fd, path, err)) {
        return false;
    }
    AUTO_CLOSE int fd = file_open(import->dir_fd, path, O_WRONLY | O_CREAT | O_EXCL, mode, err);
    return fd >= 0 && file_write_fd(fd, path, content.data, content.size, err);
}

static const ImportFile *find_path(const Import *import, const char *path) {
    for (size_t i = 0; i < import->files_count; i++) {
        if (strcmp(import->files[i].path, path) == 0) {
            return &import->files[i];
        }
    }
    return NULL;
}

/* Copies the file as `as`. The same contents under the same name a second time is no harm; others are. */
static bool take(Import *import, const char *path, const char *as, ManifestRole role, Bytes content,
                 const char *what, bool *ret_new, Error *err) {
    Digest digest;
    if (!digest_of(content.data, content.size, &digest)) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    const ImportFile *former = find_path(import, as);
    *ret_new = former == NULL;
    if (former != NULL) {
        if (!digest_equal(&former->digest, &digest)) {
            return error_set(err, ERROR_CONFLICT,
                             "%s of %s is another file than %s of %s: import the packages of one release",
                             path, import->package, former->item->path, former->item->package);
        }
        return note(import, path, NULL, err, "the same file was taken before") != NULL;
    }
    if (import->files_count == MANIFEST_FILES_MAX) {
        return error_set(err, ERROR_LIMIT, "more than %d files to take", MANIFEST_FILES_MAX);
    }
    unsigned mode = role != MANIFEST_ROLE_DATA && !manifest_role_is_enclave(role) ? 0755 : 0644;
    if (!store(import, as, content, mode, err)) {
        return false;
    }
    const ImportItem *item = note(import, path, as, err, "%s", what);
    if (item == NULL) {
        return false;
    }
    ImportFile *file = &import->files[import->files_count];
    *file = (ImportFile){.role = role, .path = strdup(as), .item = item, .digest = digest};
    file_version(path, file->version);
    (void)text_copy(file->packages, sizeof file->packages, import->package_version);
    import->files_count++;
    return file->path != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

static bool add_needed(void *context, const char *soname, Error *err) {
    Import *import = context;
    for (size_t i = 0; i < import->needed_count; i++) {
        if (strcmp(import->needed[i], soname) == 0) {
            return true;
        }
    }
    if (import->needed_count == IMPORT_NEEDED_MAX) {
        return error_set(err, ERROR_LIMIT, "more than %d libraries are needed", IMPORT_NEEDED_MAX);
    }
    import->needed[import->needed_count] = strdup(soname);
    return import->needed[import->needed_count++] != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

/* "libsgx_urts.so.2" is "libsgx_urts.so" with a number. */
static bool is_soname(const char *soname, const char *wanted) {
    size_t length = strlen(wanted);
    const char *tail = soname + length;
    return strncmp(soname, wanted, length) == 0 &&
           (tail[0] == 0 || (tail[0] == '.' && isdigit((unsigned char)tail[1]) &&
                             strspn(tail + 1, "0123456789") == strlen(tail + 1)));
}

static bool add_library(Import *import, const char *path, const Elf *elf, Bytes content, Error *err) {
    ElfSoname soname;
    bool is_new = false;
    if (!elf_soname(elf, &soname, NULL)) {
        return note(import, path, NULL, err, "a library that cannot be read") != NULL;
    }
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        if (is_soname(soname.text, libraries[i].soname)) {
            AUTO_FREE char *as = text_format("lib/%s", soname.text);
            return as != NULL ? take(import, path, as, libraries[i].role, content, libraries[i].what, &is_new,
                                     err) &&
                                    (!is_new || elf_each_needed(elf, add_needed, import, err))
                              : error_set(err, ERROR_MEMORY, "out of memory");
        }
    }
    return note(import, path, NULL, err, "%s is not needed to make quotes",
                soname.text[0] != 0 ? soname.text : "a program") != NULL;
}

static bool take_enclave(Import *import, const char *path, size_t index, Bytes content, Error *err) {
    const EnclaveReport *report = &import->enclaves[index];
    char what[IMPORT_TEXT_MAX];
    bool is_new = false;
    AUTO_FREE char *as = text_format("lib/%s", report->soname);
    (void)snprintf(what, sizeof what, "%s, ISVSVN %u, signed by %s on %s", report->role, report->svn,
                   report->signer, report->date);
    return as != NULL ? take(import, path, as, release_roles[index], content, what, &is_new, err)
                      : error_set(err, ERROR_MEMORY, "out of memory");
}

static bool add_enclave(Import *import, const char *path, Bytes content, Error *err) {
    const EnclaveOptions options = {
        .policy = import->options.signers, .now = import->options.now, .limits = &image_limits_bundle};
    EnclaveReport report;
    if (!enclave_examine(content, &options, &report, err)) {
        return false;
    }
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        if (strcmp(report.role, manifest_role_name(release_roles[i])) != 0) {
            continue;
        }
        if (!enclave_require_verified(&report, err)) {
            return error_wrap(err, "%s", path);
        }
        if (import_find(import, release_roles[i]) == NULL) {
            import->enclaves[i] = report;
        }
        return take_enclave(import, path, i, content, err);
    }
    return note(import, path, NULL, err, "%s%s: an enclave that makes no SGX quotes",
                report.role[0] != 0 ? report.role : report.soname,
                report.verified ? "" : " (not verified)") != NULL;
}

static bool is_licence(const char *path) {
    static const char *const names[] = {"copyright", "license", "licence", "copying", "notice"};
    const char *base = base_of(path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncasecmp(base, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Under the package's name, so that several copyright files stand side by side. */
static bool add_licence(Import *import, const char *path, Bytes content, Error *err) {
    bool is_new = false;
    AUTO_FREE char *as = text_format("data/licenses/%s/%s", import->package_name, base_of(path));
    if (as == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!file_name_is_safe(as) || strlen(as) > MANIFEST_PATH_MAX || find_path(import, as) != NULL) {
        return note(import, path, NULL, err, "a licence whose name cannot be kept or occurs twice") != NULL;
    }
    return take(import, path, as, MANIFEST_ROLE_DATA, content, "licence", &is_new, err);
}

static bool is_elf(Bytes head) {
    return head.size >= 4 && memcmp(head.data, "\177ELF", 4) == 0;
}

static bool wants(void *context, const char *path, uint64_t size, Bytes head) {
    Import *import = context;
    bool wanted = is_elf(head) || (is_licence(path) && size <= LICENCE_SIZE_MAX);
    import->others_count += !wanted;
    return wanted;
}

/* "libsgx-ae-qe3 1.22.100.3" for people; its version and name for the bundle. */
static bool begin_package(Import *import, const PackageInfo *info, char *label, size_t size, Error *err) {
    if (import->package_name != NULL) {
        return true;
    }
    if (info->name[0] != 0) {
        (void)snprintf(label, size, "%s %s", info->name, info->version);
        package_version(info->version, import->package_version);
    }
    const char *name = info->name[0] != 0 ? info->name : base_of(label);
    import->package_name = strdup(name);
    for (char *at = import->package_name; at != NULL && *at != 0; at++) {
        bool safe = isalnum((unsigned char)*at) || strchr("._+-", *at) != NULL;
        *at = safe ? *at : '_';
    }
    return import->package_name != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

typedef struct Adding {
    Import *import;
    char label[2 * PACKAGE_TEXT_MAX + 2];
} Adding;

static bool wants_of(void *context, const char *path, uint64_t size, Bytes head) {
    const Adding *adding = context;
    return wants(adding->import, path, size, head);
}

static bool on_file(void *context, const PackageInfo *info, const char *path, Bytes content, Error *err) {
    Adding *adding = context;
    Import *import = adding->import;
    size_t section = 0;
    if (!begin_package(import, info, adding->label, sizeof adding->label, err)) {
        return false;
    }
    if (!is_elf(content)) {
        return add_licence(import, path, content, err);
    }
    AUTO_FREE Elf *elf = malloc(sizeof *elf);
    if (elf == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!elf_parse(content, elf, NULL)) {
        return note(import, path, NULL, err, "not a library for this machine") != NULL;
    }
    return elf_find_section(elf, METADATA_SECTION, &section, NULL)
               ? add_enclave(import, path, content, err)
               : add_library(import, path, elf, content, err);
}

bool import_add(Import *import, int fd, const char *name, Error *err) {
    Adding adding = {.import = import};
    PackageInfo info;
    const PackageVisitor visitor = {.context = &adding, .wants = wants_of, .file = on_file};
    (void)snprintf(adding.label, sizeof adding.label, "%s", base_of(name));
    import->package = adding.label;
    import->package_version[0] = 0;
    bool good = package_read(fd, name, &visitor, &info, err);
    import->package = NULL;
    free(TAKE(import->package_name));
    return good;
}
