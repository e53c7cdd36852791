/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/tuf/client_state.h"
#include "bundles/tuf/path.h"

/* A delegation that waits to be visited. Everything borrows from metadata that lives as long as the search:
 * a role is visited once, so nothing that waits is replaced. `owned` is a bin's name. */
typedef struct Waiting {
    TufRole role;
    const TufKeyring *keyring;
    char *owned;
} Waiting;

typedef struct Search {
    TufClient *client;
    const TufFetcher *fetcher;
    const char *path;      /* NULL: listing */
    const char *directory; /* of which targets are listed; NULL: of all */
    Waiting *waiting;      /* a stack: the last is visited next */
    size_t waiting_count, waiting_capacity;
    char **visited;
    size_t visited_count, visited_max;
} Search;

static void search_done(Search *search) {
    for (size_t i = 0; i < search->waiting_count; i++) {
        free(search->waiting[i].owned);
    }
    for (size_t i = 0; i < search->visited_count; i++) {
        free(search->visited[i]);
    }
    free(search->waiting);
    free(search->visited);
}

static bool search_init(Search *search, TufClient *client, const TufFetcher *fetcher, const char *path,
                        Error *err) {
    size_t max = (size_t)client->limits.delegations + 1; /* targets itself comes on top */
    *search = (Search){.client = client, .fetcher = fetcher, .path = path, .visited_max = max};
    search->visited = calloc(max, sizeof *search->visited);
    return search->visited != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

void tuf_client_forget_delegated(TufClient *client) {
    for (size_t i = 0; i < client->delegated_count; i++) {
        free(client->delegated[i].name);
        tuf_metadata_free(client->delegated[i].metadata);
    }
    client->delegated_count = 0;
}

static TufDelegated *delegated_find(TufClient *client, const char *name) {
    for (size_t i = 0; i < client->delegated_count; i++) {
        if (strcmp(client->delegated[i].name, name) == 0) {
            return &client->delegated[i];
        }
    }
    return NULL;
}

/* What is in memory counts only if this delegator's keys signed it too. */
static const TufMetadata *load_role(Search *search, const Waiting *next, Error *err) {
    TufClient *client = search->client;
    TufDelegated *kept = delegated_find(client, next->role.name);
    if (kept != NULL && tuf_metadata_verify(kept->metadata, &next->role, next->keyring, NULL)) {
        return kept->metadata;
    }
    CLEANUP(tuf_metadata_freep)
    TufMetadata *loaded = tuf_client_load_targets(client, search->fetcher, &next->role, next->keyring, err);
    if (loaded == NULL) {
        return NULL;
    }
    if (kept == NULL) {
        AUTO_FREE char *name = strdup(next->role.name);
        if (name == NULL || client->delegated_count == client->delegated_max) {
            error_set(err, ERROR_LIMIT, "too many delegated roles in one search");
            return NULL;
        }
        kept = &client->delegated[client->delegated_count++];
        *kept = (TufDelegated){.name = TAKE(name)};
    }
    tuf_trusted_install(&kept->metadata, TAKE(loaded));
    return kept->metadata;
}

static bool push(Search *search, const Waiting *next, Error *err) {
    if (search->waiting_count == search->waiting_capacity) {
        size_t capacity = search->waiting_capacity == 0 ? 16 : 2 * search->waiting_capacity;
        Waiting *larger = reallocarray(search->waiting, capacity, sizeof *larger);
        if (larger == NULL) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        search->waiting = larger;
        search->waiting_capacity = capacity;
    }
    search->waiting[search->waiting_count++] = *next;
    return true;
}

static void drop_waiting(Search *search) {
    while (search->waiting_count > 0) {
        free(search->waiting[--search->waiting_count].owned);
    }
}

static bool push_named_bin(Search *search, const TufDelegations *delegations, char *taken_name, Error *err) {
    AUTO_FREE char *name = taken_name;
    if (name == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    Waiting next = {.role = delegations->bins, .keyring = &delegations->keyring, .owned = name};
    next.role.name = name;
    if (!push(search, &next, err)) {
        return false;
    }
    (void)TAKE(name);
    return true;
}

static bool too_many_roles(const Search *search, Error *err) {
    return error_set(err, ERROR_LIMIT,
                     "the targets cannot be listed: more than %zu delegated roles may speak for them: the "
                     "publisher has to delegate to fewer roles or bins",
                     search->visited_max - 1);
}

static bool push_all_bins(Search *search, const TufDelegations *delegations, Error *err) {
    unsigned long count = delegations->bit_length < 32 ? 1UL << delegations->bit_length : UINT32_MAX;
    if (count >= search->visited_max) {
        return too_many_roles(search, err);
    }
    while (count-- > 0) {
        if (!push_named_bin(search, delegations, tuf_delegations_bin_name(delegations, count), err)) {
            return false;
        }
    }
    return true;
}

static bool push_bin(Search *search, const TufDelegations *delegations, Error *err) {
    if (search->path == NULL) {
        return push_all_bins(search, delegations, err);
    }
    drop_waiting(search); /* a bin ends the search, as in the other clients */
    return push_named_bin(search, delegations, tuf_delegations_bin(delegations, search->path), err);
}

static bool is_wanted(const Search *search, const TufDelegation *delegation) {
    return search->path != NULL ? tuf_delegation_matches(delegation, search->path)
                                : tuf_delegation_may_match_in(delegation, search->directory);
}

static bool push_delegations(Search *search, const TufMetadata *metadata, Error *err) {
    const TufDelegations *delegations = metadata->delegations;
    if (delegations == NULL) {
        return true;
    }
    if (delegations->bit_length > 0) {
        return push_bin(search, delegations, err);
    }
    size_t end = delegations->roles_count;
    for (size_t i = 0; search->path != NULL && i < end; i++) {
        const TufDelegation *delegation = &delegations->roles[i];
        if (delegation->terminating && tuf_delegation_matches(delegation, search->path)) {
            drop_waiting(search);
            end = i + 1;
        }
    }
    for (size_t i = end; i-- > 0;) {
        const TufDelegation *delegation = &delegations->roles[i];
        Waiting next = {.role = delegation->role, .keyring = &delegations->keyring};
        if (is_wanted(search, delegation) && !push(search, &next, err)) {
            return false;
        }
    }
    return true;
}

static bool was_visited(const Search *search, const char *name) {
    for (size_t i = 0; i < search->visited_count; i++) {
        if (strcmp(search->visited[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The next role's metadata in search order; `ret_metadata` NULL: the search is over. The role's name is the
 * entry of `visited` that was added last. */
static bool search_next(Search *search, const TufMetadata **ret_metadata, Error *err) {
    *ret_metadata = NULL;
    while (search->waiting_count > 0) {
        Waiting next = search->waiting[--search->waiting_count];
        AUTO_FREE char *owned = next.owned;
        if (was_visited(search, next.role.name)) {
            continue;
        }
        if (search->visited_count == search->visited_max) {
            return search->path != NULL || too_many_roles(search, err);
        }
        char *name = strdup(next.role.name);
        if (name == NULL) {
            return error_set(err, ERROR_MEMORY, "out of memory");
        }
        search->visited[search->visited_count++] = name;
        *ret_metadata = load_role(search, &next, err);
        return *ret_metadata != NULL && push_delegations(search, *ret_metadata, err);
    }
    return true;
}

/* targets.json comes first and was verified by the refresh. */
static bool search_start(Search *search, Error *err) {
    search->visited[search->visited_count] = strdup("targets");
    if (search->visited[search->visited_count] == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    search->visited_count++;
    return push_delegations(search, search->client->trusted.targets, err);
}

static bool target_copy(const TufMetadata *metadata, const char *role, const char *path,
                        TufTarget *ret_target, Error *err) {
    TufTarget target = {0};
    json_t *custom = NULL;
    if (!tuf_metadata_target(metadata, path, &target.length, &target.hashes, &custom)) {
        return false;
    }
    target.path = strdup(path);
    target.role = strdup(role);
    target.custom = json_incref(custom);
    if (target.path == NULL || target.role == NULL) {
        tuf_target_done(&target);
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    *ret_target = target;
    return true;
}

static bool search_run(Search *search, TufTarget *ret_target, Error *err) {
    const TufMetadata *metadata = search->client->trusted.targets;
    if (!search_start(search, err)) {
        return false;
    }
    while (metadata != NULL) {
        if (json_object_get(metadata->targets, search->path) != NULL) {
            return target_copy(metadata, search->visited[search->visited_count - 1], search->path, ret_target,
                               err);
        }
        if (!search_next(search, &metadata, err)) {
            return false;
        }
    }
    char encoded[TUF_ENCODED_SIZE] = "?";
    (void)tuf_path_encode(search->path, true, encoded, sizeof encoded);
    return error_set(err, ERROR_NOT_FOUND, "target %s: none of the %zu roles that may speak for it lists it",
                     encoded, search->visited_count);
}

static bool check_ready(TufClient *client, Error *err) {
    tuf_problem_clear(&client->trusted.problem);
    if (!client->refreshed) {
        return error_set(err, ERROR_USAGE, "targets are known only after a refresh that succeeded");
    }
    /* Between searches, nothing borrows from what is kept. */
    if (client->delegated_count + client->limits.delegations > client->delegated_max) {
        tuf_client_forget_delegated(client);
    }
    return true;
}

bool tuf_client_find_target(TufClient *client, const TufFetcher *fetcher, const char *path,
                            TufTarget *ret_target, Error *err) {
    if (!check_ready(client, err)) {
        return false;
    }
    if (path[0] == '\0' || strnlen(path, TUF_PATH_MAX + 1) > TUF_PATH_MAX) {
        return error_set(err, ERROR_USAGE, "a target's path has 1 to %d bytes", TUF_PATH_MAX);
    }
    CLEANUP(search_done) Search search = {0};
    return search_init(&search, client, fetcher, path, err) && search_run(&search, ret_target, err);
}

static bool lies_in(const char *path, const char *directory) {
    size_t length = directory == NULL ? 0 : strlen(directory);
    return directory == NULL || (strncmp(path, directory, length) == 0 && path[length] == '/' &&
                                 strchr(path + length + 1, '/') == NULL);
}

/* Every path that the visited roles list, each once. */
static bool collect_paths(Search *search, json_t *paths, Error *err) {
    const TufMetadata *metadata = search->client->trusted.targets;
    if (!search_start(search, err)) {
        return false;
    }
    while (metadata != NULL) {
        const char *path;
        json_t *target;
        json_object_foreach((json_t *)(uintptr_t)metadata->targets, path, target) {
            if (lies_in(path, search->directory) && json_object_set_new(paths, path, json_null()) != 0) {
                return error_set(err, ERROR_MEMORY, "out of memory");
            }
        }
        if (!search_next(search, &metadata, err)) {
            return false;
        }
    }
    return true;
}

bool tuf_client_each_target(TufClient *client, const TufFetcher *fetcher, const char *directory,
                            TufTargetFn each, void *context, Error *err) {
    if (!check_ready(client, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *paths = json_object();
    CLEANUP(search_done) Search search = {0};
    if (!search_init(&search, client, fetcher, NULL, err) || paths == NULL) {
        return paths == NULL ? error_set(err, ERROR_MEMORY, "out of memory") : false;
    }
    search.directory = directory;
    if (!collect_paths(&search, paths, err)) {
        return false;
    }
    const char *path;
    json_t *ignored;
    json_object_foreach(paths, path, ignored) {
        Error inner = ERROR_INIT;
        CLEANUP(tuf_target_done) TufTarget target = {0};
        if (tuf_client_find_target(client, fetcher, path, &target, &inner)) {
            if (!each(context, &target, err)) {
                return false;
            }
        } else if (inner.kind != ERROR_NOT_FOUND && inner.kind != ERROR_USAGE) {
            return error_set(err, inner.kind, "%s", inner.text);
        }
    }
    return true;
}
