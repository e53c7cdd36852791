/* SPDX-License-Identifier: Apache-2.0
 *
 * Subcommands that show: status, list, journal.
 */
#include <inttypes.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

enum { JOURNAL_COUNT = 20 };

static const char *bundle_label(const json_t *bundle, char *buffer, size_t size) {
    if (bundle == NULL || json_is_null(bundle)) {
        return "nothing";
    }
    (void)snprintf(buffer, size, "%s %s (%.12s)",
                   ctl_text(bundle, "name")[0] != '\0' ? ctl_text(bundle, "name")
                                                       : "a bundle not in the store",
                   ctl_text(bundle, "version"), ctl_text(bundle, "digest"));
    return buffer;
}

static const char *ago(long long since, char *buffer, size_t size) {
    int64_t now = clock_wall_s();
    if (since <= 0 || since > now) {
        return "just now";
    }
    return text_format_duration(buffer, size, (uint64_t)(now - since) * 1000);
}

static void print_counters(const json_t *status) {
    const json_t *counters = json_object_get(status, "counters");
    (void)printf("%-11s %lld connections now, %lld accepted, %lld quotes by lame ducks, %lld for others as "
                 "lame duck\n",
                 "", ctl_number(status, "connections"), ctl_number(counters, "accepted"),
                 ctl_number(counters, "duck_answers"), ctl_number(counters, "relayed"));
}

static void print_generation(const json_t *generation, const char *word) {
    char label[160], time[24];
    const json_t *status = json_object_get(generation, "status");
    const json_t *qe = json_object_get(status, "qe"), *pce = json_object_get(status, "pce");
    (void)printf("%-11s generation %lld: %s, for %s, pid %lld\n", word, ctl_number(generation, "generation"),
                 bundle_label(json_object_get(generation, "bundle"), label, sizeof label),
                 ago(ctl_number(generation, "since"), time, sizeof time), ctl_number(generation, "pid"));
    if (ctl_text(generation, "qe")[0] != '\0') {
        (void)printf("%-11s QE %.16s ISVSVN %lld, PCE ISVSVN %lld\n", "", ctl_text(generation, "qe"),
                     ctl_number(qe, "isv_svn"), ctl_number(pce, "isv_svn"));
        print_counters(status);
    }
}

static void print_role(const json_t *list, const char *role, const char *word) {
    size_t index = 0;
    const json_t *generation = NULL;
    json_array_foreach(list, index, generation) {
        if (strcmp(ctl_text(generation, "role"), role) == 0) {
            print_generation(generation, word);
        }
    }
}

static void print_generations(const json_t *status) {
    static const char *const roles[][2] = {
        {"serving", "serving"}, {"restarting", "restarting"}, {"candidate", "warming"},
        {"former", "way back"}, {"lame-duck", "lame duck"},   {"starting-again", "starting"},
        {"spare", "spare"},     {"test", "being tested"},     {"retiring", "retiring"},
    };
    const json_t *list = json_object_get(status, "generations");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        print_role(list, roles[i][0], roles[i][1]);
    }
}

static void print_operation(const json_t *status) {
    const json_t *operation = json_object_get(status, "operation");
    char left[24];
    if (!json_is_object(operation)) {
        return;
    }
    (void)printf("%-11s %lld: %s %s: %s", "operation", ctl_number(operation, "id"),
                 ctl_text(operation, "kind"), ctl_text(operation, "what"), ctl_text(operation, "step"));
    if (ctl_number(status, "soak_left_ms") > 0) {
        (void)printf(", %s left (pswctl commit | pswctl rollback)",
                     text_format_duration(left, sizeof left, (uint64_t)ctl_number(status, "soak_left_ms")));
    }
    (void)printf("\n");
}

static void print_laggards(const json_t *status) {
    const json_t *clients = json_object_get(status, "clients");
    if (ctl_number(clients, "answered") > 0 || ctl_number(clients, "refused") > 0) {
        (void)printf(
            "%-11s %lld still use a former QE, %lld send reports that nobody accepts: pswctl clients\n",
            "processes", ctl_number(clients, "answered"), ctl_number(clients, "refused"));
    }
}

static void print_problems(const json_t *status) {
    const json_t *problems = json_object_get(status, "problems");
    size_t index = 0;
    const json_t *problem = NULL;
    json_array_foreach(problems, index, problem) {
        (void)printf("%-11s %s\n%-11s -> %s\n", "PROBLEM", ctl_text(problem, "text"), "",
                     ctl_text(problem, "remedy"));
    }
}

static void print_checks(const json_t *checks) {
    const json_t *serving = json_object_get(checks, "serving"), *counts = json_object_get(serving, "counts");
    const json_t *waiver = NULL;
    size_t index = 0;
    char time[24];
    if (json_is_object(counts)) {
        (void)printf("%-11s %lld failed, %lld warnings, %lld passed, %s ago (pswctl doctor)\n", "checks",
                     ctl_number(counts, "fail"), ctl_number(counts, "warn"), ctl_number(counts, "pass"),
                     ago(ctl_number(checks, "at"), time, sizeof time));
    }
    json_array_foreach(json_object_get(checks, "waivers"), index, waiver) {
        (void)printf("%-11s %s until %s: %s%s\n", "waived", ctl_text(waiver, "check"),
                     ctl_text(waiver, "until"), ctl_text(waiver, "reason"),
                     json_is_true(json_object_get(waiver, "expired")) ? " (EXPIRED)" : "");
    }
}

static void print_bundles(const json_t *bundles, const char *indent) {
    size_t index = 0;
    const json_t *bundle = NULL;
    if (json_array_size(bundles) == 0) {
        (void)printf("%-11s nothing: pswctl stage FILE, or pswctl fetch URL --sha256 D --stage\n", indent);
    }
    json_array_foreach(bundles, index, bundle) {
        char label[160], size[24], time[24];
        (void)printf("%-11s %s, %s, staged %s ago%s%s%s\n", index == 0 ? indent : "",
                     bundle_label(bundle, label, sizeof label),
                     text_format_size(size, sizeof size, (uint64_t)ctl_number(bundle, "size")),
                     ago(ctl_number(bundle, "staged_at"), time, sizeof time),
                     json_is_true(json_object_get(bundle, "simulated")) ? ", SIMULATED" : "",
                     json_is_true(json_object_get(bundle, "serving")) ? ", serves" : "",
                     json_is_true(json_object_get(bundle, "previous")) ? ", the way back" : "");
    }
}

static void print_status(const json_t *status, const json_t *bundles) {
    (void)printf("psw-manager %s: %s on %s\n", ctl_text(status, "version"), ctl_text(status, "state"),
                 ctl_text(status, "socket"));
    if (json_is_true(json_object_get(status, "simulated"))) {
        (void)printf("SIMULATED: this node's quotes come from a simulated platform and prove nothing\n");
    }
    print_problems(status);
    print_generations(status);
    print_laggards(status);
    print_operation(status);
    print_checks(json_object_get(status, "checks"));
    ctl_print_tcb_line(json_object_get(status, "tcb"));
    ctl_print_updates(json_object_get(status, "updates"));
    print_bundles(json_object_get(bundles, "bundles"), "staged");
}

/* For scripts: the exit status says whether this node makes quotes, if it should. */
static bool is_well(const json_t *status, Error *err) {
    if (strcmp(ctl_text(status, "state"), "down") == 0) {
        return error_set(err, ERROR_ENGINE, "nothing serves: see the problems above");
    }
    if (strcmp(ctl_text(status, "state"), "serving") == 0 &&
        json_is_false(json_object_get(json_object_get(status, "health"), "healthy"))) {
        return error_set(err, ERROR_ENGINE, "the serving generation makes no quotes: see the problems above");
    }
    return true;
}

bool ctl_status(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *status = ctl_client_call(ctl->client, "GET", "/v1/status", NULL, err);
    CLEANUP(json_freep)
    json_t *bundles = status != NULL ? ctl_client_call(ctl->client, "GET", "/v1/bundles", NULL, err) : NULL;
    if (bundles == NULL) {
        return false;
    }
    if (ctl->json) {
        return (json_object_set(status, "bundles", json_object_get(bundles, "bundles")) == 0 ||
                error_set(err, ERROR_MEMORY, "out of memory")) &&
               ctl_print_json(status, err) && is_well(status, err);
    }
    print_status(status, bundles);
    return is_well(status, err);
}

bool ctl_list(Ctl *ctl, Error *err) {
    if (ctl->remote) {
        return ctl_list_remote(ctl, err);
    }
    CLEANUP(json_freep) json_t *bundles = ctl_client_call(ctl->client, "GET", "/v1/bundles", NULL, err);
    if (bundles == NULL) {
        return false;
    }
    if (ctl->json) {
        return ctl_print_json(bundles, err);
    }
    print_bundles(json_object_get(bundles, "bundles"), "staged");
    return true;
}

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
    for (size_t i = all > count ? all - (size_t)count : 0; i < all; i++) {
        print_event(json_array_get(events, i));
    }
    return true;
}
