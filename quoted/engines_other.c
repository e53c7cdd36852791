/* SPDX-License-Identifier: Apache-2.0
 *
 * Other: one further engine process, and the thread that starts it, watches it, and starts it again.
 *
 * It is asked by whoever has made it busy, and by nobody else until it is given back; one that did not answer
 * is replaced.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/log.h"
#include "bundles/base/process.h"
#include "quoted/engine_process.h"
#include "quoted/engines_private.h"
#include "quoted/relay.h"

enum { PAUSE_MS = 100, PAUSE_MAX_MS = 10 * 1000, WARM_UP_MS = 120 * 1000 };

static unsigned number_of(const Other *other) {
    return (unsigned)(other - other->engines->others) + 2;
}

static bool same_key(const EngineFacts *a, const EngineFacts *b) {
    return memcmp(&a->target_info, &b->target_info, sizeof a->target_info) == 0 &&
           memcmp(a->pub_key_id, b->pub_key_id, sizeof a->pub_key_id) == 0;
}

bool engines_other_matches(const Other *other, const EngineFacts *facts, Error *err) {
    return same_key(facts, &other->facts) ||
           error_set(err, ERROR_ENGINE, "engine process %u has another QE or key than the others",
                     number_of(other));
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
    if (engines->own != NULL && !engines_other_matches(other, &engines->facts, err)) {
        return false;
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

bool engines_other_start(Engines *engines, Error *err) {
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

static bool await_answer(const Other *other, uint64_t timeout_ms) {
    struct pollfd answer = {.fd = other->socket, .events = POLLIN};
    uint64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
    int ready;
    do {
        ready = poll(&answer, 1, clock_left_ms(deadline_ms));
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

bool engines_other_ask(const Other *other, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
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

void engines_other_give_back(Other *other, bool good) {
    Engines *engines = other->engines;
    (void)pthread_mutex_lock(&engines->lock);
    other->state = good ? OTHER_IDLE : OTHER_BROKEN;
    if (!good) {
        (void)!eventfd_write(other->wake_fd, 1);
    }
    (void)pthread_cond_broadcast(&engines->changed);
    (void)pthread_mutex_unlock(&engines->lock);
}
