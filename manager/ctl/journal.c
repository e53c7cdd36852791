/* SPDX-License-Identifier: Apache-2.0
 *
 * Subcommand journal, and what of it belongs into the status.
 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

enum { JOURNAL_COUNT = 20, LATELY_S = 24 * 3600 };

static void print_event(const json_t *event) {
    char when[CLOCK_TIME_SIZE], who[48] = "psw-manager", operation[24] = "";
    const json_t *author = json_object_get(event, "who");
    clock_format(ctl_number(event, "at"), when);
    if (ctl_number(author, "pid") != 0) {
        (void)snprintf(who, sizeof who, "uid %lld pid %lld", ctl_number(author, "uid"),
                       ctl_number(author, "pid"));
    }
    if (ctl_number(event, "operation") != 0) {
        (void)snprintf(operation, sizeof operation, " #%lld", ctl_number(event, "operation"));
    }
    (void)printf("%s %s%s by %s: %s\n", when, ctl_text(event, "event"), operation, who,
                 ctl_text(event, "text"));
}

bool ctl_journal(Ctl *ctl, Error *err) {
    uint64_t count = JOURNAL_COUNT;
    if (ctl->count != NULL && !text_parse_u64(ctl->count, 1, UINT32_MAX, &count)) {
        return error_set(err, ERROR_USAGE, "--count: '%.32s' is not a number from 1 on", ctl->count);
    }
    CLEANUP(json_freep) json_t *journal = ctl_client_call(ctl->client, "GET", "/v1/journal", NULL, err);
    if (journal == NULL) {
        return false;
    }
    if (ctl->json) {
        return ctl_print_json(journal, err);
    }
    const json_t *events = json_object_get(journal, "events");
    size_t all = json_array_size(events);
    if (all == 0) {
        (void)puts("nothing has happened yet");
    }
    for (size_t i = all > count ? all - (size_t)count : 0; i < all; i++) {
        print_event(json_array_get(events, i));
    }
    return true;
}

static bool is_event(const json_t *event, const char *name) {
    return strcmp(ctl_text(event, "event"), name) == 0;
}

static void print_last(const char *what, const json_t *event, int64_t now) {
    char time[24];
    long long at = ctl_number(event, "at");
    (void)printf("%-11s %s, %s ago: %s (pswctl journal)\n", "lately", what,
                 text_format_duration(time, sizeof time, at < now ? (uint64_t)(now - at) * 1000 : 0),
                 ctl_text(event, "text"));
}

/* A node that mends itself looks well a moment later; whoever is called at night wants to know nevertheless.
 */
void ctl_print_lately(const json_t *journal) {
    const json_t *event = NULL, *crash = NULL, *failed = NULL;
    size_t index = 0;
    unsigned crashes = 0;
    char what[48];
    int64_t now = clock_wall_s();
    json_array_foreach(json_object_get(journal, "events"), index, event) {
        if (now - ctl_number(event, "at") > LATELY_S) {
            continue;
        }
        if (is_event(event, "crashed")) {
            crash = event;
            crashes++;
        } else if (is_event(event, "failed")) {
            failed = event;
        } else if (is_event(event, "committed")) {
            failed = NULL;
        }
    }
    if (failed != NULL) {
        print_last("the last swap failed", failed, now);
    }
    if (crash != NULL) {
        (void)snprintf(what, sizeof what, "%u %s in 24 hours, the last", crashes,
                       text_plural(crashes, "crash", "crashes"));
        print_last(what, crash, now);
    }
}
