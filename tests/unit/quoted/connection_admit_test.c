/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "quoted/connection_private.h"

enum { LIMIT = 3, UNLIMITED = 100000, BEYOND = CONNECTIONS_BEYOND_LIMIT_MAX };

/* A pool without threads, whose clients are all at the other end of one socket. */
typedef struct Stage {
    Config config;
    Pool pool;
    int client_fd, server_fd;
} Stage;

static int set_up(void **state) {
    static Stage stage;
    const uint32_t working[QUEUE_STAGES_COUNT] = {1, 1};
    int pair[2];
    stage = (Stage){.pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .spare_fd = -1}};
    config_set_defaults(&stage.config);
    stage.config.threads = 1;
    stage.config.connections_per_uid = UNLIMITED;
    stage.pool.spec.config = &stage.config;
    stage.pool.connections_max = UNLIMITED;
    assert_non_null(stage.pool.queue = queue_new(1, working));
    assert_true((pool_attendant(&stage.pool)->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    stage.client_fd = pair[0];
    stage.server_fd = pair[1];
    *state = &stage;
    return 0;
}

static int tear_down(void **state) {
    Stage *stage = *state;
    queue_free(stage->pool.queue);
    cleanup_close(&pool_attendant(&stage->pool)->wake_fd);
    cleanup_close(&stage->pool.spare_fd);
    cleanup_close(&stage->client_fd);
    cleanup_close(&stage->server_fd);
    return 0;
}

/* Lets in so many and says how the last of them was; *client: whose they all are. */
static Admission admit(Stage *stage, uint32_t count, QueueClient **client) {
    Admission last = ADMISSION_REFUSED;
    for (uint32_t i = 0; i < count; i++) {
        const Entry entry = connection_admit(&stage->pool, stage->server_fd);
        assert_non_null(entry.client);
        *client = entry.client;
        last = entry.admission;
    }
    return last;
}

static void leave(Stage *stage, uint32_t count, QueueClient *client) {
    for (uint32_t i = 0; i < count; i++) {
        queue_leave(stage->pool.queue, client);
        stage->pool.connections--;
    }
}

static void assert_bounded(Stage *stage) {
    QueueClient *client = NULL;
    assert_int_equal(admit(stage, LIMIT - 1, &client), ADMISSION_FULL);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_FULL);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_BUSY);
    assert_int_equal(admit(stage, BEYOND - 2, &client), ADMISSION_BUSY);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_BUSY);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_NONE);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_NONE);
    leave(stage, 3, client);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_BUSY);
    leave(stage, LIMIT + BEYOND, client);
}

static void so_many_beyond_the_limit_of_all_may_wait_to_be_told_busy(void **state) {
    Stage *stage = *state;
    stage->pool.connections_max = LIMIT;
    assert_bounded(stage);
}

static void so_many_beyond_the_limit_of_a_uid_may_wait_to_be_told_busy(void **state) {
    Stage *stage = *state;
    stage->config.connections_per_uid = LIMIT;
    assert_bounded(stage);
}

static void one_more_pushes_out_who_has_just_come(void **state) {
    Stage *stage = *state;
    QueueClient *client = NULL;
    stage->pool.connections_max = LIMIT;
    assert_int_equal(admit(stage, 1, &client), ADMISSION_FULL);
    WaitingLink late = {.client = client, .since_ms = UINT64_MAX - 1};
    waiting_add(&stage->pool.waiting, &late);
    assert_int_equal(admit(stage, LIMIT - 1 + BEYOND, &client), ADMISSION_BUSY);
    assert_false(late.doomed);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_BUSY);
    assert_true(late.doomed);
    waiting_remove(&stage->pool.waiting, &late);
    leave(stage, LIMIT + BEYOND + 1, client);
}

static void so_many_may_be_about_to_be_closed(void **state) {
    static WaitingLink silent[BEYOND + 2];
    Stage *stage = *state;
    QueueClient *client = NULL;
    stage->pool.connections_max = 1;
    assert_int_equal(admit(stage, 1, &client), ADMISSION_FULL);
    for (size_t i = 0; i < BEYOND + 2; i++) {
        silent[i] = (WaitingLink){.client = client};
        waiting_add(&stage->pool.waiting, &silent[i]);
    }
    for (uint32_t doomed = 1; doomed <= BEYOND + 1; doomed++) {
        const bool room = doomed <= BEYOND;
        assert_int_equal(admit(stage, 1, &client), room ? ADMISSION_FULL : ADMISSION_NONE);
        assert_int_equal(stage->pool.waiting.doomed_count, room ? doomed : BEYOND);
        leave(stage, 1, client);
    }
    waiting_remove(&stage->pool.waiting, &silent[0]);
    assert_int_equal(admit(stage, 1, &client), ADMISSION_FULL);
    while (stage->pool.waiting.first != NULL) {
        waiting_remove(&stage->pool.waiting, stage->pool.waiting.first);
    }
    leave(stage, 2, client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(so_many_beyond_the_limit_of_all_may_wait_to_be_told_busy),
        TEST(so_many_beyond_the_limit_of_a_uid_may_wait_to_be_told_busy),
        TEST(one_more_pushes_out_who_has_just_come),
        TEST(so_many_may_be_about_to_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
