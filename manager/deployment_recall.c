/* SPDX-License-Identifier: Apache-2.0
 *
 * Starting again a lame duck that was retired because there were too many, when a report comes that nobody
 * accepts and that may be for it.
 *
 * A report does not name its QE, so the retired ones are tried, newest first, one a question. Garbage looks
 * the same as a report for one of them: what it can cost is bounded by the number of starts (a few at once,
 * then one a while) and of recalled ducks, and one that nobody uses is retired again.
 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "manager/deployment_parts.h"
#include "manager/metrics_page.h"

enum {
    STARTS_MAX = 4,                  /* at once */
    START_EVERY_MS = 10 * 60 * 1000, /* and then */
    IDLE_MS = 10 * 60 * 1000         /* after which a recalled one goes again */
};

static void drop(Journal *journal, size_t at) {
    journal->retired_count--;
    memmove(&journal->retired[at], &journal->retired[at + 1],
            (journal->retired_count - at) * sizeof journal->retired[0]);
}

void deployment_recall_remember(Deployment *deployment, const JournalGeneration *duck) {
    Journal *journal = deployment->journal;
    for (size_t i = journal->retired_count; i-- > 0;) {
        if (strcmp(journal->retired[i].qe, duck->qe) == 0) {
            drop(journal, i);
        }
    }
    journal->retired_count -= journal->retired_count == JOURNAL_RETIRED_MAX;
    memmove(&journal->retired[1], &journal->retired[0], journal->retired_count * sizeof journal->retired[0]);
    journal->retired[0] = *duck;
    journal->retired[0].recalled = false;
    journal->retired_count++;
}

/* The newest retired one that may be started; NULL: none. */
static const JournalGeneration *find(const Deployment *deployment) {
    const Journal *journal = deployment->journal;
    int64_t keep_s = (int64_t)(deployment->config->ducks_keep_ms / 1000), now = clock_wall_s();
    for (size_t i = 0; i < journal->retired_count; i++) {
        const JournalGeneration *retired = &journal->retired[i];
        if (now - retired->since <= keep_s && !deployment_ducks_have(deployment, retired->qe) &&
            deployment_ducks_have_room(deployment, retired->digest)) {
            return retired;
        }
    }
    return NULL;
}

static unsigned starts_left(DeploymentRecall *recall) {
    uint64_t now = clock_monotonic_ms();
    if (recall->filled_ms == 0) {
        recall->filled_ms = now;
        recall->starts = STARTS_MAX;
    }
    uint64_t more = (now - recall->filled_ms) / START_EVERY_MS;
    recall->filled_ms += more * START_EVERY_MS;
    recall->starts = recall->starts + more < STARTS_MAX ? recall->starts + (unsigned)more : STARTS_MAX;
    return recall->starts;
}

static unsigned count_recalled(const Journal *journal) {
    unsigned count = 0;
    for (size_t i = 0; i < journal->ducks_count; i++) {
        count += journal->ducks[i].recalled;
    }
    return count;
}

bool deployment_recall_is_possible(Deployment *deployment) {
    const Journal *journal = deployment->journal;
    return deployment->config->ducks_count > 0 && journal->swap.state == SWAP_IDLE &&
           deployment->test == NULL && (deployment->verifier == NULL || deployment->recall.verifying) &&
           journal->ducks_count < JOURNAL_DUCKS_MAX && count_recalled(journal) < DEPLOYMENT_RECALLED_MAX &&
           starts_left(&deployment->recall) > 0 && find(deployment) != NULL;
}

static void count(Deployment *deployment, const char *result) {
    totals_add(deployment->totals, METRICS_PAGE_RECALLS, result, 1);
}

static void give_up(Deployment *deployment, const JournalGeneration *retired, const Error *failure) {
    log_warning("recall-failed", "bundle=%.12s error=\"%s\"", retired->digest, failure->text);
    count(deployment, "failed");
    deployment_ducks_tell(deployment);
}

static void start(Deployment *deployment, JournalGeneration duck) {
    Journal *journal = deployment->journal;
    Error err = ERROR_INIT;
    duck.number = journal->next_generation++;
    duck.recalled = true;
    journal->ducks[journal->ducks_count++] = duck;
    journal_note(journal, 0, deployment_itself, "recalled",
                 "generation %u: somebody may still hold target info of its QE", duck.number);
    deployment_save(deployment);
    log_info("duck-recalled", "generation=%u bundle=%.12s", duck.number, duck.digest);
    if (deployment_launch(deployment, duck.number, duck.digest, GENERATION_SPARE, &err) == NULL) {
        deployment_ducks_drop(deployment, duck.number);
        give_up(deployment, &duck, &err);
        return;
    }
    deployment->recall.number = duck.number;
    count(deployment, "started");
}

static void on_verified(Deployment *deployment, const Error *failure) {
    Journal *journal = deployment->journal;
    const JournalGeneration *retired = find(deployment);
    deployment->recall.verifying = false;
    if (retired == NULL || strcmp(retired->digest, deployment->recall.digest) != 0) {
        deployment_ducks_tell(deployment); /* it was removed meanwhile */
        return;
    }
    const JournalGeneration duck = *retired;
    drop(journal, (size_t)(retired - journal->retired)); /* one that fails is not tried again */
    if (failure != NULL) {
        give_up(deployment, &duck, failure);
        return;
    }
    start(deployment, duck);
}

void deployment_recall_wanted(Deployment *deployment, const Generation *generation) {
    DeploymentRecall *recall = &deployment->recall;
    Error err = ERROR_INIT;
    if (generation != deployment_serving(deployment) || recall->verifying ||
        deployment_find(deployment, recall->number) != NULL) {
        return; /* what is under way ends in an answer */
    }
    if (!deployment_recall_is_possible(deployment)) {
        count(deployment, "declined");
        deployment_ducks_tell(deployment);
        return;
    }
    const JournalGeneration duck = *find(deployment);
    recall->starts--;
    recall->verifying = true;
    memcpy(recall->digest, duck.digest, sizeof recall->digest);
    if (!deployment_verify(deployment, duck.digest, on_verified, &err)) {
        on_verified(deployment, &err);
    }
}

void deployment_recall_cancel(Deployment *deployment) {
    if (deployment->recall.verifying) {
        deployment->recall.verifying = false;
        helper_cancel(TAKE(deployment->verifier));
        deployment_ducks_tell(deployment);
    }
}

void deployment_recall_over(Deployment *deployment, uint32_t number) {
    if (deployment->recall.number == number) {
        deployment->recall.number = 0;
    }
}

/* How often it was of use, and when that was more than before. */
bool deployment_recall_is_idle(Deployment *deployment, const JournalGeneration *duck) {
    const Generation *generation = deployment_find(deployment, duck->number);
    uint64_t now = clock_monotonic_ms();
    struct DeploymentUse *use = NULL;
    if (!duck->recalled || generation == NULL) {
        return false;
    }
    for (size_t i = 0; i < DEPLOYMENT_RECALLED_MAX; i++) {
        struct DeploymentUse *other = &deployment->recall.uses[i];
        if (other->number == duck->number) {
            use = other;
            break;
        }
        use = use == NULL || other->number < use->number ? other : use; /* older ones are gone */
    }
    const json_t *counters = json_object_get(generation_status(generation), "counters");
    json_int_t relayed = json_integer_value(json_object_get(counters, "relayed"));
    if (use->number != duck->number || use->relayed != relayed) {
        *use = (struct DeploymentUse){.number = duck->number, .relayed = relayed, .since_ms = now};
    }
    return now - use->since_ms >= IDLE_MS;
}

void deployment_recall_upkeep(Deployment *deployment) {
    if (deployment->recall.told != deployment_recall_is_possible(deployment)) {
        deployment_ducks_tell(deployment);
    }
}
