/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision of a look or an update: what follows from what the repository offers.
 *
 * A look says it; an update stages it, unless it is staged, and swaps to it if that was wanted.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/update_parts.h"

static void go_on_staged(Updates *updates) {
    if (updates->goal == UPDATE_SWAP) {
        update_swap_begin(updates);
        return;
    }
    update_succeed(updates, json_pack("{s:s, s:s, s:b}", "version", updates->version, "bundle",
                                      updates->digest, "staged", true));
}

/* A full disk, for one, says nothing about the bundle: it is to be had again when there is room. */
static bool is_fault_of_file(ErrorKind kind) {
    return kind == ERROR_INPUT || kind == ERROR_VERIFY || kind == ERROR_LIMIT;
}

static void on_staged(void *context, const char *digest, const Error *failure) {
    Updates *updates = context;
    Error err = ERROR_INIT;
    if (failure != NULL) {
        if (is_fault_of_file(failure->kind)) {
            update_memory_fail(updates, updates->digest, failure->text);
        }
        update_fail(updates, failure);
        return;
    }
    if (strcmp(digest, updates->digest) != 0) {
        const Operation *removal = jobs_remove(updates->spec.jobs, digest, updates->operation->who, &err);
        error_set(&err, ERROR_VERIFY, "the file holds bundle %.12s, the metadata says %.12s%s", digest,
                  updates->digest, removal != NULL ? ": it is removed" : "");
        update_fail(updates, &err);
        return;
    }
    update_note(updates, updates->operation, "staged", updates->operation->what);
    go_on_staged(updates);
}

static bool is_staged(const UpdateNode *node, const char *digest) {
    const json_t *entry = NULL;
    size_t index = 0;
    json_array_foreach(node->staged, index, entry) {
        if (strcmp(json_string_value(entry), digest) == 0) {
            return true;
        }
    }
    return false;
}

static void nothing_to_do(Updates *updates, const json_t *judged) {
    Error err = ERROR_INIT;
    if (updates->want != NULL && !offer_check_wanted(judged, updates->want, &err)) {
        update_fail(updates, &err);
        return;
    }
    update_note_once(updates, updates->operation, "checked", "nothing new");
    update_succeed(updates, json_pack("{s:n}", "offer"));
}

/* The offer is staged, or its file came, or both. */
static void take_offer(Updates *updates, const json_t *offer, const UpdateNode *node, const char *file) {
    Error err = ERROR_INIT;
    (void)text_copy(updates->digest, sizeof updates->digest,
                    json_string_value(json_object_get(offer, "bundle")));
    (void)text_copy(updates->version, sizeof updates->version,
                    json_string_value(json_object_get(offer, "version")));
    (void)snprintf(updates->operation->what, sizeof updates->operation->what, "%s %s (%.12s)",
                   json_string_value(json_object_get(offer, "name")), updates->version, updates->digest);
    if (is_staged(node, updates->digest)) {
        go_on_staged(updates);
    } else if (file == NULL) {
        error_set(&err, ERROR_CONFLICT, "what is offered changed meanwhile: try again");
        update_fail(updates, &err);
    } else {
        operation_step(updates->spec.operations, updates->operation, "staging");
        if (!jobs_stage_within(updates->spec.jobs, updates->operation, file, on_staged, updates, &err)) {
            update_fail(updates, &err);
        }
    }
}

static void report_look(Updates *updates, const json_t *offer) {
    char text[160];
    (void)snprintf(text, sizeof text, "version %s is offered",
                   offer != NULL ? json_string_value(json_object_get(offer, "version")) : "");
    update_note_once(updates, updates->operation, "checked", offer != NULL ? text : "nothing new");
    update_succeed(updates, json_pack("{s:O?}", "offer", (json_t *)(uintptr_t)offer));
}

/* The child chose by the same rules; here it is done again by who decides. */
void update_decide(Updates *updates, const json_t *result) {
    UpdateNode node;
    Error err = ERROR_INIT;
    const json_t *offer = NULL;
    if (!update_node_read(updates, &node, &err)) {
        update_fail(updates, &err);
        return;
    }
    CLEANUP(json_freep)
    json_t *judged = offer_judge(json_object_get(result, "channel"), &node.node, updates->want, &offer);
    if (judged == NULL) {
        error_set(&err, ERROR_MEMORY, "out of memory");
        update_fail(updates, &err);
    } else if (updates->goal == UPDATE_LOOK) {
        report_look(updates, offer);
    } else if (offer == NULL) {
        nothing_to_do(updates, judged);
    } else {
        take_offer(updates, offer, &node, json_string_value(json_object_get(result, "file")));
    }
    update_node_done(&node);
}
