/* SPDX-License-Identifier: Apache-2.0
 *
 * A generation's insides, for its two files: generation.c (the process) and generation_link.c (the control
 * socket).
 */
#ifndef MANAGER_GENERATION_PRIVATE_H
#define MANAGER_GENERATION_PRIVATE_H

#include "manager/generation.h"

enum { GENERATION_CALL_MS = 5000 };

/* A request whose reply has not come. */
typedef struct Call {
    Generation *generation;
    uint32_t number; /* 0: free */
    GenerationReplyFn reply;
    void *context;
    sd_event_source *deadline;
} Call;

struct Generation {
    sd_event *event;
    const GenerationOwner *owner;
    uint32_t number;
    GenerationRole role;
    char digest[DIGEST_HEX_SIZE];
    char qe[DIGEST_HEX_SIZE];
    char *control;
    char origin[DIGEST_HEX_SIZE]; /* "": not known */
    pid_t pid;
    int pidfd;
    int socket; /* -1: not connected */
    bool warm;
    bool rescue; /* its channel is known, or asked for */
    bool alive;
    bool stopped; /* told to drain after it had clients: RESUME, not ACCEPT, makes it serve again */
    bool drained;
    uint64_t connect_deadline;
    json_t *status;
    Error error;
    sd_event_source *process_source, *socket_source, *connect_timer, *end_timer;
    Call calls[GENERATION_CALLS_MAX];
    uint32_t last_call;
};

/* The process: told to end, or out of time. */
int generation_on_end_timer(sd_event_source *source, uint64_t usec, void *context);

/* The control socket. generation_attach takes the connected descriptor and asks for events. */
bool generation_attach(Generation *generation, int socket, Error *err) __attribute__((warn_unused_result));
void generation_disconnect(Generation *generation);
/* The process has ended: what it said before that is heard still, above all its rescue channel. */
void generation_read_last(Generation *generation);
void generation_fail_calls(Generation *generation, const Error *failure);
void generation_ask_rescue(Generation *generation);
bool generation_says_warm(const Generation *generation); /* its last status does */

#endif
