/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { JOBS = 6 };

typedef struct Bench {
    Queue *queue;
    QueueClient *clients[2];
    QueueLink jobs[JOBS];
} Bench;

static int set_up(void **state) {
    static Bench bench;
    const uint32_t working[QUEUE_STAGES_COUNT] = {[QUEUE_ENGINE] = 1, [QUEUE_DUCKS] = 2};
    bench = (Bench){.queue = queue_new(JOBS, working)};
    assert_non_null(bench.queue);
    for (unsigned i = 0; i < 2; i++) {
        bench.clients[i] = queue_enter(bench.queue, i);
    }
    *state = &bench;
    return 0;
}

static int tear_down(void **state) {
    Bench *bench = *state;
    for (QueueStage stage; queue_waiting(bench->queue) > 0;) {
        assert_non_null(queue_take(bench->queue, &stage));
        queue_done(bench->queue, stage);
    }
    for (unsigned i = 0; i < 2; i++) {
        queue_leave(bench->queue, bench->clients[i]);
    }
    queue_free(bench->queue);
    return 0;
}

static void put(Bench *bench, QueueStage stage, unsigned job, unsigned client) {
    assert_true(queue_put(bench->queue, stage, &bench->jobs[job], bench->clients[client]));
}

static void the_lame_ducks_get_their_turn_while_the_engine_always_has_work(void **state) {
    Bench *bench = *state;
    QueueStage stage = QUEUE_STAGES_COUNT;
    unsigned taken[QUEUE_STAGES_COUNT] = {0};
    for (unsigned i = 0; i < 4; i++) {
        put(bench, QUEUE_ENGINE, i, 0);
    }
    put(bench, QUEUE_DUCKS, 4, 0);
    put(bench, QUEUE_DUCKS, 5, 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_non_null(queue_take(bench->queue, &stage));
        taken[stage]++;
        queue_done(bench->queue, stage);
    }
    assert_int_equal(taken[QUEUE_ENGINE], 2);
    assert_int_equal(taken[QUEUE_DUCKS], 2);
}

static void a_stage_that_is_full_leaves_its_turn_to_the_other(void **state) {
    Bench *bench = *state;
    QueueStage stage = QUEUE_STAGES_COUNT;
    put(bench, QUEUE_ENGINE, 0, 0);
    put(bench, QUEUE_ENGINE, 1, 0);
    put(bench, QUEUE_DUCKS, 2, 0);
    put(bench, QUEUE_DUCKS, 3, 0);
    assert_ptr_equal(queue_take(bench->queue, &stage), &bench->jobs[0]);
    assert_ptr_equal(queue_take(bench->queue, &stage), &bench->jobs[2]);
    assert_ptr_equal(queue_take(bench->queue, &stage), &bench->jobs[3]);
    assert_false(queue_has_work(bench->queue));
    assert_null(queue_take(bench->queue, &stage));
    queue_done(bench->queue, QUEUE_ENGINE);
    assert_ptr_equal(queue_take(bench->queue, &stage), &bench->jobs[1]);
    queue_done(bench->queue, QUEUE_ENGINE);
    queue_done(bench->queue, QUEUE_DUCKS);
    queue_done(bench->queue, QUEUE_DUCKS);
}

static void uids_take_turns_within_a_stage(void **state) {
    Bench *bench = *state;
    QueueStage stage = QUEUE_STAGES_COUNT;
    put(bench, QUEUE_ENGINE, 0, 0);
    put(bench, QUEUE_ENGINE, 1, 0);
    put(bench, QUEUE_ENGINE, 2, 1);
    const unsigned order[] = {0, 2, 1};
    for (unsigned i = 0; i < 3; i++) {
        assert_ptr_equal(queue_take(bench->queue, &stage), &bench->jobs[order[i]]);
        queue_done(bench->queue, stage);
    }
}

static void a_full_queue_refuses_the_engine_s_work_and_never_the_ducks(void **state) {
    Bench *bench = *state;
    QueueLink extra, duck;
    QueueStage stage = QUEUE_STAGES_COUNT;
    for (unsigned i = 0; i < JOBS; i++) {
        put(bench, QUEUE_ENGINE, i, 0);
    }
    assert_false(queue_put(bench->queue, QUEUE_ENGINE, &extra, bench->clients[1]));
    assert_true(queue_put(bench->queue, QUEUE_DUCKS, &duck, bench->clients[1]));
    while (queue_take(bench->queue, &stage) != NULL) {
        queue_done(bench->queue, stage);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_lame_ducks_get_their_turn_while_the_engine_always_has_work,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stage_that_is_full_leaves_its_turn_to_the_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uids_take_turns_within_a_stage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_queue_refuses_the_engine_s_work_and_never_the_ducks, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
