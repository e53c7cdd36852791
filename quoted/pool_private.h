/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a pool: pool.c owns the threads, worker.c is what one does, connection*.c are one client.
 */
#ifndef QUOTED_POOL_PRIVATE_H
#define QUOTED_POOL_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "quoted/answer.h"
#include "quoted/pool.h"
#include "quoted/queue.h"
#include "quoted/waiting.h"

enum { SCRATCH_SIZE = CONFIG_REQUEST_SIZE_MAX + AESM_FRAME_HEADER_SIZE };

/* So many connections beyond a limit may stay until their request is there and can be answered busy (a client
 * that is closed before it has written dies of SIGPIPE), and so many more may be about to be closed. */
enum { CONNECTIONS_BEYOND_LIMIT_MAX = 256 };

/* A client whose request is not whole yet, or whose answer is not all written. */
typedef struct Connection {
    WaitingLink link; /* first, so that a link is its connection */
    int fd;
    uint64_t deadline_ms;
    uint32_t wanted;    /* bytes that make the request whole; 0: not known yet */
    uint32_t seen;      /* bytes of it at the last look */
    uint32_t pieces;    /* in which they came, at least */
    uint64_t crumbs_ms; /* from when on its sender is taken for stuck; 0: it cannot be */
    Buffer taken;       /* a request that is read piece by piece */
    Buffer rest;        /* of the answer */
} Connection;

/* A quote to be made. */
typedef struct Job {
    QueueLink link;              /* first, so that a link is its job */
    struct Job *previous, *next; /* of those in the engine */
    int fd;
    QueueClient *client;
    bool abandoned;     /* the engine took too long, and the attendant has answered; under the pool's lock */
    bool own_too_small; /* our quote does not fit the client's buffer; a lame duck's might */
    unsigned rounds;    /* how often it has waited for another lame duck */
    uint64_t parked_until_ms; /* while it waits for one */
    AnswerQuote quote;
} Job;

typedef struct Adopted {
    struct Adopted *next;
    int fd;
} Adopted;

typedef struct Worker {
    Pool *pool;
    pthread_t thread;
    bool started;
    int epoll_fd;
    int wake_fd;
    bool asleep;      /* under the pool's lock */
    uint64_t rounds;  /* how often it has looked what there is to do; likewise */
    uint64_t call_ns; /* its last call of the engine took */
    CountersShare *share;
    AesmResponse response;
    uint8_t *scratch; /* SCRATCH_SIZE and AESM_BODY_SLACK */
    uint8_t *quote;   /* ANSWER_BUFFER_SIZE_MAX and ENGINE_GUARD_SIZE */
} Worker;

/* What the engine did of late. */
typedef struct EngineTime {
    uint64_t since_ns, called_ns, calls;
} EngineTime;

struct Pool {
    PoolSpec spec;
    pthread_mutex_t lock; /* over what follows */
    Queue *queue;
    int listener_fd;
    int spare_fd; /* given up for a moment when no descriptor is left */
    int handover_fd;
    uint32_t connections_max; /* as configured, or as many as descriptors allow */
    uint32_t connections;
    uint32_t accepting_now; /* threads between accept and counting */
    bool accepting, draining, stopping;
    bool may_be_alone;
    Worker *alone;                        /* the only one that hears of new connections; NULL: all do */
    uint64_t alone_rounds, alone_look_ms; /* its rounds at the last look, and the time of the next */
    EngineTime engine_time;
    bool look;            /* the attendant is to look whether somebody waits at the listener, */
    bool last_look;       /* and once more after the threads have stopped accepting */
    bool handover;        /* the attendant is to give unfinished connections away */
    uint64_t handover_ms; /* and not before this, because the channel was full */
    Waiting waiting;
    Job *in_engine;           /* the jobs that the engine works for */
    uint64_t overdue_look_ms; /* the attendant's: when it looks next who waits too long */
    uint32_t crumbs;          /* the attendant's: connections with crumbs_ms */
    uint64_t crumbs_look_ms;  /* when they are looked at next */
    size_t taken;             /* the attendant's: bytes of requests that are read piece by piece */
    Adopted *adopted;
    _Atomic uint32_t duck_quote_size;
    Job *parked; /* by their links */
    uint32_t parked_count;
    unsigned workers_count;
    Worker workers[CONFIG_THREADS_MAX];
};

void *worker_run(void *worker);

/* listening.c; the lock is held. All threads hear of new connections, of a listener that has changed too. */
bool listening_begin(Pool *pool, Error *err) __attribute__((warn_unused_result));
void listening_end(Pool *pool); /* nobody does */
/* Whether one may hear of them alone on this machine. */
bool listening_may_be_alone(void);
/* A call of the engine took so long: from now on this thread may be the one that hears of them alone. */
void listening_note(Worker *worker, uint64_t call_ns);
/* The attendant's: whether that one still comes round; the milliseconds until the next look. */
int listening_look(Pool *pool);

/* So many quotes are parked at once, each for so long at most and so often. */
enum { PARKED_MAX = 64, PARKED_MS = 10 * 1000, PARKED_ROUNDS_MAX = 3 };

/* parked.c: whether a quote that nobody made may wait for a former generation that the manager starts again.
 */
bool parked_may_wait(Worker *worker, const Job *job);
/* Parks it, and asks for such a generation; goes on at once if the lame ducks are not the ones of that
 * version any more. False: no room. */
bool parked_put(Worker *worker, Job *job, uint64_t ducks_version);
void parked_release(Pool *pool); /* all go on; the lock is held */
void parked_expire(Pool *pool);  /* those whose time is over go on */

/* The last thread, which never works jobs: it keeps all connections that have to wait, so that none of them
 * waits for an engine or a lame duck besides. It is registered last with the listener, and so accepts only
 * when the others are busy. */
Worker *pool_attendant(Pool *pool);

/* Wakes one sleeping thread that works jobs; false: there is none. The lock is held. */
bool pool_wake_one(Pool *pool);
/* The lock is held. */
void pool_wake_attendant(Pool *pool);
/* There is a spare descriptor, or was one to be had now; the lock is held. */
bool pool_has_spare(Pool *pool);
/* Says that the pool is drained if it is; the lock is held. */
void pool_check_drained(Pool *pool);

/* A new connection, accepted or adopted. Takes the descriptor. */
void connection_begin(Worker *worker, int fd, bool adopted);
/* Its descriptor is ready. */
void connection_continue(Worker *worker, Connection *connection);
/* connection_kept.c: closes those that had to make room. */
void connection_kept_close_doomed(Worker *worker);
/* Closes those whose time is over and helps those that are stuck; the milliseconds until the next one's, -1
 * if there is none. */
int connection_kept_expire(Worker *worker);
/* Gives all unfinished ones whose request is not whole to the pool's handover_fd; false: it is full for now.
 * This one and the former two are the attendant's. */
bool connection_kept_hand_over(Worker *worker);
void connection_kept_close_all(Pool *pool);

/* Sends the worker's response and ends the connection, at once or when the client has read it. */
typedef struct Answered {
    AesmNumber number;
    AesmCode code;
    uint64_t since_ns; /* when its request was whole */
} Answered;
void connection_answer(Worker *worker, int fd, QueueClient *client, Answered answered);
/* Ends it without an answer. */
void connection_end(Worker *worker, int fd, QueueClient *client);

/* Answers the request busy that is still in its connection, and ends that. */
void connection_answer_late(Worker *worker, int fd, QueueClient *client, uint64_t since_ns);

/* The next job, at work from now on; NULL: none. The lock is held. */
Job *job_take(Pool *pool, QueueStage *ret_stage);
/* Works one job in its stage. */
void job_work(Worker *worker, Job *job, QueueStage stage);
/* Answers those busy that have waited too long, in the queue or in the engine; the attendant's. The
 * milliseconds until the next look. */
int job_expire(Worker *worker);

#endif
