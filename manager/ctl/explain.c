/* SPDX-License-Identifier: Apache-2.0
 *
 * What the manager knows about updates: explain, list --remote, and a part of status.
 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

static json_t *ask(Ctl *ctl, Error *err) {
    return ctl_client_call(ctl->client, "GET", "/v1/update", NULL, err);
}

static const char *distance(long long at, char *buffer, size_t size) {
    int64_t now = clock_wall_s();
    int64_t seconds = at > now ? at - now : now - at;
    return text_format_duration(buffer, size, (uint64_t)seconds * 1000);
}

void ctl_print_updates(const json_t *updates) {
    const json_t *problems = json_object_get(updates, "problems"), *problem = NULL;
    const long long checked = ctl_number(updates, "checked_at"), next = ctl_number(updates, "next_check_at");
    char ago[24], when[CLOCK_TIME_SIZE];
    size_t index = 0;
    if (ctl_text(updates, "repository")[0] == '\0' && checked == 0) {
        return;
    }
    (void)printf("%-11s %s\n", "updates", ctl_text(updates, "summary"));
    if (checked != 0) {
        (void)printf("%-11s last look %s ago", "", distance(checked, ago, sizeof ago));
        if (next != 0) {
            clock_format(next, when);
            (void)printf(", next at %s", when);
        }
        if (json_is_integer(json_object_get(updates, "expires_in_days"))) {
            const long long days = ctl_number(updates, "expires_in_days");
            (void)printf(", metadata good for %lld %s", days, text_plural((uint64_t)days, "day", "days"));
        }
        (void)printf("\n");
    }
    json_array_foreach(problems, index, problem) {
        (void)printf("%-11s %s\n%-11s -> %s\n", "PROBLEM", ctl_text(problem, "text"), "",
                     ctl_text(problem, "remedy"));
    }
}

static void print_candidates(const json_t *report, bool reasons) {
    const json_t *candidates = json_object_get(report, "candidates"), *candidate = NULL;
    size_t index = 0;
    json_array_foreach(candidates, index, candidate) {
        char size[24];
        bool malformed = json_object_get(candidate, "malformed") != NULL;
        (void)printf("%-12s %-11s %s%s%s, %s", malformed ? "?" : ctl_text(candidate, "version"),
                     ctl_text(candidate, "verdict"), malformed ? "" : ctl_text(candidate, "name"),
                     malformed ? "" : " ", ctl_text(candidate, "path"),
                     text_format_size(size, sizeof size, (uint64_t)ctl_number(candidate, "length")));
        if (ctl_text(candidate, "urgency")[0] != '\0') {
            (void)printf(", urgency %s", ctl_text(candidate, "urgency"));
        }
        (void)printf("\n");
        if (reasons) {
            (void)printf("%-12s %s\n", "", ctl_text(candidate, "reason"));
        }
    }
    if (json_array_size(candidates) == 0) {
        (void)printf("channel %s: no bundle is known (pswctl check-update looks)\n",
                     ctl_text(report, "channel"));
    }
}

bool ctl_list_remote(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *report = ask(ctl, err);
    if (report == NULL) {
        return false;
    }
    if (ctl->json) {
        return ctl_print_json(report, err);
    }
    print_candidates(report, false);
    return true;
}

bool ctl_explain(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *report = ask(ctl, err);
    if (report == NULL) {
        return false;
    }
    if (ctl->json) {
        return ctl_print_json(report, err);
    }
    (void)printf("%s\n", ctl_text(report, "summary"));
    print_candidates(report, true);
    return true;
}
