/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a generation: generation.c leads its life, commands.c answers the manager, status.c says how
 * it is.
 */
#ifndef QUOTED_GENERATION_PRIVATE_H
#define QUOTED_GENERATION_PRIVATE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "quoted/control/server.h"
#include "quoted/generation.h"
#include "quoted/gentle.h"
#include "quoted/pool.h"
#include "quoted/trial.h"

typedef struct Generation {
    GenerationSpec spec;
    const Manifest *manifest; /* borrowed */
    ControlServer *server;    /* NULL: runs alone */
    Ducks *ducks;
    Engine *engine;
    Engines *engines; /* NULL: the engine alone */
    Counters counters;
    Sightings *sightings;
    Certification certification;
    int drained_fd; /* eventfd of the pool */
    int warm_fd;    /* eventfd of the warm-up */
    int recall_fd;  /* eventfd of the pool */
    int retire_fd;  /* eventfd of CONTROL_RETIRE */
    Gentle warm_up;
    Pool *untried;    /* the pool until the canary was answered; the main thread's and the canary's */
    bool pool_is_low; /* its threads have the lowest priority until then */
    bool ends_gently; /* a lame duck when it was told to end; for another's EPC or socket somebody may wait */
    int64_t started_at;
    _Atomic uint64_t last_relay_ms; /* when another generation asked last */

    pthread_mutex_t lock; /* over what follows */
    ControlState state;
    Pool *pool; /* NULL until ready */
    Trial trial;
    uint64_t warm_up_us; /* with the canary */
    uint64_t canary_us;
    Error failure; /* of the warm-up */
} Generation;

/* The status document of docs/protocol.md; NULL when out of memory. The lock is not held. */
json_t *generation_status(Generation *generation);

/* The handler of the control server; `context` is the generation. */
void generation_command(void *context, ControlPeer *peer, ControlMessage *message);

/* Stops accepting; the event DRAINED or the end follows when the pool is empty. The lock is held. */
void generation_drain(Generation *generation);

#endif
