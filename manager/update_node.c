/* SPDX-License-Identifier: Apache-2.0
 *
 * What a judgement of an offer needs to know about this node.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/version.h"
#include "manager/checks/requirements.h"
#include "manager/update_parts.h"

static const StoreEntry *entry_of(const StoreList *list, const char *digest) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->entries[i].digest_hex, digest) == 0) {
            return &list->entries[i];
        }
    }
    return NULL;
}

static bool add_staged(UpdateNode *node, const StoreEntry *entry, const RequirementsHost *host) {
    Error unmet = ERROR_INIT;
    if (json_array_append_new(node->staged, json_string(entry->digest_hex)) != 0) {
        return false;
    }
    return requirements_check(entry->manifest, host, &unmet) ||
           json_put(node->unmet, entry->digest_hex, json_string(unmet.text));
}

/* A bundle that was left for an older one was left for a reason: it must not come back by itself. */
static void note_rollback(Updates *updates, const StoreList *list, const StoreEntry *serving) {
    const StoreEntry *previous = entry_of(list, updates->spec.journal->previous);
    if (serving == NULL || previous == NULL || updates->spec.journal->swap.state != SWAP_IDLE ||
        strcmp(serving->manifest->name, previous->manifest->name) != 0 ||
        version_compare(previous->manifest->version, serving->manifest->version) <= 0 ||
        json_object_get(json_object_get(updates->memory, "failed"), previous->digest_hex) != NULL) {
        return;
    }
    update_memory_fail(updates, previous->digest_hex, "it served and was left for an older one");
    update_memory_save(updates);
}

static bool read_facts(Updates *updates, UpdateNode *node, const StoreList *list, Error *err) {
    const char *digest = updates->spec.journal->serving.digest;
    const StoreEntry *serving = digest[0] != '\0' ? entry_of(list, digest) : NULL;
    RequirementsHost host = {0};
    bool good = true;
    if (list->count > 0) {
        requirements_host_live(&host);
    }
    host.simulated_allowed = updates->spec.config->simulated_allowed;
    note_rollback(updates, list, serving);
    node->staged = json_array();
    node->unmet = json_object();
    node->failed = json_deep_copy(json_object_get(updates->memory, "failed"));
    node->facts = serving == NULL ? json_object()
                                  : json_pack("{s:s, s:s, s:s}", "name", serving->manifest->name, "version",
                                              serving->manifest->version, "digest", digest);
    for (size_t i = 0; i < list->count && good; i++) {
        good = add_staged(node, &list->entries[i], &host);
    }
    return (good && node->failed != NULL && node->facts != NULL) ||
           error_set(err, ERROR_MEMORY, "out of memory");
}

bool update_node_read(Updates *updates, UpdateNode *ret_node, Error *err) {
    StoreList list;
    UpdateNode node = {0};
    if (!store_list(updates->spec.store, &list, err)) {
        return false;
    }
    bool good = read_facts(updates, &node, &list, err);
    store_list_done(&list);
    if (!good) {
        update_node_done(&node);
        return false;
    }
    node.node = (OfferNode){.name = json_string_value(json_object_get(node.facts, "name")),
                            .version = json_string_value(json_object_get(node.facts, "version")),
                            .digest = json_string_value(json_object_get(node.facts, "digest")),
                            .simulated_allowed = updates->spec.config->simulated_allowed,
                            .failed = node.failed,
                            .unmet = node.unmet};
    *ret_node = node;
    return true;
}

void update_node_done(UpdateNode *node) {
    json_decref(node->facts);
    json_decref(node->failed);
    json_decref(node->unmet);
    json_decref(node->staged);
    *node = (UpdateNode){0};
}
