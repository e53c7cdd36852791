/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/examination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/checks/fingerprint.h"
#include "manager/helper.h"

enum {
    KNOWN_MAX = 16,
    TIMEOUT_MS = 2 * 60 * 1000,
    AGE_MAX_MS = 60 * 60 * 1000,
    KEY_SIZE = 3 * DIGEST_HEX_SIZE
};

typedef struct Known {
    char key[KEY_SIZE];
    json_t *report;
    uint64_t at_ms;
} Known;

struct Examinations {
    sd_event *event;
    const Config *config;
    Store *store;
    Helper *helper;
    char key[KEY_SIZE]; /* of the one under way; "": not to be remembered */
    ExaminedFn examined;
    void *context;
    bool background;
    Known known[KNOWN_MAX];
    size_t known_next;
};

Examinations *examinations_new(sd_event *event, const Config *config, Store *store) {
    Examinations *examinations = calloc(1, sizeof *examinations);
    if (examinations != NULL) {
        examinations->event = event;
        examinations->config = config;
        examinations->store = store;
    }
    return examinations;
}

void examinations_free(Examinations *examinations) {
    if (examinations == NULL) {
        return;
    }
    helper_cancel(examinations->helper);
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        json_decref(examinations->known[i].report);
    }
    free(examinations);
}

bool examinations_is_busy(const Examinations *examinations) {
    return examinations->helper != NULL;
}

CheckSettings examination_settings(const Config *config) {
    return (CheckSettings){.socket_path = config->socket_path,
                           .store = config->store,
                           .state = config->state,
                           .runtime = config->runtime,
                           .socket_mode = config->socket_mode,
                           .simulated_allowed = config->simulated_allowed,
                           .epc_sequential = config->epc_sequential,
                           .epc_kib = config->epc_kib,
                           .trial_latency_max_ms = config->trial_latency_max_ms,
                           .ducks_count = config->ducks_count,
                           .collateral = config->collateral_directory,
                           .collateral_root = config->collateral_root};
}

/* What a report holds for; false: the platform cannot be read, so nothing is known of it. */
static bool key_of(const ExaminationWish *wish, char key[KEY_SIZE]) {
    Host host;
    Digest digest;
    Error ignored = ERROR_INIT;
    char hex[DIGEST_HEX_SIZE];
    if (!host_open("/", &host, &ignored)) {
        return false;
    }
    CLEANUP(json_freep) json_t *fingerprint = fingerprint_read(&host);
    host_close(&host);
    if (fingerprint == NULL || !fingerprint_digest(fingerprint, &digest)) {
        return false;
    }
    digest_format(&digest, hex);
    (void)snprintf(key, KEY_SIZE, "%s:%s:%s", wish->bundle, wish->serving, hex);
    return true;
}

static const json_t *find_known(const Examinations *examinations, const char *key) {
    uint64_t now = clock_monotonic_ms();
    Error ignored = ERROR_INIT;
    for (size_t i = 0; i < KNOWN_MAX; i++) {
        const Known *known = &examinations->known[i];
        if (known->report != NULL && strcmp(known->key, key) == 0 && now - known->at_ms < AGE_MAX_MS &&
            examination_passes(known->report, &ignored)) { /* what failed may have been mended since */
            return known->report;
        }
    }
    return NULL;
}

static void remember(Examinations *examinations, const json_t *report) {
    Known *known = &examinations->known[examinations->known_next++ % KNOWN_MAX];
    json_decref(known->report);
    (void)memcpy(known->key, examinations->key, sizeof known->key);
    known->report = json_deep_copy(report);
    known->at_ms = clock_monotonic_ms();
}

static void on_done(void *context, const json_t *result, const Error *failure) {
    Examinations *examinations = context;
    ExaminedFn examined = examinations->examined;
    examinations->helper = NULL;
    examinations->examined = NULL;
    if (failure != NULL) {
        log_warning("checks-not-run", "error=\"%s\"", failure->text);
    } else if (examinations->key[0] != '\0') {
        remember(examinations, result);
    }
    if (examined != NULL) {
        examined(examinations->context, result, failure);
    }
}

static json_t *waivers_json(const Config *config) {
    CLEANUP(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < config->waivers_count; i++) {
        const ConfigWaiver *waiver = &config->waivers[i];
        if (json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "check", waiver->check, "reason",
                                                  waiver->reason, "until", (json_int_t)waiver->until)) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

static json_t *arguments_of(const Examinations *examinations, const ExaminationWish *wish) {
    const Config *config = examinations->config;
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:O?, s:o, s:{s:s, s:s, s:s, s:s, s:i, s:b, s:b, s:I, s:I, s:i, s:s?, s:s?}}",
        "store", store_path(examinations->store), "bundle", wish->bundle, "serving", wish->serving, "all",
        wish->all, "trial", wish->trial, "waivers", waivers_json(config), "settings", "socket_path",
        config->socket_path, "store", config->store, "state", config->state, "runtime", config->runtime,
        "socket_mode", (int)config->socket_mode, "simulated_allowed", config->simulated_allowed,
        "epc_sequential", config->epc_sequential, "epc_kib", (json_int_t)config->epc_kib,
        "trial_latency_max_ms", (json_int_t)config->trial_latency_max_ms, "ducks_count",
        (int)config->ducks_count, "collateral", config->collateral_directory, "collateral_root",
        config->collateral_root);
}

/* The one under way, if any, is for nobody who waits. */
static void give_way(Examinations *examinations) {
    ExaminedFn examined = TAKE(examinations->examined);
    Error later = ERROR_INIT;
    helper_cancel(TAKE(examinations->helper));
    if (examined != NULL) {
        error_set(&later, ERROR_CONFLICT, "more urgent checks came");
        examined(examinations->context, NULL, &later);
    }
}

bool examination_begin(Examinations *examinations, const ExaminationWish *wish, ExaminedFn examined,
                       void *context, Error *err) {
    char key[KEY_SIZE] = "";
    if (wish->trial == NULL && !wish->all && key_of(wish, key)) {
        const json_t *report = find_known(examinations, key);
        if (report != NULL) {
            if (examined != NULL) {
                examined(context, report, NULL);
            }
            return true;
        }
    }
    if (examinations->helper != NULL && examinations->examined == NULL && key[0] != '\0' &&
        strcmp(examinations->key, key) == 0) {
        examinations->examined = examined; /* it is being made ahead of time */
        examinations->context = context;
        examinations->background = wish->background;
        return true;
    }
    if (examinations->helper != NULL && (wish->background || !examinations->background)) {
        return error_set(err, ERROR_CONFLICT, "other checks are under way: try again");
    }
    give_way(examinations);
    CLEANUP(json_freep) json_t *arguments = arguments_of(examinations, wish);
    const HelperSpec spec = {.event = examinations->event,
                             .task = &helper_task_checks,
                             .arguments = arguments,
                             .fd = -1,
                             .timeout_ms = TIMEOUT_MS,
                             .done = on_done,
                             .context = examinations};
    if (arguments == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    (void)memcpy(examinations->key, key, sizeof key);
    examinations->helper = helper_start(&spec, err);
    if (examinations->helper == NULL) {
        return false;
    }
    examinations->examined = examined;
    examinations->context = context;
    examinations->background = wish->background;
    return true;
}

static const char *text_of(const json_t *check, const char *key) {
    const char *text = json_string_value(json_object_get(check, key));
    return text != NULL ? text : "";
}

bool examination_passes(const json_t *report, Error *err) {
    size_t index = 0;
    const json_t *check = NULL;
    json_array_foreach(json_object_get(report, "checks"), index, check) {
        if (strcmp(text_of(check, "status"), "fail") == 0) {
            return error_set(err, ERROR_VERIFY, "check %s: %s: %s", text_of(check, "id"),
                             text_of(check, "text"), text_of(check, "remedy"));
        }
    }
    return true;
}

static json_t *select_checks(const json_t *report, const char *status) {
    CLEANUP(json_freep) json_t *list = json_array();
    size_t index = 0;
    const json_t *check = NULL;
    json_array_foreach(json_object_get(report, "checks"), index, check) {
        if (strcmp(text_of(check, "status"), status) == 0 &&
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "id", text_of(check, "id"), "text",
                                                  text_of(check, "text"), "remedy",
                                                  text_of(check, "remedy"))) != 0) {
            return NULL;
        }
    }
    return TAKE(list);
}

json_t *examination_summary(const json_t *report) {
    return json_pack("{s:o, s:o, s:o, s:O}", "failed", select_checks(report, "fail"), "warned",
                     select_checks(report, "warn"), "waived", select_checks(report, "waived"), "counts",
                     json_object_get(report, "counts"));
}
