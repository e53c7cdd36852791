/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/swap.h"

#include <assert.h>
#include <string.h>

/* Whom a row is about; the first row that fits is taken. */
typedef enum Alive {
    ANYONE,
    OLD,      /* the former one runs */
    NEW,      /* the new one runs */
    OLD_ONLY, /* and the new one does not */
    NEW_ONLY,
    BOTH
} Alive;

typedef struct Row {
    SwapState state;
    SwapEvent event;
    Alive alive;
    SwapState next;
    unsigned actions;
} Row;

static const Row rows[] = {
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED, ANYONE, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED_TIGHT, OLD, SWAP_YIELDING, SWAP_STOP_OLD},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED_TIGHT, ANYONE, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_REFUSED, OLD, SWAP_IDLE, SWAP_FAIL},
    {SWAP_VERIFYING, SWAP_EVENT_REFUSED, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_UNDO, OLD, SWAP_IDLE, SWAP_FAIL},
    {SWAP_VERIFYING, SWAP_EVENT_UNDO, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_OLD_GONE, ANYONE, SWAP_VERIFYING, SWAP_RESTART},

    {SWAP_YIELDING, SWAP_EVENT_OLD_GONE, ANYONE, SWAP_WARMING, SWAP_START_NEW},

    {SWAP_WARMING, SWAP_EVENT_READY, ANYONE, SWAP_SWITCHING, SWAP_HAND_OVER},
    {SWAP_WARMING, SWAP_EVENT_NEW_FAILED, OLD, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_WARMING, SWAP_EVENT_NEW_FAILED, ANYONE, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_UNDO, OLD, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_WARMING, SWAP_EVENT_UNDO, ANYONE, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    /* Whichever is first serves; and the former one is needed as the way back and as a lame duck. */
    {SWAP_WARMING, SWAP_EVENT_OLD_GONE, ANYONE, SWAP_WARMING, SWAP_RESTART},

    {SWAP_SWITCHING, SWAP_EVENT_ACCEPTED, OLD, SWAP_SOAKING, SWAP_DRAIN_OLD | SWAP_WATCH},
    {SWAP_SWITCHING, SWAP_EVENT_ACCEPTED, ANYONE, SWAP_SOAKING, SWAP_WATCH},
    {SWAP_SWITCHING, SWAP_EVENT_NEW_FAILED, OLD, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_SWITCHING, SWAP_EVENT_NEW_FAILED, ANYONE, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_SWITCHING, SWAP_EVENT_OLD_GONE, ANYONE, SWAP_SWITCHING, SWAP_RESTART},

    {SWAP_SOAKING, SWAP_EVENT_SOAK_OVER, ANYONE, SWAP_IDLE, SWAP_COMMIT},
    {SWAP_SOAKING, SWAP_EVENT_BREACH, OLD, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_BREACH, ANYONE, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_SOAKING, SWAP_EVENT_NEW_FAILED, OLD, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_NEW_FAILED, ANYONE, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_SOAKING, SWAP_EVENT_UNDO, OLD, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_OLD_GONE, ANYONE, SWAP_SOAKING, SWAP_REVIVE_OLD},

    {SWAP_REVERTING, SWAP_EVENT_RESUMED, ANYONE, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUME_FAILED, NEW, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUME_FAILED, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_REVERTING, SWAP_EVENT_OLD_GONE, NEW, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_OLD_GONE, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_REVERTING, SWAP_EVENT_NEW_FAILED, ANYONE, SWAP_REVERTING, 0},
};

typedef struct Recovery {
    SwapState state;
    Alive alive;
    SwapState next;
    unsigned actions;
} Recovery;

static const Recovery recoveries[] = {
    {SWAP_IDLE, ANYONE, SWAP_IDLE, 0},
    /* The new one may have been started since: its number is in the journal from the beginning on. */
    {SWAP_VERIFYING, BOTH, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_VERIFYING, OLD_ONLY, SWAP_IDLE, SWAP_FAIL},
    {SWAP_VERIFYING, NEW_ONLY, SWAP_WARMING, 0},
    {SWAP_VERIFYING, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_YIELDING, OLD, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_YIELDING, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_WARMING, BOTH, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_WARMING, OLD_ONLY, SWAP_IDLE, SWAP_FAIL},
    {SWAP_WARMING, NEW_ONLY, SWAP_WARMING, 0},
    {SWAP_WARMING, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_SWITCHING, NEW, SWAP_SWITCHING, SWAP_HAND_OVER},
    {SWAP_SWITCHING, OLD_ONLY, SWAP_REVERTING, SWAP_RESUME_OLD}, /* it may have been told to drain */
    {SWAP_SWITCHING, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_SOAKING, BOTH, SWAP_SOAKING, SWAP_DRAIN_OLD | SWAP_WATCH},
    {SWAP_SOAKING, OLD_ONLY, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, NEW_ONLY, SWAP_SOAKING, SWAP_WATCH | SWAP_REVIVE_OLD},
    {SWAP_SOAKING, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_REVERTING, OLD, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_REVERTING, NEW_ONLY, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, ANYONE, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
};

static bool fits(Alive alive, bool old_alive, bool new_alive) {
    switch (alive) {
    case ANYONE:
        return true;
    case OLD:
        return old_alive;
    case NEW:
        return new_alive;
    case OLD_ONLY:
        return old_alive && !new_alive;
    case NEW_ONLY:
        return new_alive && !old_alive;
    case BOTH:
        return old_alive && new_alive;
    }
    return false;
}

SwapStep swap_step(SwapState state, SwapEvent event, bool old_alive, bool new_alive) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Row *row = &rows[i];
        if (row->state == state && row->event == event && fits(row->alive, old_alive, new_alive)) {
            return (SwapStep){.known = true, .next = row->next, .actions = row->actions};
        }
    }
    return (SwapStep){.known = false, .next = state};
}

SwapStep swap_recover(SwapState state, bool old_alive, bool new_alive) {
    for (size_t i = 0; i < sizeof recoveries / sizeof recoveries[0]; i++) {
        const Recovery *row = &recoveries[i];
        if (row->state == state && fits(row->alive, old_alive, new_alive)) {
            return (SwapStep){.known = true, .next = row->next, .actions = row->actions};
        }
    }
    assert(false);
    return (SwapStep){.known = false, .next = state};
}

static const char *const names[SWAP_STATES_COUNT] = {
    [SWAP_IDLE] = "idle",           [SWAP_VERIFYING] = "verifying", [SWAP_YIELDING] = "yielding",
    [SWAP_WARMING] = "warming",     [SWAP_SWITCHING] = "switching", [SWAP_SOAKING] = "soaking",
    [SWAP_REVERTING] = "reverting",
};

const char *swap_state_name(SwapState state) {
    assert(state >= SWAP_IDLE && state < SWAP_STATES_COUNT);
    return names[state];
}

bool swap_state_parse(const char *name, SwapState *ret_state) {
    for (int state = SWAP_IDLE; state < SWAP_STATES_COUNT; state++) {
        if (strcmp(names[state], name) == 0) {
            *ret_state = (SwapState)state;
            return true;
        }
    }
    return false;
}
