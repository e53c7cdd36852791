/* SPDX-License-Identifier: Apache-2.0
 *
 * The update task: refreshes the trusted metadata, reads the channel, and downloads what is offered.
 *
 * Arguments: "trust" (directory of trusted metadata), "root" (file: the anchor), "downloads", "channel",
 * "size_max", "node" (manager/offer.h), "staged" (digests of bundles that need not come again), "download"
 * (whether to); "want" (a version or null); and where from: "mirrors" (URLs; the courier is on HELPER_DATA),
 * or "repository" (a local directory), or neither (an offline file is on HELPER_DATA).
 * Result: "channel" (manager/offer.h; null when not known), "metadata" (versions and expiry), "clock" (a
 * sentence when it is not credible, or null), "failure" (null, or kind, text, rule, role), "file" (null, or
 * SHA-256 of what was downloaded). A failure of the repository is a result, so that the rest is told too.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/tuf/client.h"
#include "manager/helper_child.h"
#include "manager/offer.h"
#include "manager/operation.h"
#include "manager/update_download.h"
#include "manager/update_source.h"

typedef struct Update {
    const json_t *arguments;
    const char *channel_name;
    int trust_fd;
    UpdateSource *source;
    TufClient *client;
    json_t *channel;
    char file[DIGEST_HEX_SIZE]; /* "" until something was downloaded */
} Update;

static void update_done(Update *update) {
    tuf_client_close(update->client);
    update_source_close(update->source);
    json_decref(update->channel);
    cleanup_close(&update->trust_fd);
}

static bool open_client(Update *update, Error *err) {
    const char *trust = NULL, *root = NULL;
    CLEANUP(buffer_done) Buffer anchor = BUFFER_INIT(TUF_LIMITS_DEFAULT.root_size);
    if (!json_get_text(update->arguments, "trust", &trust, err) ||
        !json_get_text(update->arguments, "root", &root, err) ||
        !json_get_text(update->arguments, "channel", &update->channel_name, err)) {
        return false;
    }
    update->trust_fd = file_open_directory(AT_FDCWD, trust, err);
    if (update->trust_fd < 0 || !file_read(AT_FDCWD, root, &anchor, err)) {
        return error_wrap(err, "updates.root");
    }
    TufClientOptions options = {.anchor = buffer_bytes(&anchor),
                                .time_floor = PSW_BUILT_AT,
                                .limits = TUF_LIMITS_DEFAULT,
                                .is_copy = !json_is_array(json_object_get(update->arguments, "mirrors"))};
    if (!json_get_u64(update->arguments, "size_max", &options.limits.target_size, err)) {
        return false;
    }
    update->client = tuf_client_open(update->trust_fd, &options, err);
    return update->client != NULL;
}

/* A mirror that lies or lags costs time, not the update: the next one is asked for everything anew. */
static bool refresh(Update *update, Error *err) {
    size_t mirrors = update_source_mirrors(update->source);
    for (size_t i = 0; i < mirrors; i++) {
        const TufFetcher fetcher = update_source_fetcher(update->source);
        *err = ERROR_INIT;
        if (tuf_client_refresh(update->client, &fetcher, clock_wall_s(), err)) {
            return true;
        }
        if (tuf_client_problem(update->client)->rule == TUF_RULE_STORAGE) {
            return false;
        }
        update_source_next_mirror(update->source);
    }
    return false;
}

/* A bundle of the channel lies directly beneath it: CHANNEL/FILE. */
static bool on_target(void *context, const TufTarget *target, Error *err) {
    return offer_channel_add(((Update *)context)->channel, target->path, target->length, target->custom, err);
}

static bool read_channel(Update *update, Error *err) {
    const TufFetcher fetcher = update_source_fetcher(update->source);
    update->channel = offer_channel_new();
    if (update->channel == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!tuf_client_each_target(update->client, &fetcher, update->channel_name, on_target, update, err)) {
        json_decref(update->channel);
        update->channel = NULL;
        return false;
    }
    return true;
}

static bool is_staged(const Update *update, const char *digest) {
    const json_t *entry = NULL;
    size_t index = 0;
    json_array_foreach(json_object_get(update->arguments, "staged"), index, entry) {
        if (json_is_string(entry) && strcmp(json_string_value(entry), digest) == 0) {
            return true;
        }
    }
    return false;
}

static bool download_offer(Update *update, Error *err) {
    const char *want = json_string_value(json_object_get(update->arguments, "want")), *downloads = NULL;
    const json_t *offer = NULL;
    OfferNode node;
    offer_node_read(json_object_get(update->arguments, "node"), &node);
    CLEANUP(json_freep) json_t *judged = offer_judge(update->channel, &node, want, &offer);
    if (judged == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (offer == NULL || is_staged(update, json_string_value(json_object_get(offer, "bundle")))) {
        return true;
    }
    CLEANUP(tuf_target_done) TufTarget target = {0};
    const TufFetcher fetcher = update_source_fetcher(update->source);
    return json_get_text(update->arguments, "downloads", &downloads, err) &&
           tuf_client_find_target(update->client, &fetcher, json_string_value(json_object_get(offer, "path")),
                                  &target, err) &&
           update_download(update->client, update->source, &target, downloads, update->file, err);
}

static bool work(Update *update, Error *err) {
    return refresh(update, err) && read_channel(update, err) &&
           (!json_is_true(json_object_get(update->arguments, "download")) || download_offer(update, err));
}

static json_t *metadata_json(const TufClient *client) {
    TufClientStatus status;
    tuf_client_status(client, &status);
    CLEANUP(json_freep) json_t *roles = json_object();
    for (int type = 0; type < TUF_TYPES_COUNT; type++) {
        json_t *role = json_pack("{s:I, s:I}", "version", (json_int_t)status.roles[type].version, "expires",
                                 (json_int_t)status.roles[type].expires);
        if (!json_put(roles, tuf_type_name((TufType)type), role)) {
            return NULL;
        }
    }
    return json_pack("{s:I, s:I, s:I, s:O}", "expires", (json_int_t)status.expires, "refreshed_at",
                     (json_int_t)status.refreshed_at, "time_bound", (json_int_t)status.time_bound, "roles",
                     roles);
}

static json_t *failure_json(const Update *update, const Error *failure) {
    const TufProblem *problem = tuf_client_problem(update->client);
    if (failure->kind == ERROR_NONE) {
        return json_null();
    }
    return json_pack("{s:s, s:o, s:s, s:s}", "kind", error_kind_name(failure->kind), "text",
                     operation_text_json(failure->text), "rule", tuf_rule_name(problem->rule), "role",
                     problem->role);
}

static json_t *clock_json(const Update *update) {
    Error clock = ERROR_INIT;
    return tuf_client_check_clock(update->client, clock_wall_s(), &clock) ? json_null()
                                                                          : json_string(clock.text);
}

static bool run(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)prepared;
    Error failure = ERROR_INIT;
    CLEANUP(update_done) Update update = {.arguments = arguments, .trust_fd = -1};
    if (!open_client(&update, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *clock = clock_json(&update); /* before a refresh moves the bound */
    update.source = update_source_open(arguments, update.trust_fd, err);
    if (update.source == NULL) {
        return false;
    }
    if (work(&update, &failure)) {
        failure = ERROR_INIT;
    }
    if (update_source_is_remote(update.source)) {
        (void)close(HELPER_DATA); /* the courier may end while the result is put together */
    }
    *ret_result =
        json_pack("{s:O?, s:o, s:O?, s:o, s:s?}", "channel", update.channel, "metadata",
                  metadata_json(update.client), "clock", clock, "failure", failure_json(&update, &failure),
                  "file", update.file[0] != '\0' ? update.file : NULL);
    return *ret_result != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

const HelperTask helper_task_update = {.name = "update", .run = run, .hands_over = true};
