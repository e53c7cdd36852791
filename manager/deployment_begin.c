/* SPDX-License-Identifier: Apache-2.0
 *
 * Beginning what operators ask for: swap, rollback, commit.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "bundles/gate.h"
#include "manager/deployment_parts.h"

bool deployment_is_busy(const Deployment *deployment, Error *err) {
    const JournalSwap *swap = &deployment->journal->swap;
    if (deployment->test != NULL) {
        error_set(err, ERROR_CONFLICT, "operation %llu tests %s: try again when it has ended",
                  (unsigned long long)deployment->test->id, deployment->test->what);
        return true;
    }
    if (swap->state == SWAP_IDLE) {
        return false;
    }
    error_set(
        err, ERROR_CONFLICT, "operation %llu is %s: %s", (unsigned long long)swap->operation,
        swap_state_name(swap->state),
        swap->state == SWAP_SOAKING
            ? "wait for the end of its soak, end it with 'pswctl commit', or undo it with 'pswctl rollback'"
            : "try again when it has ended");
    return true;
}

CLEANUP_DEFINE(Manifest, manifest_free)

static const JournalGeneration *living_duck(const Deployment *deployment, const char *digest) {
    const Journal *journal = deployment->journal;
    for (size_t i = 0; i < journal->ducks_count; i++) {
        const Generation *duck = deployment_find(deployment, journal->ducks[i].number);
        if (strcmp(journal->ducks[i].digest, digest) == 0 && duck != NULL && generation_is_alive(duck) &&
            generation_is_warm(duck)) {
            return &journal->ducks[i];
        }
    }
    return NULL;
}

static bool is_as_started(const Deployment *deployment, const Generation *generation) {
    return generation_is_as_started(generation, deployment->quoted, deployment->config->quoted_config);
}

/* The bundle's own former generation is warm and has proved itself: it serves again, as in a rollback, unless
 * a new process would be another one. NULL: there is none. */
static const JournalGeneration *fit_duck(const Deployment *deployment, const char *digest) {
    const JournalGeneration *duck = living_duck(deployment, digest);
    return duck != NULL && is_as_started(deployment, deployment_find(deployment, duck->number)) ? duck : NULL;
}

static void prefer_duck(Deployment *deployment) {
    JournalSwap *swap = &deployment->journal->swap;
    const JournalGeneration *duck = swap->resumes ? NULL : fit_duck(deployment, swap->next.digest);
    if (duck != NULL) {
        swap->next = *duck;
        swap->resumes = true;
    }
}

/* How many sets of enclaves a generation loads: what serves says so, and the next one has the same settings
 * of quoted. */
static uint64_t count_engines(const Generation *serving) {
    const json_t *engines = json_object_get(generation_status(serving), "engines");
    json_int_t wanted = json_integer_value(json_object_get(engines, "wanted"));
    return wanted > 1 ? (uint64_t)wanted : 1;
}

/* EPC of what serves and of what is to serve, all engines counted. */
static bool find_sets(const Deployment *deployment, uint64_t *ret_serving_kib, uint64_t *ret_next_kib,
                      Error *err) {
    const Journal *journal = deployment->journal;
    const Generation *current = deployment_serving(deployment);
    Error ignored = ERROR_INIT;
    if (!deployment_find_epc(deployment, journal->swap.next.digest, ret_next_kib, err)) {
        return false;
    }
    if (current != NULL) {
        (void)!deployment_find_epc(deployment, journal->serving.digest, ret_serving_kib, &ignored);
        *ret_next_kib *= count_engines(current);
        *ret_serving_kib *= count_engines(current);
    }
    return true;
}

static size_t count_leaving(const Deployment *deployment) {
    size_t count = 0;
    for (size_t i = 0; i < deployment->generations_count; i++) {
        const Generation *generation = deployment->generations[i];
        count += generation_role(generation) == GENERATION_LEAVING && generation_is_alive(generation);
    }
    return count;
}

/* Where the EPC does not hold the lame ducks beside the two, they go, and come back when they are asked for.
 * True: the swap goes on when they have ended. */
static bool make_room(Deployment *deployment) {
    uint64_t serving_kib = 0, next_kib = 0;
    const uint64_t total_kib = deployment->host.epc_kib;
    Error ignored = ERROR_INIT; /* it was there a moment ago, else the start says what is wrong */
    if (total_kib == 0 || !find_sets(deployment, &serving_kib, &next_kib, &ignored)) {
        return false;
    }
    uint64_t needed_kib = serving_kib + next_kib;
    bool tight = deployment_ducks_yield(deployment, total_kib > needed_kib ? total_kib - needed_kib : 0,
                                        deployment->journal->swap.next.number) ||
                 !requirements_fit(2 * serving_kib, next_kib, total_kib);
    size_t leaving = tight ? count_leaving(deployment) : 0;
    if (leaving > 0) {
        log_info("swap-waits", "operation=%llu leaving=%zu needed_kib=%llu epc_kib=%llu",
                 (unsigned long long)deployment->journal->swap.operation, leaving,
                 (unsigned long long)needed_kib, (unsigned long long)total_kib);
    }
    return leaving > 0;
}

void deployment_room_made(Deployment *deployment) {
    if (deployment->awaits_room && count_leaving(deployment) == 0) {
        deployment->awaits_room = false;
        if (deployment->journal->swap.state == SWAP_VERIFYING) {
            (void)deployment_swap_event(deployment, deployment->gated, NULL);
        }
    }
}

/* The gate: a check that fails refuses the bundle. What went before may always come back. */
static void on_examined(void *context, const json_t *report, const Error *failure) {
    Deployment *deployment = context;
    Error err = ERROR_INIT;
    (void)failure; /* it was logged; what cannot be known stops nothing */
    bool good = report == NULL || examination_passes(report, &err);
    if (good && deployment->gated == SWAP_EVENT_VERIFIED) {
        prefer_duck(deployment);
        deployment->awaits_room = make_room(deployment);
        if (deployment->awaits_room) {
            deployment_await_room(deployment);
            deployment_swap_show(deployment);
            return;
        }
    }
    (void)deployment_swap_event(deployment, good ? deployment->gated : SWAP_EVENT_REFUSED,
                                good ? NULL : &err);
}

static void examine(Deployment *deployment, SwapEvent event) {
    Error err = ERROR_INIT;
    const Journal *journal = deployment->journal;
    const ExaminationWish wish = {.bundle = journal->swap.next.digest,
                                  .serving =
                                      deployment_serving(deployment) != NULL ? journal->serving.digest : ""};
    deployment->gated = event;
    if (journal->swap.rollback ||
        !examination_begin(deployment->examinations, &wish, on_examined, deployment, &err)) {
        on_examined(deployment, NULL, &err);
    }
}

static void on_verified(Deployment *deployment, const Error *failure) {
    uint64_t next_kib = 0, serving_kib = 0;
    Error err = ERROR_INIT;
    const Journal *journal = deployment->journal;
    SwapEvent event = SWAP_EVENT_VERIFIED;
    if (failure != NULL) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_REFUSED, failure);
        return;
    }
    if (!find_sets(deployment, &serving_kib, &next_kib, &err)) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_REFUSED, &err);
        return;
    }
    if (deployment_standby(deployment) != NULL &&
        !requirements_fit(2 * serving_kib, next_kib, deployment->host.epc_kib)) {
        deployment_standby_yield(deployment);
    }
    if (!requirements_fit(serving_kib, next_kib, deployment->host.epc_kib)) {
        event = deployment->config->epc_sequential ? SWAP_EVENT_VERIFIED_TIGHT : SWAP_EVENT_REFUSED;
        error_set(&err, ERROR_NO_SPACE,
                  "two sets of enclaves need %llu KiB of EPC, there are %llu: allow 'swap.epc: sequential' "
                  "(clients "
                  "wait while the enclaves are exchanged), or use a node with more",
                  (unsigned long long)(serving_kib + next_kib), (unsigned long long)deployment->host.epc_kib);
    }
    if (event == SWAP_EVENT_VERIFIED_TIGHT && journal->swap.foreign.pid != 0) {
        event = SWAP_EVENT_REFUSED; /* it is not ours to stop before there is another one */
    }
    if (event == SWAP_EVENT_REFUSED) {
        (void)deployment_swap_event(deployment, event, &err);
    } else {
        examine(deployment, event);
    }
}

/* The manifest of what serves; NULL: nothing does, or it is not in the store any more. */
static Manifest *serving_manifest(const Deployment *deployment) {
    StoreEntry entry = {0};
    Error ignored = ERROR_INIT;
    const char *digest = deployment->journal->serving.digest;
    if (digest[0] == '\0' || !store_find(deployment->store, digest, &entry, &ignored)) {
        return NULL;
    }
    Manifest *manifest = TAKE(entry.manifest);
    store_entry_done(&entry);
    return manifest;
}

/* An ISVSVN that goes down is remembered: relying parties may ask about it long after. */
static void note_downgrade(Deployment *deployment, const char *digest, JournalWho who) {
    StoreEntry next = {0};
    Error ignored = ERROR_INIT;
    char text[GATE_DOWNGRADE_TEXT_MAX], label[128];
    CLEANUP(manifest_freep) Manifest *serving = serving_manifest(deployment);
    if (serving == NULL || !store_find(deployment->store, digest, &next, &ignored)) {
        return;
    }
    gate_describe_downgrade(serving, next.manifest, text);
    store_entry_done(&next);
    if (text[0] != '\0') {
        Journal *journal = deployment->journal;
        deployment_label(deployment, digest, label, sizeof label);
        journal_note(journal, journal->swap.operation, who, "downgrade", "ISVSVN goes down with %s: %s",
                     label, text);
    }
}

/* What serves, or crashed a moment ago and is being started again. */
static uint32_t former_number(const Deployment *deployment) {
    const Generation *serving = deployment_serving(deployment);
    for (size_t i = 0; i < deployment->generations_count && serving == NULL; i++) {
        if (generation_role(deployment->generations[i]) == GENERATION_RESTART) {
            serving = deployment->generations[i];
        }
    }
    return serving != NULL ? generation_number(serving) : 0;
}

/* What is asked for, besides the bundle. */
typedef struct Beginning {
    const char *kind; /* of the operation; a constant */
    uint64_t soak_ms;
    const DeploymentDowngrades *downgrades; /* NULL: anything may go down */
    ForeignId foreign;
    JournalWho who;
} Beginning;

/* Journal and operation for a swap that may begin. */
static Operation *begin(Deployment *deployment, const Beginning *beginning, const JournalGeneration *next,
                        Error *err) {
    const char *kind = beginning->kind;
    JournalWho who = beginning->who;
    Journal *journal = deployment->journal;
    char label[128];
    deployment_label(deployment, next->digest, label, sizeof label);
    JournalGeneration former = journal->serving;
    former.number = former_number(deployment);
    journal->swap = (JournalSwap){.state = SWAP_VERIFYING,
                                  .operation = journal->next_operation++,
                                  .rollback = strcmp(kind, "rollback") == 0,
                                  .resumes = next->number != 0,
                                  .next = *next,
                                  .former = former,
                                  .foreign = beginning->foreign,
                                  .soak_ms = beginning->soak_ms,
                                  .started_at = clock_wall_s(),
                                  .who = who};
    if (next->number == 0 && fit_duck(deployment, next->digest) == NULL) {
        journal->swap.next.number = journal->next_generation++;
    }
    deployment->has_no_time = false;
    deployment_hurry(deployment); /* each swap has its own time, also right after another one */
    deployment_be_gentle(deployment);
    journal_note(journal, journal->swap.operation, who, kind, "to %s", label);
    note_downgrade(deployment, next->digest, who);
    if (!journal_save(journal, err)) {
        journal->swap = (JournalSwap){.state = SWAP_IDLE};
        error_wrap(err, "nothing was changed: state directory %s", deployment->config->state);
        return NULL;
    }
    deployment->operation =
        operation_begin(deployment->operations, journal->swap.operation, kind, who, label);
    if (deployment->operation == NULL) {
        journal->swap = (JournalSwap){.state = SWAP_IDLE};
        error_set(err, ERROR_LIMIT, "too many operations are under way");
        return NULL;
    }
    deployment->cause = ERROR_INIT;
    deployment->awaits_room = false;
    log_info("swap-begun", "operation=%llu kind=%s bundle=%.12s uid=%u pid=%d",
             (unsigned long long)journal->swap.operation, kind, next->digest, who.uid, (int)who.pid);
    return deployment->operation;
}

/* What served before is the way back, also down, and also where it is named instead of asked for by rollback:
 * whoever goes back in a hurry does not have to know what the enclaves are called. */
static bool check_downgrade(const Deployment *deployment, const StoreEntry *entry,
                            const DeploymentDowngrades *downgrades, Error *err) {
    if (downgrades == NULL || strcmp(entry->digest_hex, deployment->journal->previous) == 0) {
        return true;
    }
    CLEANUP(manifest_freep) Manifest *serving = serving_manifest(deployment);
    return gate_check_downgrade(serving, entry->manifest, downgrades->names, downgrades->count, err);
}

static Operation *begin_bundle(Deployment *deployment, const char *what, const Beginning *beginning,
                               Error *err) {
    StoreEntry entry;
    JournalGeneration next = {0};
    if (!store_find(deployment->store, what, &entry, err)) {
        return NULL;
    }
    (void)text_copy(next.digest, sizeof next.digest, entry.digest_hex);
    bool good = requirements_check(entry.manifest, &deployment->host, err) &&
                check_downgrade(deployment, &entry, beginning->downgrades, err);
    store_entry_done(&entry);
    Operation *operation = good ? begin(deployment, beginning, &next, err) : NULL;
    if (operation != NULL && !deployment_verify(deployment, next.digest, on_verified, err)) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_REFUSED, err);
    }
    return operation;
}

/* A swap to it would change nothing: it serves, well, and a new process would be the same. */
static bool serves_already(const Deployment *deployment, const char *what) {
    StoreEntry entry;
    Error ignored = ERROR_INIT; /* the swap has the words for it */
    const Generation *serving = deployment_serving(deployment);
    if (serving == NULL || !store_find(deployment->store, what, &entry, &ignored)) {
        return false;
    }
    bool same = strcmp(entry.digest_hex, generation_digest(serving)) == 0;
    store_entry_done(&entry);
    return same && deployment_is_healthy(deployment) && is_as_started(deployment, serving);
}

static Operation *begin_nothing(Deployment *deployment, JournalWho who, Error *err) {
    Journal *journal = deployment->journal;
    const Generation *serving = deployment_serving(deployment);
    char label[128];
    deployment_label(deployment, generation_digest(serving), label, sizeof label);
    uint64_t number = journal->next_operation++;
    if (!journal_save(journal, err)) {
        error_wrap(err, "nothing was changed: state directory %s", deployment->config->state);
        return NULL;
    }
    Operation *operation = operation_begin(deployment->operations, number, "swap", who, label);
    if (operation == NULL) {
        error_set(err, ERROR_LIMIT, "too many operations are under way");
        return NULL;
    }
    operation_succeed(deployment->operations, operation,
                      json_pack("{s:I, s:s, s:b}", "generation", (json_int_t)generation_number(serving),
                                "bundle", generation_digest(serving), "already", true));
    return operation;
}

Operation *deployment_swap(Deployment *deployment, const char *what, uint64_t soak_ms,
                           DeploymentDowngrades downgrades, JournalWho who, Error *err) {
    if (deployment_is_busy(deployment, err)) {
        return NULL;
    }
    if (serves_already(deployment, what)) {
        return begin_nothing(deployment, who, err);
    }
    const Beginning beginning = {.kind = "swap",
                                 .soak_ms = soak_ms == UINT64_MAX ? deployment->config->soak_ms : soak_ms,
                                 .downgrades = &downgrades,
                                 .who = who};
    return begin_bundle(deployment, what, &beginning, err);
}

Operation *deployment_begin_takeover(Deployment *deployment, const char *what, uint64_t soak_ms,
                                     ForeignId foreign, JournalWho who, Error *err) {
    const Beginning beginning = {.kind = "adopt",
                                 .soak_ms = soak_ms == UINT64_MAX ? deployment->config->soak_ms : soak_ms,
                                 .foreign = foreign,
                                 .who = who};
    return begin_bundle(deployment, what, &beginning, err);
}

static Operation *undo(Deployment *deployment, JournalWho who, Error *err) {
    Journal *journal = deployment->journal;
    Error cause = ERROR_INIT;
    bool can =
        swap_step(journal->swap.state, SWAP_EVENT_UNDO, deployment_former_alive(deployment), true).known;
    if (!can || deployment->undo != NULL) {
        error_set(err, ERROR_CONFLICT, "operation %llu is %s and cannot be undone at this point: try again",
                  (unsigned long long)journal->swap.operation, swap_state_name(journal->swap.state));
        return NULL;
    }
    char label[128] = "what served before";
    if (journal->swap.former.digest[0] != '\0') {
        deployment_label(deployment, journal->swap.former.digest, label, sizeof label);
    }
    Operation *operation =
        operation_begin(deployment->operations, journal->next_operation++, "rollback", who, label);
    if (operation == NULL) {
        error_set(err, ERROR_LIMIT, "too many operations are under way");
        return NULL;
    }
    deployment->undo = operation;
    error_set(&cause, ERROR_CONFLICT, "undone by operation %llu", (unsigned long long)operation->id);
    (void)deployment_swap_event(deployment, SWAP_EVENT_UNDO, &cause);
    return operation;
}

Operation *deployment_rollback(Deployment *deployment, uint64_t soak_ms, JournalWho who, Error *err) {
    Journal *journal = deployment->journal;
    const uint64_t soak = soak_ms == UINT64_MAX ? 0 : soak_ms; /* it goes back to what was good */
    if (deployment->test == NULL && journal->swap.state != SWAP_IDLE) {
        return undo(deployment, who, err);
    }
    if (deployment_is_busy(deployment, err)) {
        return NULL;
    }
    if (journal->previous[0] == '\0') {
        error_set(err, ERROR_NOT_FOUND, "no other bundle served before this one: swap to one by name");
        return NULL;
    }
    const Beginning beginning = {.kind = "rollback", .soak_ms = soak, .who = who};
    const JournalGeneration *duck = living_duck(deployment, journal->previous);
    if (duck == NULL) {
        char previous[DIGEST_HEX_SIZE];
        memcpy(previous, journal->previous, sizeof previous);
        return begin_bundle(deployment, previous, &beginning, err);
    }
    const JournalGeneration next = *duck;
    Operation *operation = begin(deployment, &beginning, &next, err);
    if (operation != NULL) {
        /* Its files were verified when it was started, and it holds its enclaves still. */
        (void)deployment_swap_event(deployment, SWAP_EVENT_VERIFIED, NULL);
    }
    return operation;
}

Operation *deployment_commit(Deployment *deployment, JournalWho who, Error *err) {
    Operation *operation = deployment->operation;
    if (deployment->journal->swap.state != SWAP_SOAKING || operation == NULL) {
        error_set(err, ERROR_CONFLICT, "no swap is in its soak: there is nothing to commit");
        return NULL;
    }
    if (deployment_foreign_is_busy(deployment)) {
        error_set(err, ERROR_CONFLICT,
                  "the former daemon still has requests in the works: try again in a moment");
        return NULL;
    }
    journal_note(deployment->journal, operation->id, who, "commit", "the soak was ended by hand");
    (void)deployment_swap_event(deployment, SWAP_EVENT_SOAK_OVER, NULL);
    return operation;
}
