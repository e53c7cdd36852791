/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/limits.h"

enum { NAME_SIZE = TUF_NAME_ENCODED_MAX + 48 };

struct TufRepository {
    char *path;
    int dir_fd, lock_fd, metadata_fd, targets_fd;
    int64_t now;
    TufRepositoryConfig config;
    json_t *versions; /* role -> highest numbered file; read once, the lock keeps others from writing */
};

TufType tuf_repository_type(const char *role) {
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        if (strcmp(tuf_type_name(type), role) == 0) {
            return type;
        }
    }
    return TUF_TYPE_TARGETS;
}

/* What may be a role's name here: a file name by itself, that needs no encoding. */
static bool check_role_name(const char *role, Error *err) {
    if (!file_name_is_safe(role) || strchr(role, '/') != NULL || strchr(role, '+') != NULL ||
        strlen(role) > TUF_NAME_ENCODED_MAX) {
        return error_set(err, ERROR_USAGE, "role name: only A-Z a-z 0-9 '.' '_' '-', at most %d bytes",
                         TUF_NAME_ENCODED_MAX);
    }
    return true;
}

int64_t tuf_repository_now(const TufRepository *repository) {
    return repository->now;
}

int64_t tuf_repository_expiry(const TufRepository *repository, TufType type) {
    return repository->now + repository->config.lifetime[type];
}

const TufRepositoryConfig *tuf_repository_config(const TufRepository *repository) {
    return &repository->config;
}

const char *tuf_repository_path(const TufRepository *repository) {
    return repository->path;
}

int tuf_repository_metadata_fd(const TufRepository *repository) {
    return repository->metadata_fd;
}

int tuf_repository_targets_fd(const TufRepository *repository) {
    return repository->targets_fd;
}

int tuf_repository_fd(const TufRepository *repository) {
    return repository->dir_fd;
}

static bool create_parts(int dir_fd, Error *err) {
    static const char *const directories[] = {"draft", "public", "public/metadata", "public/targets"};
    if (mkdirat(dir_fd, "keys", 0700) != 0 && errno != EEXIST) {
        return error_set_errno(err, errno, "keys: cannot be made");
    }
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        if (mkdirat(dir_fd, directories[i], 0755) != 0 && errno != EEXIST) {
            return error_set_errno(err, errno, "%s: cannot be made", directories[i]);
        }
    }
    return file_replace(dir_fd, TUF_REPOSITORY_CONFIG_NAME, tuf_repository_config_default,
                        strlen(tuf_repository_config_default), 0644, err);
}

static bool create_drafts(const char *path, int64_t now, Error *err) {
    CLEANUP(tuf_repository_closep) TufRepository *repository = tuf_repository_open(path, now, err);
    if (repository == NULL) {
        return false;
    }
    static const TufType types[] = {TUF_TYPE_ROOT, TUF_TYPE_TARGETS};
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(json_freep)
        json_t *document = tuf_author_new(types[i], 1, tuf_repository_expiry(repository, types[i]));
        if (document == NULL) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        if (!tuf_repository_save_draft(repository, tuf_type_name(types[i]), document, err)) {
            return false;
        }
    }
    return true;
}

bool tuf_repository_create(const char *path, int64_t now, Error *err) {
    if (!file_make_path(path, 0755, err)) {
        return false;
    }
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, path, err);
    if (dir_fd < 0) {
        return false;
    }
    if (faccessat(dir_fd, TUF_REPOSITORY_CONFIG_NAME, F_OK, 0) == 0) {
        return error_set(err, ERROR_CONFLICT, "%s: there is a repository already", path);
    }
    return create_parts(dir_fd, err) && create_drafts(path, now, err);
}

bool tuf_repository_parse_name(const char *file, char role[TUF_NAME_ENCODED_MAX + 1], int64_t *ret_version) {
    char number[24];
    uint64_t version;
    size_t digits = strspn(file, "0123456789");
    size_t length = strlen(file);
    if (digits == 0 || digits >= sizeof number || length < digits + 7 ||
        length - digits - 6 > TUF_NAME_ENCODED_MAX || file[digits] != '.' ||
        strcmp(file + length - 5, ".json") != 0) {
        return false;
    }
    (void)snprintf(number, sizeof number, "%.*s", (int)digits, file);
    if (!text_parse_u64(number, 1, (uint64_t)TUF_INTEGER_MAX, &version)) {
        return false;
    }
    (void)snprintf(role, TUF_NAME_ENCODED_MAX + 1, "%.*s", (int)(length - digits - 6), file + digits + 1);
    *ret_version = (int64_t)version;
    return true;
}

static bool note_version(void *versions, const char *file, Error *err) {
    char role[TUF_NAME_ENCODED_MAX + 1];
    int64_t version;
    return !tuf_repository_parse_name(file, role, &version) ||
           json_integer_value(json_object_get(versions, role)) >= version ||
           json_put(versions, role, json_integer(version)) || error_set(err, ERROR_MEMORY, "out of memory");
}

static void dir_freep(DIR **dir) {
    if (*dir != NULL) {
        (void)closedir(*dir);
    }
}

bool tuf_repository_each_name(int dir_fd, const char *path, TufRepositoryNameFn visit, void *context,
                              Error *err) {
    AUTO_CLOSE int fd = file_open_directory(dir_fd, path, err);
    if (fd < 0) {
        return false;
    }
    CLEANUP(dir_freep) DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        return error_set_errno(err, errno, "%s: cannot be read", path);
    }
    (void)TAKE_FD(fd);
    for (struct dirent *entry; (errno = 0, entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !visit(context, entry->d_name, err)) {
            return false;
        }
    }
    return errno == 0 || error_set_errno(err, errno, "%s: cannot be read", path);
}

static json_t *read_versions(int metadata_fd, Error *err) {
    CLEANUP(json_freep) json_t *versions = json_object();
    if (versions == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return tuf_repository_each_name(metadata_fd, ".", note_version, versions, err) ? TAKE(versions) : NULL;
}

static char *copy_name(const char *name, Error *err) {
    char *copy = strdup(name);
    if (copy == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return copy;
}

TufRepository *tuf_repository_open(const char *path, int64_t now, Error *err) {
    CLEANUP(tuf_repository_closep) TufRepository *repository = calloc(1, sizeof *repository);
    if (repository == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    repository->dir_fd = repository->lock_fd = repository->metadata_fd = repository->targets_fd = -1;
    repository->now = now;
    repository->path = copy_name(path, err);
    if (repository->path != NULL) {
        repository->dir_fd = file_open_directory(AT_FDCWD, path, err);
    }
    if (repository->dir_fd < 0 || !tuf_repository_config_load(repository->dir_fd, &repository->config, err)) {
        error_wrap(err, "%s is not a repository (psw-bundle repo init makes one)", path);
        return NULL;
    }
    repository->lock_fd = file_lock(repository->dir_fd, "lock", err);
    if (repository->lock_fd < 0) {
        error_wrap(err, "%s: another psw-bundle repo works on it", path);
        return NULL;
    }
    repository->metadata_fd = file_open_directory(repository->dir_fd, "public/metadata", err);
    if (repository->metadata_fd >= 0) {
        repository->targets_fd = file_open_directory(repository->dir_fd, "public/targets", err);
    }
    if (repository->targets_fd < 0) {
        error_wrap(err, "%s", path);
        return NULL;
    }
    repository->versions = read_versions(repository->metadata_fd, err);
    if (repository->versions == NULL) {
        error_wrap(err, "%s", path);
        return NULL;
    }
    return TAKE(repository);
}

void tuf_repository_close(TufRepository *repository) {
    if (repository == NULL) {
        return;
    }
    cleanup_close(&repository->targets_fd);
    cleanup_close(&repository->metadata_fd);
    cleanup_close(&repository->lock_fd);
    cleanup_close(&repository->dir_fd);
    tuf_repository_config_done(&repository->config);
    json_decref(repository->versions);
    free(repository->path);
    free(repository);
}

/* Only what has the shape of the role's metadata, so that the code behind may rely on it. */
static json_t *load(int dir_fd, const char *name, const char *role, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(JSON_SIZE_MAX);
    if (!file_read(dir_fd, name, &bytes, err)) {
        return NULL;
    }
    CLEANUP(tuf_metadata_freep)
    TufMetadata *metadata = tuf_metadata_parse(buffer_bytes(&bytes), name, tuf_repository_type(role), err);
    return metadata == NULL ? NULL : json_incref(metadata->document);
}

bool tuf_repository_version(TufRepository *repository, const char *role, int64_t *ret_version, Error *err) {
    if (strcmp(role, "timestamp") != 0) {
        *ret_version = json_integer_value(json_object_get(repository->versions, role));
        return true;
    }
    Error inner = ERROR_INIT;
    CLEANUP(json_freep) json_t *document = load(repository->metadata_fd, "timestamp.json", role, &inner);
    if (document == NULL && inner.kind != ERROR_NOT_FOUND) {
        return error_set(err, inner.kind, "%s", inner.text);
    }
    *ret_version = document == NULL ? 0 : tuf_author_version(document);
    return true;
}

json_t *tuf_repository_draft(TufRepository *repository, const char *role, Error *err) {
    char name[NAME_SIZE];
    if (!check_role_name(role, err)) {
        return NULL;
    }
    (void)snprintf(name, sizeof name, "draft/%s.json", role);
    return load(repository->dir_fd, name, role, err);
}

json_t *tuf_repository_published(TufRepository *repository, const char *role, Error *err) {
    int64_t version = 0;
    if (!check_role_name(role, err) || !tuf_repository_version(repository, role, &version, err)) {
        return NULL;
    }
    if (version == 0) {
        error_set(err, ERROR_NOT_FOUND, "role %s: nothing is published", role);
        return NULL;
    }
    return tuf_repository_published_version(repository, role, version, err);
}

json_t *tuf_repository_published_version(TufRepository *repository, const char *role, int64_t version,
                                         Error *err) {
    char name[NAME_SIZE];
    if (!check_role_name(role, err)) {
        return NULL;
    }
    if (strcmp(role, "timestamp") == 0) {
        (void)snprintf(name, sizeof name, "timestamp.json");
    } else {
        (void)snprintf(name, sizeof name, "%" PRId64 ".%s.json", version, role);
    }
    return load(repository->metadata_fd, name, role, err);
}

json_t *tuf_repository_newest(TufRepository *repository, const char *role, Error *err) {
    Error inner = ERROR_INIT;
    json_t *document = tuf_repository_draft(repository, role, &inner);
    if (document == NULL && inner.kind == ERROR_NOT_FOUND) {
        return tuf_repository_published(repository, role, err);
    }
    if (document == NULL) {
        error_set(err, inner.kind, "%s", inner.text);
    }
    return document;
}

json_t *tuf_repository_edit(TufRepository *repository, const char *role, Error *err) {
    int64_t version = 0;
    CLEANUP(json_freep) json_t *document = tuf_repository_newest(repository, role, err);
    if (document == NULL || !tuf_repository_version(repository, role, &version, err)) {
        return NULL;
    }
    if (!tuf_author_revise(document, version + 1,
                           tuf_repository_expiry(repository, tuf_repository_type(role)))) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return TAKE(document);
}

bool tuf_repository_save_draft(TufRepository *repository, const char *role, const json_t *document,
                               Error *err) {
    char name[NAME_SIZE];
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(JSON_SIZE_MAX);
    if (!check_role_name(role, err)) {
        return false;
    }
    (void)snprintf(name, sizeof name, "draft/%s.json", role);
    return (tuf_author_format(document, &bytes) || error_set(err, ERROR_LIMIT, "%s: too large", name)) &&
           file_replace(repository->dir_fd, name, bytes.data, bytes.size, 0644, err);
}

bool tuf_repository_write(TufRepository *repository, const char *role, const json_t *document, Error *err) {
    char name[NAME_SIZE];
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(JSON_SIZE_MAX);
    bool is_numbered = strcmp(role, "timestamp") != 0;
    if (!check_role_name(role, err)) {
        return false;
    }
    if (!tuf_author_format(document, &bytes)) {
        return error_set(err, ERROR_LIMIT, "role %s: its metadata is too large", role);
    }
    if (is_numbered) {
        (void)snprintf(name, sizeof name, "%" PRId64 ".%s.json", tuf_author_version(document), role);
    } else {
        (void)snprintf(name, sizeof name, "timestamp.json");
    }
    return file_replace(repository->metadata_fd, name, bytes.data, bytes.size, 0644, err) &&
           (!is_numbered || note_version(repository->versions, name, err));
}

bool tuf_repository_drop_drafts(TufRepository *repository, const json_t *roles, Error *err) {
    size_t index;
    json_t *role;
    json_array_foreach(roles, index, role) {
        char name[NAME_SIZE];
        if (!check_role_name(json_string_value(role), err)) {
            return false;
        }
        (void)snprintf(name, sizeof name, "draft/%s.json", json_string_value(role));
        if (unlinkat(repository->dir_fd, name, 0) != 0 && errno != ENOENT) {
            return error_set_errno(err, errno, "%s: cannot be removed", name);
        }
    }
    return file_sync_directory(repository->dir_fd, "draft", err);
}
