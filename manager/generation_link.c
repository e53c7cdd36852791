/* SPDX-License-Identifier: Apache-2.0
 *
 * The control socket of a generation: requests and their replies, events, and connecting again.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "manager/generation_private.h"
#include "manager/timer.h"
#include "quoted/control/client.h"

enum {
    CONNECT_RETRY_MS = 1,
    CONNECT_PATIENCE_MS = 5000,
    LAST_WORDS_MS = 2000 /* from "failed" to the end of the process */
};

static void call_finish(Call *call, const ControlMessage *reply, const Error *failure) {
    Call finished = *call;
    timer_stop(&call->deadline);
    *call = (Call){0};
    if (finished.reply != NULL) {
        finished.reply(finished.context, finished.generation, reply, failure);
    }
}

void generation_fail_calls(Generation *generation, const Error *failure) {
    for (size_t i = 0; i < GENERATION_CALLS_MAX; i++) {
        if (generation->calls[i].number != 0) {
            call_finish(&generation->calls[i], NULL, failure);
        }
    }
}

static int on_call_deadline(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Call *call = context;
    Error failure = ERROR_INIT;
    error_set(&failure, ERROR_TIMEOUT, "generation %u does not answer on %s", call->generation->number,
              call->generation->control);
    call_finish(call, NULL, &failure);
    return 0;
}

bool generation_call(Generation *generation, ControlType type, const json_t *arguments, int fd,
                     uint64_t timeout_ms, GenerationReplyFn reply, void *context, Error *err) {
    Call *call = NULL;
    for (size_t i = 0; i < GENERATION_CALLS_MAX && call == NULL; i++) {
        call = generation->calls[i].number == 0 ? &generation->calls[i] : NULL;
    }
    if (!generation->alive || generation->socket < 0) {
        return error_set(err, ERROR_UNAVAILABLE, "generation %u is not connected", generation->number);
    }
    if (call == NULL) {
        return error_set(err, ERROR_LIMIT, "generation %u: too many requests under way", generation->number);
    }
    AUTO_FREE char *text = arguments != NULL ? json_format(arguments, false) : NULL;
    generation->last_call = generation->last_call == UINT32_MAX ? 1 : generation->last_call + 1;
    *call =
        (Call){.generation = generation, .number = generation->last_call, .reply = reply, .context = context};
    if ((arguments != NULL && text == NULL) ||
        !timer_start(generation->event, &call->deadline, timeout_ms, on_call_deadline, call)) {
        *call = (Call){0};
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (!control_message_send(generation->socket, type, call->number, 0, text, text ? strlen(text) : 0, fd,
                              err)) {
        timer_stop(&call->deadline);
        *call = (Call){0};
        return false;
    }
    if (type == CONTROL_DRAIN || type == CONTROL_ACCEPT || type == CONTROL_RESUME) {
        generation->stopped = type == CONTROL_DRAIN;
        generation->drained = false;
    }
    return true;
}

void generation_disconnect(Generation *generation) {
    generation->socket_source = sd_event_source_disable_unref(generation->socket_source);
    if (generation->socket >= 0) {
        (void)close(generation->socket);
        generation->socket = -1;
    }
}

void generation_take_status(Generation *generation, json_t *status) {
    const json_t *qe = json_object_get(status, "qe");
    const char *measurement = json_string_value(json_object_get(qe, "mrenclave"));
    Digest parsed;
    if (measurement != NULL && digest_parse(measurement, &parsed)) {
        digest_format(&parsed, generation->qe);
    }
    const char *digest = json_string_value(json_object_get(json_object_get(status, "bundle"), "digest"));
    if (generation->digest[0] == '\0' && digest != NULL && digest_parse(digest, &parsed)) {
        digest_format(&parsed, generation->digest);
    }
    json_decref(generation->status);
    generation->status = status;
}

static void on_rescue(void *context, Generation *generation, const ControlMessage *reply,
                      const Error *failure) {
    (void)context;
    int channel = failure == NULL && reply->fd >= 0 ? fcntl(reply->fd, F_DUPFD_CLOEXEC, 3) : -1;
    generation->rescue = channel >= 0;
    if (channel >= 0) {
        generation->owner->rescue(generation->owner->context, generation, channel);
    }
}

void generation_ask_rescue(Generation *generation) {
    Error err = ERROR_INIT;
    generation->rescue = true;
    if (!generation_call(generation, CONTROL_RESCUE, NULL, -1, GENERATION_CALL_MS, on_rescue, NULL, &err)) {
        generation->rescue = false;
        error_wrap(&err, "the rescue channel is not available");
        generation->owner->alarm(generation->owner->context, generation, &err);
    }
}

static void become_warm(Generation *generation) {
    if (generation->warm) {
        return;
    }
    generation->warm = true;
    timer_stop(&generation->end_timer);
    /* Sent before anything the owner sends, so the queue is ours before the first client is accepted. */
    generation_ask_rescue(generation);
    generation->owner->ready(generation->owner->context, generation);
}

static void take_words(Error *error, const char *who, const json_t *payload) {
    const char *kind = json_string_value(json_object_get(payload, "kind"));
    const char *text = json_string_value(json_object_get(payload, "error"));
    ErrorKind parsed = ERROR_ENGINE;
    if (kind != NULL && (!error_kind_parse(kind, &parsed) || parsed == ERROR_NONE)) {
        parsed = ERROR_ENGINE;
    }
    error_set(error, parsed, "%s: %s", who, text != NULL ? text : "it gave no reason");
}

static void on_event(Generation *generation, const ControlMessage *message) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *payload = control_message_json(message, &err);
    char who[32];
    (void)snprintf(who, sizeof who, "generation %u", generation->number);
    switch (message->header.type) {
    case CONTROL_EVENT_READY:
        if (payload != NULL) {
            generation_take_status(generation, TAKE(payload));
        }
        become_warm(generation);
        break;
    case CONTROL_EVENT_FAILED:
        take_words(&generation->error, who, payload);
        if (!timer_start(generation->event, &generation->end_timer, LAST_WORDS_MS, generation_on_end_timer,
                         generation)) {
            generation_kill(generation);
        }
        break;
    case CONTROL_EVENT_DRAINED: {
        generation->drained = true;
        json_int_t left = json_integer_value(json_object_get(payload, "left"));
        generation->owner->drained(generation->owner->context, generation, left > 0 ? (uint64_t)left : 0);
        break;
    }
    case CONTROL_EVENT_COUNTS:
        if (payload != NULL) {
            generation->owner->counts(generation->owner->context, generation, TAKE(payload));
        }
        break;
    case CONTROL_EVENT_RECALL:
        generation->owner->recall(generation->owner->context, generation);
        break;
    case CONTROL_EVENT_ALARM:
        take_words(&err, who, payload);
        generation->owner->alarm(generation->owner->context, generation, &err);
        break;
    default:
        break; /* an event of a newer quoted */
    }
}

static void on_reply(Generation *generation, const ControlMessage *message) {
    for (size_t i = 0; i < GENERATION_CALLS_MAX; i++) {
        Call *call = &generation->calls[i];
        if (call->number != message->header.request) {
            continue;
        }
        Error failure = ERROR_INIT;
        if (message->header.status != 0) {
            json_t *none = control_message_json(message, &failure);
            assert(none == NULL);
            error_wrap(&failure, "generation %u", generation->number);
        }
        call_finish(call, message, message->header.status != 0 ? &failure : NULL);
        return;
    }
}

static int on_connect_timer(sd_event_source *source, uint64_t usec, void *context);

static bool connect_later(Generation *generation) {
    return timer_start(generation->event, &generation->connect_timer, CONNECT_RETRY_MS, on_connect_timer,
                       generation);
}

/* The calls under way are not answered any more. Usually because the process ends, of which the kernel tells
 * a moment later and which is a better reason: so they fail then, or when there is another connection. */
static void reconnect(Generation *generation) {
    generation_disconnect(generation);
    generation->connect_deadline = clock_monotonic_ms() + CONNECT_PATIENCE_MS;
    if (!connect_later(generation)) {
        generation_kill(generation);
    }
}

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)source, (void)events;
    Generation *generation = context;
    CLEANUP(control_message_done) ControlMessage message = CONTROL_MESSAGE_INIT;
    /* The owner may disconnect or end the generation in any callback. */
    while (generation->alive && generation->socket == fd) {
        ControlReceived received = CONTROL_RECEIVED_NOTHING;
        Error err = ERROR_INIT;
        if (!control_message_receive(fd, &message, &received, &err) || received == CONTROL_RECEIVED_END) {
            reconnect(generation);
            return 0;
        }
        if (received == CONTROL_RECEIVED_NOTHING) {
            return 0;
        }
        if (message.header.request == 0) {
            on_event(generation, &message);
        } else {
            on_reply(generation, &message);
        }
    }
    return 0;
}

void generation_read_last(Generation *generation) {
    if (generation->socket >= 0) {
        (void)on_socket(generation->socket_source, generation->socket, EPOLLIN, generation);
    }
}

bool generation_says_warm(const Generation *generation) {
    const char *state = generation_state(generation);
    return strcmp(state, control_state_name(CONTROL_STATE_WARMING)) != 0 &&
           strcmp(state, control_state_name(CONTROL_STATE_FAILED)) != 0;
}

static void on_watch(void *context, Generation *generation, const ControlMessage *reply,
                     const Error *failure) {
    (void)context;
    Error err = ERROR_INIT;
    json_t *status = failure == NULL ? control_message_json(reply, &err) : NULL;
    if (status == NULL) {
        return; /* the warm-up deadline or the end of the process settles it */
    }
    generation_take_status(generation, status);
    if (generation_says_warm(generation)) {
        become_warm(generation);
    }
    if (generation->warm && !generation->rescue) { /* its reply was lost with the former connection */
        generation_ask_rescue(generation);
    }
}

bool generation_attach(Generation *generation, int socket, Error *err) {
    generation->socket = socket;
    if (sd_event_add_io(generation->event, &generation->socket_source, socket, EPOLLIN, on_socket,
                        generation) < 0) {
        return error_set(err, ERROR_MEMORY, "cannot watch generation %u", generation->number);
    }
    return generation_call(generation, CONTROL_WATCH, NULL, -1, GENERATION_CALL_MS, on_watch, NULL, err);
}

static int on_connect_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Generation *generation = context;
    Error err = ERROR_INIT;
    pid_t pid = 0;
    timer_stop(&generation->connect_timer);
    AUTO_CLOSE int socket = control_client_connect(generation->control, &pid, &err);
    if (socket >= 0 && pid == generation->pid) {
        Error failure = ERROR_INIT;
        error_set(&failure, ERROR_UNAVAILABLE, "generation %u closed its control socket", generation->number);
        generation_fail_calls(generation, &failure);
        if (!generation_attach(generation, TAKE_FD(socket), &err)) {
            generation_disconnect(generation);
            generation_kill(generation);
        }
        return 0;
    }
    if (clock_monotonic_ms() > generation->connect_deadline) {
        error_set(&generation->error, ERROR_TIMEOUT, "generation %u: nobody listens on %s",
                  generation->number, generation->control);
        generation_kill(generation);
    } else if (!connect_later(generation)) {
        generation_kill(generation);
    }
    return 0;
}
