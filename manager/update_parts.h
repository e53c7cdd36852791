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

/* update.c */
void update_plan(Updates *updates, uint64_t delay_ms);

#endif
