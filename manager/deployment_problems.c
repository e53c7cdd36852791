/* SPDX-License-Identifier: Apache-2.0
 *
 * What is wrong, in a sentence, and what to do.
 */
#include <stdio.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"

enum { PROBLEM_MAX = ERROR_TEXT_MAX + 256 };

bool deployment_add_problem(json_t *list, const char *what, const char *text, const char *remedy) {
    return json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "what", what, "text",
                                                 operation_text_json(text), "remedy", remedy)) == 0;
}

void deployment_note_metrics(Deployment *deployment, const Error *failure) {
    deployment->metrics_error = *failure;
}

static bool is_staged(const Deployment *deployment, const char *digest) {
    StoreEntry entry;
    Error missing = ERROR_INIT;
    if (!store_find(deployment->store, digest, &entry, &missing)) {
        return false;
    }
    store_entry_done(&entry);
    return true;
}

static bool add_empty(const Deployment *deployment, json_t *list) {
    StoreList staged;
    Error ignored = ERROR_INIT;
    bool any = false;
    if (store_list(deployment->store, &staged, &ignored)) {
        any = staged.count > 0;
        store_list_done(&staged);
    }
    return deployment_add_problem(list, "empty", "no bundle serves yet",
                                  any ? "swap to one that is staged: pswctl swap VERSION"
                                      : "stage one: pswctl stage FILE, then: pswctl swap VERSION");
}

static const Generation *restarting(const Deployment *deployment) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        if (generation_role(deployment->generations[i]) == GENERATION_RESTART) {
            return deployment->generations[i];
        }
    }
    return NULL;
}

static const char *leave_remedy(const Journal *journal) {
    return journal->previous[0] != '\0' ? "go back to the bundle before: pswctl rollback"
                                        : "swap to another bundle: pswctl list";
}

/* Whether the next attempt is under way or waited for; the first one is worth waiting for, too. */
static bool add_down(const Deployment *deployment, json_t *list) {
    char text[PROBLEM_MAX], time[24];
    const Generation *next = restarting(deployment);
    bool known = deployment->restart_error.kind != ERROR_NONE;
    int length = snprintf(text, sizeof text, "nothing serves%s%s; ", known ? ": " : "",
                          known ? deployment->restart_error.text : "");
    char *end = text + length;
    size_t room = sizeof text - (size_t)length;
    if (next != NULL) {
        (void)snprintf(end, room, "generation %u is being started", generation_number(next));
    } else {
        uint64_t now = clock_monotonic_ms();
        (void)snprintf(
            end, room, "next attempt in %s",
            text_format_duration(time, sizeof time,
                                 deployment->restart_at_ms > now ? deployment->restart_at_ms - now : 0));
    }
    return deployment_add_problem(list, "down", text,
                                  next != NULL && deployment->restart_failures <= 1
                                      ? "wait for it: pswctl status"
                                      : leave_remedy(deployment->journal));
}

static bool add_serving(const Deployment *deployment, json_t *list) {
    const Journal *journal = deployment->journal;
    char text[PROBLEM_MAX];
    bool good = true;
    if (!is_staged(deployment, journal->serving.digest)) {
        (void)snprintf(text, sizeof text,
                       "bundle %.12s, which should serve, is not in the store: it cannot be "
                       "started again",
                       journal->serving.digest);
        good = deployment_add_problem(list, "store", text, "stage it again: pswctl stage FILE");
    }
    if (good && deployment_serving(deployment) == NULL) {
        return add_down(deployment, list);
    }
    if (good && !deployment_is_healthy(deployment)) {
        (void)snprintf(text, sizeof text, "the serving generation makes no quotes: %s",
                       deployment->health.error.text);
        good = deployment_add_problem(list, "health", text, "see its log; go back with: pswctl rollback");
    }
    return good;
}

static bool add_journal(const Deployment *deployment, json_t *list) {
    char text[PROBLEM_MAX];
    if (deployment->journal->failure.kind == ERROR_NONE) {
        return true;
    }
    (void)snprintf(text, sizeof text, "%s: %s: no swap can begin", deployment->config->state,
                   deployment->journal->failure.text);
    return deployment_add_problem(list, "journal", text, "make room there, or make it writable");
}

json_t *deployment_problems_json(const Deployment *deployment) {
    const Journal *journal = deployment->journal;
    CLEANUP(json_freep) json_t *list = json_array();
    bool good = list != NULL;
    if (good && journal->serving.digest[0] != '\0') {
        good = add_serving(deployment, list);
    } else if (good && journal->swap.state == SWAP_IDLE) {
        good = add_empty(deployment, list);
    }
    good = good && add_journal(deployment, list);
    if (good && deployment->path_error.kind != ERROR_NONE) { /* its text ends in what to do */
        good = deployment_add_problem(list, "socket", deployment->path_error.text, "");
    }
    if (good && deployment->settings.error.kind != ERROR_NONE) {
        good = deployment_add_problem(list, "settings", deployment->settings.error.text,
                                      "mend it: until then no generation can be started, by a swap or after "
                                      "a crash");
    }
    if (good && deployment->metrics_error.kind != ERROR_NONE) {
        good = deployment_add_problem(list, "metrics", deployment->metrics_error.text,
                                      "free the address or change it, and restart the manager: generations "
                                      "serve on");
    }
    if (good && deployment->standby_lacks_room) {
        good = deployment_add_problem(list, "spare",
                                      "there is no room in the EPC for a spare beside what serves",
                                      "set restart.spare to false, or use a node with more EPC");
    }
    if (good && deployment->alarm.kind != ERROR_NONE) {
        good = deployment_add_problem(list, "alarm", deployment->alarm.text, "see the log of the generation");
    }
    return good && deployment_checks_problems(deployment, list) ? TAKE(list) : NULL;
}
