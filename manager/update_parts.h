/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of Updates: what its files (update.c, update_*.c) share and nobody else includes.
 */
#ifndef MANAGER_UPDATE_PARTS_H
#define MANAGER_UPDATE_PARTS_H

#include "manager/offer.h"
#include "manager/transfer.h"
#include "manager/update.h"

enum { UPDATE_DOWNGRADES_MAX = 8 };

typedef enum UpdateGoal { UPDATE_LOOK, UPDATE_STAGE, UPDATE_SWAP } UpdateGoal;

struct Updates {
    UpdatesSpec spec;
    char *trust;    /* directory of trusted metadata */
    json_t *memory; /* updates.json; see update_memory.c */
    sd_event_source *timer;
    uint64_t due_ms; /* monotonic: when the timer fires; 0: it does not */

    /* The one under way; operation NULL: none. */
    Operation *operation;
    Transfer *transfer;
    UpdateGoal goal;
    char *want; /* version; NULL: what is offered */
    uint64_t soak_ms;
    json_t *downgrades;           /* names that may go down; NULL: none */
    char digest[DIGEST_HEX_SIZE]; /* of the bundle chosen */
    char version[64];
};

/* update_memory.c: `last` {at, failure, clock, metadata, channel}, `failed` {digest: sentence}, `failures`
 * (in a row), `swap` {operation, digest} while one that we began is under way, `next_at`. */
bool update_memory_load(Updates *updates, Error *err) __attribute__((warn_unused_result));
void update_memory_save(Updates *updates);                                /* a failure is logged */
void update_memory_put(Updates *updates, const char *key, json_t *value); /* takes the reference */
void update_memory_fail(Updates *updates, const char *digest, const char *why);
/* The result of a look, or NULL and why there is none. */
void update_memory_learn(Updates *updates, const json_t *result, const Error *failure);

/* update_node.c: what a judgement needs to know about this node. The pointers in `node` live as long as it.
 */
typedef struct UpdateNode {
    OfferNode node;
    json_t *facts, *failed, *unmet, *staged;
} UpdateNode;
bool update_node_read(Updates *updates, UpdateNode *ret_node, Error *err) __attribute__((warn_unused_result));
void update_node_done(UpdateNode *node);

/* update_plan.c: when to look by itself. */
void update_plan_first(Updates *updates);
void update_plan_next(Updates *updates);

/* update_look.c: where from; see manager/helper_update.c. */
typedef struct UpdateOrigin {
    const char *directory;
    int file;
    bool remote;
} UpdateOrigin;
bool update_look_find_origin(const Config *config, const UpdatesWish *wish, UpdateOrigin *ret_origin,
                             Error *err) __attribute__((warn_unused_result));
/* update_decide follows, or update_fail. */
bool update_look_start(Updates *updates, const UpdateOrigin *origin, Error *err)
    __attribute__((warn_unused_result));

/* update_decision.c: what follows from the result of a look. */
void update_decide(Updates *updates, const json_t *result);

/* update_swap.c: to the bundle chosen; ends the operation. */
void update_swap_begin(Updates *updates);
/* A swap that ended with the former manager was undone by its end: that tells nothing about the bundle. */
void update_swap_forget(Updates *updates);

/* update.c: the operation under way. True: there is one now, or was one that has failed at once. */
bool update_begin(Updates *updates, UpdateGoal goal, const UpdatesWish *wish, JournalWho who, Error *err)
    __attribute__((warn_unused_result));
void update_fail(Updates *updates, const Error *failure); /* ends it */
void update_succeed(Updates *updates, json_t *result);    /* likewise; takes the reference */
void update_note(Updates *updates, const Operation *operation, const char *event, const char *text);
/* A look that only repeats what the last one said is not worth an entry in the journal. */
void update_note_once(Updates *updates, const Operation *operation, const char *event, const char *text);

#endif
