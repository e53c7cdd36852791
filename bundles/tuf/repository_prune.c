/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/repository.h"

enum { NAME_SIZE = TUF_NAME_ENCODED_MAX + 48, DEPTH_MAX = 16, SHA256_HEX = 64, SHA512_HEX = 128 };

typedef struct MetadataFile {
    char role[TUF_NAME_ENCODED_MAX + 1];
    int64_t version;
    int64_t written; /* seconds */
    uint64_t size;
    bool kept;
} MetadataFile;

typedef struct Prune {
    TufRepository *repository;
    int64_t since; /* what counted after this moment is still asked for */
    MetadataFile *files;
    size_t files_count, files_room;
    json_t *current; /* role -> version, by the snapshot that the timestamp names */
    json_t *named;   /* "N.ROLE.json", by any snapshot that is kept */
    json_t *targets; /* "DIR/HASH.NAME", by any role that is kept and by drafts */
    json_t *removed; /* [{"path", "bytes"}] in the order of removal */
} Prune;

static void prune_done(Prune *prune) {
    free(prune->files);
    json_decref(prune->current);
    json_decref(prune->named);
    json_decref(prune->targets);
    json_decref(prune->removed);
}

static bool out_of_memory(Error *err) {
    return error_set(err, ERROR_MEMORY, "out of memory");
}

static void format_name(char name[NAME_SIZE], const char *role, int64_t version) {
    (void)snprintf(name, NAME_SIZE, "%" PRId64 ".%s.json", version, role);
}

static bool add_file(void *context, const char *name, Error *err) {
    Prune *prune = context;
    MetadataFile file = {.kept = true};
    struct stat facts;
    if (!tuf_repository_parse_name(name, file.role, &file.version)) {
        return true; /* not ours to judge */
    }
    if (fstatat(tuf_repository_metadata_fd(prune->repository), name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_set_errno(err, errno, "public/metadata/%s", name);
    }
    if (prune->files_count == prune->files_room) {
        size_t room = prune->files_room * 2 + 64;
        MetadataFile *more = reallocarray(prune->files, room, sizeof *more);
        if (more == NULL) {
            return out_of_memory(err);
        }
        prune->files = more;
        prune->files_room = room;
    }
    file.written = facts.st_mtim.tv_sec;
    file.size = (uint64_t)facts.st_size;
    prune->files[prune->files_count++] = file;
    return true;
}

static int compare_files(const void *one, const void *other) {
    const MetadataFile *a = one, *b = other;
    int order = strcmp(a->role, b->role);
    return order != 0 ? order : (a->version > b->version) - (a->version < b->version);
}

static const MetadataFile *find_file(const Prune *prune, const char *role, int64_t version) {
    MetadataFile wanted = {.version = version};
    (void)snprintf(wanted.role, sizeof wanted.role, "%s", role);
    return bsearch(&wanted, prune->files, prune->files_count, sizeof wanted, compare_files);
}

static json_t *load(const Prune *prune, const char *role, int64_t version, Error *err) {
    return tuf_repository_published_version(prune->repository, role, version, err);
}

/* "targets.json" -> "targets" */
static bool role_of(const char *file, char role[TUF_NAME_ENCODED_MAX + 1]) {
    size_t length = strlen(file);
    if (length <= 5 || length - 5 > TUF_NAME_ENCODED_MAX || strcmp(file + length - 5, ".json") != 0) {
        return false;
    }
    (void)snprintf(role, TUF_NAME_ENCODED_MAX + 1, "%.*s", (int)(length - 5), file);
    return true;
}

/* Notes which versions of which roles a snapshot names. */
static bool note_snapshot(Prune *prune, int64_t version, bool is_current, Error *err) {
    CLEANUP(json_freep) json_t *document = load(prune, "snapshot", version, err);
    const char *file;
    json_t *info;
    if (document == NULL) {
        return false;
    }
    json_object_foreach(json_object_get(tuf_author_body(document), "meta"), file, info) {
        char role[TUF_NAME_ENCODED_MAX + 1], name[NAME_SIZE];
        int64_t named = json_integer_value(json_object_get(info, "version"));
        if (!role_of(file, role)) {
            continue;
        }
        format_name(name, role, named);
        if (is_current && find_file(prune, role, named) == NULL) {
            return error_set(
                err, ERROR_NOT_FOUND,
                "public/metadata/%s is missing, though the published snapshot names it: bring it "
                "back before anything is removed",
                name);
        }
        if (!json_put(prune->named, name, json_true()) ||
            (is_current && !json_put(prune->current, role, json_integer(named)))) {
            return out_of_memory(err);
        }
    }
    return true;
}

/* A timestamp that names a snapshot was signed before the next snapshot was written. */
static bool decide_snapshots(Prune *prune, int64_t current, Error *err) {
    for (size_t i = 0; i < prune->files_count; i++) {
        MetadataFile *file = &prune->files[i];
        if (strcmp(file->role, "snapshot") != 0) {
            continue;
        }
        const MetadataFile *next = file + 1;
        bool has_next = i + 1 < prune->files_count && strcmp(next->role, "snapshot") == 0;
        file->kept = file->version >= current || !has_next || next->written > prune->since;
        if (file->kept && !note_snapshot(prune, file->version, file->version == current, err)) {
            return false;
        }
    }
    return true;
}

/* Roots stay for ever: a node that slept walks them one by one. What is newer than the snapshot knows belongs
 * to a publication that was interrupted. */
static void decide_roles(Prune *prune) {
    for (size_t i = 0; i < prune->files_count; i++) {
        char name[NAME_SIZE];
        MetadataFile *file = &prune->files[i];
        const json_t *current = json_object_get(prune->current, file->role);
        if (strcmp(file->role, "snapshot") == 0 || strcmp(file->role, "root") == 0 || current == NULL) {
            continue;
        }
        format_name(name, file->role, file->version);
        file->kept =
            file->version >= json_integer_value(current) || json_object_get(prune->named, name) != NULL;
    }
}

static bool note_targets(Prune *prune, const json_t *document, Error *err) {
    const char *path, *algorithm;
    json_t *target, *hash;
    json_object_foreach(json_object_get(tuf_author_body(document), "targets"), path, target) {
        const char *slash = strrchr(path, '/');
        int directory = slash != NULL ? (int)(slash - path) + 1 : 0;
        json_object_foreach(json_object_get(target, "hashes"), algorithm, hash) {
            char name[TUF_PATH_MAX + SHA512_HEX + 2];
            (void)snprintf(name, sizeof name, "%.*s%s.%s", directory, path, json_string_value(hash),
                           path + directory);
            if (!json_put(prune->targets, name, json_true())) {
                return out_of_memory(err);
            }
        }
    }
    return true;
}

static bool note_published(Prune *prune, Error *err) {
    for (size_t i = 0; i < prune->files_count; i++) {
        const MetadataFile *file = &prune->files[i];
        if (!file->kept || strcmp(file->role, "snapshot") == 0 || strcmp(file->role, "root") == 0) {
            continue;
        }
        Error inner = ERROR_INIT;
        bool is_ours = json_object_get(prune->current, file->role) != NULL;
        CLEANUP(json_freep) json_t *document = load(prune, file->role, file->version, &inner);
        if (document == NULL && (is_ours || inner.kind == ERROR_MEMORY)) {
            return error_set(err, inner.kind, "%s", inner.text);
        }
        if (document != NULL && !note_targets(prune, document, err)) {
            return false;
        }
    }
    return true;
}

/* `repo add` puts the file into public/targets at once; the draft that names it comes out later. */
static bool note_draft(void *context, const char *name, Error *err) {
    Prune *prune = context;
    char role[TUF_NAME_ENCODED_MAX + 1];
    if (name[0] == '.' || !role_of(name, role) || tuf_repository_type(role) != TUF_TYPE_TARGETS) {
        return true;
    }
    CLEANUP(json_freep) json_t *document = tuf_repository_draft(prune->repository, role, err);
    return document != NULL && note_targets(prune, document, err);
}

static bool note_drafts(Prune *prune, Error *err) {
    Error inner = ERROR_INIT;
    return tuf_repository_each_name(tuf_repository_fd(prune->repository), "draft", note_draft, prune,
                                    &inner) ||
           inner.kind == ERROR_NOT_FOUND || error_set(err, inner.kind, "%s", inner.text);
}

static bool remove_later(Prune *prune, const char *directory, const char *name, uint64_t size, Error *err) {
    char path[TUF_PATH_MAX + NAME_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return json_array_append_new(prune->removed,
                                 json_pack("{s:s, s:I}", "path", path, "bytes", (json_int_t)size)) == 0 ||
           out_of_memory(err);
}

static bool list_metadata(Prune *prune, bool snapshots, Error *err) {
    for (size_t i = 0; i < prune->files_count; i++) {
        char name[NAME_SIZE];
        const MetadataFile *file = &prune->files[i];
        format_name(name, file->role, file->version);
        if (!file->kept && (strcmp(file->role, "snapshot") == 0) == snapshots &&
            !remove_later(prune, "metadata", name, file->size, err)) {
            return false;
        }
    }
    return true;
}

/* HASH.NAME, as `repo add` writes it. */
static bool is_target_name(const char *name) {
    size_t digits = strspn(name, "0123456789abcdef");
    return (digits == SHA256_HEX || digits == SHA512_HEX) && name[digits] == '.' && name[digits + 1] != '\0';
}

typedef struct Walk {
    Prune *prune;
    const char *directory; /* beneath public/targets, with a slash at its end; "" */
    int depth;
} Walk;

static bool list_target(void *context, const char *name, Error *err) {
    const Walk *walk = context;
    struct stat facts;
    char path[TUF_PATH_MAX];
    int targets_fd = tuf_repository_targets_fd(walk->prune->repository);
    int length = snprintf(path, sizeof path, "%s%s", walk->directory, name);
    if (length >= (int)sizeof path - 1) {
        return error_set(err, ERROR_LIMIT, "public/targets/%s: the path is too long", walk->directory);
    }
    if (fstatat(targets_fd, path, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_set_errno(err, errno, "public/targets/%s", path);
    }
    if (S_ISDIR(facts.st_mode) && walk->depth < DEPTH_MAX) {
        Walk deeper = {walk->prune, path, walk->depth + 1};
        (void)snprintf(path + length, sizeof path - (size_t)length, "/");
        return tuf_repository_each_name(targets_fd, path, list_target, &deeper, err);
    }
    return !S_ISREG(facts.st_mode) || !is_target_name(name) ||
           json_object_get(walk->prune->targets, path) != NULL ||
           remove_later(walk->prune, "targets", path, (uint64_t)facts.st_size, err);
}

/* Decides everything before anything is removed. */
static bool plan(Prune *prune, Error *err) {
    TufRepository *repository = prune->repository;
    Walk walk = {prune, "", 0};
    CLEANUP(json_freep) json_t *timestamp = tuf_repository_published(repository, "timestamp", err);
    if (timestamp == NULL) {
        return false;
    }
    const json_t *meta = json_object_get(tuf_author_body(timestamp), "meta");
    int64_t current = json_integer_value(json_object_get(json_object_get(meta, "snapshot.json"), "version"));
    if (!tuf_repository_each_name(tuf_repository_metadata_fd(repository), ".", add_file, prune, err)) {
        return false;
    }
    if (prune->files_count > 0) {
        qsort(prune->files, prune->files_count, sizeof *prune->files, compare_files);
    }
    if (find_file(prune, "snapshot", current) == NULL) {
        return error_set(err, ERROR_NOT_FOUND,
                         "public/metadata/%" PRId64 ".snapshot.json is missing, though the timestamp names "
                         "it: bring it back before anything is removed",
                         current);
    }
    if (!decide_snapshots(prune, current, err)) {
        return false;
    }
    decide_roles(prune);
    return note_published(prune, err) && note_drafts(prune, err) && list_metadata(prune, true, err) &&
           list_metadata(prune, false, err) &&
           tuf_repository_each_name(tuf_repository_targets_fd(repository), ".", list_target, &walk, err);
}

/* What refers goes before what it refers to, for good: so that the next run, whatever became of this one,
 * finds what is left unneeded. */
static bool remove_all(const Prune *prune, Error *err) {
    int metadata_fd = tuf_repository_metadata_fd(prune->repository);
    size_t index;
    json_t *entry;
    const char *before = "";
    json_array_foreach(prune->removed, index, entry) {
        const char *path = json_string_value(json_object_get(entry, "path"));
        bool is_target = strncmp(path, "targets/", 8) == 0;
        const char *name = strchr(path, '/') + 1;
        const char *kind = is_target                                ? "targets"
                           : strstr(name, ".snapshot.json") != NULL ? "snapshot"
                                                                    : "role";
        if (strcmp(kind, before) != 0 && before[0] != '\0' && !file_sync_directory(metadata_fd, ".", err)) {
            return false;
        }
        before = kind;
        if (unlinkat(is_target ? tuf_repository_targets_fd(prune->repository) : metadata_fd, name, 0) != 0 &&
            errno != ENOENT) {
            return error_set_errno(err, errno, "public/%s: cannot be removed", path);
        }
    }
    return true;
}

int64_t tuf_repository_prune_keep(const TufRepository *repository) {
    return tuf_repository_config(repository)->lifetime[TUF_TYPE_TIMESTAMP] + 86400;
}

bool tuf_repository_prune(TufRepository *repository, int64_t keep, bool dry_run, json_t **ret_removed,
                          Error *err) {
    CLEANUP(prune_done)
    Prune prune = {.repository = repository,
                   .since = tuf_repository_now(repository) - keep,
                   .current = json_object(),
                   .named = json_object(),
                   .targets = json_object(),
                   .removed = json_array()};
    if (keep < tuf_repository_config(repository)->lifetime[TUF_TYPE_TIMESTAMP]) {
        return error_set(err, ERROR_USAGE,
                         "less than lifetime.timestamp of repo.yaml: a node that holds a timestamp may ask "
                         "for what it names until it expires");
    }
    if (prune.current == NULL || prune.named == NULL || prune.targets == NULL || prune.removed == NULL) {
        return out_of_memory(err);
    }
    if (!plan(&prune, err) || (!dry_run && !remove_all(&prune, err))) {
        return false;
    }
    *ret_removed = TAKE(prune.removed);
    return true;
}
