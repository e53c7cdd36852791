/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/delegations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "bundles/tuf/json.h"
#include "bundles/tuf/limits.h"
#include "bundles/tuf/path.h"

bool tuf_delegation_name_is_fit(const char *name) {
    static const char *const reserved[] = {"root", "timestamp", "snapshot", "targets"};
    char encoded[TUF_NAME_ENCODED_MAX + 1];
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strcmp(name, reserved[i]) == 0) {
            return false;
        }
    }
    return name[0] != '\0' && tuf_path_encode(name, false, encoded, sizeof encoded);
}

static bool texts_check(const json_t *array, const char *where, const char *key, Error *err) {
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *text = json_array_get(array, i);
        if (!json_is_string(text) || json_string_length(text) > TUF_PATH_MAX) {
            return error_set(err, ERROR_INPUT, "%s.%s has an entry that is not a text of at most %d bytes",
                             where, key, TUF_PATH_MAX);
        }
    }
    return true;
}

static bool delegation_parse(const json_t *value, const char *where, TufDelegation *delegation, Error *err) {
    const char *name;
    if (!json_is_object(value)) {
        return error_set(err, ERROR_INPUT, "%s has an entry that is not an object", where);
    }
    if (!tuf_json_text(value, where, "name", &name, err)) {
        return false;
    }
    if (!tuf_delegation_name_is_fit(name)) {
        return error_set(err, ERROR_INPUT,
                         "%s has a role whose name is a top-level role's or takes more than %d bytes encoded",
                         where, TUF_NAME_ENCODED_MAX);
    }
    json_t *paths = json_object_get(value, "paths");
    json_t *prefixes = json_object_get(value, "path_hash_prefixes");
    const char *key = paths != NULL ? "paths" : "path_hash_prefixes";
    if ((paths == NULL) == (prefixes == NULL)) {
        return error_set(err, ERROR_INPUT,
                         "%s has a role without exactly one of paths and path_hash_prefixes", where);
    }
    json_t *list;
    if (!tuf_json_array(value, where, key, &list, err) || !texts_check(list, where, key, err) ||
        !tuf_json_bool(value, where, "terminating", &delegation->terminating, err) ||
        !tuf_role_parse(value, name, where, &delegation->role, err)) {
        return false;
    }
    delegation->paths = paths;
    delegation->prefixes = prefixes;
    return true;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool names_are_unique(const TufDelegations *delegations, Error *err) {
    AUTO_FREE const char **names = calloc(delegations->roles_count + 1, sizeof *names);
    if (names == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < delegations->roles_count; i++) {
        names[i] = delegations->roles[i].role.name;
    }
    qsort(names, delegations->roles_count, sizeof *names, compare_names);
    for (size_t i = 1; i < delegations->roles_count; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return error_set(err, ERROR_INPUT, "signed.delegations.roles lists a name twice");
        }
    }
    return true;
}

static bool roles_parse(const json_t *value, TufDelegations *delegations, Error *err) {
    static const char where[] = "signed.delegations.roles";
    json_t *roles;
    if (!tuf_json_array(value, "signed.delegations", "roles", &roles, err)) {
        return false;
    }
    size_t count = json_array_size(roles);
    if (count > TUF_ROLES_MAX) {
        return error_set(err, ERROR_LIMIT, "%s has %zu entries, at most %d are allowed", where, count,
                         TUF_ROLES_MAX);
    }
    delegations->roles = calloc(count + 1, sizeof *delegations->roles);
    if (delegations->roles == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        if (!delegation_parse(json_array_get(roles, i), where, &delegations->roles[i], err)) {
            return false;
        }
        delegations->roles_count++;
    }
    return names_are_unique(delegations, err);
}

static bool succinct_parse(const json_t *value, TufDelegations *delegations, Error *err) {
    static const char where[] = "signed.delegations.succinct_roles";
    json_t *bins;
    int64_t bit_length;
    const char *prefix;
    char encoded[TUF_NAME_ENCODED_MAX - 8];
    if (!tuf_json_object(value, "signed.delegations", "succinct_roles", &bins, err) ||
        !tuf_json_integer(bins, where, "bit_length", 1, &bit_length, err) ||
        !tuf_json_text(bins, where, "name_prefix", &prefix, err)) {
        return false;
    }
    if (bit_length > 32) {
        return error_set(err, ERROR_INPUT, "%s.bit_length is above 32", where);
    }
    if (!tuf_path_encode(prefix, false, encoded, sizeof encoded)) {
        return error_set(err, ERROR_INPUT, "%s.name_prefix is too long", where);
    }
    if (!tuf_role_parse(bins, prefix, where, &delegations->bins, err)) {
        return false;
    }
    delegations->bit_length = (unsigned)bit_length;
    return true;
}

bool tuf_delegations_parse(const json_t *value, TufDelegations *ret_delegations, Error *err) {
    json_t *keys;
    TufDelegations delegations = {0};
    bool has_roles = json_object_get(value, "roles") != NULL;
    bool has_bins = json_object_get(value, "succinct_roles") != NULL;
    if (has_roles == has_bins) {
        return error_set(err, ERROR_INPUT,
                         "signed.delegations does not have exactly one of roles and succinct_roles");
    }
    if (!tuf_json_object(value, "signed.delegations", "keys", &keys, err) ||
        !tuf_keyring_parse(keys, "signed.delegations.keys", &delegations.keyring, err)) {
        return false;
    }
    if (!(has_roles ? roles_parse : succinct_parse)(value, &delegations, err)) {
        tuf_delegations_done(&delegations);
        return false;
    }
    *ret_delegations = delegations;
    return true;
}

void tuf_delegations_done(TufDelegations *delegations) {
    tuf_keyring_done(&delegations->keyring);
    for (size_t i = 0; i < delegations->roles_count; i++) {
        tuf_role_done(&delegations->roles[i].role);
    }
    free(delegations->roles);
    tuf_role_done(&delegations->bins);
    *delegations = (TufDelegations){0};
}

bool tuf_delegation_matches(const TufDelegation *delegation, const char *path) {
    const json_t *list = delegation->paths != NULL ? delegation->paths : delegation->prefixes;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *entry = json_string_value(json_array_get(list, i));
        if (delegation->paths != NULL ? tuf_path_matches(entry, path) : tuf_path_has_prefix(path, entry)) {
            return true;
        }
    }
    return false;
}

/* What is before a pattern's last '/' decides about the directory: both have as many parts as their paths. */
static bool pattern_may_match_in(const char *pattern, const char *directory) {
    const char *slash = strrchr(pattern, '/');
    char parent[TUF_PATH_MAX + 1];
    if (slash == NULL) {
        return false;
    }
    (void)snprintf(parent, sizeof parent, "%.*s", (int)(slash - pattern), pattern);
    return tuf_path_matches(parent, directory);
}

bool tuf_delegation_may_match_in(const TufDelegation *delegation, const char *directory) {
    if (delegation->paths == NULL || directory == NULL) {
        return true; /* a hash says nothing about directories */
    }
    for (size_t i = 0; i < json_array_size(delegation->paths); i++) {
        if (pattern_may_match_in(json_string_value(json_array_get(delegation->paths, i)), directory)) {
            return true;
        }
    }
    return false;
}

char *tuf_delegations_bin_name(const TufDelegations *delegations, unsigned long bin) {
    int digits = (int)(delegations->bit_length + 3) / 4;
    return text_format("%s-%0*lx", delegations->bins.name, digits, bin);
}

char *tuf_delegations_bin(const TufDelegations *delegations, const char *path) {
    unsigned long bin;
    return tuf_path_bin(path, delegations->bit_length, &bin) ? tuf_delegations_bin_name(delegations, bin)
                                                             : NULL;
}

bool tuf_delegations_is_bin(const TufDelegations *delegations, const char *role) {
    size_t prefix = strlen(delegations->bins.name);
    if (strncmp(role, delegations->bins.name, prefix) != 0 || role[prefix] != '-') {
        return false;
    }
    const char *digits = role + prefix + 1;
    size_t count = (delegations->bit_length + 3) / 4;
    unsigned long bin = 0;
    if (strlen(digits) != count || strspn(digits, "0123456789abcdef") != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        bin = bin << 4 | (unsigned long)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    }
    return bin < 1UL << delegations->bit_length;
}
