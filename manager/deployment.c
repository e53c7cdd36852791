/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/deployment.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/listener.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"
#include "manager/metrics_page.h"
#include "manager/timer.h"

enum { ADOPT_MS = 10 * 1000 };

const JournalWho deployment_itself = {.uid = 0, .pid = 0};

static void on_ready(void *context, Generation *generation);
static void on_drained(void *context, Generation *generation, uint64_t left);
static void on_alarm(void *context, Generation *generation, const Error *error);
static void on_rescue(void *context, Generation *generation, int channel);
static void on_counts(void *context, Generation *generation, json_t *counts);
static void on_recall(void *context, Generation *generation);
static void on_gone(void *context, Generation *generation);

/* So that an increase is seen from the first one on. */
static void count_from_zero(Totals *totals) {
    static const char *const outcomes[] = {"committed", "undone", "failed"};
    static const GenerationRole roles[] = {GENERATION_SERVING, GENERATION_DUCK, GENERATION_CANDIDATE};
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++) {
        totals_add(totals, METRICS_PAGE_SWAPS, outcomes[i], 0);
    }
    static const char *const results[] = {"started", "failed", "declined"};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        totals_add(totals, METRICS_PAGE_RECALLS, results[i], 0);
    }
    static const char *const reasons[] = {"age", "count", "memory", "idle", "lost"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        totals_add(totals, METRICS_PAGE_RETIRED, reasons[i], 0);
    }
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        totals_add(totals, METRICS_PAGE_CRASHES, generation_role_name(roles[i]), 0);
    }
}

Deployment *deployment_new(const DeploymentSpec *spec, Error *err) {
    CLEANUP(deployment_freep) Deployment *deployment = calloc(1, sizeof *deployment);
    if (deployment == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    deployment->event = spec->event;
    deployment->config = spec->config;
    deployment->store = spec->store;
    deployment->journal = spec->journal;
    deployment->operations = spec->operations;
    deployment->quoted = spec->quoted;
    deployment->listener = -1;
    deployment->waker = (Waker)WAKER_INIT;
    deployment->totals = spec->totals;
    deployment->laggards = spec->laggards;
    deployment->owner = (GenerationOwner){.context = deployment,
                                          .ready = on_ready,
                                          .drained = on_drained,
                                          .alarm = on_alarm,
                                          .rescue = on_rescue,
                                          .counts = on_counts,
                                          .recall = on_recall,
                                          .gone = on_gone};
    deployment->rescue = rescue_new(spec->event, RESCUE_MAX);
    if (deployment->rescue == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    count_from_zero(deployment->totals);
    deployment->examinations = examinations_new(spec->event, spec->config, spec->store);
    if (deployment->examinations == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    deployment_host_read(deployment);
    return TAKE(deployment);
}

void deployment_host_read(Deployment *deployment) {
    requirements_host_live(&deployment->host);
    deployment->host.simulated_allowed = deployment->config->simulated_allowed;
    if (deployment->config->epc_kib != 0) {
        deployment->host.epc_kib = deployment->config->epc_kib;
    }
}

void deployment_free(Deployment *deployment) {
    if (deployment == NULL) {
        return;
    }
    helper_cancel(deployment->verifier);
    deployment_health_done(deployment);
    deployment_settings_done(deployment);
    timer_stop(&deployment->soak_timer);
    timer_stop(&deployment->trial_timer);
    deployment_hurry(deployment);
    waker_done(&deployment->waker);
    timer_stop(&deployment->restart_timer);
    timer_stop(&deployment->restarted_timer);
    timer_stop(&deployment->upkeep_timer);
    timer_stop(&deployment->takeover_timer);
    timer_stop(&deployment->ahead);
    free(deployment->takeover);
    deployment->path_watch = sd_event_source_disable_unref(deployment->path_watch);
    for (size_t i = 0; i < deployment->generations_count; i++) {
        generation_free(deployment->generations[i]);
    }
    for (size_t i = 0; i < DEPLOYMENT_WATCHES; i++) {
        (void)sd_event_source_disable_unref(deployment->platform_watches[i]);
    }
    (void)sd_event_source_disable_unref(deployment->uevents);
    examinations_free(deployment->examinations);
    json_decref(deployment->checked);
    json_decref(deployment->test_result);
    json_decref(deployment->fingerprint);
    rescue_free(deployment->rescue);
    cleanup_close(&deployment->listener);
    free(deployment);
}

Generation *deployment_find(const Deployment *deployment, uint32_t number) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        if (generation_number(deployment->generations[i]) == number) {
            return deployment->generations[i];
        }
    }
    return NULL;
}

Generation *deployment_serving(const Deployment *deployment) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        if (generation_role(deployment->generations[i]) == GENERATION_SERVING) {
            return deployment->generations[i];
        }
    }
    return NULL;
}

bool deployment_has_role(const Deployment *deployment, GenerationRole role) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        if (generation_role(deployment->generations[i]) == role) {
            return true;
        }
    }
    return false;
}

void deployment_save(Deployment *deployment) {
    Error err = ERROR_INIT;
    if (!journal_save(deployment->journal, &err)) {
        log_error("journal-not-written", "error=\"%s\"", err.text);
    }
}

static GenerationSpec spec_of(const Deployment *deployment, uint32_t number, const char *digest) {
    return (GenerationSpec){.event = deployment->event,
                            .owner = &deployment->owner,
                            .runtime = deployment->config->runtime,
                            .number = number,
                            .digest = digest,
                            .program = deployment->quoted,
                            .config = deployment->config->quoted_config,
                            .warm_up_timeout_ms = deployment->config->warm_up_timeout_ms};
}

static bool has_room(const Deployment *deployment, Error *err) {
    return deployment->generations_count < DEPLOYMENT_GENERATIONS_MAX ||
           error_set(err, ERROR_LIMIT, "%d generations run already: wait until some have ended",
                     DEPLOYMENT_GENERATIONS_MAX);
}

Generation *deployment_launch(Deployment *deployment, uint32_t number, const char *digest,
                              GenerationRole role, Error *err) {
    Digest parsed;
    if (!has_room(deployment, err)) {
        return NULL;
    }
    if (!digest_parse(digest, &parsed)) {
        error_set(err, ERROR_NOT_FOUND, "no bundle is named");
        return NULL;
    }
    AUTO_FREE char *path = store_bundle_path(deployment->store, &parsed);
    if (path == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    GenerationSpec spec = spec_of(deployment, number, digest);
    spec.bundle_path = path;
    Generation *generation = generation_start(&spec, role, err);
    if (generation != NULL) {
        deployment->generations[deployment->generations_count++] = generation;
        journal_set_origin(deployment->journal, number, generation_origin(generation));
        log_info("generation-started", "generation=%u pid=%d bundle=%.12s role=%s", number,
                 (int)generation_pid(generation), digest, generation_role_name(role));
    }
    return generation;
}

Generation *deployment_adopt(Deployment *deployment, uint32_t number, GenerationRole role, Error *err) {
    if (!has_room(deployment, err)) {
        return NULL;
    }
    GenerationSpec spec = spec_of(deployment, number, NULL);
    spec.origin = journal_origin(deployment->journal, number);
    Generation *generation = generation_adopt(&spec, role, ADOPT_MS, err);
    if (generation != NULL) {
        deployment->generations[deployment->generations_count++] = generation;
        log_info("generation-found", "generation=%u pid=%d bundle=%.12s state=%s role=%s", number,
                 (int)generation_pid(generation), generation_digest(generation), generation_state(generation),
                 generation_role_name(role));
    }
    return generation;
}

void deployment_deposit(const Deployment *deployment) {
    /* FDPOLL=0: the store must keep the descriptor whatever happens on it. */
    (void)sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDNAME=aesm\nFDPOLL=0", &deployment->listener, 1);
}

bool deployment_need_listener(Deployment *deployment, Error *err) {
    const ListenerSpec spec = {.path = deployment->config->socket_path,
                               .mode = deployment->config->socket_mode,
                               .group = deployment->config->socket_group};
    if (deployment->listener >= 0) {
        return true;
    }
    if (deployment_foreign_lives(deployment)) {
        return deployment_foreign_listener(deployment, err);
    }
    deployment->listener = listener_inherited(spec.path);
    if (deployment->listener >= 0) {
        listener_keep_spare(spec.path);
    } else {
        deployment->listener = listener_make(&spec, err);
        if (deployment->listener < 0) {
            return false;
        }
        deployment_deposit(deployment);
        log_info("socket-made", "path=%s", spec.path);
    }
    deployment_path_watch(deployment);
    return true;
}

bool deployment_hand_over(Deployment *deployment, Generation *generation, GenerationReplyFn reply,
                          Error *err) {
    if (!deployment_need_listener(deployment, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *arguments = deployment_ducks_json(deployment, generation);
    if (arguments == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    ControlType type = generation_is_stopped(generation) ? CONTROL_RESUME : CONTROL_ACCEPT;
    return generation_call(generation, type, arguments, deployment->listener, DEPLOYMENT_CALL_MS, reply,
                           deployment, err);
}

static void on_drain_reply(void *context, Generation *generation, const ControlMessage *reply,
                           const Error *failure) {
    (void)context, (void)reply;
    if (failure != NULL && generation_is_alive(generation)) {
        log_error("drain-failed", "generation=%u error=\"%s\"", generation_number(generation), failure->text);
        generation_kill(generation); /* its clients' requests are in the rescue channel */
    }
}

void deployment_drain(Deployment *deployment, Generation *generation) {
    Error err = ERROR_INIT;
    if (!generation_call(generation, CONTROL_DRAIN, NULL, -1, DEPLOYMENT_CALL_MS, on_drain_reply, deployment,
                         &err)) {
        on_drain_reply(deployment, generation, NULL, &err);
    }
}

static void on_ready(void *context, Generation *generation) {
    Deployment *deployment = context;
    log_info("generation-ready", "generation=%u qe=%.12s", generation_number(generation),
             generation_qe(generation));
    switch (generation_role(generation)) {
    case GENERATION_CANDIDATE:
        (void)deployment_swap_event(deployment, SWAP_EVENT_READY, NULL);
        break;
    case GENERATION_RESTART:
        deployment_restart_ready(deployment, generation);
        break;
    case GENERATION_SPARE:
        deployment_ducks_ready(deployment, generation);
        break;
    case GENERATION_TEST:
        deployment_test_ready(deployment, generation);
        break;
    case GENERATION_STANDBY:
        deployment_standby_ready(deployment, generation);
        break;
    case GENERATION_SERVING: /* found alive by a new manager, and now it says again that it is warm */
    case GENERATION_FORMER:
    case GENERATION_DUCK:
    case GENERATION_LEAVING:
    case GENERATION_ROLES_COUNT:
        break;
    }
}

static void on_drained(void *context, Generation *generation, uint64_t left) {
    Deployment *deployment = context;
    log_info("generation-drained", "generation=%u left=%llu", generation_number(generation),
             (unsigned long long)left);
    deployment_ducks_prune(deployment);
}

static void on_dying(void *context, uint32_t number) {
    Deployment *deployment = context;
    const Generation *serving = deployment_serving(deployment);
    if (serving != NULL && generation_number(serving) == number) {
        deployment_hurry(deployment);
        deployment_standby_hurry(deployment);
    }
}

static void on_rescue(void *context, Generation *generation, int channel) {
    Deployment *deployment = context;
    if (!rescue_watch(deployment->rescue, channel, generation_number(generation), on_dying, deployment)) {
        log_error("rescue-lost", "generation=%u error=\"out of memory\"", generation_number(generation));
    }
}

static void on_alarm(void *context, Generation *generation, const Error *error) {
    Deployment *deployment = context;
    log_warning("generation-alarm", "generation=%u error=\"%s\"", generation_number(generation), error->text);
    deployment->alarm = *error;
    deployment->alarm_at = clock_wall_s();
}

static void on_counts(void *context, Generation *generation, json_t *counts) {
    Deployment *deployment = context;
    totals_take(deployment->totals, generation_number(generation), counts);
}

static void on_recall(void *context, Generation *generation) {
    deployment_recall_wanted(context, generation);
}

static void forget(Deployment *deployment, Generation *generation) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        if (deployment->generations[i] == generation) {
            deployment->generations[i] = deployment->generations[--deployment->generations_count];
            break;
        }
    }
    (void)unlink(generation_control(generation));
    generation_free(generation);
}

static void on_serving_gone(Deployment *deployment, const Generation *generation, const Error *failure) {
    const JournalSwap *swap = &deployment->journal->swap;
    uint32_t number = generation_number(generation);
    journal_note(deployment->journal, 0, deployment_itself, "crashed", "%s", failure->text);
    log_error("serving-crashed", "generation=%u error=\"%s\"", number, failure->text);
    if (swap->state != SWAP_IDLE && number == swap->next.number) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_NEW_FAILED, failure);
    } else if (swap->state != SWAP_IDLE && number == swap->former.number) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_OLD_GONE, failure);
    } else {
        deployment_restart_failed(deployment, failure);
    }
}

static void on_gone(void *context, Generation *generation) {
    Deployment *deployment = context;
    const JournalSwap *swap = &deployment->journal->swap;
    GenerationRole role = generation_role(generation);
    uint32_t number = generation_number(generation);
    Error failure = *generation_error(generation);
    log_info("generation-ended", "generation=%u role=%s reason=\"%s\"", number, generation_role_name(role),
             failure.text);
    if (role != GENERATION_LEAVING) {
        deployment_hurry(deployment);
        totals_add(deployment->totals, METRICS_PAGE_CRASHES, generation_role_name(role), 1);
    }
    totals_end(deployment->totals, number);
    if (deployment_serving(deployment) == generation) {
        rescue_set_target(deployment->rescue, NULL);
    }
    /* From here on nobody finds it by its role. */
    generation_set_role(generation, GENERATION_LEAVING);
    switch (role) {
    case GENERATION_SERVING:
        on_serving_gone(deployment, generation, &failure);
        break;
    case GENERATION_CANDIDATE:
        (void)deployment_swap_event(deployment, SWAP_EVENT_NEW_FAILED, &failure);
        break;
    case GENERATION_FORMER:
        (void)deployment_swap_event(deployment, SWAP_EVENT_OLD_GONE, &failure);
        break;
    case GENERATION_RESTART:
        deployment_restart_failed(deployment, &failure);
        break;
    case GENERATION_SPARE:
    case GENERATION_DUCK:
        deployment_ducks_died(deployment, generation);
        if (number == swap->next.number) { /* it was about to serve again */
            (void)deployment_swap_event(deployment, SWAP_EVENT_NEW_FAILED, &failure);
        }
        break;
    case GENERATION_STANDBY: /* the upkeep starts another one, not at once */
        break;
    case GENERATION_TEST:
        deployment_test_gone(deployment, &failure);
        break;
    case GENERATION_LEAVING:
        if (swap->state == SWAP_YIELDING && number == swap->former.number) {
            (void)deployment_swap_event(deployment, SWAP_EVENT_OLD_GONE, NULL);
        }
        deployment_room_made(deployment);
        break;
    case GENERATION_ROLES_COUNT:
        assert(false);
    }
    if (role == GENERATION_CANDIDATE || role == GENERATION_FORMER || role == GENERATION_SERVING) {
        deployment_ducks_tell(deployment); /* it may have left a client of its listener unnoticed: look */
    }
    forget(deployment, generation);
}

void deployment_label(Deployment *deployment, const char *digest, char *buffer, size_t size) {
    StoreEntry entry;
    Error missing = ERROR_INIT;
    if (digest[0] != '\0' && store_find(deployment->store, digest, &entry, &missing)) {
        (void)snprintf(buffer, size, "%.64s %.32s (%.12s)", entry.manifest->name, entry.manifest->version,
                       digest);
        store_entry_done(&entry);
    } else {
        (void)snprintf(buffer, size, "%.12s", digest);
    }
}
