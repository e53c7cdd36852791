/* SPDX-License-Identifier: Apache-2.0
 *
 * A verdict on a quote as text.
 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/text.h"
#include "manager/ctl/ctl.h"

enum { COLUMN = 12 };

static void print_label(const char *label) {
    (void)printf("%-*s", COLUMN, label);
}

static void print_list(const char *label, const json_t *list) {
    size_t at = 0;
    const json_t *item = NULL;
    if (json_array_size(list) == 0) {
        return;
    }
    print_label(label);
    json_array_foreach(list, at, item) {
        (void)printf("%s%s", at > 0 ? ", " : "", json_string_value(item));
    }
    (void)printf("\n");
}

static void print_grade(const char *label, const json_t *grade) {
    print_label(label);
    (void)printf("%s", ctl_text(grade, "status"));
    if (ctl_text(grade, "tcb_date")[0] != '\0') {
        (void)printf(", with the fixes up to %.10s", ctl_text(grade, "tcb_date"));
    }
    (void)printf("\n");
}

static void print_expiry(const json_t *verdict) {
    const json_t *collateral = json_object_get(verdict, "collateral");
    const char *expires = ctl_text(collateral, "expires");
    int64_t until = 0, time = 0;
    char left[24];
    print_label("collateral");
    if (json_object_get(collateral, "tcb_info_evaluation") != NULL) {
        (void)printf("evaluation %lld; ", ctl_number(collateral, "tcb_info_evaluation"));
    }
    (void)printf("first to expire: %s at %s", ctl_text(collateral, "expires_first"), expires);
    if (clock_parse(expires, &until) && clock_parse(ctl_text(verdict, "time"), &time) && until > time) {
        (void)printf(", in %s", text_format_duration(left, sizeof left, (uint64_t)(until - time) * 1000));
    }
    (void)printf("\n");
}

static void print_problems(const json_t *problems) {
    size_t at = 0;
    const json_t *problem = NULL;
    json_array_foreach(problems, at, problem) {
        const char *kind = ctl_text(problem, "problem"), *time = ctl_text(problem, "at");
        print_label("PROBLEM");
        (void)printf("%s: %s%s%s\n", ctl_text(problem, "what"), kind,
                     time[0] == '\0'                ? ""
                     : strcmp(kind, "expired") == 0 ? " since "
                                                    : " before ",
                     time);
    }
}

static void print_advice(const json_t *advice) {
    size_t at = 0;
    const json_t *sentence = NULL;
    json_array_foreach(advice, at, sentence) {
        print_label("");
        (void)printf("-> %s\n", json_string_value(sentence));
    }
}

static void print_subject(const json_t *verdict) {
    const json_t *quote = json_object_get(verdict, "quote"), *qe = json_object_get(verdict, "qe");
    const json_t *application = json_object_get(verdict, "application");
    const json_t *platform = json_object_get(verdict, "platform");
    print_label("quote");
    (void)printf("version %lld, %lld bytes, by QE ISVSVN %lld (%.16s)", ctl_number(quote, "version"),
                 ctl_number(quote, "size"), ctl_number(qe, "isv_svn"), ctl_text(qe, "mrenclave"));
    if (ctl_number(quote, "pce_isv_svn") != 0) {
        (void)printf(", PCE ISVSVN %lld", ctl_number(quote, "pce_isv_svn"));
    }
    (void)printf("\n");
    print_label("application");
    (void)printf("MRENCLAVE %s\n", ctl_text(application, "mrenclave"));
    if (json_is_true(json_object_get(application, "debug"))) {
        print_label("WARNING");
        (void)printf(
            "a debug enclave: its memory can be read from outside; most relying parties refuse it\n");
    }
    print_label("platform");
    (void)printf("FMSPC %s, PCK certificate for TCB %s, PCESVN %lld\n", ctl_text(platform, "fmspc"),
                 ctl_text(platform, "components"), ctl_number(platform, "pce_svn"));
}

void ctl_print_verdict(const json_t *verdict) {
    print_subject(verdict);
    print_grade("  platform", json_object_get(verdict, "platform"));
    print_grade("  QE", json_object_get(verdict, "qe"));
    print_expiry(verdict);
    print_list("advisories", json_object_get(verdict, "advisories"));
    print_problems(json_object_get(verdict, "problems"));
    print_label("verdict");
    (void)printf("%s%s at %s\n", ctl_text(verdict, "status"),
                 json_array_size(json_object_get(verdict, "problems")) > 0 ? ", but not to be relied on" : "",
                 ctl_text(verdict, "time"));
    print_advice(json_object_get(verdict, "advice"));
}
