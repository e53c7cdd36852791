/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { JOBS = 6 };

typedef struct Stage {
    Queue *queue;
    QueueClient *clients[3];
    QueueLink jobs[JOBS];
} Stage;

/* Two jobs each of three uids: 0 and 3, 1 and 4, 2 and 5, asked for in this order. */
static int set_up(void **state) {
    static Stage stage;
    const uint32_t working[QUEUE_STAGES_COUNT] = {JOBS, JOBS};
    stage = (Stage){.queue = queue_new(JOBS, working)};
    for (uid_t uid = 0; uid < 3; uid++) {
        stage.clients[uid] = queue_enter(stage.queue, uid);
    }
    for (size_t i = 0; i < JOBS; i++) {
        stage.jobs[i].since_ns = i;
        assert_true(queue_put(stage.queue, QUEUE_ENGINE, &stage.jobs[i], stage.clients[i % 3]));
    }
    *state = &stage;
    return 0;
}

static int tear_down(void **state) {
    Stage *stage = *state;
    for (size_t i = 0; i < 3; i++) {
        queue_leave(stage->queue, stage->clients[i]);
    }
    queue_free(stage->queue);
    return 0;
}

static void assert_rest(Stage *stage, const size_t *expected, size_t count) {
    QueueStage which;
    assert_int_equal(queue_waiting(stage->queue), count);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(queue_take(stage->queue, &which), &stage->jobs[expected[i]]);
    }
    assert_null(queue_take(stage->queue, &which));
}

static void nothing_expires_before_its_time(void **state) {
    Stage *stage = *state;
    assert_ptr_equal(queue_expire(stage->queue, QUEUE_ENGINE, 0), &stage->jobs[0]);
    assert_null(queue_expire(stage->queue, QUEUE_ENGINE, 0));
    assert_null(queue_expire(stage->queue, QUEUE_DUCKS, UINT64_MAX));
    assert_rest(stage, (const size_t[]){3, 1, 2, 4, 5}, 5);
}

static void what_expires_in_the_middle_leaves_the_others_their_turns(void **state) {
    Stage *stage = *state;
    stage->jobs[0].since_ns = stage->jobs[3].since_ns = 9;
    stage->jobs[2].since_ns = 9;
    assert_ptr_equal(queue_expire(stage->queue, QUEUE_ENGINE, 4), &stage->jobs[1]);
    assert_ptr_equal(queue_expire(stage->queue, QUEUE_ENGINE, 4), &stage->jobs[4]);
    assert_null(queue_expire(stage->queue, QUEUE_ENGINE, 4));
    assert_rest(stage, (const size_t[]){0, 2, 3, 5}, 4);
}

static void a_queue_of_which_the_end_expired_goes_on(void **state) {
    Stage *stage = *state;
    QueueLink more = {.since_ns = JOBS};
    stage->jobs[0].since_ns = stage->jobs[1].since_ns = 9;
    assert_ptr_equal(queue_expire(stage->queue, QUEUE_ENGINE, 5), &stage->jobs[2]);
    assert_ptr_equal(queue_expire(stage->queue, QUEUE_ENGINE, 5), &stage->jobs[5]);
    assert_true(queue_put(stage->queue, QUEUE_ENGINE, &more, stage->clients[2]));
    QueueStage which;
    assert_ptr_equal(queue_take(stage->queue, &which), &stage->jobs[0]);
    assert_ptr_equal(queue_take(stage->queue, &which), &stage->jobs[1]);
    assert_ptr_equal(queue_take(stage->queue, &which), &more);
    assert_rest(stage, (const size_t[]){3, 4}, 2);
}

static void everything_can_expire_and_more_be_put(void **state) {
    Stage *stage = *state;
    for (size_t i = 0; i < JOBS; i++) {
        assert_non_null(queue_expire(stage->queue, QUEUE_ENGINE, UINT64_MAX));
    }
    assert_false(queue_has_work(stage->queue));
    assert_true(queue_put(stage->queue, QUEUE_ENGINE, &stage->jobs[4], stage->clients[1]));
    assert_rest(stage, (const size_t[]){4}, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_expires_before_its_time),
        TEST(what_expires_in_the_middle_leaves_the_others_their_turns),
        TEST(a_queue_of_which_the_end_expired_goes_on),
        TEST(everything_can_expire_and_more_be_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
