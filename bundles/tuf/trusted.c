/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/trusted.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/tuf/path.h"

void tuf_trusted_done(TufTrusted *trusted) {
    tuf_metadata_free(trusted->root);
    tuf_metadata_free(trusted->timestamp);
    tuf_metadata_free(trusted->snapshot);
    tuf_metadata_free(trusted->targets);
    *trusted = (TufTrusted){0};
}

void tuf_trusted_install(TufMetadata **slot, TufMetadata *metadata) {
    tuf_metadata_free(*slot);
    *slot = metadata;
}

static TufMetadata *parse(TufTrusted *trusted, Bytes bytes, TufType type, const char *role, Error *err) {
    Error inner = ERROR_INIT;
    TufMetadata *metadata = tuf_metadata_parse(bytes, "content", type, &inner);
    if (metadata == NULL) {
        tuf_problem_set(&trusted->problem, err, TUF_RULE_FORMAT, role, NULL, "%s", inner.text);
    }
    return metadata;
}

static bool verify(TufTrusted *trusted, const TufMetadata *metadata, const TufRole *role,
                   const TufKeyring *keyring, Error *err) {
    Error inner = ERROR_INIT;
    if (!tuf_metadata_verify(metadata, role, keyring, &inner)) {
        return tuf_problem_set(&trusted->problem, err, TUF_RULE_SIGNATURE, role->name, NULL, "%s",
                               inner.text);
    }
    return true;
}

static bool verify_by_root(TufTrusted *trusted, const TufMetadata *metadata, Error *err) {
    return verify(trusted, metadata, &trusted->root->roles[metadata->type], &trusted->root->keyring, err);
}

bool tuf_trusted_check_expiry(TufTrusted *trusted, const TufMetadata *metadata, const char *role, int64_t now,
                              Error *err) {
    if (now < metadata->expires) {
        return true;
    }
    char expires[CLOCK_TIME_SIZE], present[CLOCK_TIME_SIZE];
    clock_format(metadata->expires, expires);
    clock_format(now, present);
    return tuf_problem_set(&trusted->problem, err, TUF_RULE_EXPIRED, role, NULL,
                           "version %" PRId64 " expired at %s, it is %s now", metadata->version, expires,
                           present);
}

TufMetadata *tuf_trusted_anchor(TufTrusted *trusted, Bytes bytes, Error *err) {
    CLEANUP(tuf_metadata_freep) TufMetadata *root = parse(trusted, bytes, TUF_TYPE_ROOT, "root", err);
    if (root == NULL || !verify(trusted, root, &root->roles[TUF_TYPE_ROOT], &root->keyring, err)) {
        return NULL;
    }
    return TAKE(root);
}

TufMetadata *tuf_trusted_accept_root(TufTrusted *trusted, Bytes bytes, Error *err) {
    CLEANUP(tuf_metadata_freep) TufMetadata *root = parse(trusted, bytes, TUF_TYPE_ROOT, "root", err);
    if (root == NULL || !verify_by_root(trusted, root, err) ||
        !verify(trusted, root, &root->roles[TUF_TYPE_ROOT], &root->keyring, err)) {
        return NULL;
    }
    if (root->version != trusted->root->version + 1) {
        tuf_problem_set(&trusted->problem, err, TUF_RULE_VERSION, "root", NULL,
                        "it is version %" PRId64 ", %" PRId64 " was asked for", root->version,
                        trusted->root->version + 1);
        return NULL;
    }
    return TAKE(root);
}

TufMetadata *tuf_trusted_recall(TufTrusted *trusted, Bytes bytes, TufType type) {
    CLEANUP(tuf_metadata_freep)
    TufMetadata *metadata = tuf_metadata_parse(bytes, tuf_type_name(type), type, NULL);
    if (metadata == NULL ||
        !tuf_metadata_verify(metadata, &trusted->root->roles[type], &trusted->root->keyring, NULL)) {
        return NULL;
    }
    return TAKE(metadata);
}

void tuf_trusted_recheck(TufTrusted *trusted) {
    TufMetadata **slots[] = {&trusted->timestamp, &trusted->snapshot, &trusted->targets};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
        const TufMetadata *metadata = *slots[i];
        if (metadata != NULL && !tuf_metadata_verify(metadata, &trusted->root->roles[metadata->type],
                                                     &trusted->root->keyring, NULL)) {
            tuf_trusted_install(slots[i], NULL);
        }
    }
}

static int64_t listed_snapshot(const TufMetadata *timestamp) {
    TufFileInfo info = {0};
    (void)tuf_metadata_file(timestamp, "snapshot.json", &info); /* parsing made sure of it */
    return info.version;
}

TufMetadata *tuf_trusted_accept_timestamp(TufTrusted *trusted, Bytes bytes, int64_t now, bool *ret_same,
                                          Error *err) {
    static const char role[] = "timestamp";
    *ret_same = false;
    CLEANUP(tuf_metadata_freep) TufMetadata *offered = parse(trusted, bytes, TUF_TYPE_TIMESTAMP, role, err);
    if (offered == NULL || !verify_by_root(trusted, offered, err)) {
        return NULL;
    }
    const TufMetadata *held = trusted->timestamp;
    if (held != NULL && offered->version == held->version) {
        *ret_same = true;
        return NULL;
    }
    if (held != NULL && offered->version < held->version) {
        tuf_problem_set(&trusted->problem, err, TUF_RULE_ROLLBACK, role, NULL,
                        "version %" PRId64 " is offered, %" PRId64 " was seen", offered->version,
                        held->version);
        return NULL;
    }
    if (held != NULL && listed_snapshot(offered) < listed_snapshot(held)) {
        tuf_problem_set(&trusted->problem, err, TUF_RULE_ROLLBACK, role, NULL,
                        "it lists snapshot version %" PRId64 ", %" PRId64 " was listed before",
                        listed_snapshot(offered), listed_snapshot(held));
        return NULL;
    }
    if (!tuf_trusted_check_expiry(trusted, offered, role, now, err)) {
        return NULL;
    }
    return TAKE(offered);
}

static bool check_listed(TufTrusted *trusted, const TufFileInfo *info, Bytes bytes, const char *role,
                         Error *err) {
    if (info->has_length && info->length != bytes.size) {
        return tuf_problem_set(&trusted->problem, err, TUF_RULE_LENGTH, role, NULL,
                               "it has %zu bytes, %" PRIu64 " are listed", bytes.size, info->length);
    }
    if (info->has_hashes && !tuf_hashes_match(&info->hashes, bytes)) {
        return tuf_problem_set(&trusted->problem, err, TUF_RULE_HASH, role, NULL,
                               "its hash is not the listed one");
    }
    return true;
}

static bool check_version(TufTrusted *trusted, const TufMetadata *metadata, const TufFileInfo *info,
                          const char *role, Error *err) {
    if (metadata->version != info->version) {
        return tuf_problem_set(&trusted->problem, err, TUF_RULE_VERSION, role, NULL,
                               "it is version %" PRId64 ", %" PRId64 " is listed", metadata->version,
                               info->version);
    }
    return true;
}

/* Every role of the former snapshot must still be there, none older. */
static bool check_snapshot_entries(TufTrusted *trusted, const TufMetadata *offered, Error *err) {
    if (trusted->snapshot == NULL) {
        return true;
    }
    const char *file;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)trusted->snapshot->meta, file, entry) {
        TufFileInfo before = {0}, after = {0};
        char encoded[TUF_NAME_ENCODED_MAX + 8] = "(an over-long name)";
        (void)tuf_path_encode(file, false, encoded, sizeof encoded);
        if (!tuf_metadata_file(trusted->snapshot, file, &before)) {
            continue;
        }
        if (!tuf_metadata_file(offered, file, &after)) {
            return tuf_problem_set(&trusted->problem, err, TUF_RULE_ROLLBACK, "snapshot", NULL,
                                   "it no longer lists %s", encoded);
        }
        if (after.version < before.version) {
            return tuf_problem_set(&trusted->problem, err, TUF_RULE_ROLLBACK, "snapshot", NULL,
                                   "it lists %s version %" PRId64 ", %" PRId64 " was listed before", encoded,
                                   after.version, before.version);
        }
    }
    return true;
}

TufMetadata *tuf_trusted_accept_snapshot(TufTrusted *trusted, Bytes bytes, int64_t now, Error *err) {
    static const char role[] = "snapshot";
    TufFileInfo info = {0};
    (void)tuf_metadata_file(trusted->timestamp, "snapshot.json", &info);
    if (!check_listed(trusted, &info, bytes, role, err)) {
        return NULL;
    }
    CLEANUP(tuf_metadata_freep) TufMetadata *offered = parse(trusted, bytes, TUF_TYPE_SNAPSHOT, role, err);
    if (offered == NULL || !verify_by_root(trusted, offered, err) ||
        !check_version(trusted, offered, &info, role, err) ||
        !check_snapshot_entries(trusted, offered, err) ||
        !tuf_trusted_check_expiry(trusted, offered, role, now, err)) {
        return NULL;
    }
    return TAKE(offered);
}

bool tuf_trusted_listed(TufTrusted *trusted, const char *role, TufFileInfo *ret_info, Error *err) {
    char file[TUF_PATH_MAX + 8];
    int size = snprintf(file, sizeof file, "%s.json", role);
    if (size < 0 || (size_t)size >= sizeof file || !tuf_metadata_file(trusted->snapshot, file, ret_info)) {
        return tuf_problem_set(&trusted->problem, err, TUF_RULE_UNLISTED, role, NULL,
                               "the snapshot does not list it");
    }
    return true;
}

TufMetadata *tuf_trusted_accept_targets(TufTrusted *trusted, Bytes bytes, const TufRole *role,
                                        const TufKeyring *keyring, int64_t now, Error *err) {
    TufFileInfo info = {0};
    if (!tuf_trusted_listed(trusted, role->name, &info, err) ||
        !check_listed(trusted, &info, bytes, role->name, err)) {
        return NULL;
    }
    CLEANUP(tuf_metadata_freep)
    TufMetadata *offered = parse(trusted, bytes, TUF_TYPE_TARGETS, role->name, err);
    if (offered == NULL || !verify(trusted, offered, role, keyring, err) ||
        !check_version(trusted, offered, &info, role->name, err) ||
        !tuf_trusted_check_expiry(trusted, offered, role->name, now, err)) {
        return NULL;
    }
    return TAKE(offered);
}
