/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/engines.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/process.h"
#include "quoted/engine_process.h"
#include "quoted/relay.h"

enum { PAUSE_MS = 100, PAUSE_MAX_MS = 10 * 1000, WARM_UP_MS = 120 * 1000 };

typedef enum OtherState {
    OTHER_ABSENT,
    OTHER_WARMING,
    OTHER_IDLE,
    OTHER_BUSY,
    OTHER_BROKEN /* it did not answer: its process is to be replaced */
} OtherState;

/* One further process, and the thread that starts it, watches it, and starts it again. */
typedef struct Other {
    Engines *engines;
    pthread_t thread;
    bool started;
    int wake_fd; /* an eventfd: look at `wanted`, `stopping` and the state */
    OtherState state;
    int pidfd;
    int socket;
    EngineFacts facts; /* as it said when it was warm */
} Other;

struct Engines {
    EnginesSpec spec;
    pthread_mutex_t lock;   /* over what follows, and the others' states */
    pthread_cond_t changed; /* some of it has */
    bool wanted, stopping;
    bool failed; /* one did not warm up, and nobody has waited for them yet */
    Error failure;
    Engine *own; /* NULL before engines_wait */
    EngineFacts facts;
    uint32_t own_calls;
    unsigned others_count;
    Other others[CONFIG_ENGINES_MAX - 1];
};

static bool same_key(const EngineFacts *a, const EngineFacts *b) {
    return memcmp(&a->target_info, &b->target_info, sizeof a->target_info) == 0 &&
           memcmp(a->pub_key_id, b->pub_key_id, sizeof a->pub_key_id) == 0;
}

static bool differs(unsigned number, Error *err) {
    return error_set(err, ERROR_ENGINE, "engine process %u has another QE or key than the others", number);
}

static unsigned number_of(const Other *other) {
    return (unsigned)(other - other->engines->others) + 2;
}

static bool take_failure(const ControlMessage *message, Error *err) {
    CLEANUP(json_freep) json_t *payload = control_message_json(message, err);
    const char *text = json_string_value(json_object_get(payload, "error"));
    return error_set(err, ERROR_ENGINE, "%s", text != NULL ? text : "it gave no reason");
}

/* False: not in time, or we are woken up for something else. */
static bool wait_readable(const Other *other, uint64_t deadline_ms) {
    struct pollfd sources[] = {{.fd = other->socket, .events = POLLIN},
                               {.fd = other->wake_fd, .events = POLLIN}};
    int ready;
    do {
        ready = poll(sources, 2, clock_left_ms(deadline_ms));
    } while (ready < 0 && errno == EINTR);
    return ready > 0 && sources[0].revents != 0;
}

static bool await_warm(Other *other, Error *err) {
    CLEANUP(control_message_done) ControlMessage message = CONTROL_MESSAGE_INIT;
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    if (!wait_readable(other, clock_monotonic_ms() + WARM_UP_MS)) {
        return error_set(err, ERROR_TIMEOUT, "it did not warm up");
    }
    if (!control_message_receive(other->socket, &message, &received, err)) {
        return false;
    }
    if (received != CONTROL_RECEIVED) {
        return error_set(err, ERROR_ENGINE, "it ended while it warmed up");
    }
    if (message.header.type == CONTROL_EVENT_FAILED) {
        return take_failure(&message, err);
    }
    return (message.header.type == CONTROL_EVENT_READY &&
            engine_process_facts_read(buffer_bytes(&message.payload), &other->facts)) ||
           error_set(err, ERROR_INPUT, "it is not ours");
}

/* The lock is held. */
static bool become_idle(Other *other, Error *err) {
    const Engines *engines = other->engines;
    if (engines->own != NULL && !same_key(&engines->facts, &other->facts)) {
        return differs(number_of(other), err);
    }
    other->state = OTHER_IDLE;
    return true;
}

static void set_state(Other *other, OtherState state) {
    (void)pthread_mutex_lock(&other->engines->lock);
    other->state = state;
    (void)pthread_cond_broadcast(&other->engines->changed);
    (void)pthread_mutex_unlock(&other->engines->lock);
}

/* Until its process ends, it is of no more use, or it is not wanted. */
static void watch(Other *other) {
    Engines *engines = other->engines;
    struct pollfd sources[] = {{.fd = other->pidfd, .events = POLLIN},
                               {.fd = other->wake_fd, .events = POLLIN}};
    for (bool over = false; !over;) {
        eventfd_t unused;
        (void)poll(sources, 2, -1);
        (void)!eventfd_read(other->wake_fd, &unused);
        (void)pthread_mutex_lock(&engines->lock);
        over =
            sources[0].revents != 0 || engines->stopping || !engines->wanted || other->state == OTHER_BROKEN;
        (void)pthread_mutex_unlock(&engines->lock);
    }
}

/* Its end: whoever waits for its answer learns it from the socket. */
static void end_process(Other *other) {
    Engines *engines = other->engines;
    Error ignored = ERROR_INIT;
    struct pollfd end = {.fd = other->pidfd, .events = POLLIN};
    (void)!process_signal(other->pidfd, SIGKILL, &ignored);
    while (poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    (void)pthread_mutex_lock(&engines->lock);
    while (other->state == OTHER_BUSY) {
        (void)pthread_cond_wait(&engines->changed, &engines->lock);
    }
    other->state = OTHER_ABSENT;
    bool expected = engines->stopping || !engines->wanted;
    (void)pthread_mutex_unlock(&engines->lock);
    if (!expected) {
        log_warning("engine-process-ended", "number=%u", number_of(other));
    }
    cleanup_close(&other->socket);
    cleanup_close(&other->pidfd);
    other->socket = other->pidfd = -1;
}

/* One life of the process. False: it did not warm up. */
static bool live_once(Other *other, Error *err) {
    Engines *engines = other->engines;
    if (!nursery_bear(engines->spec.nursery, &other->socket, &other->pidfd, err)) {
        return false;
    }
    set_state(other, OTHER_WARMING);
    bool warm = await_warm(other, err);
    (void)pthread_mutex_lock(&engines->lock);
    warm = warm && become_idle(other, err);
    (void)pthread_cond_broadcast(&engines->changed);
    (void)pthread_mutex_unlock(&engines->lock);
    if (warm) {
        log_info("engine-process", "number=%u", number_of(other));
        watch(other);
    }
    end_process(other);
    return warm;
}

/* Waits until one is wanted; false: the end. */
static bool wait_wanted(Engines *engines) {
    (void)pthread_mutex_lock(&engines->lock);
    while (!engines->stopping && !engines->wanted) {
        (void)pthread_cond_wait(&engines->changed, &engines->lock);
    }
    bool stopping = engines->stopping;
    (void)pthread_mutex_unlock(&engines->lock);
    return !stopping;
}

static void report_failure(Other *other, const Error *failure) {
    Engines *engines = other->engines;
    (void)pthread_mutex_lock(&engines->lock);
    bool expected = engines->stopping || !engines->wanted;
    if (!expected && engines->own == NULL) {
        engines->failed = true;
        error_set(&engines->failure, failure->kind, "engine process %u: %s", number_of(other), failure->text);
    }
    (void)pthread_cond_broadcast(&engines->changed);
    (void)pthread_mutex_unlock(&engines->lock);
    if (!expected) {
        log_warning("engine-process-failed", "number=%u error=\"%s\"", number_of(other), failure->text);
    }
}

static void *tend(void *context) {
    Other *other = context;
    uint64_t pause_ms = PAUSE_MS;
    while (wait_wanted(other->engines)) {
        Error err = ERROR_INIT;
        eventfd_t unused;
        uint64_t start_ms = clock_monotonic_ms();
        if (!live_once(other, &err)) {
            report_failure(other, &err);
        }
        bool settled = clock_monotonic_ms() - start_ms >= PAUSE_MAX_MS;
        pause_ms = settled ? PAUSE_MS : pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
        /* Cut short by the end, or by being wanted again. */
        struct pollfd wake = {.fd = other->wake_fd, .events = POLLIN};
        (void)poll(&wake, 1, (int)pause_ms);
        (void)!eventfd_read(other->wake_fd, &unused);
    }
    return NULL;
}

static bool start_other(Engines *engines, Error *err) {
    Other *other = &engines->others[engines->others_count];
    *other = (Other){
        .engines = engines, .pidfd = -1, .socket = -1, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (other->wake_fd < 0) {
        return error_set_errno(err, errno, "eventfd");
    }
    engines->others_count++;
    int result = pthread_create(&other->thread, NULL, tend, other);
    other->started = result == 0;
    return other->started || error_set_errno(err, result, "cannot start a thread");
}

Engines *engines_start(const EnginesSpec *spec, Error *err) {
    Engines *engines = calloc(1, sizeof *engines);
    if (engines == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    engines->spec = *spec;
    engines->wanted = true;
    (void)pthread_mutex_init(&engines->lock, NULL);
    (void)pthread_cond_init(&engines->changed, NULL);
    while (engines->others_count + 1 < spec->count) {
        if (!start_other(engines, err)) {
            engines_stop(engines);
            return NULL;
        }
    }
    return engines;
}

/* The lock is held. */
static void wake_all(Engines *engines) {
    for (unsigned i = 0; i < engines->others_count; i++) {
        (void)!eventfd_write(engines->others[i].wake_fd, 1);
    }
    (void)pthread_cond_broadcast(&engines->changed);
}

void engines_stop(Engines *engines) {
    if (engines == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&engines->lock);
    engines->stopping = true;
    wake_all(engines);
    (void)pthread_mutex_unlock(&engines->lock);
    for (unsigned i = 0; i < engines->others_count; i++) {
        if (engines->others[i].started) {
            (void)pthread_join(engines->others[i].thread, NULL);
        }
        cleanup_close(&engines->others[i].wake_fd);
    }
    (void)pthread_cond_destroy(&engines->changed);
    (void)pthread_mutex_destroy(&engines->lock);
    free(engines);
}

void engines_want(Engines *engines, bool wanted) {
    (void)pthread_mutex_lock(&engines->lock);
    if (engines->wanted != wanted) {
        engines->wanted = wanted;
        wake_all(engines);
    }
    (void)pthread_mutex_unlock(&engines->lock);
}

/* The lock is held. */
static unsigned count_warm(const Engines *engines) {
    unsigned warm = 0;
    for (unsigned i = 0; i < engines->others_count; i++) {
        warm += engines->others[i].state == OTHER_IDLE || engines->others[i].state == OTHER_BUSY;
    }
    return warm;
}

bool engines_wait(Engines *engines, Engine *own, Error *err) {
    bool good = true;
    EngineFacts facts;
    engine_facts(own, &facts);
    (void)pthread_mutex_lock(&engines->lock);
    while (!engines->failed && count_warm(engines) < engines->others_count) {
        (void)pthread_cond_wait(&engines->changed, &engines->lock);
    }
    if (engines->failed) {
        good = error_set(err, engines->failure.kind, "%s", engines->failure.text);
    }
    for (unsigned i = 0; good && i < engines->others_count; i++) {
        good = same_key(&facts, &engines->others[i].facts) || differs(i + 2, err);
    }
    engines->facts = facts;
    engines->own = own;
    (void)pthread_mutex_unlock(&engines->lock);
    return good;
}

bool engines_busy(Engines *engines) {
    (void)pthread_mutex_lock(&engines->lock);
    bool busy = engines->own_calls > 0;
    for (unsigned i = 0; i < engines->others_count; i++) {
        busy = busy || engines->others[i].state == OTHER_BUSY;
    }
    (void)pthread_mutex_unlock(&engines->lock);
    return busy;
}

static bool await_answer(const Other *other, uint64_t timeout_ms) {
    struct pollfd answer = {.fd = other->socket, .events = POLLIN};
    uint64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    int ready;
    do {
        ready = poll(&answer, 1, clock_left_ms(deadline_ms));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

/* False: the process is of no more use. */
static bool ask(const Other *other, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                uint32_t size, Quote3Error *ret_code) {
    RelayQuestion question;
    CLEANUP(control_message_done) ControlMessage reply = CONTROL_MESSAGE_INIT;
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    uint32_t made = 0;
    relay_question_write(&question, report, info, size);
    bool good =
        control_message_send(other->socket, CONTROL_QUOTE, 1, 0, question.bytes, question.size, -1, NULL) &&
        await_answer(other, other->engines->spec.timeout_ms) &&
        control_message_receive(other->socket, &reply, &received, NULL) && received == CONTROL_RECEIVED &&
        reply.header.type == CONTROL_QUOTE && relay_answer_read(&reply, info, quote, size, ret_code, &made);
    return good && (*ret_code != QUOTE3_SUCCESS || made == size);
}

/* Somebody else than our own engine, if that has its share. The lock is held. */
static Other *find_idle(Engines *engines) {
    for (unsigned i = 0; engines->own_calls >= engines->spec.own_calls && i < engines->others_count; i++) {
        if (engines->others[i].state == OTHER_IDLE) {
            return &engines->others[i];
        }
    }
    return NULL;
}

static void give_back(Other *other, bool good) {
    Engines *engines = other->engines;
    (void)pthread_mutex_lock(&engines->lock);
    other->state = good ? OTHER_IDLE : OTHER_BROKEN;
    if (!good) {
        (void)!eventfd_write(other->wake_fd, 1);
    }
    (void)pthread_cond_broadcast(&engines->changed);
    (void)pthread_mutex_unlock(&engines->lock);
}

static Quote3Error ask_own(Engines *engines, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                           uint32_t size) {
    Quote3Error code = engine_quote(engines->own, report, info, quote, size);
    (void)pthread_mutex_lock(&engines->lock);
    engines->own_calls--;
    (void)pthread_mutex_unlock(&engines->lock);
    return code;
}

Quote3Error engines_quote(Engines *engines, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                          uint32_t size) {
    (void)pthread_mutex_lock(&engines->lock);
    Other *other = find_idle(engines);
    if (other != NULL) {
        other->state = OTHER_BUSY;
    } else {
        engines->own_calls++;
    }
    (void)pthread_mutex_unlock(&engines->lock);
    if (other == NULL) {
        return ask_own(engines, report, info, quote, size);
    }
    Quote3Error code = QUOTE3_ERROR_UNEXPECTED;
    bool good = ask(other, report, info, quote, size, &code);
    give_back(other, good);
    if (good && (code == QUOTE3_SUCCESS || code == QUOTE3_INVALID_REPORT)) {
        return code;
    }
    (void)pthread_mutex_lock(&engines->lock);
    engines->own_calls++;
    (void)pthread_mutex_unlock(&engines->lock);
    return ask_own(engines, report, info, quote, size);
}

json_t *engines_status(Engines *engines) {
    unsigned wanted = 0;
    unsigned ready = 0;
    if (engines != NULL) {
        (void)pthread_mutex_lock(&engines->lock);
        wanted = engines->wanted ? engines->others_count : 0;
        ready = count_warm(engines);
        (void)pthread_mutex_unlock(&engines->lock);
    }
    return json_pack("{s:i, s:i}", "wanted", (int)wanted + 1, "ready", (int)ready + 1);
}
