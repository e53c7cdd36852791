/* SPDX-License-Identifier: Apache-2.0
 *
 * Swap: making another generation the serving one, as a state machine without input or output.
 *
 * The executor (manager/deployment) feeds events in and carries the actions out; each state is in the journal
 * before the actions of the step that leads to it. Invariant: in every state that is reached, either the
 * former or the new generation accepts connections, or an action is on its way that makes one do so.
 */
#ifndef MANAGER_SWAP_H
#define MANAGER_SWAP_H

#include <stdbool.h>

typedef enum SwapState {
    SWAP_IDLE,
    SWAP_VERIFYING, /* the bundle's files and requirements; nothing runs yet */
    SWAP_YIELDING,  /* no room for two sets: the former one stops first */
    SWAP_WARMING,   /* the new one loads and takes its trial quote */
    SWAP_SWITCHING, /* the new one was told to accept */
    SWAP_SOAKING,   /* the new one serves and is watched; the former one is warm and drains */
    SWAP_REVERTING, /* the former one was told to accept again */
    SWAP_STATES_COUNT
} SwapState;

typedef enum SwapEvent {
    SWAP_EVENT_VERIFIED,
    SWAP_EVENT_VERIFIED_TIGHT, /* good, but the two do not fit side by side */
    SWAP_EVENT_REFUSED,        /* verification or requirements say no */
    SWAP_EVENT_READY,          /* the new one has warmed up */
    SWAP_EVENT_ACCEPTED,       /* the new one accepts */
    SWAP_EVENT_NEW_FAILED,     /* the new one said so, died, or did not answer */
    SWAP_EVENT_OLD_GONE,       /* the former one ended */
    SWAP_EVENT_SOAK_OVER,
    SWAP_EVENT_BREACH, /* the soak found the new one wanting */
    SWAP_EVENT_UNDO,   /* the operator wants the former one back */
    SWAP_EVENT_RESUMED,
    SWAP_EVENT_RESUME_FAILED,
    SWAP_EVENTS_COUNT
} SwapEvent;

/* In the order in which they are carried out. */
typedef enum SwapAction {
    SWAP_STOP_OLD = 1 << 0, /* drain and retire it, to make room */
    SWAP_START_NEW = 1 << 1,
    SWAP_HAND_OVER = 1 << 2, /* tell the new one to accept */
    SWAP_DRAIN_OLD = 1 << 3,
    SWAP_WATCH = 1 << 4,      /* begin the soak */
    SWAP_RESUME_OLD = 1 << 5, /* tell the former one to accept again */
    SWAP_REVIVE_OLD = 1 << 6, /* it died while it was the way back: start its bundle again */
    SWAP_DROP_NEW = 1 << 7,   /* drain and retire it, or end it */
    SWAP_KEEP_NEW = 1 << 8,   /* it failed its soak, but there is no way back: it serves on */
    SWAP_RESTART = 1 << 9,    /* nothing serves: start what served before, or else the new bundle, afresh */
    SWAP_COMMIT = 1 << 10,
    SWAP_FAIL = 1 << 11 /* the operation ends without success */
} SwapAction;

typedef struct SwapStep {
    bool known; /* false: the event means nothing in this state; nothing changes */
    SwapState next;
    unsigned actions; /* SwapAction bits */
} SwapStep;

/* old_alive, new_alive: whether the generations run, after the event. */
SwapStep swap_step(SwapState state, SwapEvent event, bool old_alive, bool new_alive);

/* What a manager does that finds this state in the journal. An interrupted swap goes on from SWITCHING on,
 * because clients may have met the new generation, and is undone before that. */
SwapStep swap_recover(SwapState state, bool old_alive, bool new_alive);

const char *swap_state_name(SwapState state); /* "soaking"; used in the journal and in JSON */
bool swap_state_parse(const char *name, SwapState *ret_state);

#endif
