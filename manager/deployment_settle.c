/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a swap: who serves, who stays as a lame duck, who leaves, and what the operators are told.
 */
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"
#include "manager/metrics_page.h"

/* The new generation does not serve in the end. Clients that met it may hold reports for its QE: after an
 * operator's undo it stays as a lame duck, after a failure it cannot be trusted to answer. */
static bool keep_as_duck(Deployment *deployment, const JournalSwap *swap, Generation *next, bool met) {
    if (next == NULL || !generation_is_alive(next)) {
        return false;
    }
    if (swap->resumes && (swap->state == SWAP_VERIFYING || swap->state == SWAP_WARMING)) {
        generation_set_role(next, GENERATION_DUCK); /* as it was before, and in the journal's list still */
        return true;
    }
    if (swap->resumes && swap->state == SWAP_SWITCHING) {
        /* It is dying, or may have begun to accept: another one takes its place. */
        generation_set_role(next, GENERATION_DUCK);
        generation_kill(next);
        return true;
    }
    if (!met || deployment->undo == NULL || swap->foreign.pid != 0) {
        return false;
    }
    deployment_ducks_drop(deployment, swap->next.number);
    deployment_ducks_add(deployment, &swap->next);
    return true;
}

static void settle_journal(Deployment *deployment, const JournalSwap *swap, unsigned actions) {
    Journal *journal = deployment->journal;
    deployment->checks_due = true;
    bool met = swap->state == SWAP_SOAKING || swap->state == SWAP_REVERTING;
    if ((actions & (SWAP_COMMIT | SWAP_KEEP_NEW)) != 0) {
        journal->serving = swap->next;
        deployment_ducks_drop(deployment, swap->next.number);
        if (swap->former.digest[0] != '\0' && strcmp(swap->former.digest, swap->next.digest) != 0) {
            (void)text_copy(journal->previous, sizeof journal->previous, swap->former.digest);
        }
        if ((actions & SWAP_COMMIT) != 0) {
            deployment_ducks_add(deployment, &swap->former);
        }
    } else if ((actions & SWAP_RESTART) != 0) {
        if (swap->former.digest[0] != '\0') {
            journal->serving = swap->former;
        } else if (met) {
            journal->serving = swap->next;
        }
        journal->serving.number = 0;
    } else if (met) {
        journal->serving = swap->former;
    }
}

static void settle_generations(Deployment *deployment, const JournalSwap *swap, unsigned actions) {
    Generation *next = deployment_find(deployment, swap->next.number);
    Generation *former = deployment_find(deployment, swap->former.number);
    bool met = swap->state == SWAP_SOAKING || swap->state == SWAP_REVERTING;
    if ((actions & SWAP_KEEP_NEW) != 0 && former != NULL && generation_is_alive(former)) {
        generation_retire(former, deployment->config->drain_timeout_ms);
    }
    if ((actions & SWAP_KEEP_NEW) != 0 && next != NULL) {
        generation_set_role(next, GENERATION_SERVING);
        rescue_set_target(deployment->rescue, next);
    }
    if ((actions & SWAP_DROP_NEW) == 0) {
        return;
    }
    if (swap->state == SWAP_REVERTING && former != NULL) {
        generation_set_role(former, GENERATION_SERVING);
        rescue_set_target(deployment->rescue, former);
        deployment->serving_since_ms = clock_monotonic_ms();
    }
    if (keep_as_duck(deployment, swap, next, met)) {
        if (met) {
            deployment_drain(deployment, next);
        }
        return;
    }
    deployment_ducks_drop(deployment, swap->next.number);
    deployment->journal->qe_retired |= met && strcmp(swap->next.qe, swap->former.qe) != 0;
    if (next != NULL && generation_is_alive(next)) {
        generation_retire(next, deployment->config->drain_timeout_ms);
    }
}

static void finish_operations(Deployment *deployment, const JournalSwap *swap, unsigned actions) {
    Operation *operation = deployment->operation, *undo = deployment->undo;
    Error cause = deployment->cause;
    bool went_back = (actions & (SWAP_COMMIT | SWAP_KEEP_NEW)) == 0;
    deployment->operation = deployment->undo = NULL;
    deployment->cause = ERROR_INIT;
    if (cause.kind == ERROR_NONE) {
        error_set(&cause, ERROR_ENGINE, "the swap could not be finished");
    }
    if (operation != NULL && (actions & SWAP_COMMIT) != 0) {
        operation_succeed(deployment->operations, operation,
                          json_pack("{s:I, s:s}", "generation", (json_int_t)swap->next.number, "bundle",
                                    swap->next.digest));
    } else if (operation != NULL) {
        operation_fail(deployment->operations, operation, &cause);
    }
    if (undo != NULL && went_back) {
        operation_succeed(deployment->operations, undo,
                          json_pack("{s:I, s:s}", "generation",
                                    (json_int_t)deployment->journal->serving.number, "bundle",
                                    deployment->journal->serving.digest));
    } else if (undo != NULL) {
        operation_fail(deployment->operations, undo, &cause);
    }
}

static void note_end(Deployment *deployment, const JournalSwap *swap, unsigned actions) {
    char label[128];
    deployment_label(deployment, swap->next.digest, label, sizeof label);
    const char *event = (actions & SWAP_COMMIT) != 0 ? "committed"
                        : deployment->undo != NULL   ? "undone"
                                                     : "failed";
    totals_add(deployment->totals, METRICS_PAGE_SWAPS, event, 1);
    if ((actions & SWAP_COMMIT) != 0) {
        journal_note(deployment->journal, swap->operation, swap->who, event, "%s serves as generation %u",
                     label, swap->next.number);
        log_info("swap-committed", "generation=%u bundle=%.12s", swap->next.number, swap->next.digest);
        return;
    }
    const char *reason = deployment->cause.kind != ERROR_NONE ? deployment->cause.text : "no reason given";
    const char *outcome = (actions & SWAP_KEEP_NEW) != 0  ? "it serves on, there is no way back"
                          : (actions & SWAP_RESTART) != 0 ? (deployment->journal->serving.digest[0] != '\0'
                                                                 ? "what served before is started again"
                                                                 : "nothing serves")
                                                          : "what served before serves";
    journal_note(deployment->journal, swap->operation, swap->who, event, "%s: %s: %s", label, reason,
                 outcome);
    log_warning("swap-failed", "generation=%u bundle=%.12s error=\"%s\"", swap->next.number,
                swap->next.digest, reason);
}

/* The former one died and is being started again already: it only becomes what serves. */
static void promote_spare(Deployment *deployment, uint32_t former) {
    Generation *generation = deployment_find(deployment, former);
    if (generation != NULL && generation_is_alive(generation) &&
        generation_role(generation) == GENERATION_SPARE) {
        generation_set_role(generation, GENERATION_RESTART);
    }
}

/* The former one died and came back too late to serve; now it is wanted after all. */
static void serve_again(Deployment *deployment, uint32_t former) {
    Generation *generation = deployment_find(deployment, former);
    if (deployment_serving(deployment) == NULL && generation != NULL && generation_is_alive(generation) &&
        generation_role(generation) == GENERATION_FORMER) {
        generation_set_role(generation, GENERATION_RESTART);
        deployment_restart_ready(deployment, generation);
    }
}

void deployment_swap_settle(Deployment *deployment, unsigned actions) {
    const JournalSwap swap = deployment->journal->swap;
    deployment_soak_end(deployment);
    deployment_recall_cancel(deployment);
    helper_cancel(TAKE(deployment->verifier));
    deployment_foreign_settle(deployment, (actions & (SWAP_COMMIT | SWAP_KEEP_NEW)) != 0);
    note_end(deployment, &swap, actions);
    settle_journal(deployment, &swap, actions);
    deployment->journal->swap = (JournalSwap){.state = SWAP_IDLE};
    settle_generations(deployment, &swap, actions);
    deployment_save(deployment);
    if ((actions & SWAP_RESTART) != 0) {
        promote_spare(deployment, swap.former.number);
        deployment_restart(deployment);
    }
    serve_again(deployment, swap.former.number);
    if ((actions & SWAP_COMMIT) == 0) {
        deployment_ducks_tell(deployment);
    }
    deployment_ducks_prune(deployment);
    deployment_standby_keep(deployment);
    finish_operations(deployment, &swap, actions);
}
