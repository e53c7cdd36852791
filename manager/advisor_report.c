/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/advisor_report.h"

#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/dcap/tcb.h"
#include "manager/operation.h"

#define DAY INT64_C(86400)

enum { WARN_DAYS = 2, SOFT_DAYS = 7 };

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool add_bundle(json_t *list, const StoreEntry *entry, const char *serving, const json_t *offer) {
    const ManifestFile *qe = manifest_find(entry->manifest, MANIFEST_ROLE_QE3);
    const ManifestFile *pce = manifest_find(entry->manifest, MANIFEST_ROLE_PCE);
    if (qe == NULL || pce == NULL || !qe->has_identity || !pce->has_identity) {
        return true; /* nothing that could be judged */
    }
    return json_array_append_new(
               list, json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:i, s:i}", "bundle", entry->digest_hex,
                               "name", entry->manifest->name, "version", entry->manifest->version, "serving",
                               strcmp(entry->digest_hex, serving) == 0, "staged", true, "offered",
                               strcmp(entry->digest_hex, text_of(offer, "bundle")) == 0, "qe_isv_svn",
                               qe->isv_svn, "pce_isv_svn", pce->isv_svn)) == 0;
}

static bool is_staged(const StoreList *staged, const char *digest) {
    for (size_t i = 0; i < staged->count; i++) {
        if (strcmp(staged->entries[i].digest_hex, digest) == 0) {
            return true;
        }
    }
    return false;
}

/* What its publisher says of it; the bundle itself is not here. */
static bool add_offer(json_t *list, const json_t *offer) {
    CLEANUP(json_freep)
    json_t *bundle = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "bundle", text_of(offer, "bundle"), "name",
                               text_of(offer, "name"), "version", text_of(offer, "version"), "serving", false,
                               "staged", false, "offered", true);
    const json_t *qe = json_object_get(offer, "qe_isv_svn"), *pce = json_object_get(offer, "pce_isv_svn");
    bool known = json_is_integer(qe) && json_is_integer(pce);
    return bundle != NULL &&
           (!known || (json_put(bundle, "qe_isv_svn", json_integer(json_integer_value(qe))) &&
                       json_put(bundle, "pce_isv_svn", json_integer(json_integer_value(pce))))) &&
           json_array_append(list, bundle) == 0;
}

json_t *advisor_report_bundles(Store *store, const char *serving, const json_t *offer, Error *err) {
    StoreList staged;
    if (!store_list(store, &staged, err)) {
        return NULL;
    }
    CLEANUP(json_freep) json_t *list = json_array();
    bool good = list != NULL;
    for (size_t i = 0; i < staged.count && good; i++) {
        good = add_bundle(list, &staged.entries[i], serving, offer);
    }
    if (good && json_is_object(offer) && !is_staged(&staged, text_of(offer, "bundle"))) {
        good = add_offer(list, offer);
    }
    store_list_done(&staged);
    if (!good) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return good ? TAKE(list) : NULL;
}

void advisor_report_learn(json_t *report, json_t *advice, const Error *failure) {
    const json_t *failures = json_object_get(advice, "failures");
    const char *text = failure != NULL ? failure->text : NULL;
    const char *policy = NULL;
    json_t *each = NULL;
    json_object_foreach((json_t *)failures, policy, each) {
        text = text == NULL ? json_string_value(each) : text;
    }
    bool good = json_put(report, "failure", text != NULL ? operation_text_json(text) : json_null());
    if (text != NULL) {
        good = json_put(report, "failed_at", json_integer(clock_wall_s())) && good;
    } else {
        good = json_put(report, "at", json_integer(clock_wall_s())) && good;
    }
    if (advice != NULL && json_array_size(json_object_get(advice, "policies")) > 0) {
        good = json_put(report, "advice", json_incref(advice)) && good;
    }
    if (!good) {
        (void)json_object_del(report, "advice"); /* rather nothing than half of it */
    }
}

void advisor_report_serve(json_t *report, const char *serving) {
    const json_t *policy = NULL;
    json_t *bundle = NULL;
    size_t at = 0, index = 0;
    json_array_foreach(json_object_get(json_object_get(report, "advice"), "policies"), at, policy) {
        json_array_foreach(json_object_get(policy, "bundles"), index, bundle) {
            bool serves = serving[0] != '\0' && strcmp(text_of(bundle, "bundle"), serving) == 0;
            (void)json_object_set_new(bundle, "serving", json_boolean(serves));
        }
    }
}

/* The policy's verdict on a bundle (NULL: the one that serves); NULL: none. */
static const json_t *verdict_on(const json_t *report, const char *wanted, const char *digest) {
    const json_t *policies = json_object_get(json_object_get(report, "advice"), "policies"), *policy = NULL;
    const json_t *bundle = NULL;
    size_t at = 0, index = 0;
    json_array_foreach(policies, at, policy) {
        const char *name = json_string_value(json_object_get(policy, "policy"));
        if (name == NULL || strcmp(name, wanted) != 0) {
            continue;
        }
        json_array_foreach(json_object_get(policy, "bundles"), index, bundle) {
            if (digest != NULL ? strcmp(text_of(bundle, "bundle"), digest) == 0
                               : json_is_true(json_object_get(bundle, "serving"))) {
                return bundle;
            }
        }
    }
    return NULL;
}

static const json_t *verdict_of(const json_t *report, const char *wanted) {
    return verdict_on(report, wanted, NULL);
}

static const char *status_of(const json_t *verdict) {
    const char *status = json_string_value(json_object_get(verdict, "status"));
    return status != NULL ? status : tcb_status_name(TCB_UNKNOWN);
}

static bool is_current(const char *status) {
    TcbStatus parsed = TCB_UNKNOWN;
    return tcb_status_parse(status, &parsed) && tcb_status_is_current(parsed);
}

char *advisor_report_sentence(const json_t *report) {
    const json_t *standard = verdict_of(report, "standard"), *early = verdict_of(report, "early");
    const char *now = status_of(standard), *next = status_of(early);
    const char *since = json_string_value(json_object_get(early, "since"));
    if (standard == NULL && early == NULL) {
        return text_format("not known yet");
    }
    if (early == NULL || strcmp(now, next) == 0) {
        return text_format("%s%s", now, early == NULL ? "" : ", today and under Intel's newest data");
    }
    if (is_current(now) && !is_current(next)) {
        return text_format(
            "%s today; %s under Intel's newest data (early; fixes of %.10s), which becomes the "
            "standard: update before",
            now, next, since != NULL ? since : "?");
    }
    return text_format("%s today; %s under Intel's newest data (early)", now, next);
}

/* How old the last good look is: "fresh", "late" (worth a warning), "old" (rest on it with care). */
static const char *age_of(const json_t *report) {
    const json_int_t at = json_integer_value(json_object_get(report, "at"));
    const int64_t age = clock_wall_s() - (int64_t)at;
    return at == 0 || age > SOFT_DAYS * DAY ? "old" : age > WARN_DAYS * DAY ? "late" : "fresh";
}

static bool add_summary(json_t *answer, const json_t *report) {
    AUTO_FREE char *sentence = advisor_report_sentence(report);
    const json_t *failure = json_object_get(report, "failure");
    return sentence != NULL && json_put(answer, "summary", json_string(sentence)) &&
           json_put(answer, "standard", json_string(status_of(verdict_of(report, "standard")))) &&
           json_put(answer, "early", json_string(status_of(verdict_of(report, "early")))) &&
           json_put(answer, "age", json_string(age_of(report))) &&
           json_put(answer, "at", json_integer(json_integer_value(json_object_get(report, "at")))) &&
           json_put(answer, "failure", failure != NULL ? json_deep_copy(failure) : json_null());
}

json_t *advisor_report_of(const json_t *report, const char *digest) {
    return json_pack("{s:s, s:s}", "standard", status_of(verdict_on(report, "standard", digest)), "early",
                     status_of(verdict_on(report, "early", digest)));
}

json_t *advisor_report_json(const json_t *report, bool configured, bool whole) {
    CLEANUP(json_freep) json_t *answer = json_pack("{s:b}", "configured", configured);
    if (answer == NULL || !add_summary(answer, report)) {
        return NULL;
    }
    const json_t *advice = json_object_get(report, "advice");
    if (whole && advice != NULL) {
        CLEANUP(json_freep) json_t *copy = json_deep_copy(advice);
        if (copy == NULL || json_object_update_missing(answer, copy) != 0) {
            return NULL;
        }
    }
    return TAKE(answer);
}
