/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/waiting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { OLD = 5, LINKS = 8 };

typedef struct Stage {
    Queue *queue;
    Waiting waiting;
    QueueClient *many, *few;
    WaitingLink links[LINKS];
} Stage;

/* Six connections of one client, then two of another, a millisecond after each other. */
static int set_up(void **state) {
    static Stage stage;
    const uint32_t working[QUEUE_STAGES_COUNT] = {1, 1};
    stage = (Stage){.queue = queue_new(1, working)};
    stage.many = queue_enter(stage.queue, 1);
    stage.few = queue_enter(stage.queue, 2);
    for (size_t i = 0; i < LINKS; i++) {
        stage.links[i] = (WaitingLink){.client = i < 6 ? stage.many : stage.few, .since_ms = i};
        waiting_add(&stage.waiting, &stage.links[i]);
    }
    *state = &stage;
    return 0;
}

static int tear_down(void **state) {
    Stage *stage = *state;
    while (stage->waiting.first != NULL) {
        waiting_remove(&stage->waiting, stage->waiting.first);
    }
    assert_null(stage->waiting.last);
    assert_null(stage->waiting.lanes);
    assert_null(stage->waiting.doomed);
    assert_int_equal(stage->waiting.doomed_count, 0);
    queue_leave(stage->queue, stage->many);
    queue_leave(stage->queue, stage->few);
    queue_free(stage->queue);
    return 0;
}

static void assert_doomed(const Stage *stage, const char *expected) {
    for (size_t i = 0; i < LINKS; i++) {
        assert_int_equal(stage->links[i].doomed, expected[i] == 'x');
    }
}

static void who_has_most_loses_the_oldest(void **state) {
    Stage *stage = *state;
    for (int i = 0; i < 4; i++) {
        assert_true(waiting_doom(&stage->waiting, NULL, UINT64_MAX));
    }
    assert_doomed(stage, "xxxx....");
    assert_int_equal(stage->waiting.doomed_count, 4);
}

static void when_all_have_the_same_everybody_loses_in_turn(void **state) {
    Stage *stage = *state;
    for (int i = 0; i < 6; i++) {
        assert_true(waiting_doom(&stage->waiting, NULL, UINT64_MAX));
    }
    assert_int_equal(stage->links[6].doomed + stage->links[7].doomed, 1);
    assert_true(waiting_doom(&stage->waiting, NULL, UINT64_MAX));
    assert_true(waiting_doom(&stage->waiting, NULL, UINT64_MAX));
    assert_false(waiting_doom(&stage->waiting, NULL, UINT64_MAX));
    assert_doomed(stage, "xxxxxxxx");
}

static void a_client_can_only_lose_its_own(void **state) {
    Stage *stage = *state;
    assert_true(waiting_doom(&stage->waiting, stage->few, UINT64_MAX));
    assert_true(waiting_doom(&stage->waiting, stage->few, UINT64_MAX));
    assert_false(waiting_doom(&stage->waiting, stage->few, UINT64_MAX));
    assert_doomed(stage, "......xx");
}

static void who_has_just_come_is_spared(void **state) {
    Stage *stage = *state;
    assert_false(waiting_doom(&stage->waiting, stage->few, OLD));
    assert_true(waiting_doom(&stage->waiting, stage->many, OLD));
    assert_doomed(stage, "x.......");
}

static void who_is_being_answered_is_spared(void **state) {
    Stage *stage = *state;
    stage->links[6].writing = true;
    assert_true(waiting_doom(&stage->waiting, stage->few, UINT64_MAX));
    assert_false(waiting_doom(&stage->waiting, stage->few, UINT64_MAX));
    assert_doomed(stage, ".......x");
}

static void what_leaves_by_itself_is_forgotten(void **state) {
    Stage *stage = *state;
    assert_true(waiting_doom(&stage->waiting, stage->many, UINT64_MAX));
    assert_true(waiting_doom(&stage->waiting, stage->many, UINT64_MAX));
    waiting_remove(&stage->waiting, &stage->links[0]); /* doomed */
    waiting_remove(&stage->waiting, &stage->links[3]); /* not doomed */
    assert_int_equal(stage->waiting.doomed_count, 1);
    assert_ptr_equal(stage->waiting.doomed, &stage->links[1]);
    assert_ptr_equal(stage->waiting.first, &stage->links[1]);
    assert_ptr_equal(stage->waiting.last, &stage->links[7]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_has_most_loses_the_oldest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(when_all_have_the_same_everybody_loses_in_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_can_only_lose_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_has_just_come_is_spared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_being_answered_is_spared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_leaves_by_itself_is_forgotten, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
