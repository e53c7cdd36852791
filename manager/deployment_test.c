/* SPDX-License-Identifier: Apache-2.0
 *
 * Trying a bundle beside what serves: it warms up, takes a trial quote, and ends. No client meets it.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"

static void finish(Deployment *deployment, json_t *result, const Error *failure) {
    Operation *test = TAKE(deployment->test);
    if (test == NULL) {
        json_decref(result);
        return;
    }
    journal_note(deployment->journal, test->id, test->who, failure == NULL ? "tested" : "test-failed",
                 "%s%s%s", test->what, failure != NULL ? ": " : "", failure != NULL ? failure->text : "");
    deployment_save(deployment);
    if (failure != NULL) {
        log_warning("test-failed", "bundle=%.12s error=\"%s\"", deployment->test_digest, failure->text);
        test->result = result; /* also why: the checks */
        operation_fail(deployment->operations, test, failure);
    } else {
        operation_succeed(deployment->operations, test, result);
    }
}

static void on_examined(void *context, const json_t *report, const Error *failure) {
    Deployment *deployment = context;
    Error failed = deployment->test_failure;
    json_t *result = TAKE(deployment->test_result);
    if (result == NULL) {
        result = json_object();
    }
    if (failure != NULL && failed.kind == ERROR_NONE) {
        failed = *failure;
    }
    if (report != NULL && !json_put(result, "checks", json_deep_copy(report)) && failed.kind == ERROR_NONE) {
        error_set(&failed, ERROR_MEMORY, "out of memory");
    }
    if (report != NULL && failed.kind == ERROR_NONE) {
        (void)!examination_passes(report, &failed);
    }
    finish(deployment, result, failed.kind != ERROR_NONE ? &failed : NULL);
}

/* What the generation said, or why it failed, is one of the facts that the checks look at. Takes `result`. */
static void examine(Deployment *deployment, json_t *result, const Error *failure) {
    Error err = ERROR_INIT;
    const char *serving = deployment->journal->serving.digest;
    if (deployment->test == NULL || deployment->test_examined) {
        json_decref(result);
        return;
    }
    deployment->test_examined = true; /* the generation's end after this is none of the test's */
    deployment->test_failure = failure != NULL ? *failure : ERROR_INIT;
    json_decref(deployment->test_result);
    deployment->test_result = result;
    operation_step(deployment->operations, deployment->test, "checks");
    CLEANUP(json_freep)
    json_t *trial = result != NULL ? json_deep_copy(result)
                                   : json_pack("{s:o}", "error", operation_text_json(failure->text));
    (void)json_object_del(json_object_get(result, "trial"), "quote"); /* for the checks, not for people */
    const ExaminationWish wish = {.bundle = deployment->test_digest,
                                  .serving = strcmp(serving, deployment->test_digest) == 0 ? "" : serving,
                                  .trial = trial,
                                  .all = true};
    if (!examination_begin(deployment->examinations, &wish, on_examined, deployment, &err)) {
        on_examined(deployment, NULL, &err);
    }
}

static void on_verified(Deployment *deployment, const Error *failure) {
    Journal *journal = deployment->journal;
    Error err = ERROR_INIT;
    if (failure != NULL) {
        finish(deployment, NULL, failure);
        return;
    }
    operation_step(deployment->operations, deployment->test, "warming");
    uint32_t number = journal->next_generation++;
    if (!journal_save(journal, &err) ||
        deployment_launch(deployment, number, deployment->test_digest, GENERATION_TEST, &err) == NULL) {
        finish(deployment, NULL, &err);
    }
}

static void on_trial(void *context, Generation *generation, const ControlMessage *reply,
                     const Error *failure) {
    Deployment *deployment = context;
    Error err = ERROR_INIT;
    if (!generation_is_alive(generation)) {
        return; /* its end is told apart */
    }
    json_t *trial = failure == NULL && reply != NULL ? control_message_json(reply, &err) : NULL;
    (void)json_object_del(trial, "certificates"); /* for the advisor, not for people */
    json_t *result = trial != NULL
                         ? json_pack("{s:o, s:O}", "trial", trial, "status", generation_status(generation))
                         : NULL;
    generation_retire(generation, deployment->config->drain_timeout_ms);
    if (result == NULL && failure == NULL && err.kind == ERROR_NONE) {
        error_set(&err, ERROR_MEMORY, "out of memory");
    }
    examine(deployment, result, result == NULL ? (failure != NULL ? failure : &err) : NULL);
}

void deployment_test_ready(Deployment *deployment, Generation *generation) {
    Error err = ERROR_INIT;
    if (deployment->test != NULL) {
        operation_step(deployment->operations, deployment->test, "trial");
    }
    if (!generation_call(generation, CONTROL_TRIAL, NULL, -1,
                         deployment->config->trial_latency_max_ms + DEPLOYMENT_CALL_MS, on_trial, deployment,
                         &err)) {
        on_trial(deployment, generation, NULL, &err);
    }
}

void deployment_test_gone(Deployment *deployment, const Error *failure) {
    examine(deployment, NULL, failure);
}

Operation *deployment_test(Deployment *deployment, const char *what, JournalWho who, Error *err) {
    Journal *journal = deployment->journal;
    StoreEntry entry;
    char label[128];
    if (deployment_is_busy(deployment, err) || !store_find(deployment->store, what, &entry, err)) {
        return NULL;
    }
    (void)memcpy(deployment->test_digest, entry.digest_hex, sizeof deployment->test_digest);
    bool good = requirements_check(entry.manifest, &deployment->host, err);
    store_entry_done(&entry);
    if (!good) {
        return NULL;
    }
    deployment_label(deployment, deployment->test_digest, label, sizeof label);
    Operation *test = operation_begin(deployment->operations, journal->next_operation++, "test", who, label);
    if (test == NULL) {
        error_set(err, ERROR_LIMIT, "too many operations are under way");
        return NULL;
    }
    deployment->test = test;
    deployment->test_examined = false;
    operation_step(deployment->operations, test, "verifying");
    if (!deployment_verify(deployment, deployment->test_digest, on_verified, err)) {
        finish(deployment, NULL, err);
    }
    return test;
}
