/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks: doctor runs them here, without the daemon; what came of them is printed for people, as JSON, and as
 * JUnit XML.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "manager/checks/report.h"
#include "manager/config.h"
#include "manager/ctl/ctl.h"
#include "manager/examination.h"

static bool is_status(const json_t *check, const char *status) {
    return strcmp(ctl_text(check, "status"), status) == 0;
}

static void print_check(const json_t *check) {
    (void)printf("%-6s %-24s %s\n", is_status(check, "fail") ? "FAIL" : ctl_text(check, "status"),
                 ctl_text(check, "id"), ctl_text(check, "text"));
    if (ctl_text(check, "remedy")[0] != '\0') {
        (void)printf("%-6s %-24s -> %s\n", "", "", ctl_text(check, "remedy"));
    }
}

void ctl_print_checks(const json_t *report, bool all) {
    const json_t *checks = json_object_get(report, "checks"), *counts = json_object_get(report, "counts");
    size_t index = 0;
    const json_t *check = NULL;
    json_array_foreach(checks, index, check) {
        if (!is_status(check, "skip") && (all || !is_status(check, "pass"))) {
            print_check(check);
        }
    }
    const long long warnings = ctl_number(counts, "warn"), notes = ctl_number(counts, "info");
    (void)printf("%zu %s: %lld failed, %lld %s, %lld %s, %lld passed, %lld waived, %lld skipped\n",
                 json_array_size(checks), text_plural(json_array_size(checks), "check", "checks"),
                 ctl_number(counts, "fail"), warnings, text_plural((uint64_t)warnings, "warning", "warnings"),
                 notes, text_plural((uint64_t)notes, "note", "notes"), ctl_number(counts, "pass"),
                 ctl_number(counts, "waived"), ctl_number(counts, "skip"));
}

bool ctl_check_junit(const Ctl *ctl, Error *err) {
    return ctl->junit == NULL || file_check_regular(ctl->junit, true, err) || error_wrap(err, "--junit");
}

bool ctl_write_junit(const Ctl *ctl, const json_t *report, Error *err) {
    if (ctl->junit == NULL) {
        return true;
    }
    FILE *out = fopen(ctl->junit, "we");
    if (out == NULL) {
        return error_set_errno(err, errno, "--junit: %s", ctl->junit);
    }
    bool good = report_write_junit(report, out);
    return (fclose(out) == 0 && good) || error_set_errno(err, errno, "--junit: cannot write %s", ctl->junit);
}

/* A configuration that is broken is said, and does not keep the rest from being looked at. */
static Config *load_config(const Ctl *ctl, Error *err) {
    static const char defaults[] = "{}\n";
    Error broken = ERROR_INIT;
    AUTO_FREE char *beneath = ctl->root != NULL ? text_format("%s%s", ctl->root, CONFIG_PATH_DEFAULT) : NULL;
    const char *path = ctl->config != NULL ? ctl->config : beneath != NULL ? beneath : CONFIG_PATH_DEFAULT;
    if (ctl->config != NULL || access(path, R_OK) == 0) {
        Config *config = config_load(path, &broken);
        if (config != NULL) {
            return config;
        }
        (void)fprintf(stderr, "pswctl: %s\npswctl: going on with the defaults\n", broken.text);
    }
    return config_parse((Bytes){(const uint8_t *)defaults, sizeof defaults - 1}, "defaults", err);
}

static void waive(const Config *config, CheckReport *report, int64_t now) {
    CheckWaiver waivers[REPORT_WAIVERS_MAX];
    size_t count = 0;
    for (; count < config->waivers_count && count < REPORT_WAIVERS_MAX; count++) {
        const ConfigWaiver *waiver = &config->waivers[count];
        waivers[count] = (CheckWaiver){waiver->check, waiver->reason, waiver->until};
        if (now >= waiver->until) {
            (void)fprintf(stderr, "pswctl: the waiver of check %s has expired and is ignored\n",
                          waiver->check);
        }
    }
    report_waive(report, waivers, count, now);
}

static json_t *examine(const Ctl *ctl, const Config *config, Error *err) {
    Host host;
    CheckReport report = {0};
    const CheckSettings settings = examination_settings(config);
    if (!host_open(ctl->root != NULL ? ctl->root : "/", &host, err)) {
        return NULL;
    }
    const CheckSubject subject = {.host = &host, .settings = &settings};
    bool good = report_run(&subject, false, &report, err);
    waive(config, &report, host.now);
    json_t *json = good ? report_json(&report) : NULL;
    report_done(&report);
    host_close(&host);
    if (good && json == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return json;
}

/* What a new operator should do first. */
static void print_advice(const Ctl *ctl, const Config *config, const json_t *report) {
    const json_t *checks = json_object_get(report, "checks");
    size_t index = 0;
    const json_t *check = NULL;
    json_array_foreach(checks, index, check) {
        if (is_status(check, "fail")) {
            (void)printf("first: %s (%s)\n", ctl_text(check, "remedy"), ctl_text(check, "id"));
            return;
        }
    }
    AUTO_FREE char *api = ctl->api != NULL ? text_format("%s", ctl->api) : config_api_path(config->runtime);
    Error ignored = ERROR_INIT;
    CLEANUP(ctl_client_closep)
    CtlClient *client = api != NULL && ctl->root == NULL ? ctl_client_open(api, &ignored) : NULL;
    if (client == NULL) {
        (void)printf("next: start the manager: systemctl enable --now psw-manager\n");
        return;
    }
    CLEANUP(json_freep) json_t *status = ctl_client_call(client, "GET", "/v1/status", NULL, &ignored);
    if (strcmp(ctl_text(status, "state"), "empty") == 0) {
        (void)printf(
            "next: pswctl stage FILE (or pswctl update), pswctl test VERSION, pswctl swap VERSION\n");
    }
}

bool ctl_doctor(Ctl *ctl, Error *err) {
    CLEANUP(config_freep) Config *config = ctl_check_junit(ctl, err) ? load_config(ctl, err) : NULL;
    CLEANUP(json_freep) json_t *report = config != NULL ? examine(ctl, config, err) : NULL;
    if (report == NULL || !ctl_write_junit(ctl, report, err)) {
        return false;
    }
    if (ctl->json && !ctl_print_json(report, err)) {
        return false;
    }
    if (!ctl->json) {
        ctl_print_checks(report, false);
        print_advice(ctl, config, report);
    }
    long long failed = ctl_number(json_object_get(report, "counts"), "fail");
    return failed == 0 || error_set(err, ERROR_VERIFY, "%lld %s failed", failed,
                                    text_plural((uint64_t)failed, "check", "checks"));
}
