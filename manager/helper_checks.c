/* SPDX-License-Identifier: Apache-2.0
 *
 * The checks task: runs the compatibility checks for a staged bundle. It looks at the host with the manager's
 * own rights, so it does its work before the sandbox closes; the bundle's bytes were verified before.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/store.h"
#include "manager/checks/report.h"
#include "manager/helper_child.h"

CLEANUP_DEFINE(Store, store_close)

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

static uint64_t number(const json_t *object, const char *key) {
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static CheckSettings read_settings(const json_t *object) {
    return (CheckSettings){.socket_path = text(object, "socket_path"),
                           .store = text(object, "store"),
                           .state = text(object, "state"),
                           .runtime = text(object, "runtime"),
                           .socket_mode = (unsigned)number(object, "socket_mode"),
                           .simulated_allowed = json_is_true(json_object_get(object, "simulated_allowed")),
                           .epc_sequential = json_is_true(json_object_get(object, "epc_sequential")),
                           .epc_kib = number(object, "epc_kib"),
                           .trial_latency_max_ms = number(object, "trial_latency_max_ms"),
                           .ducks_count = (unsigned)number(object, "ducks_count"),
                           .collateral = text(object, "collateral"),
                           .collateral_root = text(object, "collateral_root")};
}

static size_t read_waivers(const json_t *list, CheckWaiver waivers[REPORT_WAIVERS_MAX]) {
    size_t count = 0, index = 0;
    const json_t *waiver = NULL;
    json_array_foreach(list, index, waiver) {
        if (count < REPORT_WAIVERS_MAX) {
            waivers[count++] = (CheckWaiver){text(waiver, "check"), text(waiver, "reason"),
                                             json_integer_value(json_object_get(waiver, "until"))};
        }
    }
    return count;
}

static json_t *examine(const json_t *arguments, const CheckSubject *subject, Error *err) {
    CheckWaiver waivers[REPORT_WAIVERS_MAX];
    CheckReport report;
    size_t count = read_waivers(json_object_get(arguments, "waivers"), waivers);
    if (!report_run(subject, !json_is_true(json_object_get(arguments, "all")), &report, err)) {
        return NULL;
    }
    report_waive(&report, waivers, count, subject->host->now);
    json_t *json = report_json(&report);
    report_done(&report);
    if (json == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    return json;
}

static bool prepare(const json_t *arguments, void **ret_prepared, Error *err) {
    StoreEntry bundle = {0}, serving = {0};
    Error ignored = ERROR_INIT;
    Host host;
    const CheckSettings settings = read_settings(json_object_get(arguments, "settings"));
    CLEANUP(store_closep) Store *store = store_open(text(arguments, "store"), false, err);
    if (store == NULL || !store_find(store, text(arguments, "bundle"), &bundle, err)) {
        return false;
    }
    bool has_serving = text(arguments, "serving")[0] != '\0' &&
                       store_find(store, text(arguments, "serving"), &serving, &ignored);
    AUTO_FREE char *path = store_bundle_path(store, &bundle.digest);
    if (path != NULL && host_open("/", &host, err)) {
        const json_t *trial = json_object_get(arguments, "trial");
        const CheckSubject subject = {.host = &host,
                                      .settings = &settings,
                                      .bundle = bundle.manifest,
                                      .bundle_path = path,
                                      .serving = has_serving ? serving.manifest : NULL,
                                      .trial = json_is_object(trial) ? trial : NULL};
        *ret_prepared = examine(arguments, &subject, err);
        host_close(&host);
    } else if (path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
    }
    store_entry_done(&bundle);
    if (has_serving) {
        store_entry_done(&serving);
    }
    return *ret_prepared != NULL;
}

static bool run(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)arguments, (void)err;
    *ret_result = prepared;
    return true;
}

const HelperTask helper_task_checks = {.name = "checks", .run = run, .prepare = prepare};
