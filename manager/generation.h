/* SPDX-License-Identifier: Apache-2.0
 *
 * Generation: one running quoted as the manager sees it: its process and its control socket, in the event
 * loop.
 *
 * A generation is started, or found alive by its control socket after the manager itself restarted. Its owner
 * hears of what happens by callbacks. Invariant: `gone` is called exactly once, after the process has ended,
 * and nothing is called after it; the callee then frees the generation. The process outlives generation_free:
 * the manager may end while quoted serves on.
 */
#ifndef MANAGER_GENERATION_H
#define MANAGER_GENERATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"
#include "quoted/control/message.h"

typedef struct Generation Generation;

/* What a generation is to the manager; kept here, decided by the owner. */
typedef enum GenerationRole {
    GENERATION_CANDIDATE, /* will serve if the swap goes well */
    GENERATION_RESTART,   /* will serve in the place of one that crashed */
    GENERATION_SERVING,
    GENERATION_FORMER, /* served before the swap under way; the way back */
    GENERATION_DUCK,
    GENERATION_SPARE,   /* warming up to become the former one or a duck again after a crash */
    GENERATION_STANDBY, /* warm, to serve when the serving one dies */
    GENERATION_TEST,
    GENERATION_LEAVING, /* told to retire */
    GENERATION_ROLES_COUNT
} GenerationRole;

const char *generation_role_name(GenerationRole role); /* "lame-duck" */

typedef struct GenerationOwner {
    void *context;
    void (*ready)(void *context, Generation *generation);
    void (*drained)(void *context, Generation *generation, uint64_t left);
    void (*alarm)(void *context, Generation *generation, const Error *error);
    void (*rescue)(void *context, Generation *generation, int channel);    /* takes the receiving end */
    void (*recall)(void *context, Generation *generation);                 /* CONTROL_EVENT_RECALL */
    void (*counts)(void *context, Generation *generation, json_t *counts); /* its last; gives the reference */
    void (*gone)(void *context, Generation *generation);
} GenerationOwner;

typedef struct GenerationSpec {
    sd_event *event;
    const GenerationOwner *owner; /* borrowed for the generation's life */
    const char *runtime;
    uint32_t number;
    const char *digest;      /* of the bundle */
    const char *program;     /* quoted */
    const char *config;      /* NULL: none */
    const char *bundle_path; /* the unpacked bundle */
    const char *origin;      /* to adopt: as generation_origin was of it, "" if nobody knows */
    uint64_t warm_up_timeout_ms;
} GenerationSpec;

Generation *generation_start(const GenerationSpec *spec, GenerationRole role, Error *err)
    __attribute__((warn_unused_result));

/* Connects to a generation that runs already (program and bundle of the spec are not used, the digest may be
 * NULL). ERROR_UNAVAILABLE if nobody listens. Waits at most timeout_ms for its status; one that does not
 * answer is killed. `ready` is called later only if it still warms up now. */
Generation *generation_adopt(const GenerationSpec *spec, GenerationRole role, int timeout_ms, Error *err)
    __attribute__((warn_unused_result));

/* Asks for a copy of its listener and waits for it: only before the event loop runs. -1 on failure. */
int generation_listener(Generation *generation, int timeout_ms, Error *err)
    __attribute__((warn_unused_result));

void generation_free(Generation *generation); /* NULL is fine; the process is left alone */
CLEANUP_DEFINE(Generation, generation_free)

uint32_t generation_number(const Generation *generation);
const char *generation_digest(const Generation *generation);
const char *generation_control(const Generation *generation); /* path of the control socket */
const char *generation_qe(const Generation *generation);      /* MRENCLAVE as hex; "" before it is known */
pid_t generation_pid(const Generation *generation);
GenerationRole generation_role(const Generation *generation);
void generation_set_role(Generation *generation, GenerationRole role);
/* What its process was started from besides its bundle, as a digest that no other generation has: of how the
 * program and quoted's configuration looked. "": not known. */
const char *generation_origin(const Generation *generation);
/* A new process of this program with this configuration (NULL: none) would be the same. False where that is
 * not known. */
bool generation_is_as_started(const Generation *generation, const char *program, const char *config);
bool generation_is_warm(const Generation *generation);      /* it said ready once */
bool generation_is_alive(const Generation *generation);     /* false from just before `gone` on */
bool generation_is_stopped(const Generation *generation);   /* it serves again by RESUME, not by ACCEPT */
bool generation_is_drained(const Generation *generation);   /* it has no clients any more */
const char *generation_state(const Generation *generation); /* as quoted named it last: "warming" */

/* The last status document, NULL if none came yet. Borrowed. */
const json_t *generation_status(const Generation *generation);
void generation_take_status(Generation *generation, json_t *status); /* a newer one; takes the reference */

/* Why it ended or failed: its own words if it had any, else how the process ended. */
const Error *generation_error(const Generation *generation);

/* A request. The callback (may be NULL) is called once: with the reply, or with `failure` (refused, timed
 * out, connection lost, generation ended). `fd` is borrowed. What cannot even be sent fails at once, without
 * callback.
 */
typedef void (*GenerationReplyFn)(void *context, Generation *generation, const ControlMessage *reply,
                                  const Error *failure);
bool generation_call(Generation *generation, ControlType type, const json_t *arguments, int fd,
                     uint64_t timeout_ms, GenerationReplyFn reply, void *context, Error *err)
    __attribute__((warn_unused_result));
enum { GENERATION_CALLS_MAX = 96 };

/* Retires it: drain, end; killed if it has not ended in time. Its role becomes GENERATION_LEAVING. */
void generation_retire(Generation *generation, uint64_t timeout_ms);
void generation_kill(Generation *generation); /* at once */

#endif
