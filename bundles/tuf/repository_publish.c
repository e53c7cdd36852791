/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/repository.h"
#include "bundles/tuf/repository_draft.h"

enum { NAME_SIZE = TUF_NAME_ENCODED_MAX + 48, WARNING_MAX_S = 30 * 86400 };

/* What is about to be published: role -> document, over what is published already. */
typedef struct Edition {
    TufRepository *repository;
    TufSigner *const *signers;
    size_t signers_count;
    json_t *documents;
} Edition;

static bool out_of_memory(Error *err) {
    return error_set(err, ERROR_MEMORY, "out of memory");
}

/* The document that counts once the edition is out; the caller's. */
static json_t *edition_document(const Edition *edition, const char *role, Error *err) {
    json_t *document = json_object_get(edition->documents, role);
    return document != NULL ? json_incref(document)
                            : tuf_repository_published(edition->repository, role, err);
}

/* The document that delegates to the role in the edition; the caller's. */
static json_t *find_delegator(const Edition *edition, const char *role, Error *err) {
    json_t *keys, *object, *staged;
    const char *delegating;
    /* a delegation that is published together with its role is in the edition, not in public/ */
    json_object_foreach(edition->documents, delegating, staged) {
        if (strcmp(delegating, "snapshot") != 0 && strcmp(delegating, "timestamp") != 0 &&
            tuf_repository_role_object(staged, role, &keys, &object, NULL)) {
            return json_incref(staged);
        }
    }
    AUTO_FREE char *name = tuf_repository_delegator(edition->repository, role, false, err);
    return name == NULL ? NULL : edition_document(edition, name, err);
}

/* Snapshot and timestamp are signed while they are published, everything else by `sign`. */
static bool verify(const Edition *edition, const char *role, const json_t *document, Error *err) {
    json_t *keys, *object;
    Error inner = ERROR_INIT;
    TufType type = tuf_repository_type(role);
    bool is_online = type == TUF_TYPE_SNAPSHOT || type == TUF_TYPE_TIMESTAMP;
    CLEANUP(json_freep) json_t *delegator = find_delegator(edition, role, err);
    if (delegator == NULL || !tuf_repository_role_object(delegator, role, &keys, &object, err)) {
        return false;
    }
    return tuf_author_verify(document, type, role, keys, object, &inner) ||
           error_set(err, inner.kind, "role %s: %s (%s)", role, inner.text,
                     is_online ? "its keys: --key, or signers in repo.yaml" : "psw-bundle repo sign");
}

static bool check_document(const Edition *edition, const char *role, Error *err) {
    Error inner = ERROR_INIT;
    const json_t *document = json_object_get(edition->documents, role);
    if (!tuf_repository_draft_is_next(edition->repository, role, document, err) ||
        !verify(edition, role, document, err)) {
        return false;
    }
    return strcmp(role, "root") != 0 ||
           tuf_repository_draft_follows_root(edition->repository, document, &inner) ||
           error_set(err, inner.kind, "role root: %s (psw-bundle repo sign)", inner.text);
}

/* What stays as it is must satisfy delegations that change. */
static bool check_rest(const Edition *edition, const json_t *roles, Error *err) {
    size_t index;
    json_t *entry;
    json_array_foreach(roles, index, entry) {
        const char *role = json_string_value(entry);
        if (tuf_repository_type(role) != TUF_TYPE_TARGETS ||
            json_object_get(edition->documents, role) != NULL) {
            continue;
        }
        CLEANUP(json_freep) json_t *published = tuf_repository_published(edition->repository, role, err);
        Error inner = ERROR_INIT;
        if (published == NULL) {
            return false;
        }
        if (!verify(edition, role, published, &inner)) {
            return error_set(
                err, inner.kind,
                "role %s is published as other keys signed it: add its keys again (psw-bundle repo key "
                "add), which makes a draft, and sign that",
                role);
        }
    }
    return true;
}

/* Makes and signs a snapshot or timestamp of the edition. */
static bool add_online(const Edition *edition, const char *role, json_t *meta, Error *err) {
    int64_t version = 0;
    size_t signed_count = 0;
    TufType type = tuf_repository_type(role);
    CLEANUP(json_freep) json_t *owned_meta = meta;
    if (meta == NULL || !tuf_repository_version(edition->repository, role, &version, err)) {
        return meta == NULL ? out_of_memory(err) : false;
    }
    CLEANUP(json_freep)
    json_t *document = tuf_author_new(type, version + 1, tuf_repository_expiry(edition->repository, type));
    CLEANUP(json_freep) json_t *root = edition_document(edition, "root", err);
    if (root == NULL) {
        return false;
    }
    if (document == NULL || json_object_set(tuf_author_body(document), "meta", meta) != 0) {
        return out_of_memory(err);
    }
    return tuf_repository_draft_sign(edition->repository, root, role, document, edition->signers,
                                     edition->signers_count, &signed_count, err) &&
           (json_object_set(edition->documents, role, document) == 0 || out_of_memory(err));
}

static bool list_document(const Edition *edition, json_t *meta, const char *role, Error *err) {
    char file[NAME_SIZE];
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(JSON_SIZE_MAX);
    json_t *document = json_object_get(edition->documents, role);
    (void)snprintf(file, sizeof file, "%s.json", role);
    return (tuf_author_format(document, &bytes) &&
            json_put(meta, file, tuf_author_file_info(tuf_author_version(document), buffer_bytes(&bytes)))) ||
           out_of_memory(err);
}

/* What the published snapshot lists, and the edition's targets roles over it: no role is ever dropped. */
static json_t *snapshot_meta(const Edition *edition, Error *err) {
    Error inner = ERROR_INIT;
    CLEANUP(json_freep) json_t *before = tuf_repository_published(edition->repository, "snapshot", &inner);
    if (before == NULL && inner.kind != ERROR_NOT_FOUND) {
        error_set(err, inner.kind, "%s", inner.text);
        return NULL;
    }
    CLEANUP(json_freep)
    json_t *meta =
        before != NULL ? json_deep_copy(json_object_get(tuf_author_body(before), "meta")) : json_object();
    const char *role;
    json_t *document;
    json_object_foreach(edition->documents, role, document) {
        if (tuf_repository_type(role) == TUF_TYPE_TARGETS && !list_document(edition, meta, role, err)) {
            return NULL;
        }
    }
    if (json_object_get(meta, "targets.json") == NULL) {
        error_set(err, ERROR_NOT_FOUND, "role targets: neither published nor a draft");
        return NULL;
    }
    return TAKE(meta);
}

static bool is_due(const TufRepository *repository, const json_t *document, TufType type, int64_t within) {
    int64_t lifetime = tuf_repository_config(repository)->lifetime[type];
    int64_t now = tuf_repository_now(repository);
    int64_t expires = 0;
    const char *text = json_string_value(json_object_get(tuf_author_body(document), "expires"));
    return text == NULL || !clock_parse(text, &expires) ||
           expires - now <= (within < 0 ? lifetime / 2 : within);
}

/* Whether the published snapshot does no longer do. */
static bool snapshot_is_due(const Edition *edition, bool *ret_due, Error *err) {
    const char *role;
    json_t *document;
    json_object_foreach(edition->documents, role, document) {
        if (tuf_repository_type(role) == TUF_TYPE_TARGETS) {
            *ret_due = true;
            return true;
        }
    }
    Error inner = ERROR_INIT;
    CLEANUP(json_freep) json_t *before = tuf_repository_published(edition->repository, "snapshot", &inner);
    if (before == NULL) {
        *ret_due = true;
        return inner.kind == ERROR_NOT_FOUND || error_set(err, inner.kind, "%s", inner.text);
    }
    *ret_due = is_due(edition->repository, before, TUF_TYPE_SNAPSHOT, -1) ||
               !verify(edition, "snapshot", before, NULL); /* its keys were changed in root */
    return true;
}

static json_t *timestamp_meta(const Edition *edition, Error *err) {
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(JSON_SIZE_MAX);
    CLEANUP(json_freep) json_t *snapshot = edition_document(edition, "snapshot", err);
    if (snapshot == NULL) {
        return NULL;
    }
    CLEANUP(json_freep) json_t *meta = json_object();
    if (!tuf_author_format(snapshot, &bytes) ||
        !json_put(meta, "snapshot.json",
                  tuf_author_file_info(tuf_author_version(snapshot), buffer_bytes(&bytes)))) {
        out_of_memory(err);
        return NULL;
    }
    return TAKE(meta);
}

static bool write_document(const Edition *edition, const char *role, Error *err) {
    const json_t *document = json_object_get(edition->documents, role);
    return document == NULL || tuf_repository_write(edition->repository, role, document, err);
}

/* Whether clients that know only the published root take what will be published under it. */
static bool suits_published_root(const Edition *edition) {
    static const char *const roles[] = {"targets", "snapshot", "timestamp"};
    CLEANUP(json_freep) json_t *root = tuf_repository_published(edition->repository, "root", NULL);
    for (size_t i = 0; root != NULL && i < sizeof roles / sizeof *roles; i++) {
        json_t *keys, *object;
        CLEANUP(json_freep) json_t *document = edition_document(edition, roles[i], NULL);
        if (document == NULL || !tuf_repository_role_object(root, roles[i], &keys, &object, NULL) ||
            !tuf_author_verify(document, tuf_repository_type(roles[i]), roles[i], keys, object, NULL)) {
            return false;
        }
    }
    return root != NULL;
}

/* Nothing refers to what is not there yet: delegated roles, targets, snapshot, and then timestamp. A new root
 * comes after it where both roots accept it, so that every moment has a repository that holds; where former
 * keys did not sign, nothing can be better than root and timestamp right after each other. */
static bool write_all(const Edition *edition, Error *err) {
    static const char *const root_last[] = {"targets", "snapshot", "timestamp", "root"};
    static const char *const timestamp_last[] = {"targets", "snapshot", "root", "timestamp"};
    const char *const *last = suits_published_root(edition) ? root_last : timestamp_last;
    const char *role;
    json_t *document;
    json_object_foreach(edition->documents, role, document) {
        if (tuf_repository_type(role) == TUF_TYPE_TARGETS && strcmp(role, "targets") != 0 &&
            !write_document(edition, role, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < sizeof root_last / sizeof *root_last; i++) {
        if (!write_document(edition, last[i], err)) {
            return false;
        }
    }
    return true;
}

/* Everything is checked before anything is written. `roles`: all of them; NULL when no delegation changes. */
static bool edition_publish(const Edition *edition, const json_t *roles, bool force_snapshot, Error *err) {
    const char *role;
    json_t *document;
    bool due = false;
    json_object_foreach(edition->documents, role, document) {
        if (!check_document(edition, role, err)) {
            return false;
        }
    }
    if (!check_rest(edition, roles, err) || !snapshot_is_due(edition, &due, err)) {
        return false;
    }
    if (due || force_snapshot) {
        json_t *meta = snapshot_meta(edition, err);
        if (meta == NULL || !add_online(edition, "snapshot", meta, err) ||
            !check_document(edition, "snapshot", err)) {
            return false;
        }
    }
    json_t *meta = timestamp_meta(edition, err);
    return meta != NULL && add_online(edition, "timestamp", meta, err) &&
           check_document(edition, "timestamp", err) && write_all(edition, err);
}

/* {role: version} */
static json_t *edition_versions(const Edition *edition) {
    CLEANUP(json_freep) json_t *versions = json_object();
    const char *role;
    json_t *document;
    json_object_foreach(edition->documents, role, document) {
        if (!json_put(versions, role, json_integer(tuf_author_version(document)))) {
            return NULL;
        }
    }
    return TAKE(versions);
}

bool tuf_repository_publish(TufRepository *repository, TufSigner *const *signers, size_t count,
                            json_t **ret_versions, Error *err) {
    CLEANUP(json_freep) json_t *roles = tuf_repository_roles(repository, true, err);
    CLEANUP(json_freep) json_t *drafts = json_object();
    Edition edition = {
        .repository = repository, .signers = signers, .signers_count = count, .documents = drafts};
    if (roles == NULL || drafts == NULL) {
        return roles == NULL ? false : out_of_memory(err);
    }
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *role = json_string_value(json_array_get(roles, i));
        Error inner = ERROR_INIT;
        json_t *draft = tuf_repository_draft(repository, role, &inner);
        if (draft == NULL && inner.kind != ERROR_NOT_FOUND) {
            return error_set(err, inner.kind, "%s", inner.text);
        }
        if (draft != NULL && !json_put(drafts, role, draft)) {
            return out_of_memory(err);
        }
    }
    if (!edition_publish(&edition, roles, false, err) ||
        !tuf_repository_drop_drafts(repository, roles, err)) {
        return false;
    }
    *ret_versions = edition_versions(&edition);
    return *ret_versions != NULL || out_of_memory(err);
}

int64_t tuf_repository_warning(const TufRepository *repository, TufType type) {
    int64_t third = tuf_repository_config(repository)->lifetime[type] / 3;
    return third < WARNING_MAX_S ? third : WARNING_MAX_S;
}

/* Takes a due role into the edition when the signers suffice, else notes it when it is time to look for
 * others. */
static bool renew_role(const Edition *edition, const char *role, int64_t within, json_t *renewed,
                       json_t *lacking, Error *err) {
    TufRepository *repository = edition->repository;
    TufType type = tuf_repository_type(role);
    size_t signed_count = 0;
    CLEANUP(json_freep) json_t *published = tuf_repository_published(repository, role, err);
    if (published == NULL || !is_due(repository, published, type, within)) {
        return published != NULL;
    }
    CLEANUP(json_freep) json_t *document = json_deep_copy(published);
    AUTO_FREE char *name = tuf_repository_delegator(repository, role, false, err);
    CLEANUP(json_freep)
    json_t *delegator = name == NULL ? NULL : tuf_repository_published(repository, name, err);
    if (delegator == NULL) {
        return false;
    }
    if (!tuf_author_revise(document, tuf_author_version(document) + 1,
                           tuf_repository_expiry(repository, type)) ||
        json_object_set(edition->documents, role, document) != 0) {
        return out_of_memory(err);
    }
    bool suffices = tuf_repository_draft_sign(repository, delegator, role, document, edition->signers,
                                              edition->signers_count, &signed_count, err) &&
                    check_document(edition, role, NULL);
    if (!suffices) {
        (void)json_object_del(edition->documents, role);
    }
    if (!suffices && within < 0 &&
        !is_due(repository, published, type, tuf_repository_warning(repository, type))) {
        return true;
    }
    return json_array_append_new(suffices ? renewed : lacking, json_string(role)) == 0 || out_of_memory(err);
}

static bool renew_online(const Edition *edition, int64_t within, json_t *renewed, Error *err) {
    CLEANUP(json_freep) json_t *snapshot = tuf_repository_published(edition->repository, "snapshot", err);
    CLEANUP(json_freep) json_t *timestamp = tuf_repository_published(edition->repository, "timestamp", err);
    if (snapshot == NULL || timestamp == NULL) {
        return false;
    }
    bool due = is_due(edition->repository, snapshot, TUF_TYPE_SNAPSHOT, within);
    if (!due && json_object_size(edition->documents) == 0 &&
        !is_due(edition->repository, timestamp, TUF_TYPE_TIMESTAMP, within)) {
        return true;
    }
    if (!edition_publish(edition, NULL, due, err)) {
        return false;
    }
    bool has_snapshot = json_object_get(edition->documents, "snapshot") != NULL;
    return ((!has_snapshot || json_array_append_new(renewed, json_string("snapshot")) == 0) &&
            json_array_append_new(renewed, json_string("timestamp")) == 0) ||
           out_of_memory(err);
}

bool tuf_repository_renew(TufRepository *repository, int64_t within, TufSigner *const *signers, size_t count,
                          json_t **ret_renewed, json_t **ret_short, Error *err) {
    CLEANUP(json_freep) json_t *roles = tuf_repository_roles(repository, false, err);
    CLEANUP(json_freep) json_t *renewed = json_array();
    CLEANUP(json_freep) json_t *lacking = json_array();
    CLEANUP(json_freep) json_t *documents = json_object();
    Edition edition = {
        .repository = repository, .signers = signers, .signers_count = count, .documents = documents};
    if (roles == NULL || renewed == NULL || lacking == NULL || documents == NULL) {
        return roles == NULL ? false : out_of_memory(err);
    }
    for (size_t i = 0; i < json_array_size(roles); i++) {
        if (!renew_role(&edition, json_string_value(json_array_get(roles, i)), within, renewed, lacking,
                        err)) {
            return false;
        }
    }
    if (!renew_online(&edition, within, renewed, err)) {
        return false;
    }
    *ret_renewed = TAKE(renewed);
    *ret_short = TAKE(lacking);
    return true;
}
