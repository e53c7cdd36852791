/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/ducks.h"
#include "manager/metrics_page.h"

/* One that crashed and is being started again is `away`: it is waited for where nobody else knows a report.
 */
static bool append_duck(json_t *list, uint32_t number, const char *control, bool away) {
    return control != NULL &&
           json_array_append_new(list, json_pack("{s:I, s:s, s:b}", "generation", (json_int_t)number,
                                                 "control", control, "away", away)) == 0;
}

/* The former one died a moment ago: its successor is not there yet, and will be told of. */
static bool append_missing(const Deployment *deployment, json_t *list, uint32_t number) {
    AUTO_FREE char *control = text_format("%s/generation-%u.sock", deployment->config->runtime, number);
    return append_duck(list, number, control, true);
}

static bool is_wanted(const Deployment *deployment, const Generation *target, const Generation *duck,
                      const json_t *list) {
    if (duck == NULL || duck == target || !generation_is_alive(duck) ||
        strcmp(generation_qe(duck), generation_qe(target)) == 0) {
        return false;
    }
    if (!generation_is_warm(duck)) {
        return generation_role(duck) == GENERATION_SPARE || generation_role(duck) == GENERATION_RESTART;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t number = json_integer_value(json_object_get(json_array_get(list, i), "generation"));
        const Generation *newer = deployment_find(deployment, (uint32_t)number);
        if (newer != NULL && strcmp(generation_qe(newer), generation_qe(duck)) == 0) {
            return false;
        }
    }
    return true;
}

json_t *deployment_ducks_json(Deployment *deployment, const Generation *target) {
    const Journal *journal = deployment->journal;
    CLEANUP(json_freep) json_t *list = json_array();
    const Generation *serving = deployment_serving(deployment);
    uint32_t numbers[JOURNAL_DUCKS_MAX + 3];
    size_t count = 0;
    bool away = false; /* one that crashed and comes back: until then its clients do best to ask anew */
    if (list == NULL) {
        return NULL;
    }
    if (serving != NULL) { /* for one that has clients yet and does not serve any more */
        numbers[count++] = generation_number(serving);
    }
    if (journal->swap.state != SWAP_IDLE) { /* whoever of the two does not serve in the end */
        numbers[count++] = journal->swap.state != SWAP_VERIFYING ? journal->swap.next.number : 0;
        numbers[count++] = journal->swap.former.number;
    }
    for (size_t i = 0; i < journal->ducks_count; i++) {
        numbers[count++] = journal->ducks[i].number;
    }
    for (size_t i = 0; i < count; i++) {
        const Generation *duck = deployment_find(deployment, numbers[i]);
        away |= numbers[i] != 0 && (duck == NULL || !generation_is_alive(duck) || !generation_is_warm(duck));
        bool missing = numbers[i] != 0 && numbers[i] == journal->swap.former.number &&
                       (duck == NULL || !generation_is_alive(duck));
        if (missing && !append_missing(deployment, list, numbers[i])) {
            return NULL;
        }
        if (is_wanted(deployment, target, duck, list) &&
            !append_duck(list, numbers[i], generation_control(duck), !generation_is_warm(duck))) {
            return NULL;
        }
    }
    deployment->recall.told = deployment_recall_is_possible(deployment);
    return json_pack("{s:O, s:b, s:b}", "ducks", list, "reinit",
                     deployment->config->ducks_reinit && (journal->qe_retired || away), "recall",
                     deployment->recall.told);
}

static void tell(Deployment *deployment, Generation *generation) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *arguments = deployment_ducks_json(deployment, generation);
    if (arguments == NULL ||
        !generation_call(generation, CONTROL_DUCKS, arguments, -1, DEPLOYMENT_CALL_MS, NULL, NULL, &err)) {
        log_warning("ducks-not-told", "generation=%u error=\"%s\"", generation_number(generation), err.text);
    }
}

/* Who serves, and who still has clients. Who serves next is told when it begins. */
void deployment_ducks_tell(Deployment *deployment) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        Generation *generation = deployment->generations[i];
        bool drains = generation_is_stopped(generation) && !generation_is_drained(generation);
        if (generation_is_alive(generation) &&
            (generation_role(generation) == GENERATION_SERVING || drains)) {
            tell(deployment, generation);
        }
    }
}

/* A generation that leaves takes its QE with it, unless the serving one or another duck has the same. */
bool deployment_ducks_have(const Deployment *deployment, const char *qe) {
    const Journal *journal = deployment->journal;
    if (strcmp(journal->serving.qe, qe) == 0) {
        return true;
    }
    for (size_t i = 0; i < journal->ducks_count; i++) {
        if (strcmp(journal->ducks[i].qe, qe) == 0) {
            return true;
        }
    }
    return false;
}

bool deployment_find_epc(const Deployment *deployment, const char *digest, uint64_t *ret_kib, Error *err) {
    StoreEntry entry = {0};
    if (!store_find(deployment->store, digest, &entry, err)) {
        return false;
    }
    *ret_kib = entry.manifest->epc_kib;
    store_entry_done(&entry);
    return true;
}

/* False also for a bundle that is not staged any more. */
bool deployment_ducks_have_room(const Deployment *deployment, const char *digest) {
    uint64_t serving_kib = 0, duck_kib = 0;
    Error ignored = ERROR_INIT;
    return deployment_find_epc(deployment, deployment->journal->serving.digest, &serving_kib, &ignored) &&
           deployment_find_epc(deployment, digest, &duck_kib, &ignored) &&
           requirements_fit(serving_kib, duck_kib, deployment->host.epc_kib);
}

/* Applications still hold target info of what died during a swap. NULL: it is lost. */
static Generation *revive(Deployment *deployment, JournalGeneration *duck) {
    Error err = ERROR_INIT;
    if (!deployment_ducks_have_room(deployment, duck->digest)) {
        return NULL;
    }
    duck->number = deployment->journal->next_generation++;
    deployment_save(deployment);
    Generation *generation =
        deployment_launch(deployment, duck->number, duck->digest, GENERATION_SPARE, &err);
    if (generation == NULL) {
        log_error("duck-lost", "generation=%u error=\"%s\"", duck->number, err.text);
    }
    return generation;
}

void deployment_ducks_add(Deployment *deployment, const JournalGeneration *former) {
    Journal *journal = deployment->journal;
    JournalGeneration duck = *former;
    Generation *generation = deployment_find(deployment, former->number);
    if (generation == NULL || !generation_is_alive(generation)) {
        if (former->qe[0] == '\0' || deployment_ducks_have(deployment, former->qe)) {
            return;
        }
        generation = revive(deployment, &duck);
        if (generation == NULL) {
            journal->qe_retired = true;
            return;
        }
    }
    if (journal->ducks_count == JOURNAL_DUCKS_MAX) {
        journal->ducks_count--; /* more than any policy keeps */
    }
    memmove(&journal->ducks[1], &journal->ducks[0], journal->ducks_count * sizeof journal->ducks[0]);
    journal->ducks[0] = duck;
    journal->ducks[0].since = clock_wall_s();
    journal->ducks[0].recalled = false;
    journal->ducks_count++;
    if (!generation_is_warm(generation)) {
        return; /* it crashed and is not warm again yet; its QE is known from before */
    }
    (void)text_copy(journal->ducks[0].qe, sizeof journal->ducks[0].qe, generation_qe(generation));
    generation_set_role(generation, GENERATION_DUCK);
}

void deployment_ducks_drop(Deployment *deployment, uint32_t number) {
    Journal *journal = deployment->journal;
    for (size_t i = 0; i < journal->ducks_count; i++) {
        if (journal->ducks[i].number == number) {
            memmove(&journal->ducks[i], &journal->ducks[i + 1],
                    (journal->ducks_count - i - 1) * sizeof journal->ducks[0]);
            journal->ducks_count--;
            return;
        }
    }
}

/* Whoever still answers its last clients may have to ask any of the others for them. */
static bool somebody_drains(const Deployment *deployment) {
    const Journal *journal = deployment->journal;
    for (size_t i = 0; i < journal->ducks_count; i++) {
        const Generation *duck = deployment_find(deployment, journal->ducks[i].number);
        if (duck != NULL && generation_is_stopped(duck) && !generation_is_drained(duck)) {
            return true;
        }
    }
    return false;
}

static void choose_that_fit(const Deployment *deployment, uint64_t room_kib, bool recalled_stay, bool *keep) {
    const Journal *journal = deployment->journal;
    uint64_t epc_kib[JOURNAL_DUCKS_MAX] = {0};
    Error ignored = ERROR_INIT; /* what is not staged any more counts for nothing */
    for (size_t i = 0; i < journal->ducks_count; i++) {
        (void)!deployment_find_epc(deployment, journal->ducks[i].digest, &epc_kib[i], &ignored);
    }
    ducks_fit(journal->ducks, journal->ducks_count, epc_kib, room_kib, recalled_stay, keep);
}

/* Beside who serves, and its spare. */
static uint64_t find_room(const Deployment *deployment) {
    const uint64_t total_kib = deployment->host.epc_kib;
    uint64_t serving_kib = 0;
    Error ignored = ERROR_INIT; /* what is not staged any more counts for nothing */
    (void)!deployment_find_epc(deployment, deployment->journal->serving.digest, &serving_kib, &ignored);
    if (deployment_standby(deployment) != NULL) {
        serving_kib *= 2;
    }
    return total_kib > serving_kib ? total_kib - serving_kib : 0;
}

typedef struct Leaving {
    JournalGeneration duck;
    const char *reason; /* as the metric has it */
} Leaving;

static size_t choose_leaving(Deployment *deployment, Leaving *ret_leaving) {
    const Journal *journal = deployment->journal;
    bool allowed[JOURNAL_DUCKS_MAX], keep[JOURNAL_DUCKS_MAX];
    size_t count = 0;
    const DucksPolicy policy = {.count = deployment->config->ducks_count,
                                .keep_s = (int64_t)(deployment->config->ducks_keep_ms / 1000),
                                .now = clock_wall_s()};
    ducks_select(journal->ducks, journal->ducks_count, journal->serving.qe, &policy, allowed);
    memcpy(keep, allowed, sizeof keep);
    if (deployment->host.epc_kib != 0) { /* it is known */
        choose_that_fit(deployment, find_room(deployment), true, keep);
    }
    for (size_t i = 0; i < journal->ducks_count; i++) {
        const JournalGeneration *duck = &journal->ducks[i];
        bool idle = deployment_recall_is_idle(deployment, duck);
        if (!keep[i] || idle) {
            ret_leaving[count++] = (Leaving){.duck = *duck,
                                             .reason = policy.now - duck->since > policy.keep_s ? "age"
                                                       : !allowed[i]                            ? "count"
                                                       : !keep[i]                               ? "memory"
                                                                                                : "idle"};
        }
    }
    return count;
}

static void retire(Deployment *deployment, const Leaving *leaving, size_t count) {
    Journal *journal = deployment->journal;
    bool news = false; /* that others have the QE of one that leaves, a new manager sees by itself */
    for (size_t i = 0; i < count; i++) {
        Generation *duck = deployment_find(deployment, leaving[i].duck.number);
        deployment_ducks_drop(deployment, leaving[i].duck.number);
        if (duck != NULL && !deployment_ducks_have(deployment, generation_qe(duck))) {
            news = true;
            journal->qe_retired = true;
            journal_note(
                journal, 0, deployment_itself, "retired",
                "generation %u (%s): reports made for its QE get no quote any more, unless it is recalled",
                leaving[i].duck.number, leaving[i].reason);
            totals_add(deployment->totals, METRICS_PAGE_RETIRED, leaving[i].reason, 1);
            deployment_recall_remember(deployment, &leaving[i].duck);
        }
    }
    if (news) {
        deployment_save(deployment);
    }
    deployment_ducks_tell(deployment);
    for (size_t i = 0; i < count; i++) {
        Generation *duck = deployment_find(deployment, leaving[i].duck.number);
        if (duck != NULL) {
            generation_retire(duck, deployment->config->drain_timeout_ms);
        }
    }
}

/* During a swap nobody is retired but for lack of room: whoever serves in the end may need each of them. */
void deployment_ducks_prune(Deployment *deployment) {
    Leaving leaving[JOURNAL_DUCKS_MAX];
    if (deployment->journal->swap.state != SWAP_IDLE) {
        return; /* its end comes back here */
    }
    /* `drained` comes back here, too. */
    size_t count = somebody_drains(deployment) ? 0 : choose_leaving(deployment, leaving);
    if (count > 0) {
        retire(deployment, leaving, count);
    } else {
        deployment_recall_upkeep(deployment); /* those that went before the swap may come back now */
    }
}

bool deployment_ducks_yield(Deployment *deployment, uint64_t room_kib, uint32_t spared) {
    const Journal *journal = deployment->journal;
    Leaving leaving[JOURNAL_DUCKS_MAX];
    bool keep[JOURNAL_DUCKS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < journal->ducks_count; i++) {
        keep[i] = journal->ducks[i].number != spared;
    }
    choose_that_fit(deployment, room_kib, false, keep);
    for (size_t i = 0; i < journal->ducks_count; i++) {
        if (!keep[i] && journal->ducks[i].number != spared) {
            leaving[count++] = (Leaving){.duck = journal->ducks[i], .reason = "memory"};
        }
    }
    if (count > 0) {
        retire(deployment, leaving, count);
    }
    return count > 0;
}

/* Perhaps there was no memory for it now: a report that may be for it starts it again. */
static void lose(Deployment *deployment, const JournalGeneration *lost, const Generation *generation) {
    Journal *journal = deployment->journal;
    const JournalGeneration duck = *lost;
    uint32_t number = duck.number;
    deployment_ducks_drop(deployment, number);
    deployment_recall_over(deployment, number);
    if (!deployment_ducks_have(deployment, duck.qe)) {
        journal->qe_retired = true;
        deployment_recall_remember(deployment, &duck);
    }
    totals_add(deployment->totals, METRICS_PAGE_RETIRED, "lost", 1);
    journal_note(journal, 0, deployment_itself, "duck-lost", "generation %u could not be started again: %s",
                 number, generation_error(generation)->text);
    log_error("duck-lost", "generation=%u error=\"%s\"", number, generation_error(generation)->text);
    deployment_save(deployment);
    deployment_ducks_tell(deployment);
}

/* A duck that crashed comes back as a generation of the same bundle under the next number; one that crashes
 * before it is warm again does not. */
void deployment_ducks_died(Deployment *deployment, const Generation *generation) {
    Journal *journal = deployment->journal;
    Error err = ERROR_INIT;
    for (size_t i = 0; i < journal->ducks_count; i++) {
        JournalGeneration *duck = &journal->ducks[i];
        if (duck->number != generation_number(generation)) {
            continue;
        }
        if (!generation_is_warm(generation)) {
            lose(deployment, duck, generation);
            return;
        }
        duck->number = journal->next_generation++;
        journal_note(journal, 0, deployment_itself, "duck-restarted",
                     "%s: starting it again as generation %u", generation_error(generation)->text,
                     duck->number);
        deployment_save(deployment);
        if (deployment_launch(deployment, duck->number, duck->digest, GENERATION_SPARE, &err) == NULL) {
            log_error("duck-lost", "generation=%u error=\"%s\"", duck->number, err.text);
            deployment_ducks_drop(deployment, duck->number);
            journal->qe_retired = true;
        }
        deployment_ducks_tell(deployment);
        return;
    }
}

void deployment_ducks_ready(Deployment *deployment, Generation *generation) {
    const JournalSwap *swap = &deployment->journal->swap;
    bool former = swap->state != SWAP_IDLE && swap->former.number == generation_number(generation);
    generation_set_role(generation, former ? GENERATION_FORMER : GENERATION_DUCK);
    deployment_recall_over(deployment, generation_number(generation));
    deployment_ducks_tell(deployment);
}
