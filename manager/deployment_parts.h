/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of a deployment: what its files (deployment_*.c) share and nobody else includes.
 */
#ifndef MANAGER_DEPLOYMENT_PARTS_H
#define MANAGER_DEPLOYMENT_PARTS_H

#include "manager/checks/requirements.h"
#include "manager/deployment.h"
#include "manager/examination.h"
#include "manager/generation.h"
#include "manager/helper.h"
#include "manager/rescue.h"
#include "manager/swap.h"
#include "manager/waker.h"

enum {
    DEPLOYMENT_GENERATIONS_MAX = 32,
    DEPLOYMENT_CALL_MS = 5000,
    DEPLOYMENT_FINGERPRINTS_MAX = 16,
    DEPLOYMENT_WATCHES = 3
};

/* A bundle whose files were verified, and how they looked to stat() then. */
typedef struct Fingerprint {
    char digest[DIGEST_HEX_SIZE];
    Digest files;
} Fingerprint;

/* Lame ducks that were gone and are wanted again. */
enum { DEPLOYMENT_RECALLED_MAX = 2 };
typedef struct DeploymentRecall {
    bool verifying; /* the bundle of `digest`, with the deployment's verifier */
    char digest[DIGEST_HEX_SIZE];
    uint32_t number;    /* the generation that is being started; 0: none */
    unsigned starts;    /* that are left, */
    uint64_t filled_ms; /* as of then */
    bool told;          /* the serving generation was told that it is possible */
    struct DeploymentUse {
        uint32_t number;
        json_int_t relayed;
        uint64_t since_ms; /* that many */
    } uses[DEPLOYMENT_RECALLED_MAX];
} DeploymentRecall;

/* The last trial quote of who serves. */
typedef struct DeploymentHealth {
    uint32_t asked;      /* the generation of whom a trial is asked now; 0: nobody */
    uint32_t generation; /* whose it was; 0: none yet */
    uint64_t at_ms;      /* monotonic */
    int64_t at;
    uint64_t microseconds;
    Error error;        /* what was wrong with it */
    char *quote;        /* the last trial quote in hex; NULL: none, or the engine makes none */
    char *certificates; /* then the PCK certificates that clients' quotes carried, in hex; or NULL */
    struct HealthWait *waiting;
} DeploymentHealth;

/* What quoted says to its settings. */
typedef struct DeploymentSettings {
    bool looked;
    struct stat program, config; /* as they looked then */
    sd_event_source *source;     /* of the process that is asked now; NULL: none */
    sd_event_source *deadline;   /* of that */
    int pidfd, output;           /* and */
    Error error;                 /* why it would not start */
} DeploymentSettings;

typedef struct Takeover Takeover;

typedef void (*DeploymentVerifiedFn)(Deployment *deployment, const Error *failure);

struct Deployment {
    sd_event *event;
    const Config *config;
    Store *store;
    Journal *journal;
    Operations *operations;
    const char *quoted;
    Totals *totals;
    Laggards *laggards;
    DeploymentHealth health;
    DeploymentRecall recall;
    DeploymentSettings settings;
    RequirementsHost host;
    GenerationOwner owner;
    int listener; /* -1: not made yet */
    Rescue *rescue;
    Generation *generations[DEPLOYMENT_GENERATIONS_MAX];
    size_t generations_count;

    /* The swap under way: journal->swap says where it is. */
    Operation *operation;
    Operation *undo; /* the rollback that ends it, if one was asked for */
    Error cause;     /* why it fails */
    sd_event_source *soak_timer, *trial_timer;
    sd_event_source *gentle_timer; /* NULL: the manager works at the ordinary priority */
    bool has_no_time;              /* the node, as the swap under way has found out */
    Waker waker;
    bool trial_due; /* a trial quote of the soak that has not come, be it that it could not be asked for */
    uint64_t soak_ends_ms;
    uint64_t answers_before, errors_before; /* counters of the new generation when its soak began */

    Takeover *takeover; /* from a daemon that is not ours; NULL: none, or it was stopped by another manager */
    sd_event_source *takeover_timer;

    Operation *test; /* the test under way */
    char test_digest[DIGEST_HEX_SIZE];

    Helper *verifier;
    DeploymentVerifiedFn verified;
    Fingerprint verifying;

    bool standby_lacks_room; /* there shall be a spare and cannot be */

    sd_event_source *restart_timer, *restarted_timer;
    unsigned restart_failures;
    uint64_t restart_at_ms;
    uint64_t serving_since_ms; /* monotonic */
    Error restart_error;       /* why the last restart failed */

    sd_event_source *upkeep_timer, *path_watch;
    Error path_error;    /* what is wrong with the socket's path */
    Error metrics_error; /* why metrics.listen is not served */
    Error alarm;         /* the last alarm of a generation */
    int64_t alarm_at;

    Examinations *examinations;
    sd_event_source *ahead; /* checks that run when there is nothing else to do */
    char ahead_digest[DIGEST_HEX_SIZE];
    SwapEvent gated;     /* what the swap under way goes on with when no check fails */
    bool awaits_room;    /* and when those that leave have left */
    json_t *test_result; /* of the test under way: what the generation said; NULL: nothing */
    bool test_examined;  /* the generation's part is over */
    Error test_failure;  /* and why it failed */
    bool checks_due;     /* for what serves, at the next occasion */
    json_t *checked;     /* summary of the last checks of what serves; NULL: not yet */
    int64_t checked_at;
    json_t *fingerprint;  /* of the platform; NULL: not read yet */
    char changes[1024];   /* of the platform, until checks passed again; "": none */
    Error platform_alarm; /* the check of what serves that fails now */
    sd_event_source *uevents;
    sd_event_source *platform_watches[DEPLOYMENT_WATCHES];

    Fingerprint fingerprints[DEPLOYMENT_FINGERPRINTS_MAX];
    size_t fingerprints_next;
};

/* deployment.c */
Generation *deployment_find(const Deployment *deployment, uint32_t number); /* NULL: 0, or not there */
Generation *deployment_serving(const Deployment *deployment);               /* NULL: nothing serves */
Generation *deployment_launch(Deployment *deployment, uint32_t number, const char *digest,
                              GenerationRole role, Error *err) __attribute__((warn_unused_result));
Generation *deployment_adopt(Deployment *deployment, uint32_t number, GenerationRole role, Error *err)
    __attribute__((warn_unused_result));
bool deployment_has_role(const Deployment *deployment, GenerationRole role);
void deployment_save(Deployment *deployment); /* where a failure must not stop what happens: it is logged */
bool deployment_need_listener(Deployment *deployment, Error *err) __attribute__((warn_unused_result));
/* Leaves a copy of the listener with systemd's descriptor store, if there is one. */
void deployment_deposit(const Deployment *deployment);
/* ACCEPT or RESUME, with the listener and the lame ducks; the callback as in generation_call. */
bool deployment_hand_over(Deployment *deployment, Generation *generation, GenerationReplyFn reply, Error *err)
    __attribute__((warn_unused_result));
void deployment_drain(Deployment *deployment, Generation *generation);
void deployment_host_read(Deployment *deployment); /* what requirements are compared with */
extern const JournalWho deployment_itself;

/* deployment_swap.c */
bool deployment_swap_event(Deployment *deployment, SwapEvent event, const Error *cause);
void deployment_swap_apply(Deployment *deployment, SwapStep step, const Error *cause);
void deployment_swap_show(Deployment *deployment); /* to who asked for it: where it is */

/* deployment_gentle.c: at the lowest priority for a while, if the swap under way may take its time; else, and
 * by hurry(), at the ordinary one. */
void deployment_be_gentle(Deployment *deployment);
void deployment_hurry(Deployment *deployment);
/* Hurries those whose end the swap waits for until they have ended. */
void deployment_await_room(Deployment *deployment);

/* Whatever served before runs and could serve again. */
bool deployment_former_alive(const Deployment *deployment);

/* deployment_begin.c */
Operation *deployment_begin_takeover(Deployment *deployment, const char *what, uint64_t soak_ms,
                                     ForeignId foreign, JournalWho who, Error *err);
void deployment_room_made(Deployment *deployment); /* perhaps: one that was told to end has ended */

/* deployment_takeover.c: the daemon of journal->swap.foreign */
bool deployment_foreign_lives(const Deployment *deployment);
bool deployment_foreign_is_busy(
    const Deployment *deployment); /* it is about to be stopped, and has clients */
bool deployment_foreign_listener(Deployment *deployment, Error *err) __attribute__((warn_unused_result));
void deployment_foreign_stop(Deployment *deployment); /* the soak begins as soon as that is done */
void deployment_foreign_resume(Deployment *deployment);
/* The swap ends: with us serving it is ended, else it goes on. */
void deployment_foreign_settle(Deployment *deployment, bool ours);

/* deployment_settle.c: the journal's swap ends with these actions. */
void deployment_swap_settle(Deployment *deployment, unsigned actions);

/* deployment_verify.c: calls back at once if the files look as they did when they were verified last. */
bool deployment_verify(Deployment *deployment, const char *digest, DeploymentVerifiedFn verified, Error *err)
    __attribute__((warn_unused_result));

/* deployment_checks.c */
void deployment_platform_watch(Deployment *deployment); /* once, after recovery */
void deployment_platform_look(Deployment *deployment);  /* did it change? */
json_t *deployment_checks_json(const Deployment *deployment);
bool deployment_checks_problems(const Deployment *deployment, json_t *list);

/* deployment_status.c */
bool deployment_add_problem(json_t *list, const char *what, const char *text, const char *remedy);
json_t *deployment_problems_json(const Deployment *deployment); /* a new reference; NULL: out of memory */

/* deployment_soak.c */
void deployment_soak_begin(Deployment *deployment);
void deployment_soak_end(Deployment *deployment);

/* deployment_restart.c */
void deployment_restart(Deployment *deployment);
void deployment_restart_ready(Deployment *deployment, Generation *generation);
void deployment_restart_failed(Deployment *deployment, const Error *failure);
void deployment_restart_cancel(Deployment *deployment); /* something else serves */

/* deployment_ducks.c */
json_t *deployment_ducks_json(Deployment *deployment, const Generation *target);
/* What one set of the staged bundle's enclaves takes. */
bool deployment_find_epc(const Deployment *deployment, const char *digest, uint64_t *ret_kib, Error *err)
    __attribute__((warn_unused_result));
bool deployment_ducks_have(const Deployment *deployment, const char *qe); /* who serves, or a duck, has it */
bool deployment_ducks_have_room(const Deployment *deployment, const char *digest); /* beside who serves */
void deployment_ducks_add(Deployment *deployment, const JournalGeneration *former);
void deployment_ducks_drop(Deployment *deployment, uint32_t number); /* from the journal, in memory */
void deployment_ducks_prune(Deployment *deployment); /* retires by policy, tells the serving one */
/* For a swap: newest first, those stay that this much EPC holds; `spared` is the one that is about to serve.
 * True: some are on their way out. */
bool deployment_ducks_yield(Deployment *deployment, uint64_t room_kib, uint32_t spared);
void deployment_ducks_tell(Deployment *deployment);
void deployment_ducks_died(Deployment *deployment, const Generation *generation);
void deployment_ducks_ready(Deployment *deployment, Generation *generation);
bool deployment_is_busy(const Deployment *deployment, Error *err); /* a swap or a test is under way */

/* deployment_standby.c */
Generation *deployment_standby(const Deployment *deployment); /* NULL: there is none */
bool deployment_standby_is_ready(const Deployment *deployment);
void deployment_standby_keep(Deployment *deployment);  /* there is one if there should be */
void deployment_standby_yield(Deployment *deployment); /* its EPC is needed */
void deployment_standby_ready(Deployment *deployment, Generation *standby);
void deployment_standby_hurry(Deployment *deployment); /* who serves is about to be gone */
Generation *
deployment_standby_take(Deployment *deployment); /* now to serve; NULL: there is none of that bundle */

/* deployment_test.c */
void deployment_test_ready(Deployment *deployment, Generation *generation);
void deployment_test_gone(Deployment *deployment, const Error *failure);

/* deployment_recover.c: connects to generations in the runtime directory that are not known yet. `adopt`:
 * they get the role that the journal gives them; else they are strays of a manager that died, and retire. */
void deployment_sweep(Deployment *deployment, bool adopt);

/* deployment_recall.c */
void deployment_recall_remember(Deployment *deployment, const JournalGeneration *duck); /* in memory */
bool deployment_recall_is_possible(Deployment *deployment);
void deployment_recall_wanted(Deployment *deployment, const Generation *generation);
void deployment_recall_cancel(Deployment *deployment); /* somebody else needs the verifier */
void deployment_recall_over(Deployment *deployment, uint32_t number);
bool deployment_recall_is_idle(Deployment *deployment, const JournalGeneration *duck);
void deployment_recall_upkeep(Deployment *deployment);

/* deployment_settings.c */
void deployment_settings_look(Deployment *deployment);
void deployment_settings_done(Deployment *deployment);

/* deployment_health.c */
void deployment_health_upkeep(Deployment *deployment);
void deployment_health_done(Deployment *deployment);

/* deployment_upkeep.c */
bool deployment_upkeep_begin(Deployment *deployment, Error *err) __attribute__((warn_unused_result));
void deployment_path_watch(Deployment *deployment);

#endif
