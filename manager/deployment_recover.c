/* SPDX-License-Identifier: Apache-2.0
 *
 * The manager's own restart: who lives, what the journal says, and how the two become one again.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/listener.h"
#include "bundles/base/log.h"
#include "bundles/base/text.h"
#include "manager/deployment_parts.h"

enum { LISTENER_MS = 5000, STALE_AFTER_S = 60 };

static bool parse_name(const char *name, uint32_t *ret_number) {
    static const char prefix[] = "generation-", suffix[] = ".sock";
    char digits[16];
    size_t length = strlen(name);
    if (length <= sizeof prefix - 1 + sizeof suffix - 1 || strncmp(name, prefix, sizeof prefix - 1) != 0 ||
        strcmp(name + length - (sizeof suffix - 1), suffix) != 0) {
        return false;
    }
    size_t count = length - (sizeof prefix - 1) - (sizeof suffix - 1);
    if (count >= sizeof digits) {
        return false;
    }
    memcpy(digits, name + sizeof prefix - 1, count);
    digits[count] = '\0';
    return text_parse_u32(digits, 1, UINT32_MAX - 1, ret_number);
}

static GenerationRole role_in_journal(const Journal *journal, uint32_t number) {
    const JournalSwap *swap = &journal->swap;
    if (journal->serving.number == number) {
        return GENERATION_SERVING;
    }
    if (swap->state != SWAP_IDLE && swap->next.number == number) {
        return GENERATION_CANDIDATE;
    }
    if (swap->state != SWAP_IDLE && swap->former.number == number) {
        return GENERATION_FORMER;
    }
    if (journal->standby.number == number) {
        return GENERATION_STANDBY;
    }
    for (size_t i = 0; i < journal->ducks_count; i++) {
        if (journal->ducks[i].number == number) {
            return GENERATION_DUCK;
        }
    }
    return GENERATION_LEAVING;
}

/* A role for one that lives but is not as far as the journal thinks. */
static GenerationRole settle_role(GenerationRole role, const Generation *generation) {
    if (generation_is_warm(generation)) {
        return role;
    }
    if (role == GENERATION_SERVING) {
        return GENERATION_RESTART;
    }
    return role == GENERATION_DUCK || role == GENERATION_FORMER ? GENERATION_SPARE : role;
}

static void remove_stale(const char *path) {
    struct stat facts;
    /* A young one may belong to a process that has not come to listen() yet. */
    if (lstat(path, &facts) == 0 && clock_wall_s() - facts.st_mtim.tv_sec > STALE_AFTER_S) {
        (void)unlink(path);
    }
}

static void meet(Deployment *deployment, uint32_t number, bool adopt) {
    Error err = ERROR_INIT;
    Journal *journal = deployment->journal;
    AUTO_FREE char *path = text_format("%s/generation-%u.sock", deployment->config->runtime, number);
    GenerationRole role = adopt ? role_in_journal(journal, number) : GENERATION_LEAVING;
    Generation *generation = deployment_adopt(deployment, number, role, &err);
    if (generation == NULL) {
        if (err.kind == ERROR_UNAVAILABLE && path != NULL) {
            remove_stale(path);
        } else {
            log_error("generation-lost", "generation=%u error=\"%s\"", number, err.text);
        }
        return;
    }
    if (number >= journal->next_generation) {
        journal->next_generation = number + 1;
    }
    generation_set_role(generation, settle_role(role, generation));
    if (!adopt) {
        log_warning("stray-generation", "generation=%u", number);
        generation_retire(generation, deployment->config->drain_timeout_ms);
    }
}

void deployment_sweep(Deployment *deployment, bool adopt) {
    DIR *directory = opendir(deployment->config->runtime);
    const struct dirent *entry = NULL;
    uint32_t number = 0;
    if (directory == NULL) {
        return;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (parse_name(entry->d_name, &number) && deployment_find(deployment, number) == NULL) {
            meet(deployment, number, adopt);
        }
    }
    (void)closedir(directory);
}

static void ask_listener(Deployment *deployment, Generation *generation) {
    Error err = ERROR_INIT;
    if (deployment->listener >= 0 || generation == NULL || !generation_is_warm(generation)) {
        return;
    }
    deployment->listener = generation_listener(generation, LISTENER_MS, &err);
    if (deployment->listener >= 0) {
        log_info("socket-found", "generation=%u", generation_number(generation));
    }
}

static void find_listener(Deployment *deployment) {
    deployment->listener = listener_inherited(deployment->config->socket_path);
    ask_listener(deployment, deployment_serving(deployment));
    for (size_t i = 0; i < deployment->generations_count; i++) {
        ask_listener(deployment, deployment->generations[i]);
    }
    if (deployment->listener >= 0) {
        deployment_path_watch(deployment);
        deployment_deposit(deployment);
    }
}

static void on_serving_again(void *context, Generation *generation, const ControlMessage *reply,
                             const Error *failure) {
    (void)context, (void)reply;
    if (failure != NULL && generation_is_alive(generation)) {
        log_error("serving-refused", "generation=%u error=\"%s\"", generation_number(generation),
                  failure->text);
        generation_kill(generation); /* it is started again */
    }
}

/* The serving one lives: make sure that it accepts, and knows its lame ducks. */
static void confirm_serving(Deployment *deployment, Generation *serving) {
    Error err = ERROR_INIT;
    deployment->serving_since_ms = clock_monotonic_ms();
    rescue_set_target(deployment->rescue, serving);
    if (!deployment_hand_over(deployment, serving, on_serving_again, &err)) {
        on_serving_again(deployment, serving, NULL, &err);
    }
}

static void recover_swap(Deployment *deployment) {
    Journal *journal = deployment->journal;
    JournalSwap *swap = &journal->swap;
    Generation *next = deployment_find(deployment, swap->next.number);
    char label[128];
    Error cause = ERROR_INIT;
    deployment_label(deployment, swap->next.digest, label, sizeof label);
    deployment->operation = operation_begin(deployment->operations, swap->operation,
                                            swap->rollback           ? "rollback"
                                            : swap->foreign.pid != 0 ? "adopt"
                                                                     : "swap",
                                            swap->who, label);
    error_set(&cause, ERROR_UNAVAILABLE, "the manager was restarted while the swap was %s",
              swap_state_name(swap->state));
    journal_note(journal, swap->operation, deployment_itself, "recovered",
                 "%s: the manager was restarted while %s", label, swap_state_name(swap->state));
    SwapStep step = swap_recover(swap->state, deployment_former_alive(deployment), next != NULL);
    log_info("swap-recovered", "operation=%llu was=%s next=%s", (unsigned long long)swap->operation,
             swap_state_name(swap->state), swap_state_name(step.next));
    deployment_swap_apply(deployment, step,
                          step.next == SWAP_IDLE || step.next == SWAP_REVERTING ? &cause : NULL);
    if (swap->state == SWAP_WARMING && next != NULL && generation_is_warm(next)) {
        (void)deployment_swap_event(deployment, SWAP_EVENT_READY, NULL);
    }
}

/* It was retired because of that, perhaps: then the journal still names it. */
static bool others_have_its_qe(const Deployment *deployment, const JournalGeneration *duck) {
    const Journal *journal = deployment->journal;
    bool others = duck->qe[0] != '\0' && strcmp(journal->serving.qe, duck->qe) == 0;
    for (size_t i = 0; i < journal->ducks_count && duck->qe[0] != '\0'; i++) {
        const JournalGeneration *other = &journal->ducks[i];
        others = others || (other != duck && strcmp(other->qe, duck->qe) == 0 &&
                            deployment_find(deployment, other->number) != NULL);
    }
    return others;
}

static void recover_ducks(Deployment *deployment) {
    Journal *journal = deployment->journal;
    Error err = ERROR_INIT;
    for (size_t i = journal->ducks_count; i-- > 0;) {
        JournalGeneration *duck = &journal->ducks[i];
        if (deployment_find(deployment, duck->number) != NULL) {
            continue;
        }
        if (others_have_its_qe(deployment, duck)) {
            deployment_ducks_drop(deployment, duck->number);
            continue;
        }
        duck->number = journal->next_generation++;
        deployment_save(deployment);
        if (deployment_launch(deployment, duck->number, duck->digest, GENERATION_SPARE, &err) == NULL) {
            log_error("duck-lost", "generation=%u error=\"%s\"", duck->number, err.text);
            journal->qe_retired = true;
            deployment_ducks_drop(deployment, duck->number);
        }
    }
}

static void retire_strays(Deployment *deployment) {
    for (size_t i = 0; i < deployment->generations_count; i++) {
        Generation *generation = deployment->generations[i];
        if (generation_role(generation) == GENERATION_LEAVING) {
            generation_retire(generation, deployment->config->drain_timeout_ms);
        }
    }
}

/* Who ended while no manager ran has its last known counts in the totals. */
static void keep_totals(Deployment *deployment) {
    uint32_t numbers[DEPLOYMENT_GENERATIONS_MAX];
    for (size_t i = 0; i < deployment->generations_count; i++) {
        numbers[i] = generation_number(deployment->generations[i]);
    }
    totals_keep(deployment->totals, numbers, deployment->generations_count);
}

/* Another daemon has the path, as after a boot in which it came first: it goes on until we are told to adopt
 * it. */
static bool may_wait(Deployment *deployment, const Error *failure) {
    if (failure->kind != ERROR_CONFLICT || deployment->generations_count > 0 ||
        deployment->journal->swap.state != SWAP_IDLE) {
        return false;
    }
    log_error("socket-not-ours", "error=\"%s\"", failure->text);
    deployment->path_error = *failure;
    return true;
}

bool deployment_recover(Deployment *deployment, Error *err) {
    Journal *journal = deployment->journal;
    if (!listener_check_directory(deployment->config->socket_path, err) ||
        !deployment_upkeep_begin(deployment, err)) {
        return false;
    }
    deployment_platform_watch(deployment);
    deployment_sweep(deployment, true);
    keep_totals(deployment);
    find_listener(deployment);
    retire_strays(deployment);
    if (journal->serving.digest[0] == '\0' && journal->swap.state == SWAP_IDLE) {
        if (deployment->listener < 0) {
            /* A daemon at the path is no hindrance before the first swap: it is worth knowing, no more. */
            (void)!listener_check_free(deployment->config->socket_path, &deployment->path_error);
        }
        return true;
    }
    /* In a takeover the socket is asked for when it is needed. */
    if (journal->swap.foreign.pid == 0 && !deployment_need_listener(deployment, err)) {
        return may_wait(deployment, err);
    }
    Generation *serving = deployment_serving(deployment);
    if (serving != NULL) {
        confirm_serving(deployment, serving);
    }
    if (journal->swap.state != SWAP_IDLE) {
        recover_swap(deployment);
    } else if (serving == NULL) {
        deployment_restart(deployment);
    }
    recover_ducks(deployment);
    deployment_save(deployment);
    deployment_standby_keep(deployment);
    return true;
}
