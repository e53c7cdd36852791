/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "quoted/generation_private.h"
#include "quoted/relay.h"

/* One request. True: the handler itself has replied, or wants the status document sent. */
typedef struct Call {
    Generation *generation;
    ControlPeer *peer;
    ControlMessage *message;
    bool replied;
} Call;

static bool wrong_state(const Generation *generation, const char *what, Error *err) {
    return error_set(err, ERROR_CONFLICT, "generation %u is %s: it cannot %s", generation->spec.number,
                     control_state_name(generation->state), what);
}

static bool set_ducks(Call *call, Error *err) {
    CLEANUP(json_freep) json_t *arguments = control_message_json(call->message, err);
    unsigned unreachable = 0;
    if (arguments == NULL || !ducks_set(call->generation->ducks, arguments, &unreachable, err)) {
        return false;
    }
    if (unreachable > 0) {
        Error away = ERROR_INIT;
        error_set(&away, ERROR_UNAVAILABLE,
                  "a lame duck does not answer: reports made for it wait for it, and are refused after 5 s");
        CLEANUP(json_freep) json_t *alarm = control_failed_json(&away);
        control_server_broadcast(call->generation->server, CONTROL_EVENT_ALARM, alarm);
    }
    return true;
}

static bool do_nothing(Call *call, Error *err) {
    (void)call, (void)err;
    return true;
}

static bool do_watch(Call *call, Error *err) {
    (void)err;
    control_peer_watch(call->peer);
    return true;
}

static bool is_warm(const Generation *generation) {
    return generation->pool != NULL && generation->state != CONTROL_STATE_FAILED;
}

/* Also for RESUME: from every state after ready. */
static bool do_accept(Call *call, Error *err) {
    Generation *generation = call->generation;
    if (!set_ducks(call, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&generation->lock);
    bool good = is_warm(generation) ? pool_accept(generation->pool, TAKE_FD(call->message->fd), err)
                                    : wrong_state(generation, "accept", err);
    if (good) {
        pool_refresh(generation->pool);
        generation->state = CONTROL_STATE_SERVING;
        if (generation->engines != NULL) {
            engines_want(generation->engines, true);
        }
    }
    (void)pthread_mutex_unlock(&generation->lock);
    return good;
}

static bool do_drain(Call *call, Error *err) {
    Generation *generation = call->generation;
    (void)pthread_mutex_lock(&generation->lock);
    bool good = is_warm(generation) || wrong_state(generation, "drain", err);
    if (good) {
        generation_drain(generation);
    }
    (void)pthread_mutex_unlock(&generation->lock);
    return good;
}

static bool do_ducks(Call *call, Error *err) {
    if (!set_ducks(call, err)) {
        return false;
    }
    (void)pthread_mutex_lock(&call->generation->lock);
    if (call->generation->pool != NULL) {
        if (call->message->fd >= 0) {
            pool_hold(call->generation->pool, TAKE_FD(call->message->fd));
        }
        pool_refresh(call->generation->pool);
    }
    (void)pthread_mutex_unlock(&call->generation->lock);
    return true;
}

static bool do_listener(Call *call, Error *err) {
    Generation *generation = call->generation;
    (void)pthread_mutex_lock(&generation->lock);
    int listener = generation->pool != NULL ? pool_listener(generation->pool) : -1;
    (void)pthread_mutex_unlock(&generation->lock);
    if (listener < 0) {
        return error_set(err, ERROR_NOT_FOUND, "generation %u has no listener", generation->spec.number);
    }
    control_peer_reply(call->peer, call->message, NULL, 0, listener);
    call->replied = true;
    return true;
}

static bool do_rescue(Call *call, Error *err) {
    const Handover *handover = call->generation->spec.handover;
    if (handover == NULL) {
        return error_set(err, ERROR_NOT_FOUND, "this quoted runs alone and hands nothing over");
    }
    control_peer_reply(call->peer, call->message, NULL, 0, handover->receive_fd);
    call->replied = true;
    return true;
}

/* With what tells verifiers about the platform: the quote itself, or the certificates of a client's. */
static json_t *trial_json(Generation *generation, const Trial *trial) {
    static_assert((int)CERTIFICATION_MAX <= (int)QUOTE_SIZE_MAX, "room for either");
    uint8_t chain[CERTIFICATION_MAX];
    char hex[2 * QUOTE_SIZE_MAX + 1];
    size_t size = trial->probe ? certification_read(&generation->certification, chain) : trial->quote_size;
    text_format_hex(trial->probe ? chain : trial->quote, size, hex);
    return json_pack("{s:s, s:I, s:s?, s:s?}", "kind", trial->probe ? "probe" : "quote", "microseconds",
                     (json_int_t)trial->microseconds, "quote", trial->probe ? NULL : hex, "certificates",
                     trial->probe && size > 0 ? hex : NULL);
}

static bool do_trial(Call *call, Error *err) {
    Generation *generation = call->generation;
    Trial trial;
    (void)pthread_mutex_lock(&generation->lock);
    bool good = is_warm(generation) || wrong_state(generation, "take a trial quote", err);
    (void)pthread_mutex_unlock(&generation->lock);
    if (!good || !trial_take(generation->engine, &trial, err)) {
        return false;
    }
    CLEANUP(json_freep) json_t *result = trial_json(generation, &trial);
    control_peer_reply_json(call->peer, call->message, result);
    call->replied = true;
    return true;
}

static bool do_counts(Call *call, Error *err) {
    (void)err;
    CLEANUP(json_freep) json_t *counts = counters_counts_json(&call->generation->counters);
    control_peer_reply_json(call->peer, call->message, counts);
    call->replied = true;
    return true;
}

static bool do_clients(Call *call, Error *err) {
    CLEANUP(json_freep) json_t *arguments = control_message_json(call->message, err);
    uint64_t from = 0;
    if (arguments == NULL ||
        (json_object_size(arguments) > 0 && !json_get_u64(arguments, "from", &from, err))) {
        return false;
    }
    CLEANUP(json_freep)
    json_t *clients =
        sightings_json(call->generation->sightings, from < SIGHTINGS_MAX ? (unsigned)from : SIGHTINGS_MAX);
    control_peer_reply_json(call->peer, call->message, clients);
    call->replied = true;
    return true;
}

/* The reply first: the process may be gone in the next moment. */
static bool do_retire(Call *call, Error *err) {
    (void)err;
    CLEANUP(json_freep) json_t *status = generation_status(call->generation);
    control_peer_reply_json(call->peer, call->message, status);
    call->replied = true;
    (void)!eventfd_write(call->generation->retire_fd, 1);
    return true;
}

static bool do_adopt(Call *call, Error *err) {
    Generation *generation = call->generation;
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (call->message->fd < 0 || getsockopt(call->message->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return error_set(err, ERROR_INPUT, "adopt: no client connection came along");
    }
    (void)pthread_mutex_lock(&generation->lock);
    bool good =
        generation->state == CONTROL_STATE_SERVING || wrong_state(generation, "adopt a connection", err);
    if (good && !pool_adopt(generation->pool, TAKE_FD(call->message->fd))) {
        good = error_set(err, ERROR_MEMORY, "adopt: out of memory");
    }
    (void)pthread_mutex_unlock(&generation->lock);
    return good;
}

/* Never asks further lame ducks: whose report it is says the caller's list. */
static bool do_quote(Call *call, Error *err) {
    Generation *generation = call->generation;
    const SgxReport *report = NULL;
    const SgxQeReportInfo *asked_info = NULL;
    SgxQeReportInfo info;
    uint32_t buffer_size = 0;
    EngineFacts facts;
    if (!relay_question_read(buffer_bytes(&call->message->payload), &report, &asked_info, &buffer_size)) {
        return error_set(err, ERROR_INPUT, "quote: malformed question");
    }
    (void)pthread_mutex_lock(&generation->lock);
    bool good = is_warm(generation) || wrong_state(generation, "quote", err);
    (void)pthread_mutex_unlock(&generation->lock);
    if (!good) {
        return false;
    }
    atomic_store(&generation->last_relay_ms, clock_monotonic_ms());
    engine_facts(generation->engine, &facts);
    AUTO_FREE uint8_t *quote = malloc((size_t)facts.quote_size + ENGINE_GUARD_SIZE);
    Quote3Error code = quote == NULL ? QUOTE3_ERROR_OUT_OF_MEMORY : QUOTE3_ERROR_INVALID_PARAMETER;
    if (quote != NULL && buffer_size >= facts.quote_size) {
        if (asked_info != NULL) {
            info = *asked_info;
        }
        uint64_t start = clock_monotonic_ns();
        code = engine_quote(generation->engine, report, asked_info != NULL ? &info : NULL, quote,
                            facts.quote_size);
        counters_engine(&generation->counters, &generation->counters.shares[COUNTERS_CONTROL_SHARE], code,
                        clock_monotonic_ns() - start);
    }
    CLEANUP(buffer_done) Buffer answer = BUFFER_INIT(CONTROL_PAYLOAD_MAX);
    if (!relay_answer_write(&answer, code, quote, facts.quote_size, asked_info != NULL ? &info : NULL)) {
        return error_set(err, ERROR_MEMORY, "quote: out of memory");
    }
    counters_add(&generation->counters.relayed, code == QUOTE3_SUCCESS);
    control_peer_reply(call->peer, call->message, answer.data, answer.size, -1);
    call->replied = true;
    return true;
}

typedef struct Command {
    ControlType type;
    bool (*run)(Call *call, Error *err); /* true without a reply: the status document is the reply */
} Command;

static const Command commands[] = {
    {CONTROL_STATUS, do_nothing},    {CONTROL_WATCH, do_watch},     {CONTROL_ACCEPT, do_accept},
    {CONTROL_DRAIN, do_drain},       {CONTROL_RESUME, do_accept},   {CONTROL_DUCKS, do_ducks},
    {CONTROL_LISTENER, do_listener}, {CONTROL_TRIAL, do_trial},     {CONTROL_RETIRE, do_retire},
    {CONTROL_RESCUE, do_rescue},     {CONTROL_ADOPT, do_adopt},     {CONTROL_QUOTE, do_quote},
    {CONTROL_COUNTS, do_counts},     {CONTROL_CLIENTS, do_clients},
};

static bool run(Call *call, Error *err) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if ((uint32_t)commands[i].type == call->message->header.type) {
            return commands[i].run(call, err);
        }
    }
    return error_set(err, ERROR_INPUT, "there is no control message %u", call->message->header.type);
}

void generation_command(void *context, ControlPeer *peer, ControlMessage *message) {
    Call call = {.generation = context, .peer = peer, .message = message};
    Error err = ERROR_INIT;
    if (!run(&call, &err)) {
        control_peer_refuse(peer, message, &err);
    } else if (!call.replied) {
        CLEANUP(json_freep) json_t *status = generation_status(call.generation);
        control_peer_reply_json(peer, message, status);
    }
}
