/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/queue.h"

#include <assert.h>
#include <stdlib.h>

enum { BUCKETS = 256 };

/* Jobs of one uid in one stage; in the stage's ring exactly while there are any. */
typedef struct Lane {
    QueueLink *first, *last;
    QueueClient *next; /* in the ring */
} Lane;

struct QueueClient {
    uid_t uid;
    uint32_t connections;
    QueueClient *bucket_next;
    Lane lanes[QUEUE_STAGES_COUNT];
    WaitingLane waiting;
};

typedef struct Stage {
    QueueClient *turn, *last; /* whose turn is next, and the end of the ring */
    uint32_t working, working_max;
} Stage;

struct Queue {
    Stage stages[QUEUE_STAGES_COUNT];
    QueueClient *buckets[BUCKETS];
    uint32_t waiting, waiting_max;
    unsigned turn; /* the stage that is looked at first */
};

Queue *queue_new(uint32_t waiting_max, const uint32_t working_max[QUEUE_STAGES_COUNT]) {
    Queue *queue = calloc(1, sizeof *queue);
    if (queue != NULL) {
        queue->waiting_max = waiting_max;
        for (int stage = 0; stage < QUEUE_STAGES_COUNT; stage++) {
            queue->stages[stage].working_max = working_max[stage];
        }
    }
    return queue;
}

void queue_free(Queue *queue) {
    free(queue);
}

QueueClient *queue_enter(Queue *queue, uid_t uid) {
    QueueClient **bucket = &queue->buckets[uid % BUCKETS];
    for (QueueClient *client = *bucket; client != NULL; client = client->bucket_next) {
        if (client->uid == uid) {
            client->connections++;
            return client;
        }
    }
    QueueClient *client = calloc(1, sizeof *client);
    if (client != NULL) {
        *client = (QueueClient){.uid = uid, .connections = 1, .bucket_next = *bucket};
        *bucket = client;
    }
    return client;
}

void queue_leave(Queue *queue, QueueClient *client) {
    assert(client->connections > 0);
    if (--client->connections > 0) {
        return;
    }
    QueueClient **at = &queue->buckets[client->uid % BUCKETS];
    while (*at != client) {
        at = &(*at)->bucket_next;
    }
    *at = client->bucket_next;
    free(client);
}

uint32_t queue_connections(const QueueClient *client) {
    return client->connections;
}

WaitingLane *queue_lane(QueueClient *client) {
    return &client->waiting;
}

static void ring_append(Stage *stage, QueueStage which, QueueClient *client) {
    client->lanes[which].next = NULL;
    if (stage->turn == NULL) {
        stage->turn = client;
    } else {
        stage->last->lanes[which].next = client;
    }
    stage->last = client;
}

bool queue_put(Queue *queue, QueueStage stage, QueueLink *job, QueueClient *client) {
    Lane *lane = &client->lanes[stage];
    if (stage == QUEUE_ENGINE && queue->waiting >= queue->waiting_max) {
        return false;
    }
    job->next = NULL;
    job->client = client;
    if (lane->first == NULL) {
        lane->first = job;
        ring_append(&queue->stages[stage], stage, client);
    } else {
        lane->last->next = job;
    }
    lane->last = job;
    queue->waiting++;
    return true;
}

static bool has_work(const Stage *stage) {
    return stage->turn != NULL && stage->working < stage->working_max;
}

static QueueLink *take(Queue *queue, QueueStage which) {
    Stage *stage = &queue->stages[which];
    QueueClient *client = stage->turn;
    Lane *lane = &client->lanes[which];
    QueueLink *job = lane->first;
    stage->turn = lane->next;
    lane->first = job->next;
    if (lane->first != NULL) {
        ring_append(stage, which, client);
    }
    stage->working++;
    queue->waiting--;
    return job;
}

QueueLink *queue_take(Queue *queue, QueueStage *ret_stage) {
    for (unsigned i = 0; i < QUEUE_STAGES_COUNT; i++) {
        QueueStage stage = (QueueStage)((queue->turn + i) % QUEUE_STAGES_COUNT);
        if (has_work(&queue->stages[stage])) {
            /* By turns: at full load the first stage would leave nothing for the other. */
            queue->turn = stage + 1;
            *ret_stage = stage;
            return take(queue, stage);
        }
    }
    return NULL;
}

QueueLink *queue_expire(Queue *queue, QueueStage which, uint64_t before_ns) {
    Stage *stage = &queue->stages[which];
    QueueClient *previous = NULL;
    for (QueueClient *client = stage->turn; client != NULL; client = client->lanes[which].next) {
        Lane *lane = &client->lanes[which];
        QueueLink *job = lane->first;
        if (job->since_ns <= before_ns) {
            lane->first = job->next;
            if (lane->first == NULL) {
                *(previous != NULL ? &previous->lanes[which].next : &stage->turn) = lane->next;
                stage->last = stage->last == client ? previous : stage->last;
            }
            queue->waiting--;
            return job;
        }
        previous = client;
    }
    return NULL;
}

void queue_done(Queue *queue, QueueStage stage) {
    assert(queue->stages[stage].working > 0);
    queue->stages[stage].working--;
}

bool queue_has_work(const Queue *queue) {
    return has_work(&queue->stages[QUEUE_ENGINE]) || has_work(&queue->stages[QUEUE_DUCKS]);
}

size_t queue_waiting(const Queue *queue) {
    return queue->waiting;
}
