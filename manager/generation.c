/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/generation.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/process.h"
#include "bundles/base/text.h"
#include "manager/generation_private.h"
#include "manager/timer.h"
#include "quoted/control/client.h"

static const char *const role_names[GENERATION_ROLES_COUNT] = {
    [GENERATION_CANDIDATE] = "candidate", [GENERATION_RESTART] = "restarting",
    [GENERATION_SERVING] = "serving",     [GENERATION_FORMER] = "former",
    [GENERATION_DUCK] = "lame-duck",      [GENERATION_SPARE] = "starting-again",
    [GENERATION_STANDBY] = "spare",       [GENERATION_TEST] = "test",
    [GENERATION_LEAVING] = "retiring",
};

const char *generation_role_name(GenerationRole role) {
    assert(role >= 0 && role < GENERATION_ROLES_COUNT);
    return role_names[role];
}

static void end(Generation *generation) {
    Error failure = ERROR_INIT;
    if (!generation->alive) {
        return;
    }
    generation_read_last(generation);
    generation->alive = false;
    timer_stop(&generation->connect_timer);
    timer_stop(&generation->end_timer);
    generation_disconnect(generation);
    generation->process_source = sd_event_source_disable_unref(generation->process_source);
    error_set(&failure, ERROR_UNAVAILABLE, "generation %u ended", generation->number);
    generation_fail_calls(generation, &failure);
    generation->owner->gone(generation->owner->context, generation);
}

static int on_process(sd_event_source *source, int fd, uint32_t events, void *context) {
    (void)source, (void)events;
    Generation *generation = context;
    ProcessExit how = {0};
    Error ignored = ERROR_INIT;
    char text[96] = "its process is gone"; /* a process that we adopted leaves its status to its parent */
    if (process_wait(fd, 0, &how, &ignored)) {
        char exit_text[48];
        (void)snprintf(text, sizeof text, "it ended with %s%s",
                       process_exit_format(exit_text, sizeof exit_text, how),
                       generation->warm ? "" : ": its messages in the log say why");
    }
    if (generation->error.kind == ERROR_NONE) {
        error_set(&generation->error, ERROR_ENGINE, "generation %u: %s", generation->number, text);
    }
    end(generation);
    return 0;
}

int generation_on_end_timer(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec;
    Generation *generation = context;
    if (generation->error.kind == ERROR_NONE && !generation->warm) {
        error_set(&generation->error, ERROR_TIMEOUT,
                  "generation %u did not warm up in time: see its messages in the log, or raise "
                  "swap.warm_up_timeout",
                  generation->number);
    }
    generation_kill(generation);
    return 0;
}

static Generation *generation_new(const GenerationSpec *spec, GenerationRole role, Error *err) {
    CLEANUP(generation_freep) Generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    generation->event = sd_event_ref(spec->event);
    generation->owner = spec->owner;
    generation->number = spec->number;
    generation->role = role;
    generation->pidfd = generation->socket = -1;
    generation->control = text_format("%s/generation-%u.sock", spec->runtime, spec->number);
    if (generation->control == NULL ||
        (spec->digest != NULL && !text_copy(generation->digest, sizeof generation->digest, spec->digest))) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return TAKE(generation);
}

static bool watch_process(Generation *generation, Error *err) {
    generation->alive = true;
    return sd_event_add_io(generation->event, &generation->process_source, generation->pidfd, EPOLLIN,
                           on_process, generation) >= 0 ||
           error_set(err, ERROR_MEMORY, "cannot watch generation %u", generation->number);
}

static bool look(const char *path, struct stat *ret_facts) {
    *ret_facts = (struct stat){0};
    return path == NULL || stat(path, ret_facts) == 0;
}

/* The number is part of it: what the journal has of one process never fits another. */
static bool find_origin(uint32_t number, const char *program, const char *config,
                        char ret_origin[DIGEST_HEX_SIZE]) {
    struct stat facts[2];
    Digest digest;
    if (!look(program, &facts[0]) || !look(config, &facts[1])) {
        return false;
    }
    uint64_t looks[1 + 2 * FILE_LOOKS] = {number};
    file_looks(&facts[0], &looks[1]);
    file_looks(&facts[1], &looks[1 + FILE_LOOKS]);
    if (!digest_of(looks, sizeof looks, &digest)) {
        return false;
    }
    digest_format(&digest, ret_origin);
    return true;
}

const char *generation_origin(const Generation *generation) {
    return generation->origin;
}

bool generation_is_as_started(const Generation *generation, const char *program, const char *config) {
    char now[DIGEST_HEX_SIZE];
    return find_origin(generation->number, program, config, now) && strcmp(now, generation->origin) == 0;
}

/* A connection to its control socket, which is there before the process, so that nothing which it says gets
 * lost, and be it that it fails at once. */
static bool connect_first(Generation *generation, int *ret_its, Error *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return error_set_errno(err, errno, "generation %u: control socket", generation->number);
    }
    AUTO_CLOSE int own = pair[0];
    AUTO_CLOSE int its = pair[1];
    if (fcntl(own, F_SETFL, O_NONBLOCK) != 0) {
        return error_set_errno(err, errno, "generation %u: control socket", generation->number);
    }
    generation->alive = true; /* it will read what is sent now */
    if (!generation_attach(generation, TAKE_FD(own), err)) {
        return false;
    }
    *ret_its = TAKE_FD(its);
    return true;
}

static bool spawn(Generation *generation, const GenerationSpec *spec, int control_fd, Error *err) {
    enum { CONTROL_FD = 3 }; /* as in argv */
    char number[16];
    (void)snprintf(number, sizeof number, "%u", spec->number);
    const char *argv[] = {"quoted",
                          "--bundle",
                          spec->bundle_path,
                          "--generation",
                          number,
                          "--control",
                          generation->control,
                          "--control-fd",
                          "3",
                          spec->config != NULL ? "--config" : NULL,
                          spec->config,
                          NULL};
    const ProcessFd fds[] = {{control_fd, CONTROL_FD}};
    /* A group of its own: an interrupt at the manager's terminal must not reach it. */
    const ProcessSpec process = {
        .path = spec->program, .argv = argv, .fds = fds, .fds_count = 1, .new_group = true};
    return process_start(&process, &generation->pid, &generation->pidfd, err);
}

Generation *generation_start(const GenerationSpec *spec, GenerationRole role, Error *err) {
    CLEANUP(generation_freep) Generation *generation = generation_new(spec, role, err);
    if (generation == NULL) {
        return NULL;
    }
    /* Before the process starts: what changes afterwards is another one. */
    (void)find_origin(spec->number, spec->program, spec->config, generation->origin);
    AUTO_CLOSE int its = -1;
    if (!connect_first(generation, &its, err) || !spawn(generation, spec, its, err)) {
        return NULL;
    }
    if (!watch_process(generation, err) ||
        !timer_start(generation->event, &generation->end_timer, spec->warm_up_timeout_ms,
                     generation_on_end_timer, generation)) {
        generation_kill(generation);
        if (err->kind == ERROR_NONE) {
            error_set(err, ERROR_MEMORY, "out of memory");
        }
        return NULL;
    }
    return TAKE(generation);
}

Generation *generation_adopt(const GenerationSpec *spec, GenerationRole role, int timeout_ms, Error *err) {
    CLEANUP(generation_freep) Generation *generation = generation_new(spec, role, err);
    if (generation == NULL) {
        return NULL;
    }
    AUTO_CLOSE int socket = control_client_connect(generation->control, &generation->pid, err);
    CLEANUP(control_message_done) ControlMessage reply = CONTROL_MESSAGE_INIT;
    if (socket < 0 || !control_client_call(socket, CONTROL_STATUS, NULL, -1, timeout_ms, &reply, err)) {
        return NULL;
    }
    json_t *status = control_message_json(&reply, err);
    if (status == NULL) {
        return NULL;
    }
    generation_take_status(generation, status);
    (void)text_copy(generation->origin, sizeof generation->origin, spec->origin);
    generation->drained =
        strcmp(generation_state(generation), control_state_name(CONTROL_STATE_LAME_DUCK)) == 0;
    generation->stopped = generation->drained || strcmp(generation_state(generation),
                                                        control_state_name(CONTROL_STATE_DRAINING)) == 0;
    generation->pidfd = pidfd_open(generation->pid, 0);
    if (generation->pidfd < 0) {
        error_set_errno(err, errno, "generation %u: process %d", generation->number, (int)generation->pid);
        return NULL;
    }
    if (!watch_process(generation, err) || !generation_attach(generation, TAKE_FD(socket), err)) {
        return NULL;
    }
    generation->warm = generation_says_warm(generation);
    if (generation->warm) {
        generation_ask_rescue(generation);
    } else if (!timer_start(generation->event, &generation->end_timer, spec->warm_up_timeout_ms,
                            generation_on_end_timer, generation)) {
        error_set(err, ERROR_MEMORY, "out of memory");
        return NULL;
    }
    return TAKE(generation);
}

int generation_listener(Generation *generation, int timeout_ms, Error *err) {
    /* A connection of its own: the event loop's must not miss the events that this call would drop. */
    AUTO_CLOSE int socket = control_client_connect(generation->control, NULL, err);
    CLEANUP(control_message_done) ControlMessage reply = CONTROL_MESSAGE_INIT;
    if (socket < 0 || !control_client_call(socket, CONTROL_LISTENER, NULL, -1, timeout_ms, &reply, err)) {
        return -1;
    }
    if (reply.fd < 0) {
        error_set(err, ERROR_INPUT, "generation %u sent no listener", generation->number);
        return -1;
    }
    return TAKE_FD(reply.fd);
}

void generation_free(Generation *generation) {
    if (generation == NULL) {
        return;
    }
    for (size_t i = 0; i < GENERATION_CALLS_MAX; i++) {
        timer_stop(&generation->calls[i].deadline);
    }
    timer_stop(&generation->connect_timer);
    timer_stop(&generation->end_timer);
    generation_disconnect(generation);
    generation->process_source = sd_event_source_disable_unref(generation->process_source);
    cleanup_close(&generation->pidfd);
    json_decref(generation->status);
    sd_event_unref(generation->event);
    free(generation->control);
    free(generation);
}

uint32_t generation_number(const Generation *generation) {
    return generation->number;
}

const char *generation_digest(const Generation *generation) {
    return generation->digest;
}

const char *generation_control(const Generation *generation) {
    return generation->control;
}

const char *generation_qe(const Generation *generation) {
    return generation->qe;
}

pid_t generation_pid(const Generation *generation) {
    return generation->pid;
}

GenerationRole generation_role(const Generation *generation) {
    return generation->role;
}

void generation_set_role(Generation *generation, GenerationRole role) {
    generation->role = role;
}

bool generation_is_warm(const Generation *generation) {
    return generation->warm;
}

bool generation_is_alive(const Generation *generation) {
    return generation->alive;
}

bool generation_is_stopped(const Generation *generation) {
    return generation->stopped;
}

bool generation_is_drained(const Generation *generation) {
    return generation->drained;
}

const char *generation_state(const Generation *generation) {
    const char *state = json_string_value(json_object_get(generation->status, "state"));
    return state != NULL ? state : control_state_name(CONTROL_STATE_WARMING);
}

const json_t *generation_status(const Generation *generation) {
    return generation->status;
}

const Error *generation_error(const Generation *generation) {
    return &generation->error;
}

void generation_kill(Generation *generation) {
    Error ignored = ERROR_INIT;
    if (!process_signal(generation->pidfd, SIGKILL, &ignored)) {
        return; /* it has ended already: the pidfd says so next */
    }
}

void generation_retire(Generation *generation, uint64_t timeout_ms) {
    Error ignored = ERROR_INIT;
    generation->role = GENERATION_LEAVING;
    if (!generation_call(generation, CONTROL_RETIRE, NULL, -1, timeout_ms, NULL, NULL, &ignored) ||
        !timer_start(generation->event, &generation->end_timer, timeout_ms, generation_on_end_timer,
                     generation)) {
        generation_kill(generation);
    }
}
