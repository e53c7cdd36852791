/* SPDX-License-Identifier: Apache-2.0
 *
 * A look into the repository: a child reads its metadata, and downloads what is chosen if that is wanted.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "manager/update_parts.h"

enum { METADATA_SIZE_MAX = 8 * 1024 * 1024 };

static void on_done(void *context, const json_t *result, const Error *failure) {
    Updates *updates = context;
    updates->transfer = NULL;
    update_memory_learn(updates, result, failure);
    if (failure != NULL) {
        update_fail(updates, failure);
        return;
    }
    const json_t *refusal = json_object_get(result, "failure");
    if (json_is_object(refusal)) {
        Error err = ERROR_INIT;
        ErrorKind kind = ERROR_VERIFY;
        const char *text = json_string_value(json_object_get(refusal, "text"));
        (void)error_kind_parse(json_string_value(json_object_get(refusal, "kind")), &kind);
        error_set(&err, kind, "%s", text != NULL ? text : "the repository was refused");
        update_fail(updates, &err);
        return;
    }
    update_decide(updates, result);
}

static void on_progress(void *context, uint64_t done, uint64_t total) {
    const Updates *updates = context;
    if (strcmp(updates->operation->step, "downloading") != 0) {
        operation_step(updates->spec.operations, updates->operation, "downloading");
    }
    operation_progress(updates->spec.operations, updates->operation, done, total);
}

static json_t *mirrors_json(const Config *config) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < config->repositories_count; i++) {
        if (json_array_append_new(list, json_string(config->repositories[i])) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

bool update_look_find_origin(const Config *config, const UpdatesWish *wish, UpdateOrigin *ret_origin,
                             Error *err) {
    *ret_origin = (UpdateOrigin){.directory = wish->directory, .file = wish->file};
    if (wish->directory != NULL && !config->fetch_file) {
        return error_set(err, ERROR_PERMISSION, "local directories are off (fetch.file)");
    }
    if (wish->directory != NULL || wish->file >= 0) {
        return true;
    }
    if (config->repositories_count == 0) {
        return error_set(err, ERROR_CONFIG,
                         "there is no repository to look into: set updates.repository, or give one with "
                         "--from");
    }
    ret_origin->remote = !config->repository_is_local;
    ret_origin->directory = config->repository_is_local ? config->repositories[0] : NULL;
    return true;
}

static json_t *arguments_json(const Updates *updates, const UpdateOrigin *origin, const UpdateNode *node) {
    const Config *config = updates->spec.config;
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:O, s:b, s:s?, s:o?, s:s?}", "trust", updates->trust,
                     "root", config->updates_root, "downloads", jobs_downloads(updates->spec.jobs), "channel",
                     config->updates_channel, "size_max", (json_int_t)config->fetch_size_max, "node",
                     offer_node_json(&node->node), "staged", node->staged, "download",
                     updates->goal != UPDATE_LOOK, "want", updates->want, "mirrors",
                     origin->remote ? mirrors_json(config) : NULL, "repository", origin->directory);
}

bool update_look_start(Updates *updates, const UpdateOrigin *origin, Error *err) {
    UpdateNode node;
    const Config *config = updates->spec.config;
    if (!update_node_read(updates, &node, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *arguments = arguments_json(updates, origin, &node);
    update_node_done(&node);
    if (arguments == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    const TransferSpec spec = {.event = updates->spec.event,
                               .config = config,
                               .mirrors = (const char *const *)config->repositories,
                               .mirrors_count = origin->remote ? config->repositories_count : 0,
                               .fd = origin->file,
                               .task = &helper_task_update,
                               .arguments = arguments,
                               .file_size_max = config->fetch_size_max + METADATA_SIZE_MAX,
                               .progress = on_progress,
                               .done = on_done,
                               .context = updates};
    updates->transfer = transfer_start(&spec, err);
    return updates->transfer != NULL;
}
