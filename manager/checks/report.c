/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/report.h"

#include <stdlib.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "manager/checks/library_set.h"

static const char *missing(const CheckSubject *subject, const Check *check, bool quick) {
    const Host *host = subject->host;
    if ((check->needs & CHECK_NEEDS_TIME) != 0 && quick) {
        return "takes too long for this occasion: pswctl doctor runs it";
    }
    if ((check->needs & CHECK_NEEDS_HARDWARE) != 0 && check_is_simulated(subject)) {
        return "the simulated platform does not need it";
    }
    if ((check->needs & CHECK_NEEDS_LIVE) != 0 && !host->is_live) {
        return "shows only on the running system";
    }
    if ((check->needs & CHECK_NEEDS_ROOT) != 0 && host->uid != 0) {
        return "shows only to root";
    }
    if ((check->needs & CHECK_NEEDS_BUNDLE) != 0 && subject->bundle == NULL) {
        return "is about a bundle: pswctl test BUNDLE runs it";
    }
    if ((check->needs & CHECK_NEEDS_SERVING) != 0 && subject->serving == NULL) {
        return "no bundle is known to serve";
    }
    if ((check->needs & CHECK_NEEDS_TRIAL) != 0 && subject->trial == NULL) {
        return "needs a test generation: pswctl test BUNDLE makes one";
    }
    return NULL;
}

void report_run_one(const CheckSubject *subject, const Check *check, CheckResult *ret_result) {
    *ret_result = (CheckResult){.check = check};
    check_skip(ret_result, "the check gave no answer");
    check->run(subject, ret_result);
}

static void run_one(const CheckSubject *subject, const Check *check, bool quick, CheckResult *result) {
    const char *reason = missing(subject, check, quick);
    if (reason != NULL) {
        *result = (CheckResult){.check = check};
        check_skip(result, "%s", reason);
    } else {
        report_run_one(subject, check, result);
    }
}

bool report_run(const CheckSubject *subject, bool quick, CheckReport *ret_report, Error *err) {
    CLEANUP(library_set_freep) LibrarySet *libraries = NULL;
    CheckSubject shared = *subject;
    CheckReport report = {0};
    uint64_t begin = clock_monotonic_ns();
    size_t all = 0;
    shared.libraries = &libraries;
    for (size_t i = 0; i < check_families_count; i++) {
        all += check_families[i]->count;
    }
    report.results = calloc(all + 1, sizeof *report.results);
    if (report.results == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < check_families_count; i++) {
        for (size_t j = 0; j < check_families[i]->count; j++) {
            CheckResult *result = &report.results[report.count++];
            run_one(&shared, &check_families[i]->checks[j], quick, result);
            report.counts[result->status]++;
        }
    }
    report.microseconds = (clock_monotonic_ns() - begin) / 1000;
    *ret_report = report;
    return true;
}

void report_done(CheckReport *report) {
    free(report->results);
    *report = (CheckReport){0};
}

static void waive(CheckReport *report, CheckResult *result, const CheckWaiver *waiver) {
    char text[CHECK_TEXT_MAX];
    (void)memcpy(text, result->text, sizeof text);
    report->counts[result->status]--;
    (void)snprintf(result->text, sizeof result->text, "%.300s (waived: %.160s)", text, waiver->reason);
    result->status = CHECK_WAIVED;
    report->counts[CHECK_WAIVED]++;
}

void report_waive(CheckReport *report, const CheckWaiver *waivers, size_t count, int64_t now) {
    for (size_t i = 0; i < report->count; i++) {
        CheckResult *result = &report->results[i];
        for (size_t j = 0; j < count; j++) {
            if ((result->status == CHECK_FAIL || result->status == CHECK_WARN) && now < waivers[j].until &&
                strcmp(waivers[j].check, result->check->id) == 0) {
                waive(report, result, &waivers[j]);
            }
        }
    }
}

static json_t *result_json(const CheckResult *result) {
    const Check *check = result->check;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", check->id, "status",
                             check_status_name(result->status), "severity",
                             check_status_name(check->severity), "title", check->title, "text", result->text);
    if (json != NULL && (result->status == CHECK_WARN || result->status == CHECK_FAIL) &&
        !json_put(json, "remedy", json_string(check->remedy))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

json_t *report_json(const CheckReport *report) {
    CLEANUP(json_freep) json_t *checks = json_array();
    CLEANUP(json_freep) json_t *counts = json_object();
    for (size_t i = 0; i < report->count; i++) {
        if (json_array_append_new(checks, result_json(&report->results[i])) != 0) {
            return NULL;
        }
    }
    for (int status = 0; status < CHECK_STATUSES_COUNT; status++) {
        if (!json_put(counts, check_status_name((CheckStatus)status),
                      json_integer((json_int_t)report->counts[status]))) {
            return NULL;
        }
    }
    return json_pack("{s:O, s:O, s:f}", "checks", checks, "counts", counts, "milliseconds",
                     (double)report->microseconds / 1000.0);
}
