/* SPDX-License-Identifier: Apache-2.0
 *
 * tcb: what relying parties make of this node, today and under Intel's newest data.
 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

static void print_short(const json_t *list) {
    size_t at = 0;
    const json_t *what = NULL;
    json_array_foreach(list, at, what) {
        (void)printf("%s%s", at == 0 ? ", short: " : ", ", json_string_value(what));
    }
}

static void print_bundle(const json_t *bundle) {
    size_t at = 0;
    const json_t *sentence = NULL;
    const char *place = json_is_true(json_object_get(bundle, "serving"))  ? "serving"
                        : json_is_true(json_object_get(bundle, "staged")) ? "staged"
                                                                          : "offered";
    (void)printf("  %-10s %s %s", place, ctl_text(bundle, "name"), ctl_text(bundle, "version"));
    if (json_object_get(bundle, "qe_isv_svn") != NULL) {
        (void)printf(" (QE ISVSVN %lld, PCE ISVSVN %lld)", ctl_number(bundle, "qe_isv_svn"),
                     ctl_number(bundle, "pce_isv_svn"));
    }
    (void)printf(": %s", ctl_text(bundle, "status"));
    print_short(json_object_get(bundle, "short"));
    if (ctl_text(bundle, "since")[0] != '\0') {
        (void)printf(", fixes of %.10s", ctl_text(bundle, "since"));
    }
    (void)printf("\n");
    json_array_foreach(json_object_get(bundle, "advice"), at, sentence) {
        (void)printf("  %-10s -> %s\n", "", json_string_value(sentence));
    }
}

static void print_policy(const json_t *policy) {
    size_t at = 0;
    const json_t *each = NULL;
    (void)printf("%s (evaluation %lld, good until %s): platform %s\n", ctl_text(policy, "policy"),
                 ctl_number(policy, "evaluation"), ctl_text(policy, "expires"),
                 ctl_text(json_object_get(policy, "platform"), "status"));
    json_array_foreach(json_object_get(policy, "problems"), at, each) {
        (void)printf("  PROBLEM    %s: %s, %s\n", ctl_text(each, "what"), ctl_text(each, "problem"),
                     ctl_text(each, "at"));
    }
    json_array_foreach(json_object_get(policy, "bundles"), at, each) {
        print_bundle(each);
    }
}

static void print_trial(const json_t *trial) {
    if (!json_is_object(trial)) {
        return;
    }
    if (ctl_text(trial, "error")[0] != '\0') {
        (void)printf("%-11s NOT VERIFIABLE: %s\n", "trial quote", ctl_text(trial, "error"));
    } else if (json_array_size(json_object_get(trial, "problems")) > 0) {
        const json_t *problem = json_array_get(json_object_get(trial, "problems"), 0);
        (void)printf("%-11s NOT VERIFIABLE: %s: %s\n", "trial quote", ctl_text(problem, "what"),
                     ctl_text(problem, "problem"));
    } else {
        (void)printf("%-11s verified to the root: %s\n", "trial quote", ctl_text(trial, "status"));
    }
}

bool ctl_format_tcb(const json_t *tcb, char *buffer, size_t size) {
    const char *today = ctl_text(tcb, "standard"), *next = ctl_text(tcb, "early");
    bool known = today[0] != '\0' && strcmp(today, "Unknown") != 0;
    bool other = strcmp(next, "Unknown") != 0 && strcmp(next, today) != 0;
    (void)snprintf(buffer, size, "%s%s%s%s", today, other ? " (" : "", other ? next : "",
                   other ? " under Intel's newest data)" : "");
    return known;
}

void ctl_print_tcb_line(const json_t *tcb) {
    char ago[24];
    if (!json_is_true(json_object_get(tcb, "configured"))) {
        return;
    }
    (void)printf("%-11s %s", "TCB", ctl_text(tcb, "summary"));
    if (ctl_number(tcb, "at") != 0) {
        int64_t age = clock_wall_s() - ctl_number(tcb, "at");
        text_format_duration(ago, sizeof ago, (uint64_t)(age > 0 ? age : 0) * 1000);
        (void)printf(" (seen %s ago%s)", ago,
                     strcmp(ctl_text(tcb, "age"), "fresh") == 0 ? "" : ", which is long");
    }
    (void)printf("\n");
    if (ctl_text(tcb, "failure")[0] != '\0') {
        (void)printf("%-11s %s\n%-11s -> what is cached serves on; pswctl tcb looks again\n", "PROBLEM",
                     ctl_text(tcb, "failure"), "");
    }
}

static bool print_report(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *report = ctl_client_call(ctl->client, "GET", "/v1/tcb", NULL, err);
    size_t at = 0;
    const json_t *policy = NULL;
    if (report == NULL) {
        return false;
    }
    if (ctl->json) {
        return ctl_print_json(report, err);
    }
    ctl_print_tcb_line(report);
    print_trial(json_object_get(report, "trial"));
    json_array_foreach(json_object_get(report, "policies"), at, policy) {
        print_policy(policy);
    }
    return true;
}

bool ctl_tcb(Ctl *ctl, Error *err) {
    CLEANUP(json_freep) json_t *call = ctl_client_call(ctl->client, "POST", "/v1/tcb", NULL, err);
    CLEANUP(json_freep) json_t *operation = call != NULL ? ctl_await(ctl, json_incref(call), err) : NULL;
    ErrorKind kind = ERROR_SYSTEM;
    if (operation == NULL) {
        return false;
    }
    if (ctl->no_wait) {
        return ctl_report(ctl, operation, err);
    }
    /* Also after a failure: what was known before is better than nothing. */
    if (!print_report(ctl, err)) {
        return false;
    }
    if (strcmp(ctl_text(operation, "state"), "failed") != 0) {
        return true;
    }
    if (!error_kind_parse(ctl_text(operation, "error_kind"), &kind) || kind == ERROR_NONE) {
        kind = ERROR_SYSTEM;
    }
    return error_set(err, kind, "tcb: %s", ctl_text(operation, "error"));
}
