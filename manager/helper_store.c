/* SPDX-License-Identifier: Apache-2.0
 *
 * The tasks on the store: a bundle is staged, verified again, removed.
 */
#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/store.h"
#include "manager/gatekeeper.h"
#include "manager/helper_child.h"

CLEANUP_DEFINE(Store, store_close)

static void on_stage_progress(void *context, uint64_t done, uint64_t total) {
    helper_report_progress(context, done, total);
}

static bool run_stage(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    const char *path = NULL;
    char hex[DIGEST_HEX_SIZE];
    Digest digest;
    bool is_new = false;
    HelperProgress progress = {0};
    if (!json_get_text(arguments, "store", &path, err)) {
        return false;
    }
    CLEANUP(store_closep) Store *store = store_open(path, true, err);
    CLEANUP(gatekeeper_closep)
    Gatekeeper *keeper =
        store != NULL ? gatekeeper_open(json_object_get(arguments, "gate"), store, err) : NULL;
    if (keeper == NULL) {
        return false;
    }
    const StoreStaging how = {
        .gate = gatekeeper_gate(keeper), .progress = on_stage_progress, .context = &progress};
    if (!store_stage(store, HELPER_DATA, "the bundle", &how, &digest, &is_new, err)) {
        return false;
    }
    digest_format(&digest, hex);
    *ret_result = json_pack("{s:s, s:b, s:o}", "digest", hex, "new", is_new, "checks", gate_json(how.gate));
    return *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

/* The store and the bundle that a task is about. */
static Store *open_bundle(const json_t *arguments, bool writable, Digest *ret_digest, Error *err) {
    const char *path = NULL, *hex = NULL;
    if (!json_get_text(arguments, "store", &path, err) || !json_get_text(arguments, "digest", &hex, err)) {
        return NULL;
    }
    if (!digest_parse(hex, ret_digest)) {
        error_set(err, ERROR_USAGE, "'%.80s' is not a digest", hex);
        return NULL;
    }
    return store_open(path, writable, err);
}

static bool nothing_to_say(json_t **ret_result, Error *err) {
    *ret_result = json_object();
    return *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

static bool run_verify(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    Digest digest;
    CLEANUP(store_closep) Store *store = open_bundle(arguments, false, &digest, err);
    CLEANUP(gatekeeper_closep)
    Gatekeeper *keeper =
        store != NULL ? gatekeeper_open(json_object_get(arguments, "gate"), store, err) : NULL;
    return keeper != NULL && store_verify(store, &digest, gatekeeper_gate(keeper), err) &&
           nothing_to_say(ret_result, err);
}

static bool run_remove(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    Digest digest;
    CLEANUP(store_closep) Store *store = open_bundle(arguments, true, &digest, err);
    return store != NULL && store_remove(store, &digest, err) && nothing_to_say(ret_result, err);
}

const HelperTask helper_task_stage = {.name = "stage", .run = run_stage, .hands_over = true};
const HelperTask helper_task_verify = {.name = "verify", .run = run_verify};
const HelperTask helper_task_remove = {.name = "remove", .run = run_remove};
