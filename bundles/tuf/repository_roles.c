/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/tuf/delegations.h"
#include "bundles/tuf/repository.h"

enum { ROLES_MAX = 2 * TUF_REPOSITORY_BINS_MAX, CHAIN_MAX = 16 };

static bool is_top_level(const char *role) {
    return strcmp(role, "targets") == 0 || tuf_repository_type(role) != TUF_TYPE_TARGETS;
}

static json_t *delegations_of(const json_t *document) {
    return json_object_get(tuf_author_body(document), "delegations");
}

static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static json_t *look(TufRepository *repository, const char *role, bool drafts, Error *err) {
    return drafts ? tuf_repository_newest(repository, role, err)
                  : tuf_repository_published(repository, role, err);
}

json_t *tuf_repository_bins(const json_t *document) {
    return json_object_get(delegations_of(document), "succinct_roles");
}

/* The succinct delegation in the form that names its bins. Borrows. */
static TufDelegations bins_view(const json_t *bins) {
    return (TufDelegations){.bins.name = text_of(bins, "name_prefix"),
                            .bit_length = (unsigned)json_integer_value(json_object_get(bins, "bit_length"))};
}

static bool contains(const json_t *groups, const char *name) {
    size_t index;
    json_t *group;
    json_array_foreach(groups, index, group) {
        if (strcmp(text_of(group, "name"), name) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_group(json_t *groups, const char *name, json_t *roles, Error *err) {
    CLEANUP(json_freep) json_t *owned = roles;
    if (contains(groups, name)) {
        return true;
    }
    return (roles != NULL &&
            json_array_append_new(groups, json_pack("{s:s, s:O}", "name", name, "roles", roles)) == 0) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

json_t *tuf_repository_bin_names(const json_t *bins, Error *err) {
    const TufDelegations view = bins_view(bins);
    CLEANUP(json_freep) json_t *names = json_array();
    if (view.bit_length > TUF_REPOSITORY_BITS_MAX) {
        error_set(err, ERROR_LIMIT, "role %s: more than %d bins", view.bins.name, TUF_REPOSITORY_BINS_MAX);
        return NULL;
    }
    for (unsigned long bin = 0; bin < 1UL << view.bit_length; bin++) {
        AUTO_FREE char *name = tuf_delegations_bin_name(&view, bin);
        if (name == NULL || json_array_append_new(names, json_string(name)) != 0) {
            error_set(err, ERROR_MEMORY, "out of memory");
            return NULL;
        }
    }
    return TAKE(names);
}

bool tuf_repository_is_bin_of(const json_t *bins, const char *role) {
    const TufDelegations view = bins_view(bins);
    return strcmp(view.bins.name, role) == 0 || tuf_delegations_is_bin(&view, role);
}

/* Appends what the role delegates to and is not among the groups yet. */
static bool add_delegated(TufRepository *repository, json_t *groups, const char *role, bool drafts,
                          Error *err) {
    CLEANUP(json_freep) json_t *document = look(repository, role, drafts, err);
    if (document == NULL) {
        return false;
    }
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(delegations_of(document), "roles"), index, entry) {
        const char *name = text_of(entry, "name");
        if (json_array_size(groups) >= ROLES_MAX) {
            return error_set(err, ERROR_LIMIT, "role %s: more than %d roles", role, ROLES_MAX);
        }
        if (!add_group(groups, name, json_pack("[s]", name), err)) {
            return false;
        }
    }
    const json_t *bins = tuf_repository_bins(document);
    json_t *names = bins == NULL ? NULL : tuf_repository_bin_names(bins, err);
    return bins == NULL || (names != NULL && add_group(groups, text_of(bins, "name_prefix"), names, err));
}

/* Bins delegate to nobody (tuf_repository_delegate), so that they need not be looked into. */
json_t *tuf_repository_groups(TufRepository *repository, bool drafts, Error *err) {
    CLEANUP(json_freep)
    json_t *groups = json_pack("[{s:s, s:[s]}, {s:s, s:[s]}]", "name", "root", "roles", "root", "name",
                               "targets", "roles", "targets");
    if (groups == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    for (size_t i = 1; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        const char *role = json_string_value(json_array_get(json_object_get(group, "roles"), 0));
        if (strcmp(text_of(group, "name"), role) == 0 &&
            !add_delegated(repository, groups, role, drafts, err)) {
            return NULL;
        }
    }
    return TAKE(groups);
}

json_t *tuf_repository_roles(TufRepository *repository, bool drafts, Error *err) {
    CLEANUP(json_freep) json_t *groups = tuf_repository_groups(repository, drafts, err);
    CLEANUP(json_freep) json_t *roles = json_array();
    size_t index;
    json_t *group;
    if (groups == NULL || roles == NULL) {
        return NULL;
    }
    json_array_foreach(groups, index, group) {
        if (json_array_extend(roles, json_object_get(group, "roles")) != 0) {
            error_set(err, ERROR_MEMORY, "out of memory");
            return NULL;
        }
    }
    return TAKE(roles);
}

char *tuf_repository_delegator(TufRepository *repository, const char *role, bool drafts, Error *err) {
    const char *found = is_top_level(role) ? "root" : NULL;
    CLEANUP(json_freep) json_t *groups = NULL;
    if (found == NULL) {
        groups = tuf_repository_groups(repository, drafts, err);
        if (groups == NULL) {
            return NULL;
        }
    }
    for (size_t i = 1; found == NULL && i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i);
        const char *name = text_of(group, "name");
        json_t *keys, *object;
        if (strcmp(name, json_string_value(json_array_get(json_object_get(group, "roles"), 0))) != 0) {
            continue;
        }
        CLEANUP(json_freep) json_t *document = look(repository, name, drafts, err);
        if (document == NULL) {
            return NULL;
        }
        found = tuf_repository_role_object(document, role, &keys, &object, NULL) ? name : NULL;
    }
    if (found == NULL) {
        error_set(err, ERROR_NOT_FOUND,
                  "role %s: nobody delegates to it (psw-bundle repo key list shows the roles)", role);
        return NULL;
    }
    char *copy = strdup(found);
    if (copy == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return copy;
}

bool tuf_repository_role_object(const json_t *delegator, const char *role, json_t **ret_keys,
                                json_t **ret_role, Error *err) {
    const json_t *body = tuf_author_body(delegator);
    json_t *keys = NULL, *object = NULL;
    if (is_top_level(role)) {
        keys = json_object_get(body, "keys");
        object = json_object_get(json_object_get(body, "roles"), role);
    } else {
        json_t *bins = tuf_repository_bins(delegator);
        size_t index;
        json_t *entry;
        keys = json_object_get(delegations_of(delegator), "keys");
        json_array_foreach(json_object_get(delegations_of(delegator), "roles"), index, entry) {
            object = strcmp(text_of(entry, "name"), role) == 0 ? entry : object;
        }
        object = bins != NULL && tuf_repository_is_bin_of(bins, role) ? bins : object;
    }
    if (!json_is_object(keys) || !json_is_object(object)) {
        return error_set(err, ERROR_NOT_FOUND, "role %s: it is not delegated there", role);
    }
    *ret_keys = keys;
    *ret_role = object;
    return true;
}

/* Whether the delegation in `object` lets `role` speak for the path. */
static bool speaks_for(const json_t *object, const char *role, const char *path) {
    if (json_object_get(object, "bit_length") != NULL) {
        const TufDelegations view = bins_view(object);
        AUTO_FREE char *bin = tuf_delegations_bin(&view, path);
        return bin != NULL && strcmp(bin, role) == 0;
    }
    const TufDelegation delegation = {.paths = json_object_get(object, "paths"),
                                      .prefixes = json_object_get(object, "path_hash_prefixes")};
    return tuf_delegation_matches(&delegation, path);
}

bool tuf_repository_check_path(TufRepository *repository, const char *role, const char *path, Error *err) {
    AUTO_FREE char *below = strdup(role);
    for (int step = 0; below != NULL && step < CHAIN_MAX && !is_top_level(below); step++) {
        json_t *keys, *object;
        AUTO_FREE char *name = tuf_repository_delegator(repository, below, true, err);
        CLEANUP(json_freep)
        json_t *delegator = name == NULL ? NULL : tuf_repository_newest(repository, name, err);
        if (delegator == NULL || !tuf_repository_role_object(delegator, below, &keys, &object, err)) {
            return false;
        }
        if (!speaks_for(object, below, path)) {
            return error_set(
                err, ERROR_USAGE,
                "target path '%s': role %s may not speak for it, as role %s delegates: nodes would "
                "never find it; give another path (--as) or role",
                path, below, name);
        }
        free(below);
        below = TAKE(name);
    }
    return below != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

char *tuf_repository_role_for(TufRepository *repository, const char *role, const char *path, Error *err) {
    char *resolved = NULL;
    if (is_top_level(role)) {
        resolved = strdup(role);
    } else {
        AUTO_FREE char *name = tuf_repository_delegator(repository, role, true, err);
        CLEANUP(json_freep)
        json_t *delegator = name == NULL ? NULL : tuf_repository_newest(repository, name, err);
        if (delegator == NULL) {
            return NULL;
        }
        const json_t *bins = tuf_repository_bins(delegator);
        if (bins != NULL && strcmp(text_of(bins, "name_prefix"), role) == 0) {
            const TufDelegations view = bins_view(bins);
            resolved = tuf_delegations_bin(&view, path);
        } else {
            resolved = strdup(role);
        }
    }
    if (resolved == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return resolved;
}
