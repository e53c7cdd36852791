/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/tuf/delegations.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/repository.h"

static bool out_of_memory(Error *err) {
    return error_set(err, ERROR_MEMORY, "out of memory");
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

static bool check_name(const char *name, Error *err) {
    if (!tuf_delegation_name_is_fit(name) || !file_name_is_safe(name) || strpbrk(name, "/+") != NULL) {
        return error_set(err, ERROR_USAGE,
                         "a delegated role's name has A-Z a-z 0-9 '.' '_' '-' and is not one of "
                         "root, timestamp, snapshot, targets");
    }
    return true;
}

static bool check_delegation(const TufRepositoryDelegation *delegation, Error *err) {
    if ((delegation->paths_count > 0) + (delegation->hash_prefixes_count > 0) +
            (delegation->bit_length > 0) !=
        1) {
        return error_set(err, ERROR_USAGE,
                         "a delegation is by path patterns, by hash prefixes or to bins: give one kind");
    }
    if (delegation->bit_length > TUF_REPOSITORY_BITS_MAX ||
        strlen(delegation->name) > TUF_NAME_ENCODED_MAX - 10) {
        return error_set(err, ERROR_USAGE, "bins: at most %d bits (%d bins), and at most %d bytes of prefix",
                         TUF_REPOSITORY_BITS_MAX, TUF_REPOSITORY_BINS_MAX, TUF_NAME_ENCODED_MAX - 10);
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
    return check_name(delegation->name, err);
}

static json_t *new_bins(const char *prefix, unsigned bit_length) {
    return json_pack("{s:s, s:i, s:[], s:i}", "name_prefix", prefix, "bit_length", (int)bit_length, "keyids",
                     "threshold", 1);
}

/* No file may belong to two delegations: a bin is nobody's role by name, and delegates to nobody. */
static bool check_groups(TufRepository *repository, const TufRepositoryDelegation *delegation, Error *err) {
    CLEANUP(json_freep) json_t *groups = tuf_repository_groups(repository, true, err);
    CLEANUP(json_freep) json_t *bins = new_bins(delegation->name, delegation->bit_length);
    if (groups == NULL || bins == NULL) {
        return groups == NULL ? false : out_of_memory(err);
    }
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        const char *name = json_string_value(json_object_get(group, "name"));
        size_t index;
        json_t *role;
        json_array_foreach(json_object_get(group, "roles"), index, role) {
            const char *text = json_string_value(role);
            bool is_bin = strcmp(text, name) != 0;
            if (is_bin && strcmp(text, delegation->from) == 0) {
                return error_set(err, ERROR_USAGE,
                                 "role %s is a bin: it lists targets and delegates to nobody", text);
            }
            bool collides = delegation->bit_length == 0 ? is_bin && (strcmp(name, delegation->name) == 0 ||
                                                                     strcmp(text, delegation->name) == 0)
                                                        : !is_bin && tuf_repository_is_bin_of(bins, text);
            if (collides) {
                return error_set(err, ERROR_CONFLICT, "role %s: the name is taken, by %s: choose another",
                                 delegation->name, text);
            }
        }
    }
    return true;
}

/* The role's object among the named delegations, made if missing. */
static json_t *named_entry(json_t *delegations, const char *name) {
    json_t *roles = json_object_get(delegations, "roles");
    size_t index;
    json_t *entry;
    if (roles == NULL) {
        roles = json_array();
        if (!json_put(delegations, "roles", roles)) {
            return NULL;
        }
    }
    json_array_foreach(roles, index, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0) {
            return entry;
        }
    }
    entry = json_pack("{s:s, s:[], s:i, s:b}", "name", name, "keyids", "threshold", 1, "terminating", 0);
    return json_array_append_new(roles, entry) == 0 ? entry : NULL;
}

static json_t *named_delegation(json_t *delegations, const TufRepositoryDelegation *delegation, Error *err) {
    bool by_path = delegation->paths_count > 0;
    const json_t *bins = json_object_get(delegations, "succinct_roles");
    if (bins != NULL) {
        error_set(
            err, ERROR_CONFLICT,
            "role %s delegates to the bins %s, and TUF has either bins or named roles in one role: delegate "
            "from another role (--from)",
            delegation->from, json_string_value(json_object_get(bins, "name_prefix")));
        return NULL;
    }
    json_t *entry = named_entry(delegations, delegation->name);
    json_t *list = by_path ? text_list(delegation->paths, delegation->paths_count)
                           : text_list(delegation->hash_prefixes, delegation->hash_prefixes_count);
    (void)json_object_del(entry, by_path ? "path_hash_prefixes" : "paths");
    if (!json_put(entry, by_path ? "paths" : "path_hash_prefixes", list) ||
        !json_put(entry, "terminating", json_boolean(delegation->terminating))) {
        out_of_memory(err);
        return NULL;
    }
    return entry;
}

static json_t *bins_delegation(json_t *delegations, const TufRepositoryDelegation *delegation, Error *err) {
    json_t *bins = json_object_get(delegations, "succinct_roles");
    if (json_object_get(delegations, "roles") != NULL) {
        error_set(err, ERROR_CONFLICT,
                  "role %s delegates to roles by name, and TUF has either bins or named roles in one role: "
                  "delegate to a role (--path '*') and from that to the bins (--from)",
                  delegation->from);
        return NULL;
    }
    if (bins == NULL) {
        bins = new_bins(delegation->name, delegation->bit_length);
        if (!json_put(delegations, "succinct_roles", bins)) {
            out_of_memory(err);
            return NULL;
        }
    }
    const char *prefix = json_string_value(json_object_get(bins, "name_prefix"));
    json_int_t bit_length = json_integer_value(json_object_get(bins, "bit_length"));
    if (strcmp(prefix, delegation->name) != 0 || bit_length != (json_int_t)delegation->bit_length) {
        error_set(
            err, ERROR_CONFLICT,
            "role %s delegates to the bins %s of %lld bits: their number and name do not change, because "
            "targets would lie in other bins; take them back first (--remove)",
            delegation->from, prefix, (long long)bit_length);
        return NULL;
    }
    return bins;
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

static bool make_drafts(TufRepository *repository, const char *name, const json_t *object, Error *err) {
    bool are_bins = json_object_get(object, "bit_length") != NULL;
    CLEANUP(json_freep)
    json_t *roles = are_bins ? tuf_repository_bin_names(object, err) : json_pack("[s]", name);
    size_t index;
    json_t *role;
    json_array_foreach(roles, index, role) {
        if (!make_draft_if_missing(repository, json_string_value(role), err)) {
            return false;
        }
    }
    return roles != NULL || out_of_memory(err);
}

bool tuf_repository_delegate(TufRepository *repository, const TufRepositoryDelegation *delegation,
                             TufSigner *const *signers, size_t count, Error *err) {
    CLEANUP(json_freep) json_t *document = NULL;
    if (!check_delegation(delegation, err) || !check_groups(repository, delegation, err) ||
        (document = tuf_repository_edit(repository, delegation->from, err)) == NULL) {
        return false;
    }
    json_t *delegations = json_object_get(tuf_author_body(document), "delegations");
    if (delegations == NULL) {
        delegations = json_pack("{s:{}}", "keys");
        if (!json_put(tuf_author_body(document), "delegations", delegations)) {
            return out_of_memory(err);
        }
    }
    json_t *object =
        (delegation->bit_length > 0 ? bins_delegation : named_delegation)(delegations, delegation, err);
    for (size_t i = 0; object != NULL && i < count; i++) {
        if (!tuf_author_add_key(json_object_get(delegations, "keys"), object, signers[i])) {
            return out_of_memory(err);
        }
    }
    return object != NULL && tuf_author_set_threshold(object, delegation->threshold, err) &&
           make_drafts(repository, delegation->name, object, err) &&
           tuf_repository_save_delegator(repository, delegation->from, document, delegation->name, err);
}

static bool take_back(json_t *delegations, const char *role) {
    const json_t *bins = json_object_get(delegations, "succinct_roles");
    json_t *roles = json_object_get(delegations, "roles");
    size_t index;
    json_t *entry;
    if (bins != NULL) {
        return strcmp(json_string_value(json_object_get(bins, "name_prefix")), role) == 0 &&
               json_object_del(delegations, "succinct_roles") == 0;
    }
    json_array_foreach(roles, index, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "name")), role) == 0) {
            return json_array_remove(roles, index) == 0;
        }
    }
    return false;
}

/* Drafts of roles that nobody delegates to any more would wait for ever. */
static bool drop_orphans(TufRepository *repository, const json_t *before, Error *err) {
    CLEANUP(json_freep) json_t *after = tuf_repository_roles(repository, true, err);
    CLEANUP(json_freep) json_t *orphans = json_array();
    size_t index;
    json_t *role;
    if (after == NULL || orphans == NULL) {
        return after == NULL ? false : out_of_memory(err);
    }
    json_array_foreach(before, index, role) {
        bool remains = false;
        for (size_t i = 0; i < json_array_size(after) && !remains; i++) {
            remains = json_equal(json_array_get(after, i), role) == 1;
        }
        if (!remains && json_array_append(orphans, role) != 0) {
            return out_of_memory(err);
        }
    }
    return tuf_repository_drop_drafts(repository, orphans, err);
}

bool tuf_repository_undelegate(TufRepository *repository, const char *from, const char *role, Error *err) {
    CLEANUP(json_freep) json_t *before = tuf_repository_roles(repository, true, err);
    CLEANUP(json_freep) json_t *document = before == NULL ? NULL : tuf_repository_edit(repository, from, err);
    if (document == NULL) {
        return false;
    }
    json_t *body = tuf_author_body(document), *delegations = json_object_get(body, "delegations");
    if (!take_back(delegations, role)) {
        return error_set(err, ERROR_NOT_FOUND, "role %s does not delegate to %s", from, role);
    }
    tuf_author_drop_unused_keys(document, json_object_get(delegations, "keys"));
    if (json_array_size(json_object_get(delegations, "roles")) == 0) {
        (void)json_object_del(body, "delegations");
    }
    return tuf_repository_save_draft(repository, from, document, err) &&
           drop_orphans(repository, before, err);
}
