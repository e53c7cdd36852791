/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/advisor.h"

#include <string.h>
#include <unistd.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/advisor_report.h"
#include "manager/pace.h"
#include "manager/timer.h"
#include "manager/transfer.h"

#define REPORT_NAME "advice.json"
#define INTEL_HOST_END ".trustedservices.intel.com/"
#define INTEL_ROOT_CRL_BASE "https://certificates.trustedservices.intel.com"

enum { REPORT_MAX = 1024 * 1024, FILE_SIZE_MAX = 4 * 1024 * 1024, FIRST_MS = 2000, CHANGED_MS = 2000 };

struct Advisor {
    AdvisorSpec spec;
    char *directory; /* of the cache */
    json_t *report;  /* advice.json: {"at", "failed_at", "failure", "advice"} */
    unsigned failures;
    sd_event_source *timer;
    Operation *operation;          /* the look under way; NULL: none */
    char *noted;                   /* the last verdict that is in the journal */
    bool is_own;                   /* nobody asked for it */
    json_t *bundles;               /* that the last look judged; NULL: there was none yet */
    char serving[DIGEST_HEX_SIZE]; /* as the report has it */
    Transfer *transfer;
};

static bool is_configured(const Advisor *advisor) {
    const Config *config = advisor->spec.config;
    return config->collateral_urls_count > 0 || config->collateral_directory != NULL;
}

static void take_serving(Advisor *advisor) {
    (void)text_copy(advisor->serving, sizeof advisor->serving, advisor->spec.journal->serving.digest);
    advisor_report_serve(advisor->report, advisor->serving);
}

static bool load_report(Advisor *advisor, Error *err) {
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(REPORT_MAX);
    Error missing = ERROR_INIT;
    if (file_read(advisor->spec.state_fd, REPORT_NAME, &content, &missing)) {
        advisor->report = json_parse(buffer_bytes(&content), REPORT_NAME, &missing);
    }
    if (!json_is_object(advisor->report)) { /* it can be had again */
        json_decref(advisor->report);
        advisor->report = json_object();
    }
    return advisor->report != NULL || error_set(err, ERROR_MEMORY, "out of memory");
}

static void save_report(const Advisor *advisor) {
    Error err = ERROR_INIT;
    AUTO_FREE char *text = json_format(advisor->report, false);
    if (text == NULL || !file_replace(advisor->spec.state_fd, REPORT_NAME, text, strlen(text), 0600, &err)) {
        log_error("advice-not-written", "error=\"%s\"", text == NULL ? "out of memory" : err.text);
    }
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Advisor *advisor = context;
    const JournalWho itself = {.uid = geteuid()};
    Error err = ERROR_INIT;
    timer_stop(&advisor->timer);
    if (advisor->operation != NULL) {
        return 0;
    }
    if (advisor_look(advisor, itself, &err) == NULL) {
        log_warning("advice-not-begun", "error=\"%s\"", err.text);
    }
    advisor->is_own = advisor->operation != NULL;
    return 0;
}

static void plan(Advisor *advisor, uint64_t delay_ms) {
    if (advisor->spec.config->collateral_interval_ms == 0 || !is_configured(advisor)) {
        return;
    }
    if (!timer_start(advisor->spec.event, &advisor->timer, delay_ms, on_timer, advisor)) {
        log_error("advice-not-planned", "error=\"out of memory\"");
    }
}

static void plan_next(Advisor *advisor) {
    plan(advisor, pace_next(advisor->spec.config->collateral_interval_ms, advisor->failures));
}

Advisor *advisor_new(const AdvisorSpec *spec, Error *err) {
    CLEANUP(advisor_freep) Advisor *advisor = calloc(1, sizeof *advisor);
    if (advisor == NULL || (advisor->directory = text_format("%s/collateral", spec->config->state)) == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    advisor->spec = *spec;
    if (!file_make_path(advisor->directory, 0755, err) || !load_report(advisor, err)) {
        return NULL;
    }
    advisor->noted = advisor_report_sentence(advisor->report);
    take_serving(advisor);
    plan(advisor, FIRST_MS);
    return TAKE(advisor);
}

void advisor_free(Advisor *advisor) {
    if (advisor != NULL) {
        timer_stop(&advisor->timer);
        transfer_cancel(advisor->transfer);
        json_decref(advisor->report);
        json_decref(advisor->bundles);
        free(advisor->noted);
        free(advisor->directory);
        free(advisor);
    }
}

/* A verdict that has changed is worth an entry in the journal and a line in the log. */
static void note_change(Advisor *advisor, const Operation *operation) {
    Error err = ERROR_INIT;
    AUTO_FREE char *now = advisor_report_sentence(advisor->report);
    if (now == NULL || (advisor->noted != NULL && strcmp(advisor->noted, now) == 0)) {
        return;
    }
    log_info("tcb-verdict", "verdict=\"%s\"", now);
    journal_note(advisor->spec.journal, operation->id, operation->who, "tcb-verdict", "%s", now);
    if (!journal_save(advisor->spec.journal, &err)) {
        log_error("journal-not-written", "error=\"%s\"", err.text);
    }
    free(advisor->noted);
    advisor->noted = TAKE(now);
}

static void end(Advisor *advisor, json_t *advice, const Error *failure) {
    Operation *operation = advisor->operation;
    advisor_report_learn(advisor->report, advice, failure);
    take_serving(advisor);
    if (advice != NULL) {
        note_change(advisor, operation);
    }
    bool stale = failure != NULL || json_object_size(json_object_get(advice, "failures")) > 0;
    advisor->failures = stale ? advisor->failures + 1 : 0;
    advisor->operation = NULL;
    save_report(advisor);
    plan_next(advisor);
    if (failure != NULL) {
        log_warning("advice-failed", "error=\"%s\"", failure->text);
        operation_fail(advisor->spec.operations, operation, failure);
    } else {
        operation_succeed(advisor->spec.operations, operation, advisor_json(advisor, true));
    }
}

static void on_judged(void *context, const json_t *result, const Error *failure) {
    Advisor *advisor = context;
    Error err = ERROR_INIT;
    advisor->transfer = NULL;
    CLEANUP(json_freep) json_t *advice = failure == NULL ? json_deep_copy(result) : NULL;
    if (failure == NULL && advice == NULL) {
        error_set(&err, ERROR_MEMORY, "out of memory");
        failure = &err;
    }
    end(advisor, advice, failure);
}

static bool is_at_intel(const char *url) {
    return strstr(url, INTEL_HOST_END) != NULL;
}

static json_t *bundles_now(const Advisor *advisor, Error *err) {
    CLEANUP(json_freep) json_t *updates = updates_json(advisor->spec.updates, false);
    return advisor_report_bundles(advisor->spec.store, advisor->spec.journal->serving.digest,
                                  json_object_get(updates, "offer"), err);
}

static json_t *arguments_of(Advisor *advisor, Error *err) {
    const Config *config = advisor->spec.config;
    json_t *bundles = bundles_now(advisor, err);
    if (bundles == NULL) {
        return NULL;
    }
    json_decref(advisor->bundles);
    advisor->bundles = json_incref(bundles);
    json_t *arguments = json_pack("{s:s, s:s?, s:s?, s:b, s:s?, s:s?, s:o, s:I}", "directory",
                                  advisor->directory, "root", config->collateral_root, "local",
                                  config->collateral_directory, "fetch", config->collateral_urls_count > 0,
                                  "quote", deployment_trial_quote(advisor->spec.deployment), "certificates",
                                  deployment_certificates(advisor->spec.deployment), "bundles", bundles,
                                  "time", (json_int_t)clock_wall_s());
    if (arguments == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return arguments;
}

static bool start(Advisor *advisor, Error *err) {
    const Config *config = advisor->spec.config;
    const char *mirrors[CONFIG_COLLATERAL_URLS_MAX + 1];
    size_t count = 0;
    bool at_intel = false;
    CLEANUP(json_freep) json_t *arguments = arguments_of(advisor, err);
    if (arguments == NULL) {
        return false;
    }
    for (size_t i = 0; i < config->collateral_urls_count; i++) {
        mirrors[count++] = config->collateral_urls[i];
        at_intel = at_intel || is_at_intel(config->collateral_urls[i]);
    }
    if (at_intel) {
        mirrors[count++] = INTEL_ROOT_CRL_BASE; /* where the root CRL is */
    }
    const TransferSpec transfer = {.event = advisor->spec.event,
                                   .config = config,
                                   .mirrors = mirrors,
                                   .mirrors_count = count,
                                   .fd = -1,
                                   .task = &helper_task_advice,
                                   .arguments = arguments,
                                   .file_size_max = FILE_SIZE_MAX,
                                   .done = on_judged,
                                   .context = advisor};
    advisor->transfer = transfer_start(&transfer, err);
    return advisor->transfer != NULL;
}

/* The trial quote is as new as can be; without one, the certificate of a former one has to do. */
static void on_trial(void *context) {
    Advisor *advisor = context;
    Error err = ERROR_INIT;
    if (advisor->operation == NULL) {
        return;
    }
    operation_step(advisor->spec.operations, advisor->operation, "fetching");
    if (!start(advisor, &err)) {
        end(advisor, NULL, &err);
    }
}

Operation *advisor_look(Advisor *advisor, JournalWho who, Error *err) {
    if (!is_configured(advisor)) {
        error_set(err, ERROR_CONFIG,
                  "there is no collateral: name a PCS or PCCS in collateral.urls of manager.yaml");
        return NULL;
    }
    if (advisor->operation != NULL && advisor->is_own) {
        advisor->is_own = false; /* who asks waits for it, too */
        return advisor->operation;
    }
    if (advisor->operation != NULL) {
        error_set(err, ERROR_CONFLICT, "operation %llu is looking already",
                  (unsigned long long)advisor->operation->id);
        return NULL;
    }
    Operation *operation = operation_begin(advisor->spec.operations, advisor->spec.journal->next_operation,
                                           "tcb", who, "this platform");
    if (operation == NULL) {
        error_set(err, ERROR_LIMIT, "too many operations are under way: try again when one has ended");
        return NULL;
    }
    advisor->spec.journal->next_operation++;
    advisor->operation = operation;
    timer_stop(&advisor->timer);
    operation_step(advisor->spec.operations, operation, "trial");
    if (!deployment_health_ask(advisor->spec.deployment, on_trial, advisor, err)) {
        advisor->operation = NULL;
        operation_fail(advisor->spec.operations, operation, err);
        plan_next(advisor);
        return NULL;
    }
    return operation;
}

void advisor_operation_changed(Advisor *advisor, const Operation *operation) {
    Error ignored = ERROR_INIT;
    if (advisor == NULL || !is_configured(advisor)) {
        return;
    }
    if (strcmp(advisor->serving, advisor->spec.journal->serving.digest) != 0) {
        take_serving(advisor);
    }
    bool is_failed_look = operation->state == OPERATION_FAILED && strcmp(operation->kind, "tcb") == 0;
    if (operation->state == OPERATION_RUNNING || is_failed_look || advisor->operation != NULL ||
        advisor->bundles == NULL) {
        return; /* what keeps a look from beginning is not cured by the next one */
    }
    CLEANUP(json_freep) json_t *bundles = bundles_now(advisor, &ignored);
    if (bundles != NULL && json_equal(bundles, advisor->bundles) == 0) {
        plan(advisor, CHANGED_MS);
    }
}

json_t *advisor_bundle_json(const Advisor *advisor, const char *digest) {
    return advisor_report_of(advisor->report, digest);
}

json_t *advisor_json(const Advisor *advisor, bool whole) {
    return advisor_report_json(advisor->report, is_configured(advisor), whole);
}
