/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/update.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "bundles/version.h"
#include "manager/pace.h"
#include "manager/timer.h"
#include "manager/update_parts.h"

enum { METADATA_SIZE_MAX = 8 * 1024 * 1024, FIRST_DELAY_MAX_MS = 60 * 1000 };

static bool begin(Updates *updates, UpdateGoal goal, const UpdatesWish *wish, JournalWho who, Error *err);

static int on_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    static const UpdateGoal goals[] = {[CONFIG_AUTOMATIC_OFF] = UPDATE_LOOK,
                                       [CONFIG_AUTOMATIC_STAGE] = UPDATE_STAGE,
                                       [CONFIG_AUTOMATIC_SWAP] = UPDATE_SWAP};
    Updates *updates = context;
    const UpdatesWish wish = {.soak_ms = UINT64_MAX, .file = -1};
    const JournalWho itself = {.uid = geteuid()};
    Error err = ERROR_INIT;
    updates->due_ms = 0;
    if (updates->operation != NULL) { /* an operator was faster; its end plans the next look */
        return 0;
    }
    if (!begin(updates, goals[updates->spec.config->automatic], &wish, itself, &err)) {
        log_warning("check-not-begun", "error=\"%s\"", err.text);
        update_plan(updates, pace_next(updates->spec.config->check_interval_ms, 1));
    }
    return 0;
}

void update_plan(Updates *updates, uint64_t delay_ms) {
    timer_stop(&updates->timer);
    updates->due_ms = 0;
    if (updates->spec.config->check_interval_ms == 0 || updates->spec.config->repositories_count == 0) {
        return;
    }
    if (!timer_start(updates->spec.event, &updates->timer, delay_ms, on_timer, updates)) {
        log_error("check-not-planned", "error=\"out of memory\"");
        return;
    }
    updates->due_ms = clock_monotonic_ms() + delay_ms;
    update_memory_put(updates, "next_at", json_integer(clock_wall_s() + (int64_t)(delay_ms / 1000)));
}

static void plan_next(Updates *updates) {
    const json_int_t failures = json_integer_value(json_object_get(updates->memory, "failures"));
    update_plan(updates,
                pace_next(updates->spec.config->check_interval_ms, failures > 0 ? (uint64_t)failures : 0));
}

static void plan_first(Updates *updates) {
    const uint64_t interval = updates->spec.config->check_interval_ms;
    const uint64_t soon =
        pace_chance(interval / 10 < FIRST_DELAY_MAX_MS ? interval / 10 : FIRST_DELAY_MAX_MS);
    const json_int_t next_at = json_integer_value(json_object_get(updates->memory, "next_at"));
    const int64_t left = next_at - clock_wall_s();
    bool planned = left > 0 && (uint64_t)left * 1000 <= interval + interval / 10;
    update_plan(updates, planned ? (uint64_t)left * 1000 : soon);
}

/* A swap that ended with the former manager was undone by its end: that tells nothing about the bundle. */
static void forget_swap(Updates *updates) {
    const json_t *swap = json_object_get(updates->memory, "swap");
    json_int_t id = json_integer_value(json_object_get(swap, "operation"));
    if (swap != NULL && operation_find(updates->spec.operations, (uint64_t)id) == NULL) {
        (void)json_object_del(updates->memory, "swap");
    }
}

Updates *updates_new(const UpdatesSpec *spec, Error *err) {
    CLEANUP(updates_freep) Updates *updates = calloc(1, sizeof *updates);
    if (updates == NULL || (updates->trust = text_format("%s/trust", spec->config->state)) == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    updates->spec = *spec;
    if (!file_make_path(updates->trust, 0700, err) || !update_memory_load(updates, err)) {
        return NULL;
    }
    forget_swap(updates);
    plan_first(updates);
    return TAKE(updates);
}

static void forget_wish(Updates *updates) {
    free(updates->want);
    updates->want = NULL;
    json_decref(updates->downgrades);
    updates->downgrades = NULL;
}

void updates_free(Updates *updates) {
    if (updates != NULL) {
        timer_stop(&updates->timer);
        transfer_cancel(updates->transfer);
        json_decref(updates->memory);
        forget_wish(updates);
        free(updates->trust);
        free(updates);
    }
}

static void note(Updates *updates, const Operation *operation, const char *event, const char *text) {
    Error err = ERROR_INIT;
    journal_note(updates->spec.journal, operation->id, operation->who, event, "%s", text);
    if (!journal_save(updates->spec.journal, &err)) {
        log_error("journal-not-written", "error=\"%s\"", err.text);
    }
}

/* A look that only repeats what the last one said is not worth an entry in the journal. */
static void note_once(Updates *updates, const Operation *operation, const char *event, const char *text) {
    const char *before = json_string_value(json_object_get(updates->memory, "noted"));
    if (before == NULL || strcmp(before, text) != 0) {
        update_memory_put(updates, "noted", operation_text_json(text));
        note(updates, operation, event, text);
    }
}

static Operation *end(Updates *updates) {
    Operation *operation = updates->operation;
    updates->operation = NULL;
    forget_wish(updates);
    plan_next(updates);
    update_memory_save(updates);
    return operation;
}

static void fail(Updates *updates, const Error *failure) {
    char event[32];
    (void)snprintf(event, sizeof event, "%s-failed", updates->operation->kind);
    log_warning(event, "operation=%llu error=\"%s\"", (unsigned long long)updates->operation->id,
                failure->text);
    note_once(updates, updates->operation, event, failure->text);
    Operation *operation = end(updates);
    operation_fail(updates->spec.operations, operation, failure);
}

static void succeed(Updates *updates, json_t *result) {
    Operation *operation = end(updates);
    operation_succeed(updates->spec.operations, operation, result);
}

static void begin_swap(Updates *updates) {
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
        fail(updates, &err);
        return;
    }
    if (swap->state != OPERATION_SUCCEEDED) { /* else it served already */
        update_memory_put(
            updates, "swap",
            json_pack("{s:I, s:s}", "operation", (json_int_t)swap->id, "digest", updates->digest));
    }
    succeed(updates, json_pack("{s:s, s:s, s:I}", "version", updates->version, "bundle", updates->digest,
                               "swap_operation", (json_int_t)swap->id));
}

static void go_on_staged(Updates *updates) {
    if (updates->goal == UPDATE_SWAP) {
        begin_swap(updates);
        return;
    }
    succeed(updates, json_pack("{s:s, s:s, s:b}", "version", updates->version, "bundle", updates->digest,
                               "staged", true));
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
        fail(updates, failure);
        return;
    }
    if (strcmp(digest, updates->digest) != 0) {
        const Operation *removal = jobs_remove(updates->spec.jobs, digest, updates->operation->who, &err);
        error_set(&err, ERROR_VERIFY, "the file holds bundle %.12s, the metadata says %.12s%s", digest,
                  updates->digest, removal != NULL ? ": it is removed" : "");
        fail(updates, &err);
        return;
    }
    note(updates, updates->operation, "staged", updates->operation->what);
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
        fail(updates, &err);
        return;
    }
    note_once(updates, updates->operation, "checked", "nothing new");
    succeed(updates, json_pack("{s:n}", "offer"));
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
        fail(updates, &err);
    } else {
        operation_step(updates->spec.operations, updates->operation, "staging");
        if (!jobs_stage_within(updates->spec.jobs, updates->operation, file, on_staged, updates, &err)) {
            fail(updates, &err);
        }
    }
}

static void report_look(Updates *updates, const json_t *offer) {
    char text[160];
    (void)snprintf(text, sizeof text, "version %s is offered",
                   offer != NULL ? json_string_value(json_object_get(offer, "version")) : "");
    note_once(updates, updates->operation, "checked", offer != NULL ? text : "nothing new");
    succeed(updates, json_pack("{s:O?}", "offer", (json_t *)(uintptr_t)offer));
}

/* The child chose by the same rules; here it is done again by who decides. */
static void decide(Updates *updates, const json_t *result) {
    UpdateNode node;
    Error err = ERROR_INIT;
    const json_t *offer = NULL;
    if (!update_node_read(updates, &node, &err)) {
        fail(updates, &err);
        return;
    }
    CLEANUP(json_freep)
    json_t *judged = offer_judge(json_object_get(result, "channel"), &node.node, updates->want, &offer);
    if (judged == NULL) {
        error_set(&err, ERROR_MEMORY, "out of memory");
        fail(updates, &err);
    } else if (updates->goal == UPDATE_LOOK) {
        report_look(updates, offer);
    } else if (offer == NULL) {
        nothing_to_do(updates, judged);
    } else {
        take_offer(updates, offer, &node, json_string_value(json_object_get(result, "file")));
    }
    update_node_done(&node);
}

static void on_done(void *context, const json_t *result, const Error *failure) {
    Updates *updates = context;
    updates->transfer = NULL;
    update_memory_learn(updates, result, failure);
    if (failure != NULL) {
        fail(updates, failure);
        return;
    }
    const json_t *refusal = json_object_get(result, "failure");
    if (json_is_object(refusal)) {
        Error err = ERROR_INIT;
        ErrorKind kind = ERROR_VERIFY;
        const char *text = json_string_value(json_object_get(refusal, "text"));
        (void)error_kind_parse(json_string_value(json_object_get(refusal, "kind")), &kind);
        error_set(&err, kind, "%s", text != NULL ? text : "the repository was refused");
        fail(updates, &err);
        return;
    }
    decide(updates, result);
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

/* Where from: see manager/helper_update.c. */
typedef struct Origin {
    const char *directory;
    int file;
    bool remote;
} Origin;

static bool find_origin(const Config *config, const UpdatesWish *wish, Origin *ret_origin, Error *err) {
    *ret_origin = (Origin){.directory = wish->directory, .file = wish->file};
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

static json_t *arguments_json(const Updates *updates, const Origin *origin, const UpdateNode *node) {
    const Config *config = updates->spec.config;
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:O, s:b, s:s?, s:o?, s:s?}", "trust", updates->trust,
                     "root", config->updates_root, "downloads", jobs_downloads(updates->spec.jobs), "channel",
                     config->updates_channel, "size_max", (json_int_t)config->fetch_size_max, "node",
                     offer_node_json(&node->node), "staged", node->staged, "download",
                     updates->goal != UPDATE_LOOK, "want", updates->want, "mirrors",
                     origin->remote ? mirrors_json(config) : NULL, "repository", origin->directory);
}

static bool start(Updates *updates, const Origin *origin, Error *err) {
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

static bool keep_wish(Updates *updates, const UpdatesWish *wish) {
    updates->soak_ms = wish->soak_ms;
    updates->want = wish->version != NULL ? strdup(wish->version) : NULL;
    updates->downgrades = json_array();
    for (size_t i = 0; i < wish->downgrades.count && i < UPDATE_DOWNGRADES_MAX; i++) {
        if (json_array_append_new(updates->downgrades, json_string(wish->downgrades.names[i])) != 0) {
            return false;
        }
    }
    return updates->downgrades != NULL && (wish->version == NULL || updates->want != NULL);
}

static bool begin(Updates *updates, UpdateGoal goal, const UpdatesWish *wish, JournalWho who, Error *err) {
    Journal *journal = updates->spec.journal;
    Origin origin;
    if (updates->operation != NULL) {
        return error_set(err, ERROR_CONFLICT, "operation %llu (%s) is under way: wait for its end",
                         (unsigned long long)updates->operation->id, updates->operation->kind);
    }
    if (!find_origin(updates->spec.config, wish, &origin, err)) {
        return false;
    }
    if (wish->version != NULL && !version_is_valid(wish->version)) {
        return error_set(err, ERROR_USAGE, "'%.64s' is not a version: dotted numbers are", wish->version);
    }
    if (!keep_wish(updates, wish)) {
        forget_wish(updates);
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    updates->goal = goal;
    updates->operation =
        operation_begin(updates->spec.operations, journal->next_operation,
                        goal == UPDATE_LOOK ? "check" : "update", who, updates->spec.config->updates_channel);
    if (updates->operation == NULL) {
        forget_wish(updates);
        return error_set(err, ERROR_LIMIT, "too many operations are under way: try again when one has ended");
    }
    journal->next_operation++;
    operation_step(updates->spec.operations, updates->operation, "checking");
    Error failure = ERROR_INIT;
    if (!start(updates, &origin, &failure)) {
        fail(updates, &failure);
    }
    return true;
}

Operation *updates_check(Updates *updates, JournalWho who, Error *err) {
    const UpdatesWish wish = {.file = -1};
    if (!begin(updates, UPDATE_LOOK, &wish, who, err)) {
        return NULL;
    }
    return operation_find(updates->spec.operations, updates->spec.journal->next_operation - 1);
}

Operation *updates_update(Updates *updates, const UpdatesWish *wish, JournalWho who, Error *err) {
    AUTO_CLOSE int file = wish->file;
    if (file >= 0 && lseek(file, 0, SEEK_SET) != 0) {
        error_set(err, ERROR_SYSTEM, "the upload cannot be read");
        return NULL;
    }
    if (!begin(updates, wish->stage_only ? UPDATE_STAGE : UPDATE_SWAP, wish, who, err)) {
        return NULL;
    }
    return operation_find(updates->spec.operations, updates->spec.journal->next_operation - 1);
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
