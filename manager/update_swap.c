/* SPDX-License-Identifier: Apache-2.0
 *
 * The swap that an update ends in: an operation of its own.
 *
 * Which one it is stays in updates.json until it has ended, so that a bundle that did not last is not brought
 * again by itself.
 */
#include "manager/update_parts.h"

void update_swap_begin(Updates *updates) {
    Error err = ERROR_INIT;
    const char *names[UPDATE_DOWNGRADES_MAX];
    DeploymentDowngrades downgrades = {.names = names};
    const json_t *name = NULL;
    size_t index = 0;
    json_array_foreach(updates->downgrades, index, name) {
        names[downgrades.count++] = json_string_value(name);
    }
    const Operation *swap = deployment_swap(updates->spec.deployment, updates->digest, updates->soak_ms,
                                            downgrades, updates->operation->who, &err);
    if (swap == NULL) {
        update_fail(updates, &err);
        return;
    }
    if (swap->state != OPERATION_SUCCEEDED) { /* else it served already */
        update_memory_put(
            updates, "swap",
            json_pack("{s:I, s:s}", "operation", (json_int_t)swap->id, "digest", updates->digest));
    }
    update_succeed(updates, json_pack("{s:s, s:s, s:I}", "version", updates->version, "bundle",
                                      updates->digest, "swap_operation", (json_int_t)swap->id));
}

void update_swap_forget(Updates *updates) {
    const json_t *swap = json_object_get(updates->memory, "swap");
    json_int_t id = json_integer_value(json_object_get(swap, "operation"));
    if (swap != NULL && operation_find(updates->spec.operations, (uint64_t)id) == NULL) {
        (void)json_object_del(updates->memory, "swap");
    }
}

/* A swap that failed for the lack of something other than the bundle says nothing about it. */
static bool blames_bundle(ErrorKind kind) {
    return kind != ERROR_CONFLICT && kind != ERROR_PERMISSION && kind != ERROR_NO_SPACE &&
           kind != ERROR_MEMORY;
}

void updates_operation_changed(Updates *updates, const Operation *operation) {
    if (updates == NULL || operation->state == OPERATION_RUNNING) {
        return;
    }
    const json_t *swap = json_object_get(updates->memory, "swap");
    const char *digest = json_string_value(json_object_get(swap, "digest"));
    if (digest == NULL || (uint64_t)json_integer_value(json_object_get(swap, "operation")) != operation->id) {
        return;
    }
    if (operation->state == OPERATION_SUCCEEDED) {
        (void)json_object_del(json_object_get(updates->memory, "failed"), digest);
    } else if (blames_bundle(operation->error.kind)) {
        update_memory_fail(updates, digest, operation->error.text);
    }
    (void)json_object_del(updates->memory, "swap");
    update_memory_save(updates);
}
