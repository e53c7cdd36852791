/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/swap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Every event in every state, with the former one and the new one alive or not: what must come of it. The
 * table is written from DESIGN's account of the swap, not from the code's. "-": means nothing in that state.
 */
typedef struct Expectation {
    SwapState state;
    SwapEvent event;
    bool old_alive, new_alive;
    SwapState next;
    unsigned actions;
} Expectation;

static const Expectation expectations[] = {
    /* Before anything runs, a refusal changes nothing. */
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED, true, false, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED, false, false, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED, true, true, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED, false, true, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED_TIGHT, true, false, SWAP_YIELDING, SWAP_STOP_OLD},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED_TIGHT, true, true, SWAP_YIELDING, SWAP_STOP_OLD},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED_TIGHT, false, false, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_VERIFIED_TIGHT, false, true, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_VERIFYING, SWAP_EVENT_REFUSED, true, false, SWAP_IDLE, SWAP_FAIL},
    {SWAP_VERIFYING, SWAP_EVENT_REFUSED, true, true, SWAP_IDLE, SWAP_FAIL},
    {SWAP_VERIFYING, SWAP_EVENT_REFUSED, false, false, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_REFUSED, false, true, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_UNDO, true, false, SWAP_IDLE, SWAP_FAIL},
    {SWAP_VERIFYING, SWAP_EVENT_UNDO, true, true, SWAP_IDLE, SWAP_FAIL},
    {SWAP_VERIFYING, SWAP_EVENT_UNDO, false, false, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_UNDO, false, true, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_OLD_GONE, false, false, SWAP_VERIFYING, SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_OLD_GONE, false, true, SWAP_VERIFYING, SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_OLD_GONE, true, false, SWAP_VERIFYING, SWAP_RESTART},
    {SWAP_VERIFYING, SWAP_EVENT_OLD_GONE, true, true, SWAP_VERIFYING, SWAP_RESTART},
    /* Where there is no room for two, the new one starts when the former one has ended. */
    {SWAP_YIELDING, SWAP_EVENT_OLD_GONE, false, false, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_YIELDING, SWAP_EVENT_OLD_GONE, false, true, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_YIELDING, SWAP_EVENT_OLD_GONE, true, false, SWAP_WARMING, SWAP_START_NEW},
    {SWAP_YIELDING, SWAP_EVENT_OLD_GONE, true, true, SWAP_WARMING, SWAP_START_NEW},
    /* A new one that does not get warm leaves the former one serving, or leads to its restart. */
    {SWAP_WARMING, SWAP_EVENT_READY, true, true, SWAP_SWITCHING, SWAP_HAND_OVER},
    {SWAP_WARMING, SWAP_EVENT_READY, false, true, SWAP_SWITCHING, SWAP_HAND_OVER},
    {SWAP_WARMING, SWAP_EVENT_READY, true, false, SWAP_SWITCHING, SWAP_HAND_OVER},
    {SWAP_WARMING, SWAP_EVENT_READY, false, false, SWAP_SWITCHING, SWAP_HAND_OVER},
    {SWAP_WARMING, SWAP_EVENT_NEW_FAILED, true, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_WARMING, SWAP_EVENT_NEW_FAILED, true, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_WARMING, SWAP_EVENT_NEW_FAILED, false, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_NEW_FAILED, false, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_UNDO, true, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_WARMING, SWAP_EVENT_UNDO, true, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_WARMING, SWAP_EVENT_UNDO, false, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_UNDO, false, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_OLD_GONE, false, true, SWAP_WARMING, SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_OLD_GONE, false, false, SWAP_WARMING, SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_OLD_GONE, true, true, SWAP_WARMING, SWAP_RESTART},
    {SWAP_WARMING, SWAP_EVENT_OLD_GONE, true, false, SWAP_WARMING, SWAP_RESTART},
    /* The former one drains only after the new one accepts. */
    {SWAP_SWITCHING, SWAP_EVENT_ACCEPTED, true, true, SWAP_SOAKING, SWAP_DRAIN_OLD | SWAP_WATCH},
    {SWAP_SWITCHING, SWAP_EVENT_ACCEPTED, true, false, SWAP_SOAKING, SWAP_DRAIN_OLD | SWAP_WATCH},
    {SWAP_SWITCHING, SWAP_EVENT_ACCEPTED, false, true, SWAP_SOAKING, SWAP_WATCH},
    {SWAP_SWITCHING, SWAP_EVENT_ACCEPTED, false, false, SWAP_SOAKING, SWAP_WATCH},
    {SWAP_SWITCHING, SWAP_EVENT_NEW_FAILED, true, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_SWITCHING, SWAP_EVENT_NEW_FAILED, true, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_SWITCHING, SWAP_EVENT_NEW_FAILED, false, false, SWAP_IDLE,
     SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_SWITCHING, SWAP_EVENT_NEW_FAILED, false, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_SWITCHING, SWAP_EVENT_OLD_GONE, false, true, SWAP_SWITCHING, SWAP_RESTART},
    {SWAP_SWITCHING, SWAP_EVENT_OLD_GONE, false, false, SWAP_SWITCHING, SWAP_RESTART},
    {SWAP_SWITCHING, SWAP_EVENT_OLD_GONE, true, true, SWAP_SWITCHING, SWAP_RESTART},
    {SWAP_SWITCHING, SWAP_EVENT_OLD_GONE, true, false, SWAP_SWITCHING, SWAP_RESTART},
    /* In the soak a failure goes back to the former one while it is there. */
    {SWAP_SOAKING, SWAP_EVENT_SOAK_OVER, true, true, SWAP_IDLE, SWAP_COMMIT},
    {SWAP_SOAKING, SWAP_EVENT_SOAK_OVER, false, true, SWAP_IDLE, SWAP_COMMIT},
    {SWAP_SOAKING, SWAP_EVENT_SOAK_OVER, true, false, SWAP_IDLE, SWAP_COMMIT},
    {SWAP_SOAKING, SWAP_EVENT_SOAK_OVER, false, false, SWAP_IDLE, SWAP_COMMIT},
    {SWAP_SOAKING, SWAP_EVENT_BREACH, true, true, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_BREACH, true, false, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_BREACH, false, true, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_SOAKING, SWAP_EVENT_BREACH, false, false, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_SOAKING, SWAP_EVENT_NEW_FAILED, true, false, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_NEW_FAILED, true, true, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_NEW_FAILED, false, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_SOAKING, SWAP_EVENT_NEW_FAILED, false, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL | SWAP_RESTART},
    {SWAP_SOAKING, SWAP_EVENT_UNDO, true, true, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_UNDO, true, false, SWAP_REVERTING, SWAP_RESUME_OLD},
    {SWAP_SOAKING, SWAP_EVENT_OLD_GONE, false, true, SWAP_SOAKING, SWAP_REVIVE_OLD},
    {SWAP_SOAKING, SWAP_EVENT_OLD_GONE, false, false, SWAP_SOAKING, SWAP_REVIVE_OLD},
    {SWAP_SOAKING, SWAP_EVENT_OLD_GONE, true, true, SWAP_SOAKING, SWAP_REVIVE_OLD},
    {SWAP_SOAKING, SWAP_EVENT_OLD_GONE, true, false, SWAP_SOAKING, SWAP_REVIVE_OLD},
    /* Going back: if the former one cannot, whoever lives serves on. */
    {SWAP_REVERTING, SWAP_EVENT_RESUMED, true, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUMED, true, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUMED, false, true, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUMED, false, false, SWAP_IDLE, SWAP_DROP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUME_FAILED, true, true, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUME_FAILED, false, true, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_RESUME_FAILED, true, false, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_REVERTING, SWAP_EVENT_RESUME_FAILED, false, false, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_REVERTING, SWAP_EVENT_OLD_GONE, false, true, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_OLD_GONE, true, true, SWAP_IDLE, SWAP_KEEP_NEW | SWAP_FAIL},
    {SWAP_REVERTING, SWAP_EVENT_OLD_GONE, false, false, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_REVERTING, SWAP_EVENT_OLD_GONE, true, false, SWAP_IDLE, SWAP_FAIL | SWAP_RESTART},
    {SWAP_REVERTING, SWAP_EVENT_NEW_FAILED, true, false, SWAP_REVERTING, 0},
    {SWAP_REVERTING, SWAP_EVENT_NEW_FAILED, false, false, SWAP_REVERTING, 0},
    {SWAP_REVERTING, SWAP_EVENT_NEW_FAILED, true, true, SWAP_REVERTING, 0},
    {SWAP_REVERTING, SWAP_EVENT_NEW_FAILED, false, true, SWAP_REVERTING, 0},
};

static const Expectation *find(SwapState state, SwapEvent event, bool old_alive, bool new_alive) {
    for (size_t i = 0; i < sizeof expectations / sizeof expectations[0]; i++) {
        const Expectation *at = &expectations[i];
        if (at->state == state && at->event == event && at->old_alive == old_alive &&
            at->new_alive == new_alive) {
            return at;
        }
    }
    return NULL;
}

static void compare(SwapState state, SwapEvent event, bool old_alive, bool new_alive) {
    const Expectation *expected = find(state, event, old_alive, new_alive);
    SwapStep step = swap_step(state, event, old_alive, new_alive);
    if (expected == NULL) {
        assert_false(step.known);
        assert_int_equal(step.next, state);
        assert_int_equal(step.actions, 0);
        return;
    }
    assert_true(step.known);
    assert_int_equal(step.next, expected->next);
    assert_int_equal(step.actions, expected->actions);
}

static void every_event_in_every_state_does_what_the_table_says(void **state) {
    (void)state;
    for (int at = SWAP_IDLE; at < SWAP_STATES_COUNT; at++) {
        for (int event = 0; event < SWAP_EVENTS_COUNT; event++) {
            for (int alive = 0; alive < 4; alive++) {
                compare((SwapState)at, (SwapEvent)event, (alive & 1) != 0, (alive & 2) != 0);
            }
        }
    }
}

/* The invariant of the header: whoever serves is not told to stop before another accepts. */
static void nobody_drains_before_another_accepts(void **state) {
    (void)state;
    for (int at = SWAP_IDLE; at < SWAP_STATES_COUNT; at++) {
        for (int event = 0; event < SWAP_EVENTS_COUNT; event++) {
            for (int alive = 0; alive < 4; alive++) {
                SwapStep step =
                    swap_step((SwapState)at, (SwapEvent)event, (alive & 1) != 0, (alive & 2) != 0);
                if ((step.actions & SWAP_DRAIN_OLD) != 0) {
                    assert_int_equal(event, SWAP_EVENT_ACCEPTED);
                }
                if ((step.actions & SWAP_DROP_NEW) != 0 && at == SWAP_REVERTING) {
                    assert_int_equal(event, SWAP_EVENT_RESUMED);
                }
            }
        }
    }
}

/* Every way into idle says how the operation ends, once. */
static void every_end_commits_or_fails(void **state) {
    (void)state;
    for (int at = SWAP_VERIFYING; at < SWAP_STATES_COUNT; at++) {
        for (int event = 0; event < SWAP_EVENTS_COUNT; event++) {
            for (int alive = 0; alive < 4; alive++) {
                SwapStep step =
                    swap_step((SwapState)at, (SwapEvent)event, (alive & 1) != 0, (alive & 2) != 0);
                bool ends = (step.actions & (SWAP_COMMIT | SWAP_FAIL)) != 0;
                assert_int_equal(step.known && step.next == SWAP_IDLE, ends);
                assert_false((step.actions & SWAP_COMMIT) != 0 && (step.actions & SWAP_FAIL) != 0);
            }
        }
    }
}

static void an_interrupted_swap_is_undone_before_the_new_one_accepts(void **state) {
    (void)state;
    SwapStep both = swap_recover(SWAP_WARMING, true, true);
    assert_int_equal(both.next, SWAP_IDLE);
    assert_int_equal(both.actions, SWAP_DROP_NEW | SWAP_FAIL);
    SwapStep started = swap_recover(SWAP_VERIFYING, true, true);
    assert_int_equal(started.next, SWAP_IDLE);
    assert_int_equal(started.actions, SWAP_DROP_NEW | SWAP_FAIL);
    SwapStep verifying = swap_recover(SWAP_VERIFYING, true, false);
    assert_int_equal(verifying.next, SWAP_IDLE);
    assert_int_equal(verifying.actions, SWAP_FAIL);
    SwapStep yielding = swap_recover(SWAP_YIELDING, true, false);
    assert_int_equal(yielding.next, SWAP_REVERTING);
    assert_int_equal(yielding.actions, SWAP_RESUME_OLD);
}

static void an_interrupted_swap_goes_on_once_clients_may_have_met_the_new_one(void **state) {
    (void)state;
    SwapStep switching = swap_recover(SWAP_SWITCHING, true, true);
    assert_int_equal(switching.next, SWAP_SWITCHING);
    assert_int_equal(switching.actions, SWAP_HAND_OVER);
    SwapStep soaking = swap_recover(SWAP_SOAKING, true, true);
    assert_int_equal(soaking.next, SWAP_SOAKING);
    assert_int_equal(soaking.actions, SWAP_DRAIN_OLD | SWAP_WATCH);
    SwapStep reverting = swap_recover(SWAP_REVERTING, true, true);
    assert_int_equal(reverting.next, SWAP_REVERTING);
    assert_int_equal(reverting.actions, SWAP_RESUME_OLD);
}

static void after_a_crash_of_everybody_what_served_before_is_started(void **state) {
    (void)state;
    for (int at = SWAP_VERIFYING; at < SWAP_STATES_COUNT; at++) {
        SwapStep step = swap_recover((SwapState)at, false, false);
        assert_int_equal(step.next, SWAP_IDLE);
        assert_int_equal(step.actions, SWAP_FAIL | SWAP_RESTART);
    }
    assert_int_equal(swap_recover(SWAP_IDLE, false, false).actions, 0);
}

static void the_survivor_serves(void **state) {
    (void)state;
    assert_int_equal(swap_recover(SWAP_WARMING, false, true).next, SWAP_WARMING);
    assert_int_equal(swap_recover(SWAP_SWITCHING, false, true).actions, SWAP_HAND_OVER);
    assert_int_equal(swap_recover(SWAP_SWITCHING, true, false).actions, SWAP_RESUME_OLD);
    assert_int_equal(swap_recover(SWAP_SOAKING, true, false).actions, SWAP_RESUME_OLD);
    assert_int_equal(swap_recover(SWAP_SOAKING, false, true).actions, SWAP_WATCH | SWAP_REVIVE_OLD);
    assert_int_equal(swap_recover(SWAP_REVERTING, false, true).actions, SWAP_KEEP_NEW | SWAP_FAIL);
}

static void names_of_states_read_back(void **state) {
    (void)state;
    for (int at = SWAP_IDLE; at < SWAP_STATES_COUNT; at++) {
        SwapState parsed = SWAP_STATES_COUNT;
        assert_true(swap_state_parse(swap_state_name((SwapState)at), &parsed));
        assert_int_equal(parsed, at);
    }
    SwapState untouched = SWAP_SOAKING;
    assert_false(swap_state_parse("soak", &untouched));
    assert_int_equal(untouched, SWAP_SOAKING);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_in_every_state_does_what_the_table_says),
        cmocka_unit_test(nobody_drains_before_another_accepts),
        cmocka_unit_test(every_end_commits_or_fails),
        cmocka_unit_test(an_interrupted_swap_is_undone_before_the_new_one_accepts),
        cmocka_unit_test(an_interrupted_swap_goes_on_once_clients_may_have_met_the_new_one),
        cmocka_unit_test(after_a_crash_of_everybody_what_served_before_is_started),
        cmocka_unit_test(the_survivor_serves),
        cmocka_unit_test(names_of_states_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
