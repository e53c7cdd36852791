/* SPDX-License-Identifier: Apache-2.0
 *
 * Subcommands that show how things stand: status, list.
 */
#include <inttypes.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

const char *ctl_bundle_label(const json_t *bundle, char *buffer, size_t size) {
    if (bundle == NULL || json_is_null(bundle)) {
        return "nothing";
    }
    bool known = ctl_text(bundle, "name")[0] != '\0';
    (void)snprintf(buffer, size, "%s%s%s (%.12s)",
                   known ? ctl_text(bundle, "name") : "a bundle not in the store", known ? " " : "",
                   ctl_text(bundle, "version"), ctl_text(bundle, "digest"));
    return buffer;
}

static const char *ago(long long since, char *buffer, size_t size) {
    int64_t now = clock_wall_s();
    return text_format_duration(buffer, size, since > 0 && since <= now ? (uint64_t)(now - since) * 1000 : 0);
}

static void print_counters(const json_t *status) {
    const json_t *counters = json_object_get(status, "counters");
    const long long connections = ctl_number(status, "connections");
    const long long quotes = ctl_number(counters, "duck_answers");
    (void)printf("%-11s %lld %s now, %lld accepted, %lld %s by lame ducks, %lld for others as lame duck\n",
                 "", connections, text_plural((uint64_t)connections, "connection", "connections"),
                 ctl_number(counters, "accepted"), quotes, text_plural((uint64_t)quotes, "quote", "quotes"),
                 ctl_number(counters, "relayed"));
}

static void print_generation(const json_t *generation, const char *word) {
    char label[160], time[24];
    const json_t *status = json_object_get(generation, "status");
    const json_t *qe = json_object_get(status, "qe"), *pce = json_object_get(status, "pce");
    bool timed = ctl_number(generation, "since") > 0;
    (void)printf("%-11s generation %lld: %s, %s%s%spid %lld\n", word, ctl_number(generation, "generation"),
                 ctl_bundle_label(json_object_get(generation, "bundle"), label, sizeof label),
                 timed ? "for " : "", timed ? ago(ctl_number(generation, "since"), time, sizeof time) : "",
                 timed ? ", " : "", ctl_number(generation, "pid"));
    if (ctl_text(generation, "qe")[0] != '\0') {
        char verdict[96];
        bool judged = ctl_format_tcb(json_object_get(generation, "tcb"), verdict, sizeof verdict);
        (void)printf("%-11s QE %.16s ISVSVN %lld, PCE ISVSVN %lld%s%s\n", "", ctl_text(generation, "qe"),
                     ctl_number(qe, "isv_svn"), ctl_number(pce, "isv_svn"), judged ? "; its quotes are " : "",
                     judged ? verdict : "");
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
    long long seconds = (ctl_number(status, "soak_left_ms") + 999) / 1000;
    if (seconds > 0) {
        (void)printf(", %s left (pswctl commit | pswctl rollback)",
                     text_format_duration(left, sizeof left, (uint64_t)seconds * 1000));
    }
    (void)printf("\n");
}

static void print_laggards(const json_t *status) {
    const json_t *clients = json_object_get(status, "clients");
    const long long answered = ctl_number(clients, "answered"), refused = ctl_number(clients, "refused");
    if (answered > 0 || refused > 0) {
        (void)printf("%-11s %lld still %s a former QE, %lld %s reports that nobody accepts: pswctl clients\n",
                     "processes", answered, text_plural((uint64_t)answered, "uses", "use"), refused,
                     text_plural((uint64_t)refused, "sends", "send"));
    }
}

static void print_problems(const json_t *status) {
    const json_t *problems = json_object_get(status, "problems");
    size_t index = 0;
    const json_t *problem = NULL;
    json_array_foreach(problems, index, problem) {
        (void)printf("%-11s %s\n", "PROBLEM", ctl_text(problem, "text"));
        if (ctl_text(problem, "remedy")[0] != '\0') {
            (void)printf("%-11s -> %s\n", "", ctl_text(problem, "remedy"));
        }
    }
}

static void print_checks(const json_t *checks) {
    const json_t *serving = json_object_get(checks, "serving"), *counts = json_object_get(serving, "counts");
    const json_t *waiver = NULL;
    size_t index = 0;
    char time[24];
    if (json_is_object(counts)) {
        (void)printf("%-11s %lld failed, %lld warned, %lld passed, %s ago (pswctl doctor)\n", "checks",
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
                     ctl_bundle_label(bundle, label, sizeof label),
                     text_format_size(size, sizeof size, (uint64_t)ctl_number(bundle, "size")),
                     ago(ctl_number(bundle, "staged_at"), time, sizeof time),
                     json_is_true(json_object_get(bundle, "simulated")) ? ", SIMULATED" : "",
                     json_is_true(json_object_get(bundle, "serving")) ? ", serves" : "",
                     json_is_true(json_object_get(bundle, "previous")) ? ", the way back" : "");
    }
}

static void print_status(const json_t *status, const json_t *bundles, const json_t *journal) {
    (void)printf("psw-manager %s: %s on %s\n", ctl_text(status, "version"), ctl_text(status, "state"),
                 ctl_text(status, "socket"));
    if (json_is_true(json_object_get(status, "simulated"))) {
        (void)printf("SIMULATED: this node's quotes come from a simulated platform and prove nothing\n");
    }
    print_problems(status);
    print_generations(status);
    print_laggards(status);
    print_operation(status);
    ctl_print_lately(journal);
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
    CLEANUP(json_freep) json_t *journal = ctl_client_call(ctl->client, "GET", "/v1/journal", NULL, err);
    if (journal == NULL) {
        return false;
    }
    print_status(status, bundles, journal);
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
