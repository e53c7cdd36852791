/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "quoted/connection_private.h"

enum { BODY = 8, FRAME = AESM_FRAME_HEADER_SIZE + BODY };

/* A pool without threads: what the attendant does is called by hand. */
typedef struct Stage {
    Config config;
    Counters counters;
    Pool pool;
    Worker *worker;
} Stage;

static int set_up(void **state) {
    static Stage stage;
    const uint32_t working[QUEUE_STAGES_COUNT] = {1, 1};
    memset(&stage.counters, 0, sizeof stage.counters);
    stage.pool = (Pool){.lock = PTHREAD_MUTEX_INITIALIZER, .spare_fd = -1, .connections_max = 1};
    config_set_defaults(&stage.config);
    stage.config.threads = 1;
    stage.pool.spec = (PoolSpec){.config = &stage.config, .counters = &stage.counters};
    assert_non_null(stage.pool.queue = queue_new(1, working));
    stage.worker = pool_attendant(&stage.pool);
    stage.worker->pool = &stage.pool;
    stage.worker->share = &stage.counters.shares[COUNTERS_THREAD_SHARE];
    assert_true((stage.worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    assert_non_null(stage.worker->scratch = malloc(SCRATCH_SIZE + AESM_BODY_SLACK));
    *state = &stage;
    return 0;
}

static int tear_down(void **state) {
    Stage *stage = *state;
    queue_free(stage->pool.queue);
    cleanup_close(&stage->worker->epoll_fd);
    cleanup_close(&stage->pool.spare_fd);
    free(stage->worker->scratch);
    return 0;
}

/* A whole request that says nothing readable, with a descriptor along with its first bytes: who only looks
 * sees no further than these. */
static void send_behind_descriptor(int fd, size_t first) {
    uint8_t frame[FRAME] = {BODY};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = {{0}};
    memset(frame + AESM_FRAME_HEADER_SIZE, 0xff, BODY);
    struct iovec data = {.iov_base = frame, .iov_len = first};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    assert_int_equal(sendmsg(fd, &message, 0), first);
    assert_int_equal(send(fd, frame + first, FRAME - first, 0), FRAME - first);
}

/* Of a request that takes `most` bytes, with so many of all bytes taken by others. */
static void assert_bounded(Stage *stage, size_t first, size_t most, bool room, size_t others) {
    int pair[2];
    char byte;
    const uint64_t unreadable = counters_get(&stage->counters.unreadable);
    const uint64_t closed = counters_get(&stage->counters.limit_closed);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    AUTO_CLOSE int client = pair[0];
    send_behind_descriptor(client, first);
    connection_begin(stage->worker, pair[1], false);
    Connection *connection = (Connection *)stage->pool.waiting.first;
    assert_non_null(connection);
    assert_int_equal(connection->wanted > AESM_FRAME_HEADER_SIZE, most == FRAME);
    stage->pool.taken = others;
    connection_continue(stage->worker, connection);
    assert_null(stage->pool.waiting.first);
    assert_int_equal(stage->pool.taken, others);
    assert_int_equal(stage->pool.connections, 0);
    assert_int_equal(counters_get(&stage->counters.unreadable) - unreadable, room);
    assert_int_equal(counters_get(&stage->counters.limit_closed) - closed, !room);
    assert_int_equal(counters_get(&stage->counters.silent), 0);
    assert_true(recv(client, &byte, sizeof byte, MSG_DONTWAIT) <= 0);
}

static void so_much_memory_is_for_requests_that_are_read_piece_by_piece(void **state) {
    for (int over = -1; over <= 1; over++) {
        assert_bounded(*state, AESM_FRAME_HEADER_SIZE, FRAME, over <= 0, (size_t)(TAKEN_MAX - FRAME + over));
    }
}

static void of_unknown_length_one_takes_as_much_as_any_may(void **state) {
    const Stage *stage = *state;
    const size_t most = AESM_FRAME_HEADER_SIZE + stage->config.request_size;
    for (int over = -1; over <= 1; over++) {
        assert_bounded(*state, 1, most, over <= 0, (size_t)((int)(TAKEN_MAX - most) + over));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(so_much_memory_is_for_requests_that_are_read_piece_by_piece),
        TEST(of_unknown_length_one_takes_as_much_as_any_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
