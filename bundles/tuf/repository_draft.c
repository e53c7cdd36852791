/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/repository_draft.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"

bool tuf_repository_draft_follows_root(TufRepository *repository, const json_t *root, Error *err) {
    json_t *keys, *object;
    Error inner = ERROR_INIT;
    CLEANUP(json_freep) json_t *before = tuf_repository_published(repository, "root", &inner);
    if (before == NULL) {
        return inner.kind == ERROR_NOT_FOUND || error_set(err, inner.kind, "%s", inner.text);
    }
    if (!tuf_repository_role_object(before, "root", &keys, &object, err)) {
        return false;
    }
    return tuf_author_verify(root, TUF_TYPE_ROOT, "root", keys, object, &inner) ||
           error_set(err, inner.kind, "as root version %" PRId64 " demands: %s", tuf_author_version(before),
                     inner.text);
}

/* A publication that was interrupted has written some of its files: the same bytes may be published again. */
static bool is_written_already(TufRepository *repository, const char *role, const json_t *document) {
    CLEANUP(json_freep) json_t *published = tuf_repository_published(repository, role, NULL);
    return published != NULL && json_equal(published, document) == 1;
}

bool tuf_repository_draft_is_next(TufRepository *repository, const char *role, const json_t *document,
                                  Error *err) {
    int64_t version = 0, expires = 0;
    const char *text = json_string_value(json_object_get(tuf_author_body(document), "expires"));
    if (!tuf_repository_version(repository, role, &version, err)) {
        return false;
    }
    if (tuf_author_version(document) != version + 1 && !is_written_already(repository, role, document)) {
        return error_set(err, ERROR_CONFLICT,
                         "role %s: version %" PRId64 " was published since the draft was made: sign it again "
                         "(psw-bundle repo sign)",
                         role, version);
    }
    return (text != NULL && clock_parse(text, &expires) && expires > tuf_repository_now(repository)) ||
           error_set(err, ERROR_VERIFY,
                     "role %s: the draft expired at %s: sign it again (psw-bundle repo sign)", role, text);
}

static bool is_top_level(const char *role) {
    return strcmp(role, "targets") == 0 || tuf_repository_type(role) != TUF_TYPE_TARGETS;
}

bool tuf_repository_draft_sign(TufRepository *repository, const json_t *delegator, const char *role,
                               json_t *document, TufSigner *const *signers, size_t count,
                               size_t *signed_count, Error *err) {
    json_t *keys, *object, *former = NULL;
    CLEANUP(json_freep) json_t *before = NULL;
    if (!tuf_repository_role_object(delegator, role, &keys, &object, err)) {
        return false;
    }
    if (is_top_level(role)) {
        Error inner = ERROR_INIT;
        before = tuf_repository_published(repository, "root", &inner);
        if (before == NULL && inner.kind != ERROR_NOT_FOUND) {
            return error_set(err, inner.kind, "%s", inner.text);
        }
        if (before != NULL && !tuf_repository_role_object(before, role, &keys, &former, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const char *keyid = tuf_signer_keyid(signers[i]);
        if (!tuf_author_names_key(object, keyid) && !tuf_author_names_key(former, keyid)) {
            continue;
        }
        if (!tuf_author_sign(document, signers[i], err)) {
            return false;
        }
        (*signed_count)++;
    }
    return true;
}

/* A draft that expired, or that another publication overtook, is worth nothing as it is: so are its
 * signatures. */
static bool refresh_draft(TufRepository *repository, const char *role, json_t *document, bool *ret_refreshed,
                          Error *err) {
    int64_t version = 0;
    Error inner = ERROR_INIT;
    *ret_refreshed = !tuf_repository_draft_is_next(repository, role, document, &inner);
    if (!*ret_refreshed) {
        return true;
    }
    return tuf_repository_version(repository, role, &version, err) &&
           (tuf_author_revise(document, version + 1,
                              tuf_repository_expiry(repository, tuf_repository_type(role))) ||
            error_set(err, ERROR_MEMORY, "out of memory"));
}

bool tuf_repository_sign(TufRepository *repository, const char *role, TufSigner *const *signers, size_t count,
                         size_t *ret_signed, int64_t *ret_version, Error *err) {
    size_t signed_count = 0;
    bool refreshed = false;
    CLEANUP(json_freep) json_t *document = tuf_repository_draft(repository, role, err);
    AUTO_FREE char *name = document == NULL ? NULL : tuf_repository_delegator(repository, role, true, err);
    CLEANUP(json_freep)
    json_t *delegator = name == NULL ? NULL : tuf_repository_newest(repository, name, err);
    if (delegator == NULL || !refresh_draft(repository, role, document, &refreshed, err) ||
        !tuf_repository_draft_sign(repository, delegator, role, document, signers, count, &signed_count,
                                   err)) {
        return false;
    }
    *ret_signed = signed_count;
    *ret_version = tuf_author_version(document);
    return signed_count == 0 || tuf_repository_save_draft(repository, role, document, err);
}

bool tuf_repository_check_draft(TufRepository *repository, const char *role, Error *err) {
    json_t *keys, *object;
    CLEANUP(json_freep) json_t *document = tuf_repository_draft(repository, role, err);
    AUTO_FREE char *name = document == NULL ? NULL : tuf_repository_delegator(repository, role, true, err);
    CLEANUP(json_freep)
    json_t *delegator = name == NULL ? NULL : tuf_repository_newest(repository, name, err);
    return delegator != NULL && tuf_repository_role_object(delegator, role, &keys, &object, err) &&
           tuf_author_verify(document, tuf_repository_type(role), role, keys, object, err) &&
           (strcmp(role, "root") != 0 || tuf_repository_draft_follows_root(repository, document, err));
}
