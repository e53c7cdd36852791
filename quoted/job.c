/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <stdlib.h>

#include "bundles/base/clock.h"
#include "quoted/pool_private.h"

enum {
    GONE_CHECK_MS = 2,
    AWAY_PATIENCE_MS = 5000, /* for a lame duck that crashed to come back; clients wait 15 s */
    AWAY_PAUSE_MS = 1,
    OVERDUE_LOOK_MS = 500,
    ENGINE_GRACE = 5 /* th part of queue_timeout */
};

/* Who waited for a while may have left; a client that only closed its sending side still wants its answer. */
static bool client_left(const Job *job, uint64_t waited_ms) {
    struct pollfd state = {.fd = job->fd};
    return waited_ms >= GONE_CHECK_MS && poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

static Quote3Error call_engine(Worker *worker, Job *job, uint32_t size) {
    SgxQeReportInfo *info = job->quote.has_info ? &job->quote.info : NULL;
    uint64_t start = clock_monotonic_ns();
    const PoolSpec *spec = &worker->pool->spec;
    Quote3Error code = spec->engines != NULL
                           ? engines_quote(spec->engines, &job->quote.report, info, worker->quote, size)
                           : engine_quote(spec->engine, &job->quote.report, info, worker->quote, size);
    worker->call_ns = clock_monotonic_ns() - start;
    counters_engine(spec->counters, worker->share, code, worker->call_ns);
    if (code == QUOTE3_SUCCESS) {
        certification_note(spec->certification, (Bytes){worker->quote, size});
    }
    return code;
}

/* Our own quote. *ret_own_too_small: the buffer is not large enough for it, which is not asked of the engine.
 */
static Quote3Error quote_ourselves(Worker *worker, Job *job, uint32_t *ret_size) {
    EngineFacts facts;
    Quote3Error code = QUOTE3_ERROR_INVALID_PARAMETER;
    /* Twice, because the certificate may be renewed in between and have another size. */
    for (int attempt = 0; attempt < 2 && code == QUOTE3_ERROR_INVALID_PARAMETER; attempt++) {
        engine_facts(worker->pool->spec.engine, &facts);
        job->own_too_small = job->quote.buffer_size < facts.quote_size;
        *ret_size = facts.quote_size;
        if (job->own_too_small) {
            return QUOTE3_ERROR_INVALID_PARAMETER;
        }
        if (facts.quote_size > ANSWER_BUFFER_SIZE_MAX) {
            return QUOTE3_ERROR_OUT_OF_MEMORY;
        }
        code = call_engine(worker, job, facts.quote_size);
    }
    return code;
}

static bool is_for_ducks(Worker *worker, const Job *job, Quote3Error code) {
    Ducks *ducks = worker->pool->spec.ducks;
    return (code == QUOTE3_INVALID_REPORT || job->own_too_small) &&
           (ducks_are_there(ducks) || ducks_may_be_recalled(ducks));
}

Job *job_take(Pool *pool, QueueStage *ret_stage) {
    Job *job = (Job *)queue_take(pool->queue, ret_stage);
    if (job != NULL && *ret_stage == QUEUE_ENGINE) {
        job->previous = NULL;
        job->next = pool->in_engine;
        if (job->next != NULL) {
            job->next->previous = job;
        }
        pool->in_engine = job;
    }
    return job;
}

static void take_out(Pool *pool, Job *job) {
    *(job->previous != NULL ? &job->previous->next : &pool->in_engine) = job->next;
    if (job->next != NULL) {
        job->next->previous = job->previous;
    }
}

/* Lets the next job of the stage in; with `again` this one goes on to the lame ducks. False: it took so long
 * that the attendant has answered. */
static bool leave_stage(Worker *worker, QueueStage stage, Job *job, bool again) {
    Pool *pool = worker->pool;
    (void)pthread_mutex_lock(&pool->lock);
    queue_done(pool->queue, stage);
    if (stage == QUEUE_ENGINE) {
        take_out(pool, job);
        listening_note(worker, worker->call_ns);
    }
    bool abandoned = job->abandoned;
    if (again && !abandoned) {
        (void)!queue_put(pool->queue, QUEUE_DUCKS, &job->link, job->client);
    }
    /* Whose turn is next is this thread's business as soon as it has answered: to wake somebody takes as
     * long. */
    (void)pthread_mutex_unlock(&pool->lock);
    if (abandoned) {
        free(job);
    }
    return !abandoned;
}

static AesmCode code_for_client(Worker *worker, const Job *job, Quote3Error code) {
    if (code == QUOTE3_INVALID_REPORT && !job->own_too_small) {
        Counters *counters = worker->pool->spec.counters;
        /* Made for a QE that is gone, as far as one can know: 42 makes clients ask for new target info, 47
         * would leave them failing until they are restarted. */
        bool reinit = ducks_reinit(worker->pool->spec.ducks);
        counters_add(&counters->duck_reinits, reinit);
        counters_add(&counters->duck_refusals, 1);
        sightings_note_refused(worker->pool->spec.sightings, job->fd, job->rounds > 0);
        return reinit ? AESM_ATT_KEY_NOT_INITIALIZED : AESM_INVALID_REPORT;
    }
    return job->own_too_small ? AESM_PARAMETER : aesm_code_of_quote3(code);
}

static void finish(Worker *worker, Job *job, Quote3Error result, uint32_t size) {
    AesmCode code = AESM_SUCCESS;
    if (result == QUOTE3_SUCCESS) {
        answer_quote(&job->quote, worker->quote, size, &worker->response);
    } else {
        code = code_for_client(worker, job, result);
        answer_quote_error(&job->quote, code, &worker->response);
    }
    connection_answer(worker, job->fd, job->client, (Answered){AESM_QUOTE, code, job->link.since_ns});
    free(job);
}

static void refuse(Worker *worker, Job *job) {
    counters_add(&worker->pool->spec.counters->busy[COUNTERS_BUSY_QUEUE_TIMEOUT], 1);
    answer_quote_error(&job->quote, AESM_BUSY, &worker->response);
    connection_answer(worker, job->fd, job->client, (Answered){AESM_QUOTE, AESM_BUSY, job->link.since_ns});
    free(job);
}

static void work_for_engine(Worker *worker, Job *job) {
    uint32_t size = 0;
    Quote3Error code = quote_ourselves(worker, job, &size);
    bool again = is_for_ducks(worker, job, code);
    if (leave_stage(worker, QUEUE_ENGINE, job, again) && !again) {
        finish(worker, job, code, size);
    }
}

static void work_for_ducks(Worker *worker, Job *job) {
    uint32_t size = 0;
    uint32_t room = job->quote.buffer_size;
    uint64_t waited_ms = (clock_monotonic_ns() - job->link.since_ns) / 1000000;
    SgxQeReportInfo *info = job->quote.has_info ? &job->quote.info : NULL;
    EngineFacts facts;
    DuckMaker maker = {0};
    uint64_t version = ducks_version_of(worker->pool->spec.ducks);
    engine_facts(worker->pool->spec.engine, &facts);
    Quote3Error code = ducks_quote(worker->pool->spec.ducks, facts.target_info.mr_enclave, &job->quote.report,
                                   info, worker->quote, room, &size, &maker);
    if (code != QUOTE3_SUCCESS && maker.away && waited_ms < AWAY_PATIENCE_MS) {
        (void)poll(NULL, 0, AWAY_PAUSE_MS);
        (void)leave_stage(worker, QUEUE_DUCKS, job, true);
        return;
    }
    if (code == QUOTE3_SUCCESS) {
        counters_add(&worker->pool->spec.counters->duck_answers, 1);
        job->own_too_small = false;
        sightings_note(worker->pool->spec.sightings, job->fd, maker.qe, maker.generation);
    } else if (code != QUOTE3_INVALID_REPORT) {
        counters_add(&worker->pool->spec.counters->duck_failures, 1);
    }
    /* Only the engine's jobs are abandoned. */
    (void)leave_stage(worker, QUEUE_DUCKS, job, false);
    if (code == QUOTE3_INVALID_REPORT && !job->own_too_small && parked_may_wait(worker, job) &&
        parked_put(worker, job, version)) {
        return;
    }
    finish(worker, job, code, size);
}

static void depart(Worker *worker, Job *job) {
    counters_add(&worker->pool->spec.counters->departed, 1);
    connection_end(worker, job->fd, job->client);
    free(job);
}

void job_work(Worker *worker, Job *job, QueueStage stage) {
    const Config *config = worker->pool->spec.config;
    uint64_t waited_ns = clock_monotonic_ns() - job->link.since_ns;
    uint64_t waited_ms = waited_ns / 1000000;
    if (stage == QUEUE_ENGINE) {
        metrics_observe(&worker->share->waits, waited_ns);
    }
    worker->call_ns = 0;
    if (client_left(job, waited_ms)) {
        if (leave_stage(worker, stage, job, false)) {
            depart(worker, job);
        }
    } else if (waited_ms >= config->queue_timeout_ms) {
        if (leave_stage(worker, stage, job, false)) {
            refuse(worker, job);
        }
    } else if (stage == QUEUE_ENGINE) {
        work_for_engine(worker, job);
    } else {
        work_for_ducks(worker, job);
    }
}

/* The engine's job that has been there since `before_ns` or longer, to be answered by us now. What the job
 * points to is the engine's until it comes back. */
static const Job *abandon(Pool *pool, uint64_t before_ns) {
    for (Job *job = pool->in_engine; job != NULL; job = job->next) {
        if (!job->abandoned && job->link.since_ns <= before_ns) {
            job->abandoned = true;
            return job;
        }
    }
    return NULL;
}

/* One more that waits too long. */
static bool answer_overdue(Worker *worker, uint64_t now_ns) {
    Pool *pool = worker->pool;
    const uint64_t patience_ns = pool->spec.config->queue_timeout_ms * 1000000;
    /* Whose turn has come gets a little more time. */
    const uint64_t engine_ns = patience_ns + patience_ns / ENGINE_GRACE;
    const Job *late = NULL;
    int fd = -1;
    QueueClient *client = NULL;
    uint64_t since_ns = 0;
    (void)pthread_mutex_lock(&pool->lock);
    Job *job =
        now_ns >= patience_ns ? (Job *)queue_expire(pool->queue, QUEUE_ENGINE, now_ns - patience_ns) : NULL;
    if (job == NULL && now_ns >= engine_ns && (late = abandon(pool, now_ns - engine_ns)) != NULL) {
        fd = late->fd;
        client = late->client;
        since_ns = late->link.since_ns;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (job != NULL) {
        refuse(worker, job);
    } else if (late != NULL) {
        connection_answer_late(worker, fd, client, since_ns);
    }
    return job != NULL || late != NULL;
}

int job_expire(Worker *worker) {
    Pool *pool = worker->pool;
    if (clock_left_ms(pool->overdue_look_ms) == 0) {
        uint64_t now_ns = clock_monotonic_ns();
        while (answer_overdue(worker, now_ns)) {
        }
        pool->overdue_look_ms = now_ns / 1000000 + OVERDUE_LOOK_MS;
    }
    return clock_left_ms(pool->overdue_look_ms);
}
