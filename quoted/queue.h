/* SPDX-License-Identifier: Apache-2.0
 *
 * Queue: whole requests that wait for a stage of work, served round robin over the uids that ask.
 *
 * So one uid that floods waits behind itself. There are two stages, the engine and the lame ducks, each with
 * a limit of jobs at work. It also counts open connections per uid. Not thread-safe: the pool's lock guards
 * it. A job is linked in by itself (no allocation); who takes it owns it.
 */
#ifndef QUOTED_QUEUE_H
#define QUOTED_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef enum QueueStage { QUEUE_ENGINE, QUEUE_DUCKS, QUEUE_STAGES_COUNT } QueueStage;

typedef struct QueueClient QueueClient; /* one uid */

/* The connections of a client that wait for it (quoted/waiting.h). */
typedef struct WaitingLane {
    struct WaitingLink *first, *last;
    struct WaitingLane *previous, *next; /* of other clients */
    uint32_t count;
} WaitingLane;

typedef struct QueueLink {
    struct QueueLink *next;
    QueueClient *client;
    uint64_t since_ns; /* when it was asked for; of a uid, about in this order */
} QueueLink;

typedef struct Queue Queue;

/* At most `waiting_max` jobs wait over both stages, and `working_max` of a stage are at work. */
Queue *queue_new(uint32_t waiting_max, const uint32_t working_max[QUEUE_STAGES_COUNT]);
void queue_free(Queue *queue); /* nothing may be open or waiting */

/* Counts one more connection of the uid; NULL when out of memory. Balanced by queue_leave. */
QueueClient *queue_enter(Queue *queue, uid_t uid);
void queue_leave(Queue *queue, QueueClient *client);
uint32_t queue_connections(const QueueClient *client);
WaitingLane *queue_lane(QueueClient *client);

/* False: full (only for QUEUE_ENGINE; what has been let in moves on to the ducks in any case). */
bool queue_put(Queue *queue, QueueStage stage, QueueLink *job, QueueClient *client)
    __attribute__((warn_unused_result));

/* The next job whose stage has room, now at work; NULL: none. Stages with work take turns. queue_done when
 * its stage is over. */
QueueLink *queue_take(Queue *queue, QueueStage *ret_stage);
void queue_done(Queue *queue, QueueStage stage);

/* Takes out a job of the stage that has waited since `before_ns` or longer; NULL: none has. */
QueueLink *queue_expire(Queue *queue, QueueStage stage, uint64_t before_ns);

/* True if queue_take would give a job. */
bool queue_has_work(const Queue *queue);
size_t queue_waiting(const Queue *queue);

#endif
