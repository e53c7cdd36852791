/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/survey.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/archive.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/bundle.h"
#include "bundles/package.h"
#include "bundles/sgx/metadata.h"
#include "bundles/tool/glance.h"

typedef enum Kind { KIND_OTHER, KIND_ELF, KIND_SIGSTRUCT, KIND_BUNDLE, KIND_PACKAGE, KIND_ARCHIVE } Kind;

typedef struct Survey {
    const SurveyVisitor *visitor;
    unsigned entries; /* of directories: files, directories and what else is there */
    unsigned enclaves;
    bool troubled; /* and that was told */
} Survey;

typedef struct Specimen { /* a file that was opened */
    int fd;
    const char *path;
    uint64_t size;
    bool named; /* by whoever asked, not found in a directory */
} Specimen;

CLEANUP_DEFINE(Bundle, bundle_close)

static bool begins_with(const uint8_t *at, const void *magic, size_t size) {
    return memcmp(at, magic, size) == 0;
}

static bool has_suffix(const char *text, const char *suffix) {
    size_t length = strlen(text);
    size_t tail = strlen(suffix);
    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

/* A bundle is one zstd frame and a seal. One that is cut short has lost the seal and is told by its name. */
static bool is_bundle(const Specimen *specimen) {
    static const uint8_t seal[] = {0x5b, 0x2a, 0x4d, 0x18, 0x20, 0x00, 0x00, 0x00};
    uint8_t tail[sizeof seal];
    return has_suffix(specimen->path, ".pswb") ||
           (specimen->size > ARCHIVE_SEAL_SIZE &&
            file_read_at(specimen->fd, specimen->path, specimen->size - ARCHIVE_SEAL_SIZE, tail, sizeof tail,
                         NULL) &&
            memcmp(tail, seal, sizeof seal) == 0);
}

static bool begins_with_sigstruct(Bytes head) {
    static const uint8_t magic[] = {0x06, 0x00, 0x00, 0x00, 0xe1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01};
    return head.size >= sizeof magic && begins_with(head.data, magic, sizeof magic);
}

static Kind kind_of(const Specimen *specimen) {
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    uint8_t head[PACKAGE_MAGIC_SIZE] = {0};
    ssize_t got = pread(specimen->fd, head, sizeof head, 0);
    if (got < 16) {
        return KIND_OTHER;
    }
    if (begins_with(head, "\177ELF", 4)) {
        return KIND_ELF;
    }
    if (specimen->size == SIGSTRUCT_SIZE &&
        begins_with_sigstruct((Bytes){.data = head, .size = sizeof head})) {
        return KIND_SIGSTRUCT;
    }
    if (begins_with(head, zstd, sizeof zstd) && is_bundle(specimen)) {
        return KIND_BUNDLE;
    }
    PackageKind package = package_kind((Bytes){.data = head, .size = (size_t)got});
    return package == PACKAGE_NONE ? KIND_OTHER : package == PACKAGE_TAR ? KIND_ARCHIVE : KIND_PACKAGE;
}

/* A library without enclave metadata is none. */
static bool has_enclave_metadata(Bytes content) {
    AUTO_FREE Elf *elf = malloc(sizeof *elf);
    size_t section = 0;
    return elf != NULL && elf_parse(content, elf, NULL) &&
           elf_find_section(elf, METADATA_SECTION, &section, NULL);
}

static bool visit_enclave(Survey *survey, const char *path, Bytes content, Error *err) {
    survey->enclaves++;
    return survey->visitor->enclave(survey->visitor->context, path, content, err);
}

static bool survey_enclave(Survey *survey, const Specimen *specimen, Error *err) {
    if (specimen->size > survey->visitor->file_size_max) {
        return error_set(err, ERROR_LIMIT,
                         survey->visitor->file_size_max < SURVEY_FILE_SIZE_MAX
                             ? "%s: larger than %llu MiB: say --large if it is an enclave file"
                             : "%s: larger than any enclave file (%llu MiB)",
                         specimen->path, (unsigned long long)(survey->visitor->file_size_max >> 20));
    }
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(survey->visitor->file_size_max + 1);
    if (!buffer_reserve(&content, (size_t)specimen->size + 1)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", specimen->path);
    }
    return file_read_fd(specimen->fd, specimen->path, &content, err) &&
           visit_enclave(survey, specimen->path, buffer_bytes(&content), err);
}

typedef struct Opened {
    Survey *survey;
    const char *path;
} Opened;

static bool on_bundle_enclave(void *context, const ManifestFile *file, Bytes content, Error *err) {
    const Opened *opened = context;
    AUTO_FREE char *path = text_format("%s:%s", opened->path, file->path);
    return path != NULL ? visit_enclave(opened->survey, path, content, err)
                        : error_set(err, ERROR_MEMORY, "out of memory");
}

static bool survey_bundle(Survey *survey, const Specimen *specimen, Error *err) {
    const SurveyVisitor *visitor = survey->visitor;
    CLEANUP(bundle_closep) Bundle *bundle = bundle_open(specimen->fd, specimen->path, err);
    Opened opened = {.survey = survey, .path = specimen->path};
    const BundleReading reading = {.into_fd = -1, .context = &opened, .enclave = on_bundle_enclave};
    return bundle != NULL &&
           visitor->bundle(visitor->context, specimen->path, bundle_manifest(bundle), specimen->size, false,
                           err) &&
           bundle_read(bundle, &reading, err) &&
           visitor->bundle(visitor->context, specimen->path, bundle_manifest(bundle), specimen->size, true,
                           err);
}

static bool is_wanted(void *context, const char *path, uint64_t size, Bytes head) {
    (void)context, (void)path;
    return size == SIGSTRUCT_SIZE ? begins_with_sigstruct(head)
                                  : head.size >= 4 && begins_with(head.data, "\177ELF", 4);
}

static bool on_package_file(void *context, const PackageInfo *info, const char *name, Bytes content,
                            Error *err) {
    (void)info;
    const Opened *opened = context;
    if (content.size != SIGSTRUCT_SIZE && !has_enclave_metadata(content)) {
        return true;
    }
    AUTO_FREE char *path = text_format("%s:%s", opened->path, name);
    return path != NULL ? visit_enclave(opened->survey, path, content, err)
                        : error_set(err, ERROR_MEMORY, "out of memory");
}

static bool survey_package(Survey *survey, const Specimen *specimen, Error *err) {
    Opened opened = {.survey = survey, .path = specimen->path};
    const PackageVisitor visitor = {.context = &opened, .wants = is_wanted, .file = on_package_file};
    PackageInfo info;
    return package_read(specimen->fd, specimen->path, &visitor, &info, err);
}

static bool survey_file(Survey *survey, const Specimen *specimen, Error *err) {
    switch (kind_of(specimen)) {
    case KIND_ELF: /* under a directory most are libraries; what is too broken to tell is one, too */
        return (!specimen->named && !glance_has_section(specimen->fd, METADATA_SECTION)) ||
               survey_enclave(survey, specimen, err);
    case KIND_SIGSTRUCT:
        return survey_enclave(survey, specimen, err);
    case KIND_BUNDLE:
        return survey_bundle(survey, specimen, err);
    case KIND_PACKAGE:
        return survey_package(survey, specimen, err);
    case KIND_ARCHIVE: /* under a directory, compressed files are rarely about enclaves */
        return !specimen->named || survey_package(survey, specimen, err);
    case KIND_OTHER:
    default:
        return !specimen->named ||
               error_set(err, ERROR_INPUT, "%s: neither an enclave file, a SIGSTRUCT, a bundle nor a package",
                         specimen->path);
    }
}

static bool survey_at(Survey *survey, int dir_fd, const char *name, const char *path, int depth, Error *err);

static int is_not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* One file's trouble is told and ends nothing; what concerns all of them does. */
static bool survey_entry(Survey *survey, int dir_fd, const char *name, const char *path, int depth,
                         Error *err) {
    Error trouble = ERROR_INIT;
    if (survey_at(survey, dir_fd, name, path, depth, &trouble)) {
        return true;
    }
    if (survey->visitor->trouble == NULL || trouble.kind == ERROR_MEMORY ||
        survey->entries > survey->visitor->entries_max) {
        return error_set(err, trouble.kind, "%s", trouble.text);
    }
    survey->visitor->trouble(survey->visitor->context, &trouble);
    survey->troubled = true;
    return true;
}

static bool survey_directory(Survey *survey, int dir_fd, const char *path, int depth, Error *err) {
    struct dirent **entries = NULL;
    if (depth >= SURVEY_DEPTH_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: more than %d directories deep", path, SURVEY_DEPTH_MAX);
    }
    int count = scandirat(dir_fd, ".", &entries, is_not_dots, compare_names);
    if (count < 0) {
        return error_set_errno(err, errno, "cannot list %s", path);
    }
    bool good = true;
    const char *slash = has_suffix(path, "/") ? "" : "/";
    for (int i = 0; i < count; i++) {
        AUTO_FREE char *below = good ? text_format("%s%s%s", path, slash, entries[i]->d_name) : NULL;
        good = good && (below != NULL || error_set(err, ERROR_MEMORY, "out of memory")) &&
               survey_entry(survey, dir_fd, entries[i]->d_name, below, depth + 1, err);
        free(entries[i]);
    }
    free(entries);
    return good;
}

/* Depth 0: as it was named, by a path that may go through links. */
static bool survey_at(Survey *survey, int dir_fd, const char *name, const char *path, int depth, Error *err) {
    struct stat facts;
    bool named = depth == 0;
    if (!named && survey->entries++ >= survey->visitor->entries_max) {
        return error_set(err, ERROR_LIMIT, "%s: more than %u files and directories: name a smaller part",
                         path, survey->visitor->entries_max);
    }
    if (fstatat(dir_fd, name, &facts, named ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
        return error_set_errno(err, errno, "%s", path);
    }
    if (!named && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) {
        return true;
    }
    /* Not to hang on a pipe that took the place meanwhile. */
    AUTO_CLOSE int fd = file_open(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
    if (fd < 0 || fstat(fd, &facts) != 0) {
        return fd < 0 ? false : error_set_errno(err, errno, "%s", path);
    }
    if (S_ISDIR(facts.st_mode)) {
        return survey_directory(survey, fd, path, depth, err);
    }
    const Specimen specimen = {.fd = fd, .path = path, .size = (uint64_t)facts.st_size, .named = named};
    return S_ISREG(facts.st_mode) ? survey_file(survey, &specimen, err)
                                  : error_set(err, ERROR_INPUT, "%s: not a regular file", path);
}

bool survey_path(const char *path, const SurveyVisitor *visitor, Error *err) {
    Survey survey = {.visitor = visitor};
    if (!survey_at(&survey, AT_FDCWD, path, path, 0, err)) {
        return false;
    }
    return survey.enclaves > 0 || survey.troubled ||
           error_set(err, ERROR_NOT_FOUND, "%s: there is no enclave in it", path);
}
