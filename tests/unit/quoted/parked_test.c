/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/clock.h"
#include "bundles/base/json.h"
#include "quoted/pool_private.h"

enum { HOUR_MS = 3600 * 1000 };

/* A pool without threads, whose quotes are all of one client. */
typedef struct Stage {
    Config config;
    Pool pool;
    Worker *worker;
    QueueClient *client;
    Job jobs[PARKED_MAX + 2];
} Stage;

static int set_up(void **state) {
    static Stage stage;
    const uint32_t working[QUEUE_STAGES_COUNT] = {1, PARKED_MAX + 2};
    Error err = ERROR_INIT;
    unsigned unreachable = 0;
    stage = (Stage){.pool = {.lock = PTHREAD_MUTEX_INITIALIZER}};
    config_set_defaults(&stage.config);
    stage.config.threads = 1;
    stage.pool.spec = (PoolSpec){.config = &stage.config, .ducks = ducks_new(), .sightings = sightings_new()};
    assert_non_null(stage.pool.spec.ducks);
    assert_non_null(stage.pool.spec.sightings);
    CLEANUP(json_freep) json_t *arguments = json_pack("{s:b}", "recall", true);
    assert_true(ducks_set(stage.pool.spec.ducks, arguments, &unreachable, &err));
    assert_true((stage.pool.spec.recall_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
    assert_non_null(stage.pool.queue = queue_new(1, working));
    stage.worker = pool_attendant(&stage.pool);
    stage.worker->pool = &stage.pool;
    stage.client = queue_enter(stage.pool.queue, 1);
    for (size_t i = 0; i < PARKED_MAX + 2; i++) {
        stage.jobs[i] = (Job){.fd = -1, .client = stage.client};
        stage.jobs[i].link.since_ns = clock_monotonic_ns();
    }
    *state = &stage;
    return 0;
}

static int tear_down(void **state) {
    Stage *stage = *state;
    QueueStage which;
    parked_release(&stage->pool);
    while (queue_take(stage->pool.queue, &which) != NULL) {
        queue_done(stage->pool.queue, which);
    }
    queue_leave(stage->pool.queue, stage->client);
    queue_free(stage->pool.queue);
    ducks_free(stage->pool.spec.ducks);
    sightings_free(stage->pool.spec.sightings);
    cleanup_close(&stage->pool.spec.recall_fd);
    return 0;
}

static bool park(Stage *stage, Job *job) {
    return parked_put(stage->worker, job, ducks_version_of(stage->pool.spec.ducks));
}

/* How often a former generation was asked for since the last time. */
static uint64_t recalls(const Stage *stage) {
    eventfd_t count = 0;
    return eventfd_read(stage->pool.spec.recall_fd, &count) == 0 ? count : 0;
}

static void so_many_are_parked_and_no_more(void **state) {
    Stage *stage = *state;
    for (size_t i = 0; i < PARKED_MAX; i++) {
        assert_int_equal(stage->pool.parked_count, i);
        assert_true(park(stage, &stage->jobs[i]));
        assert_int_equal(stage->jobs[i].rounds, 1);
    }
    assert_int_equal(recalls(stage), PARKED_MAX);
    assert_false(park(stage, &stage->jobs[PARKED_MAX]));
    assert_int_equal(stage->jobs[PARKED_MAX].rounds, 0);
    assert_int_equal(stage->pool.parked_count, PARKED_MAX);
    assert_int_equal(recalls(stage), 0);
    assert_int_equal(queue_waiting(stage->pool.queue), 0);
    parked_release(&stage->pool);
    assert_int_equal(stage->pool.parked_count, 0);
    assert_int_equal(queue_waiting(stage->pool.queue), PARKED_MAX);
    assert_true(park(stage, &stage->jobs[PARKED_MAX]));
}

static void one_that_goes_on_at_once_leaves_its_place(void **state) {
    Stage *stage = *state;
    uint64_t former = ducks_version_of(stage->pool.spec.ducks) - 1;
    for (size_t i = 0; i < PARKED_MAX - 1; i++) {
        assert_true(park(stage, &stage->jobs[i]));
    }
    assert_true(parked_put(stage->worker, &stage->jobs[PARKED_MAX - 1], former));
    assert_int_equal(queue_waiting(stage->pool.queue), 1);
    assert_true(park(stage, &stage->jobs[PARKED_MAX]));
    assert_false(park(stage, &stage->jobs[PARKED_MAX + 1]));
}

static void none_is_parked_where_all_are_to_leave(void **state) {
    Stage *stage = *state;
    stage->pool.draining = true;
    assert_false(park(stage, &stage->jobs[0]));
    assert_int_equal(stage->pool.parked_count, 0);
}

static void one_is_parked_so_often_and_no_more(void **state) {
    Stage *stage = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    AUTO_CLOSE int client = pair[0];
    AUTO_CLOSE int server = pair[1];
    for (int over = -1; over <= 1; over++) {
        Job job = {.fd = server, .rounds = (unsigned)(PARKED_ROUNDS_MAX - 1 + over)};
        assert_int_equal(parked_may_wait(stage->worker, &job), over <= 0);
    }
}

static void whose_time_is_over_goes_on_and_is_parked_no_more(void **state) {
    Stage *stage = *state;
    stage->jobs[0].link.since_ns = (clock_monotonic_ms() - PARKED_MS) * 1000000;
    stage->jobs[1].link.since_ns = (clock_monotonic_ms() + HOUR_MS) * 1000000;
    assert_true(park(stage, &stage->jobs[0]));
    assert_true(park(stage, &stage->jobs[1]));
    parked_expire(&stage->pool);
    assert_int_equal(stage->pool.parked_count, 1);
    assert_ptr_equal(stage->pool.parked, &stage->jobs[1]);
    assert_int_equal(queue_waiting(stage->pool.queue), 1);
    assert_false(parked_may_wait(stage->worker, &stage->jobs[0]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(so_many_are_parked_and_no_more),
        TEST(one_that_goes_on_at_once_leaves_its_place),
        TEST(none_is_parked_where_all_are_to_leave),
        TEST(one_is_parked_so_often_and_no_more),
        TEST(whose_time_is_over_goes_on_and_is_parked_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
