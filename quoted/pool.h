/* SPDX-License-Identifier: Apache-2.0
 *
 * Pool: the threads that take in connections, answer, and work for the engine.
 *
 * Each has an epoll of its own over the listener and a wake-up. A thread takes in all that is ready, answers
 * what needs no engine at once, puts quotes into the fair queue, works a few, and looks again. At most
 * `engine_calls` threads are in the library. One, the attendant, always stays out of library and lame ducks;
 * it takes in like the others and besides keeps all connections that have to wait for their client. A request
 * stays unread in its connection until the answer is written, so that a connection is its descriptor alone
 * and another process can go on with it.
 */
#ifndef QUOTED_POOL_H
#define QUOTED_POOL_H

#include "quoted/certification.h"
#include "quoted/config.h"
#include "quoted/counters.h"
#include "quoted/duck.h"
#include "quoted/engine.h"
#include "quoted/engines.h"
#include "quoted/sightings.h"

typedef struct Pool Pool;

typedef struct PoolSpec {
    const Config *config;
    Engine *engine;   /* initialised */
    Engines *engines; /* NULL: the engine alone */
    Ducks *ducks;
    Counters *counters;
    Certification *certification;
    Sightings *sightings;
    int recall_fd;  /* an eventfd, written when a report may be for a generation that is gone */
    int drained_fd; /* an eventfd, written once after pool_drain when nothing is left */
} PoolSpec;

/* Starts the threads. Everything in the spec is borrowed for the pool's life. */
Pool *pool_start(const PoolSpec *spec, Error *err) __attribute__((warn_unused_result));
/* Its threads have the priority of who starts it; with this, where that was the lowest, the ordinary one. */
void pool_hurry(Pool *pool);
/* Ends the threads; what is still open is closed. */
void pool_stop(Pool *pool);

/* Takes the listener (-1: the one it has) and accepts from it, also again after a drain. */
bool pool_accept(Pool *pool, int listener_fd, Error *err) __attribute__((warn_unused_result));
/* Takes the listener if it has none, and does not accept from it yet. */
void pool_hold(Pool *pool, int listener_fd);
int pool_listener(const Pool *pool); /* borrowed; -1 if there is none */

/* Accepts no more. Whole requests are finished. The other connections are given to handover_fd, or if that
 * is -1 waited for until they are whole or out of time. */
void pool_drain(Pool *pool, int handover_fd);

/* Takes a connection from another generation. False: out of memory (the descriptor is closed). */
bool pool_adopt(Pool *pool, int fd);

/* The lame ducks have changed. */
void pool_refresh(Pool *pool);

typedef struct PoolLoad {
    uint32_t connections;
    uint32_t waiting; /* requests in the queue */
} PoolLoad;
PoolLoad pool_load(Pool *pool);

#endif
