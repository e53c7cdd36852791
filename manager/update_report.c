/* SPDX-License-Identifier: Apache-2.0
 *
 * What Updates says about itself.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/update_parts.h"

enum { DAY_S = 24 * 3600 };

static const char *automatic_name(ConfigAutomatic automatic) {
    switch (automatic) {
    case CONFIG_AUTOMATIC_STAGE:
        return "stage";
    case CONFIG_AUTOMATIC_SWAP:
        return "swap";
    case CONFIG_AUTOMATIC_OFF:
        break;
    }
    return "off";
}

/* Counted in time that cannot be set, told in time that people read. */
static int64_t next_check_at(const Updates *updates) {
    uint64_t now = clock_monotonic_ms();
    if (updates->due_ms == 0) {
        return 0;
    }
    return clock_wall_s() + (int64_t)((updates->due_ms > now ? updates->due_ms - now : 0) / 1000);
}

/* One sentence: why nothing happens, or what would have to be done. */
static void summarise(const Updates *updates, const json_t *offer, char *text, size_t size) {
    const Config *config = updates->spec.config;
    const json_t *last = json_object_get(updates->memory, "last");
    const json_t *failure = json_object_get(last, "failure");
    const char *version = json_string_value(json_object_get(offer, "version"));
    if (updates->operation != NULL) {
        (void)snprintf(text, size, "operation %llu (%s) is under way",
                       (unsigned long long)updates->operation->id, updates->operation->kind);
    } else if (config->repositories_count == 0 && last == NULL) {
        (void)snprintf(text, size, "there is no repository: set updates.repository in manager.yaml");
    } else if (last == NULL) {
        (void)snprintf(text, size, "the repository was not looked into yet: pswctl check-update");
    } else if (json_is_object(failure)) {
        (void)snprintf(text, size, "the last look failed: %s",
                       json_string_value(json_object_get(failure, "text")));
    } else if (version == NULL) {
        (void)snprintf(text, size, "the channel has nothing that this node should have and does not");
    } else if (updates->spec.journal->swap.state != SWAP_IDLE) {
        (void)snprintf(text, size, "version %s is offered; a swap is under way", version);
    } else if (config->automatic == CONFIG_AUTOMATIC_SWAP) {
        (void)snprintf(text, size, "version %s is offered; the next look takes it, or: pswctl update",
                       version);
    } else {
        (void)snprintf(text, size, "version %s is offered; updates.automatic is %s: pswctl update", version,
                       automatic_name(config->automatic));
    }
}

static bool put_metadata(const Updates *updates, json_t *report) {
    const json_t *metadata = json_object_get(json_object_get(updates->memory, "last"), "metadata");
    const json_int_t expires = json_integer_value(json_object_get(metadata, "expires"));
    if (metadata == NULL || expires == 0) {
        return json_put(report, "metadata", json_null()) && json_put(report, "expires_in_days", json_null());
    }
    const int64_t left = expires - clock_wall_s();
    return json_put(report, "metadata", json_deep_copy(metadata)) &&
           json_put(report, "expires_in_days", json_integer(left >= 0 ? left / DAY_S : -1));
}

static bool add_problem(json_t *problems, const char *what, const char *text, const char *remedy) {
    return json_array_append_new(problems, json_pack("{s:s, s:o, s:s}", "what", what, "text",
                                                     operation_text_json(text), "remedy", remedy)) == 0;
}

/* Timestamp and snapshot are renewed by a machine shortly before; root and targets by people with their keys.
 */
static bool add_expiries(json_t *problems, const json_t *metadata) {
    static const struct {
        const char *role;
        int64_t days;
        const char *remedy;
    } roles[] = {
        {"root", 14, "its publisher must renew it with root's keys: psw-bundle repo renew --key"},
        {"targets", 14, "its publisher must renew it with targets' keys: psw-bundle repo renew --key"},
        {"snapshot", 1, "its publisher must run psw-bundle repo renew"},
        {"timestamp", 1, "its publisher must run psw-bundle repo renew"}};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const json_t *role = json_object_get(json_object_get(metadata, "roles"), roles[i].role);
        const int64_t expires = json_integer_value(json_object_get(role, "expires"));
        const int64_t left = expires - clock_wall_s();
        char text[160], duration[32];
        if (expires == 0 || left >= roles[i].days * DAY_S) {
            continue;
        }
        if (left <= 0) {
            (void)snprintf(text, sizeof text, "the repository's %s has expired", roles[i].role);
        } else {
            (void)snprintf(text, sizeof text, "the repository's %s expires in %s", roles[i].role,
                           text_format_duration(duration, sizeof duration, (uint64_t)left * 1000));
        }
        if (!add_problem(problems, "expiry", text, roles[i].remedy)) {
            return false;
        }
    }
    return true;
}

static json_t *problems_json(const Updates *updates, const json_t *report, const char *serving_problem) {
    const json_t *last = json_object_get(updates->memory, "last");
    const json_t *failure = json_object_get(last, "failure"), *clock = json_object_get(last, "clock");
    CLEANUP(json_freep) json_t *problems = json_array();
    bool good = problems != NULL;
    if (good && serving_problem[0] != '\0') {
        good = add_problem(problems, "serving", serving_problem, "pswctl update, or pswctl list --remote");
    }
    if (good && json_is_object(failure)) {
        good = add_problem(problems, "repository", json_string_value(json_object_get(failure, "text")),
                           "try again: pswctl check-update");
    }
    if (good && json_is_string(clock)) {
        good = add_problem(problems, "clock", json_string_value(clock), "set the clock of this node");
    }
    return good && add_expiries(problems, json_object_get(report, "metadata")) ? TAKE(problems) : NULL;
}

static json_t *report_json(const Updates *updates) {
    const Config *config = updates->spec.config;
    const json_t *last = json_object_get(updates->memory, "last");
    json_t *failure = json_object_get(last, "failure");
    return json_pack("{s:s?, s:s, s:s, s:I, s:I, s:O?}", "repository",
                     config->repositories_count > 0 ? config->repositories[0] : NULL, "channel",
                     config->updates_channel, "automatic", automatic_name(config->automatic), "checked_at",
                     (json_int_t)json_integer_value(json_object_get(last, "at")), "next_check_at",
                     (json_int_t)next_check_at(updates), "failure", failure);
}

json_t *updates_json(Updates *updates, bool candidates) {
    UpdateNode node;
    Error err = ERROR_INIT;
    const json_t *offer = NULL;
    const json_t *channel = json_object_get(json_object_get(updates->memory, "last"), "channel");
    char problem[256] = "", summary[ERROR_TEXT_MAX + 64];
    CLEANUP(json_freep) json_t *report = report_json(updates);
    if (report == NULL || !update_node_read(updates, &node, &err)) {
        return NULL;
    }
    CLEANUP(json_freep) json_t *judged = offer_judge(channel, &node.node, NULL, &offer);
    offer_judge_serving(channel, &node.node, problem, sizeof problem);
    update_node_done(&node);
    summarise(updates, offer, summary, sizeof summary);
    if (judged == NULL || !put_metadata(updates, report) ||
        !json_put(report, "offer", offer != NULL ? json_deep_copy(offer) : json_null()) ||
        !json_put(report, "summary", operation_text_json(summary)) ||
        !json_put(report, "problems", problems_json(updates, report, problem)) ||
        (candidates && !json_put(report, "candidates", json_incref(judged)))) {
        return NULL;
    }
    return TAKE(report);
}
