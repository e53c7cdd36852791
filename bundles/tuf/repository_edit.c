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
#include "bundles/tuf/delegations.h"
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

static bool set_threshold(json_t *role, int64_t threshold, Error *err) {
    int64_t keys = (int64_t)json_array_size(json_object_get(role, "keyids"));
    int64_t wanted = threshold > 0 ? threshold : json_integer_value(json_object_get(role, "threshold"));
    if (wanted > keys) {
        return error_set(err, ERROR_USAGE, "threshold %" PRId64 " with %" PRId64 " keys can never be met",
                         wanted, keys);
    }
    return json_put(role, "threshold", json_integer(wanted)) || out_of_memory(err);
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
    return set_threshold(delegator.role, threshold, err) &&
           tuf_repository_save_draft(repository, delegator.name, delegator.document, err);
}

static bool role_uses(const json_t *role, const char *keyid) {
    const json_t *keyids = json_object_get(role, "keyids");
    for (size_t i = 0; i < json_array_size(keyids); i++) {
        if (strcmp(json_string_value(json_array_get(keyids, i)), keyid) == 0) {
            return true;
        }
    }
    return false;
}

static bool any_role_uses(const json_t *document, const char *keyid) {
    const json_t *body = tuf_author_body(document);
    const json_t *delegated = json_object_get(json_object_get(body, "delegations"), "roles");
    for (TufType type = TUF_TYPE_ROOT; type < TUF_TYPES_COUNT; type++) {
        if (role_uses(json_object_get(json_object_get(body, "roles"), tuf_type_name(type)), keyid)) {
            return true;
        }
    }
    for (size_t i = 0; i < json_array_size(delegated); i++) {
        if (role_uses(json_array_get(delegated, i), keyid)) {
            return true;
        }
    }
    return false;
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
    if (!any_role_uses(delegator.document, keyid)) {
        (void)json_object_del(delegator.keys, keyid);
    }
    return set_threshold(delegator.role, 0, err) &&
           tuf_repository_save_draft(repository, delegator.name, delegator.document, err);
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
    if (!check_path(path, err) || (document = tuf_repository_edit(repository, role, err)) == NULL ||
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
    return tuf_repository_save_draft(repository, role, document, err);
}

bool tuf_repository_remove_target(TufRepository *repository, const char *role, const char *path, Error *err) {
    CLEANUP(json_freep) json_t *document = tuf_repository_edit(repository, role, err);
    if (document == NULL) {
        return false;
    }
    if (json_object_del(json_object_get(tuf_author_body(document), "targets"), path) != 0) {
        return error_set(err, ERROR_NOT_FOUND, "role %s does not list target %s", role,
                         text_is_printable(path, 256) ? path : "?");
    }
    return tuf_repository_save_draft(repository, role, document, err);
}

static json_t *text_list(const char *const *texts, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(list, json_string(texts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static bool check_delegation(const TufRepositoryDelegation *delegation, Error *err) {
    if (!tuf_delegation_name_is_fit(delegation->name) || !file_name_is_safe(delegation->name) ||
        strpbrk(delegation->name, "/+") != NULL) {
        return error_set(err, ERROR_USAGE,
                         "a delegated role's name has A-Z a-z 0-9 '.' '_' '-' and is not one of "
                         "root, timestamp, snapshot, targets");
    }
    if ((delegation->paths_count > 0) == (delegation->hash_prefixes_count > 0)) {
        return error_set(err, ERROR_USAGE,
                         "a delegation is by path patterns or by hash prefixes: give one kind");
    }
    for (size_t i = 0; i < delegation->paths_count; i++) {
        const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-/*?";
        if (delegation->paths[i][strspn(delegation->paths[i], plain)] != '\0') {
            return error_set(err, ERROR_USAGE,
                             "a path pattern has plain characters, '*' and '?': clients differ in "
                             "reading others");
        }
    }
    for (size_t i = 0; i < delegation->hash_prefixes_count; i++) {
        const char *prefix = delegation->hash_prefixes[i];
        if (prefix[strspn(prefix, "0123456789abcdef")] != '\0' || strlen(prefix) > 64) {
            return error_set(err, ERROR_USAGE, "a hash prefix is at most 64 lower-case hex digits");
        }
    }
    return true;
}

/* The entry of the role in the delegator's document, made if missing. */
static json_t *delegation_entry(json_t *document, const char *name) {
    json_t *body = tuf_author_body(document);
    if (json_object_get(body, "delegations") == NULL &&
        !json_put(body, "delegations", json_pack("{s:{}, s:[]}", "keys", "roles"))) {
        return NULL;
    }
    json_t *roles = json_object_get(json_object_get(body, "delegations"), "roles");
    size_t index;
    json_t *entry;
    json_array_foreach(roles, index, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0) {
            return entry;
        }
    }
    entry = json_pack("{s:s, s:[], s:i, s:b}", "name", name, "keyids", "threshold", 1, "terminating", 0);
    return json_array_append_new(roles, entry) == 0 ? entry : NULL;
}

static bool make_draft_if_missing(TufRepository *repository, const char *role, Error *err) {
    Error inner = ERROR_INIT;
    CLEANUP(json_freep) json_t *present = tuf_repository_newest(repository, role, &inner);
    if (present != NULL) {
        return true;
    }
    if (inner.kind != ERROR_NOT_FOUND) {
        return error_set(err, inner.kind, "%s", inner.text);
    }
    CLEANUP(json_freep)
    json_t *document =
        tuf_author_new(TUF_TYPE_TARGETS, 1, tuf_repository_expiry(repository, TUF_TYPE_TARGETS));
    return document == NULL ? out_of_memory(err) : tuf_repository_save_draft(repository, role, document, err);
}

bool tuf_repository_delegate(TufRepository *repository, const TufRepositoryDelegation *delegation,
                             TufSigner *const *signers, size_t count, Error *err) {
    CLEANUP(json_freep) json_t *document = NULL;
    if (!check_delegation(delegation, err) ||
        (document = tuf_repository_edit(repository, delegation->from, err)) == NULL) {
        return false;
    }
    json_t *entry = delegation_entry(document, delegation->name);
    json_t *keys = json_object_get(json_object_get(tuf_author_body(document), "delegations"), "keys");
    bool by_path = delegation->paths_count > 0;
    json_t *list = by_path ? text_list(delegation->paths, delegation->paths_count)
                           : text_list(delegation->hash_prefixes, delegation->hash_prefixes_count);
    (void)json_object_del(entry, by_path ? "path_hash_prefixes" : "paths");
    if (!json_put(entry, by_path ? "paths" : "path_hash_prefixes", list) ||
        !json_put(entry, "terminating", json_boolean(delegation->terminating))) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        if (!tuf_author_add_key(keys, entry, signers[i])) {
            return out_of_memory(err);
        }
    }
    return set_threshold(entry, delegation->threshold, err) &&
           make_draft_if_missing(repository, delegation->name, err) &&
           tuf_repository_save_draft(repository, delegation->from, document, err);
}
