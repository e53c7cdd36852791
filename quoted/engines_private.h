/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of Engines: engines.c is all of them and who is asked, engines_other.c is one of the others.
 */
#ifndef QUOTED_ENGINES_PRIVATE_H
#define QUOTED_ENGINES_PRIVATE_H

#include <pthread.h>

#include "quoted/engines.h"

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

/* Starts the thread of one more. */
bool engines_other_start(Engines *engines, Error *err) __attribute__((warn_unused_result));

/* Whether it has that QE and key; ERROR_ENGINE if not. The lock is held. */
bool engines_other_matches(const Other *other, const EngineFacts *facts, Error *err)
    __attribute__((warn_unused_result));

/* Asks one that is OTHER_BUSY by the caller. False: the process is of no more use. */
bool engines_other_ask(const Other *other, const SgxReport *report, SgxQeReportInfo *info, uint8_t *quote,
                       uint32_t size, Quote3Error *ret_code) __attribute__((warn_unused_result));
/* Idle again, or to be replaced. */
void engines_other_give_back(Other *other, bool good);

#endif
