/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/generation.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/priority.h"
#include "bundles/base/service.h"
#include "bundles/sgx/quote.h"
#include "quoted/canary.h"
#include "quoted/generation_private.h"

enum { DUCK_REST_MS = 30 * 1000, TICK_MS = 5000, TICK_MIN_MS = 25, FINISH_LOOK_MS = 10 };

void generation_drain(Generation *generation) {
    generation->state = CONTROL_STATE_DRAINING;
    pool_drain(generation->pool, generation->spec.handover != NULL ? generation->spec.handover->send_fd : -1);
}

/* Quotes carry the encrypted PPID where no provider library was found: genuine, and hardly a verifier takes
 * them. */
static void warn_of_plain_quotes(const Generation *generation) {
    EngineFacts facts;
    engine_facts(generation->engine, &facts);
    if (facts.quote_size == QUOTE_PLAIN_SIZE) {
        log_warning("no-certificates", "advice=\"no provider library was found: import the package "
                                       "libsgx-dcap-default-qpl into the bundle, or install it\"");
    }
}

static bool warm_up(Generation *generation, Error *err) {
    uint64_t start = clock_monotonic_ns();
    Trial trial = {0};
    const EngineSpec spec = {.directory = generation->spec.bundle,
                             .manifest = generation->manifest,
                             .host_provider = generation->spec.config->host_provider};
    generation->engine = engine_open(&spec, err);
    if (generation->engine == NULL || !engine_init(generation->engine, err) ||
        !trial_take(generation->engine, &trial, err) ||
        (generation->engines != NULL && !engines_wait(generation->engines, generation->engine, err))) {
        return false;
    }
    warn_of_plain_quotes(generation);
    (void)pthread_mutex_lock(&generation->lock);
    generation->trial = trial;
    generation->warm_up_us = (clock_monotonic_ns() - start) / 1000;
    (void)pthread_mutex_unlock(&generation->lock);
    return true;
}

/* The first client, by connections that are no listener's. What it leaves in the counters is not told. */
static bool send_canary(Generation *generation, Error *err) {
    uint64_t start = clock_monotonic_ns();
    if (!canary_send(generation->untried, generation->engine, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&generation->lock);
    generation->canary_us = (clock_monotonic_ns() - start) / 1000;
    generation->warm_up_us += generation->canary_us;
    (void)pthread_mutex_unlock(&generation->lock);
    while (pool_load(generation->untried).connections > 0) { /* whose thread may still be counting */
        (void)poll(NULL, 0, 1);
    }
    counters_clear(&generation->counters);
    return true;
}

static void warm_up_run(void *context) {
    Generation *generation = context;
    Error err = ERROR_INIT;
    if (!(generation->untried == NULL ? warm_up(generation, &err) : send_canary(generation, &err))) {
        (void)pthread_mutex_lock(&generation->lock);
        generation->state = CONTROL_STATE_FAILED;
        generation->failure = err;
        (void)pthread_mutex_unlock(&generation->lock);
    }
    (void)!eventfd_write(generation->warm_fd, 1);
}

static void announce(Generation *generation, ControlType type, json_t *payload) {
    CLEANUP(json_freep) json_t *owned = payload;
    if (generation->server != NULL) {
        control_server_broadcast(generation->server, type, owned);
    }
}

/* By the main thread, because threads inherit their starter's priority. Until the pool meets its first client
 * it is as gentle as the rest of the warm-up. */
static bool start_pool(Generation *generation, Error *err) {
    const PoolSpec spec = {.config = generation->spec.config,
                           .engine = generation->engine,
                           .engines = generation->engines,
                           .ducks = generation->ducks,
                           .counters = &generation->counters,
                           .certification = &generation->certification,
                           .sightings = generation->sightings,
                           .recall_fd = generation->recall_fd,
                           .drained_fd = generation->drained_fd};
    generation->pool_is_low = !generation->warm_up.hurried && priority_lower();
    generation->untried = pool_start(&spec, err);
    if (generation->pool_is_low) {
        priority_restore(0);
    }
    return generation->untried != NULL && gentle_start(&generation->warm_up, warm_up_run, generation, err);
}

static void hurry(Generation *generation) {
    gentle_hurry(&generation->warm_up);
    if (generation->pool_is_low && generation->untried != NULL) {
        pool_hurry(generation->untried);
        generation->pool_is_low = false;
    }
}

static bool become_ready(Generation *generation, Error *err) {
    hurry(generation);
    (void)pthread_mutex_lock(&generation->lock);
    Pool *pool = generation->pool = TAKE(generation->untried);
    generation->state = CONTROL_STATE_READY;
    bool good = generation->spec.listener_fd < 0 || pool_accept(pool, generation->spec.listener_fd, err);
    if (generation->spec.listener_fd >= 0) {
        generation->state = CONTROL_STATE_SERVING;
    }
    (void)pthread_mutex_unlock(&generation->lock);
    return good;
}

static void announce_failed(Generation *generation, const Error *failure) {
    if (generation->server == NULL) { /* it could not be opened */
        control_message_send_failed(generation->spec.control_fd, failure);
    }
    announce(generation, CONTROL_EVENT_FAILED, control_failed_json(failure));
}

/* A thread of the pool may still be in the library, where it would be waited for without end. */
static _Noreturn void end_failed(Generation *generation) {
    const Error *failure = &generation->failure;
    announce_failed(generation, failure);
    log_error("failed", "kind=%s error=\"%s\"", error_kind_name(failure->kind), failure->text);
    _exit(error_kind_exit_status(failure->kind));
}

/* After the warm-up, and again after the canary: then it is ready, and serves if there is a listener. */
static bool on_warm(Generation *generation, Error *err) {
    if (generation->state == CONTROL_STATE_FAILED) {
        if (generation->untried != NULL) {
            end_failed(generation);
        }
        *err = generation->failure;
        return false;
    }
    if (generation->untried == NULL) {
        return start_pool(generation, err);
    }
    if (!become_ready(generation, err)) {
        return false;
    }
    log_info("ready", "bundle=%s version=%s simulated=%s warm_up_us=%llu canary_us=%llu",
             generation->manifest->name, generation->manifest->version,
             generation->manifest->simulated ? "yes" : "no", (unsigned long long)generation->warm_up_us,
             (unsigned long long)generation->canary_us);
    announce(generation, CONTROL_EVENT_READY, generation_status(generation));
    service_notify("READY=1");
    return true;
}

static bool on_drained(Generation *generation) {
    (void)pthread_mutex_lock(&generation->lock);
    /* A drain that was undone may have been complete, and another one have begun since. */
    bool drained =
        generation->state == CONTROL_STATE_DRAINING && pool_load(generation->pool).connections == 0;
    if (drained) {
        generation->state = CONTROL_STATE_LAME_DUCK;
        if (generation->engines != NULL) {
            engines_want(generation->engines, false);
        }
    }
    (void)pthread_mutex_unlock(&generation->lock);
    atomic_store(&generation->last_relay_ms, clock_monotonic_ms());
    if (drained) {
        const Counters *counters = &generation->counters;
        uint64_t finished = counters_accepted(counters) - counters_get(&counters->left);
        announce(generation, CONTROL_EVENT_DRAINED,
                 json_pack("{s:I, s:I}", "finished", (json_int_t)finished, "left",
                           (json_int_t)counters_get(&counters->left)));
    }
    return drained;
}

/* A lame duck that nobody has asked for a while needs no EPC. */
static void rest_if_idle(Generation *generation) {
    (void)pthread_mutex_lock(&generation->lock);
    bool lame = generation->state == CONTROL_STATE_LAME_DUCK;
    (void)pthread_mutex_unlock(&generation->lock);
    if (lame && clock_monotonic_ms() - atomic_load(&generation->last_relay_ms) >= DUCK_REST_MS) {
        engine_rest(generation->engine);
    }
}

typedef struct Life {
    bool ending;
    uint64_t deadline_ms; /* of the end */
} Life;

/* Drains what is there to drain; true if the end is now. */
static bool begin_end(Generation *generation, Life *life) {
    bool now = true;
    (void)pthread_mutex_lock(&generation->lock);
    if (!life->ending) {
        generation->ends_gently = generation->state == CONTROL_STATE_LAME_DUCK;
    }
    if (generation->state == CONTROL_STATE_SERVING) {
        generation_drain(generation);
    }
    now = generation->state != CONTROL_STATE_DRAINING;
    (void)pthread_mutex_unlock(&generation->lock);
    if (!life->ending) {
        life->ending = true;
        life->deadline_ms = clock_monotonic_ms() + generation->spec.config->drain_timeout_ms;
        service_notify("STOPPING=1");
    }
    return now;
}

static bool consume(struct pollfd *poller) {
    eventfd_t unused;
    return (poller->revents & POLLIN) != 0 && eventfd_read(poller->fd, &unused) == 0;
}

/* Somebody did not finish in time; perhaps the library, in which a thread would be waited for without end.
 * What is not answered goes the way of connections whose process was killed. */
static _Noreturn void end_at_once(Generation *generation) {
    log_warning("drain-timeout", "connections=%u", pool_load(generation->pool).connections);
    announce(generation, CONTROL_EVENT_COUNTS, counters_counts_json(&generation->counters));
    _exit(0);
}

/* The engine is of no more use, and nobody knows what it would do to an orderly end. The manager starts the
 * bundle anew, and what is not answered goes there. */
static _Noreturn void give_up(Generation *generation, const char *why) {
    Error failure = ERROR_INIT;
    error_set(&failure, ERROR_ENGINE, "%s", why);
    log_error("engine-lost", "error=\"%s\"", why);
    announce_failed(generation, &failure);
    _exit(error_kind_exit_status(ERROR_ENGINE));
}

static void watch_engine(Generation *generation) {
    if (generation->pool == NULL) {
        return;
    }
    uint64_t busy_ms = engine_busy_ms(generation->engine);
    if (busy_ms > generation->spec.config->engine_timeout_ms) {
        char why[96];
        (void)snprintf(why, sizeof why, "the quote library has not come back for %llu ms: it is given up",
                       (unsigned long long)busy_ms);
        give_up(generation, why);
    }
}

static bool is_engine_busy(const Generation *generation) {
    return engine_busy_ms(generation->engine) > 0 ||
           (generation->engines != NULL && engines_busy(generation->engines));
}

/* Nothing is left to answer, but a call that was answered for may be in the library still: joining its thread
 * would wait for it. */
static bool finish(Generation *generation, uint64_t deadline_ms) {
    if (generation->engines != NULL) {
        engines_want(generation->engines, false);
    }
    while (generation->pool != NULL && is_engine_busy(generation)) {
        if (clock_left_ms(deadline_ms) == 0) {
            end_at_once(generation);
        }
        (void)poll(NULL, 0, FINISH_LOOK_MS);
    }
    return true;
}

/* Somebody killed it. What is to be watched from now on. */
static int replace_keeper(Handover *handover) {
    Error err = ERROR_INIT;
    if (!handover_restart(handover, &err)) {
        log_error("keeper-lost", "error=\"%s\"", err.text);
        return -1;
    }
    log_warning("keeper-replaced", "pid=%d", (int)handover->keeper);
    return handover->keeper_fd;
}

/* Often enough to notice in time what takes too long. */
static int tick_ms(const Config *config) {
    uint64_t tick = config->engine_timeout_ms / 8;
    return tick >= TICK_MS ? TICK_MS : tick <= TICK_MIN_MS ? TICK_MIN_MS : (int)tick;
}

static bool lead(Generation *generation, int signal_fd, Error *err) {
    enum { WARM, DRAINED, RETIRE, RECALL, SIGNAL, KEEPER, SOURCES_COUNT };
    Handover *handover = generation->spec.handover;
    struct pollfd sources[SOURCES_COUNT] = {
        {.fd = generation->warm_fd, .events = POLLIN},
        {.fd = generation->drained_fd, .events = POLLIN},
        {.fd = generation->retire_fd, .events = POLLIN},
        {.fd = generation->recall_fd, .events = POLLIN},
        {.fd = signal_fd, .events = POLLIN},
        {.fd = handover != NULL ? handover->keeper_fd : -1, .events = POLLIN}};
    Life life = {0};
    for (;;) {
        int tick = generation->pool == NULL ? GENTLE_MS : tick_ms(generation->spec.config);
        int ready = poll(sources, SOURCES_COUNT, life.ending ? clock_left_ms(life.deadline_ms) : tick);
        if (ready < 0 && errno != EINTR) {
            return error_set_errno(err, errno, "poll");
        }
        if (ready == 0) {
            hurry(generation);
        }
        if (consume(&sources[WARM])) {
            gentle_join(&generation->warm_up);
            if (!on_warm(generation, err)) {
                return false;
            }
        }
        if (consume(&sources[DRAINED])) {
            if (on_drained(generation) && life.ending) {
                return finish(generation, life.deadline_ms);
            }
        }
        if (consume(&sources[RECALL])) {
            announce(generation, CONTROL_EVENT_RECALL, NULL);
        }
        bool retire = consume(&sources[RETIRE]);
        struct signalfd_siginfo signal_info;
        bool terminated = (sources[SIGNAL].revents & POLLIN) != 0 &&
                          read(signal_fd, &signal_info, sizeof signal_info) == sizeof signal_info;
        if ((retire || terminated) && begin_end(generation, &life)) {
            return finish(generation, life.deadline_ms);
        }
        if (life.ending && clock_left_ms(life.deadline_ms) == 0) {
            end_at_once(generation);
        }
        if (handover != NULL && (sources[KEEPER].revents & POLLIN) != 0) {
            sources[KEEPER].fd = replace_keeper(handover);
        }
        watch_engine(generation);
        rest_if_idle(generation);
    }
}

static bool prepare(Generation *generation, Error *err) {
    generation->ducks = ducks_new();
    generation->sightings = sightings_new();
    generation->drained_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    generation->warm_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    generation->retire_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    generation->recall_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (generation->ducks == NULL || generation->sightings == NULL || generation->drained_fd < 0 ||
        generation->warm_fd < 0 || generation->retire_fd < 0 || generation->recall_fd < 0) {
        return error_set(err, ERROR_MEMORY, "out of memory or descriptors");
    }
    if (generation->spec.control_path == NULL) {
        return true;
    }
    generation->server = control_server_open(generation->spec.control_path, generation->spec.control_fd,
                                             generation_command, generation, err);
    return generation->server != NULL;
}

static bool start_engines(Generation *generation, Error *err) {
    const Config *config = generation->spec.config;
    const EnginesSpec spec = {.nursery = generation->spec.nursery,
                              .count = config->engines,
                              .own_calls = config->engine_calls,
                              .timeout_ms = config->engine_timeout_ms};
    generation->engines = config->engines > 1 ? engines_start(&spec, err) : NULL;
    return config->engines == 1 || generation->engines != NULL;
}

static bool live(Generation *generation, int signal_fd, Error *err) {
    if (!start_engines(generation, err) ||
        !gentle_start(&generation->warm_up, warm_up_run, generation, err)) {
        return false;
    }
    bool good = lead(generation, signal_fd, err);
    /* A library that hangs in its warm-up would hold up the end for ever. */
    (void)pthread_mutex_lock(&generation->lock);
    bool warming = generation->state == CONTROL_STATE_WARMING;
    (void)pthread_mutex_unlock(&generation->lock);
    if (warming) {
        (void)pthread_tryjoin_np(generation->warm_up.thread, NULL); /* it may have come to its end just now */
        _exit(0);
    }
    gentle_join(&generation->warm_up);
    return good;
}

bool generation_run(const GenerationSpec *spec, int signal_fd, Error *err) {
    AUTO_FREE Generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL) {
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    generation->spec = *spec;
    generation->manifest = spec->manifest;
    generation->started_at = clock_wall_s();
    generation->drained_fd = generation->warm_fd = generation->retire_fd = generation->recall_fd = -1;
    (void)pthread_mutex_init(&generation->lock, NULL);
    generation->warm_up = (Gentle)GENTLE_INIT;
    generation->certification = CERTIFICATION_INIT;
    bool good = prepare(generation, err) && live(generation, signal_fd, err);
    if (!good) {
        announce_failed(generation, err);
    }
    announce(generation, CONTROL_EVENT_COUNTS, counters_counts_json(&generation->counters));
    if (generation->ends_gently) {
        (void)priority_lower(); /* giving the memory back takes longer than a quote */
    }
    control_server_close(generation->server);
    pool_stop(generation->pool);
    engines_stop(generation->engines);
    ducks_free(generation->ducks);
    sightings_free(generation->sightings);
    cleanup_close(&generation->drained_fd);
    cleanup_close(&generation->warm_fd);
    cleanup_close(&generation->retire_fd);
    cleanup_close(&generation->recall_fd);
    engine_close(generation->engine);
    return good;
}
