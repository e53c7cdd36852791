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
#include "bundles/base/digest.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/repository.h"

enum { PIECE_SIZE = 65536 };

static bool out_of_memory(Error *err) {
    return error_set(err, ERROR_MEMORY, "out of memory");
}

/* The delegator of a role as a draft, with the role's objects in it. */
typedef struct Delegator {
    char *name;
    json_t *document;
    json_t *keys, *role;
} Delegator;

static void delegator_done(Delegator *delegator) {
    free(delegator->name);
    json_decref(delegator->document);
}

static bool delegator_edit(TufRepository *repository, const char *role, Delegator *delegator, Error *err) {
    delegator->name = tuf_repository_delegator(repository, role, true, err);
    if (delegator->name == NULL) {
        return false;
    }
    delegator->document = tuf_repository_edit(repository, delegator->name, err);
    return delegator->document != NULL &&
           tuf_repository_role_object(delegator->document, role, &delegator->keys, &delegator->role, err);
}

/* Snapshot and timestamp are made at every publication, and root is the delegator itself. A draft will be
 * checked when it is published. */
static bool revise_published(TufRepository *repository, const char *role, const json_t *keys,
                             const json_t *object, Error *err) {
    Error inner = ERROR_INIT;
    int64_t version = 0;
    if (tuf_repository_type(role) != TUF_TYPE_TARGETS) {
        return true;
    }
    CLEANUP(json_freep) json_t *draft = tuf_repository_draft(repository, role, &inner);
    if (draft != NULL || inner.kind != ERROR_NOT_FOUND) {
        return draft != NULL || error_set(err, inner.kind, "%s", inner.text);
    }
    if (!tuf_repository_version(repository, role, &version, err) || version == 0) {
        return version == 0;
    }
    CLEANUP(json_freep) json_t *published = tuf_repository_published(repository, role, err);
    if (published == NULL || tuf_author_verify(published, TUF_TYPE_TARGETS, role, keys, object, NULL)) {
        return published != NULL;
    }
    draft = tuf_repository_edit(repository, role, err);
    return draft != NULL && tuf_repository_save_draft(repository, role, draft, err);
}

/* The other drafts come first: without the change they do no harm. */
bool tuf_repository_save_delegator(TufRepository *repository, const char *name, const json_t *document,
                                   const char *role, Error *err) {
    json_t *keys, *object;
    if (!tuf_repository_role_object(document, role, &keys, &object, err)) {
        return false;
    }
    bool are_bins = object == tuf_repository_bins(document);
    CLEANUP(json_freep)
    json_t *roles = are_bins ? tuf_repository_bin_names(object, err) : json_pack("[s]", role);
    size_t index;
    json_t *changed;
    if (roles == NULL) {
        return are_bins ? false : out_of_memory(err);
    }
    json_array_foreach(roles, index, changed) {
        if (!revise_published(repository, json_string_value(changed), keys, object, err)) {
            return false;
        }
    }
    return tuf_repository_save_draft(repository, name, document, err);
}

bool tuf_repository_add_keys(TufRepository *repository, const char *role, TufSigner *const *signers,
                             size_t count, int64_t threshold, Error *err) {
    CLEANUP(delegator_done) Delegator delegator = {0};
    if (!delegator_edit(repository, role, &delegator, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!tuf_author_add_key(delegator.keys, delegator.role, signers[i])) {
            return out_of_memory(err);
        }
    }
    return tuf_author_set_threshold(delegator.role, threshold, err) &&
           tuf_repository_save_delegator(repository, delegator.name, delegator.document, role, err);
}

bool tuf_repository_remove_key(TufRepository *repository, const char *role, const char *keyid, Error *err) {
    CLEANUP(delegator_done) Delegator delegator = {0};
    if (!delegator_edit(repository, role, &delegator, err)) {
        return false;
    }
    json_t *keyids = json_object_get(delegator.role, "keyids");
    size_t before = json_array_size(keyids);
    for (size_t i = before; i-- > 0;) {
        if (strcmp(json_string_value(json_array_get(keyids, i)), keyid) == 0) {
            (void)json_array_remove(keyids, i);
        }
    }
    if (json_array_size(keyids) == before) {
        return error_set(err, ERROR_NOT_FOUND, "role %s has no key %s (psw-bundle repo key list)", role,
                         keyid);
    }
    tuf_author_drop_unused_keys(delegator.document, delegator.keys);
    return tuf_author_set_threshold(delegator.role, 0, err) &&
           tuf_repository_save_delegator(repository, delegator.name, delegator.document, role, err);
}

static bool check_path(const char *path, Error *err) {
    return (file_name_is_safe(path) && strlen(path) <= TUF_NAME_ENCODED_MAX) ||
           error_set(err, ERROR_USAGE,
                     "target path '%s': only A-Z a-z 0-9 '.' '_' '+' '-' and '/', at most %d bytes",
                     text_is_printable(path, 256) ? path : "?", TUF_NAME_ENCODED_MAX);
}

static void stream_freep(DigestStream **stream) {
    digest_stream_free(*stream);
}

/* Copies to the end and says what it was. */
static bool copy(int from, int to, Digest *ret_digest, uint64_t *ret_length, Error *err) {
    CLEANUP(stream_freep) DigestStream *stream = digest_stream_new();
    AUTO_FREE uint8_t *piece = malloc(PIECE_SIZE);
    uint64_t length = 0;
    if (stream == NULL || piece == NULL) {
        return out_of_memory(err);
    }
    for (;;) {
        ssize_t size = read(from, piece, PIECE_SIZE);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return error_set_errno(err, errno, "the file cannot be read");
        }
        if (size == 0) {
            break;
        }
        if (!digest_stream_add(stream, piece, (size_t)size) ||
            !file_write_fd(to, "public/targets", piece, (size_t)size, err)) {
            return err != NULL && err->kind != ERROR_NONE ? false : out_of_memory(err);
        }
        length += (uint64_t)size;
    }
    if (fsync(to) != 0) {
        return error_set_errno(err, errno, "public/targets: fsync");
    }
    *ret_length = length;
    return digest_stream_end(stream, ret_digest) || out_of_memory(err);
}

/* Makes the directories of a path beneath public/targets; `ret_directory` is the last of them. */
static bool make_parents(int targets_fd, const char *path, char directory[TUF_PATH_MAX], Error *err) {
    (void)snprintf(directory, TUF_PATH_MAX, ".");
    for (const char *slash = path; (slash = strchr(slash, '/')) != NULL; slash++) {
        (void)snprintf(directory, TUF_PATH_MAX, "%.*s", (int)(slash - path), path);
        if (mkdirat(targets_fd, directory, 0755) != 0 && errno != EEXIST) {
            return error_set_errno(err, errno, "public/targets/%s: cannot be made", directory);
        }
    }
    return true;
}

static bool store_file(int targets_fd, const char *path, int fd, Digest *ret_digest, uint64_t *ret_length,
                       Error *err) {
    static const char temporary[] = ".incoming";
    char directory[TUF_PATH_MAX], hex[DIGEST_HEX_SIZE];
    if (!make_parents(targets_fd, path, directory, err)) {
        return false;
    }
    AUTO_CLOSE int to = file_open(targets_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644, err);
    if (to < 0 || !copy(fd, to, ret_digest, ret_length, err)) {
        (void)unlinkat(targets_fd, temporary, 0);
        return false;
    }
    digest_format(ret_digest, hex);
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *name = text_format("%s/%s.%s", directory, hex, slash == NULL ? path : slash + 1);
    if (name == NULL) {
        return out_of_memory(err);
    }
    if (renameat(targets_fd, temporary, targets_fd, name) != 0) {
        error_set_errno(err, errno, "public/targets/%s: cannot be put in place", name);
        (void)unlinkat(targets_fd, temporary, 0);
        return false;
    }
    return file_sync_directory(targets_fd, directory, err);
}

bool tuf_repository_add_target(TufRepository *repository, const char *role, const char *path, int fd,
                               json_t *custom, Error *err) {
    Digest digest;
    uint64_t length;
    char hex[DIGEST_HEX_SIZE];
    CLEANUP(json_freep) json_t *document = NULL;
    AUTO_FREE char *speaker =
        check_path(path, err) ? tuf_repository_role_for(repository, role, path, err) : NULL;
    if (speaker == NULL || !tuf_repository_check_path(repository, speaker, path, err) ||
        (document = tuf_repository_edit(repository, speaker, err)) == NULL ||
        !store_file(tuf_repository_targets_fd(repository), path, fd, &digest, &length, err)) {
        return false;
    }
    digest_format(&digest, hex);
    json_t *target = json_pack("{s:I, s:{s:s}}", "length", (json_int_t)length, "hashes", "sha256", hex);
    json_t *targets = json_object_get(tuf_author_body(document), "targets");
    if (!json_put(targets, path, target) ||
        (custom != NULL && json_object_set(target, "custom", custom) != 0)) {
        return out_of_memory(err);
    }
    return tuf_repository_save_draft(repository, speaker, document, err);
}

bool tuf_repository_remove_target(TufRepository *repository, const char *role, const char *path, Error *err) {
    AUTO_FREE char *speaker = tuf_repository_role_for(repository, role, path, err);
    CLEANUP(json_freep)
    json_t *document = speaker == NULL ? NULL : tuf_repository_edit(repository, speaker, err);
    if (document == NULL) {
        return false;
    }
    if (json_object_del(json_object_get(tuf_author_body(document), "targets"), path) != 0) {
        return error_set(err, ERROR_NOT_FOUND, "role %s does not list target %s", speaker,
                         text_is_printable(path, 256) ? path : "?");
    }
    return tuf_repository_save_draft(repository, speaker, document, err);
}
