/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/rescue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

enum { CALLS_MAX = RESCUE_OFFERS_MAX + 2, ROOM = 3 };

/* A generation of which nothing is there but its answers to ADOPT. */
typedef struct Stand {
    sd_event *event;
    Rescue *rescue;
    int send_fd, watch_fd; /* the generation's end of the channel, and a second descriptor of the other one */
    bool refuses_calls;
    unsigned calls;
    unsigned dying;
    bool was_in_channel[CALLS_MAX]; /* when it was offered */
    GenerationReplyFn reply;
    void *reply_context;
} Stand;

static Stand *stand; /* of the test that runs */

static bool is_in_channel(void) {
    char byte;
    return recv(stand->watch_fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof byte;
}

bool generation_call(Generation *generation, ControlType type, const json_t *arguments, int fd,
                     uint64_t timeout_ms, GenerationReplyFn reply, void *context, Error *err) {
    (void)generation, (void)arguments, (void)timeout_ms;
    assert_int_equal(type, CONTROL_ADOPT);
    assert_true(fd >= 0);
    if (stand->refuses_calls) {
        return error_set(err, ERROR_UNAVAILABLE, "full");
    }
    assert_true(stand->calls < CALLS_MAX);
    stand->was_in_channel[stand->calls++] = is_in_channel();
    stand->reply = reply;
    stand->reply_context = context;
    return true;
}

bool generation_is_alive(const Generation *generation) {
    return generation != NULL;
}

static Generation *target(void) {
    return (Generation *)stand; /* never looked into */
}

static void on_dying(void *context, uint32_t generation) {
    assert_ptr_equal(context, stand);
    assert_int_equal(generation, 7);
    stand->dying++;
}

static int set_up(void **state) {
    static Stand only;
    int pair[2];
    stand = *state = &only;
    only = (Stand){0};
    assert_true(sd_event_new(&only.event) >= 0);
    assert_non_null(only.rescue = rescue_new(only.event, ROOM));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    only.send_fd = pair[0];
    assert_true((only.watch_fd = dup(pair[1])) >= 0);
    assert_true(rescue_watch(only.rescue, pair[1], 7, on_dying, stand));
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    rescue_free(stand->rescue);
    sd_event_unref(stand->event);
    (void)close(stand->watch_fd);
    cleanup_close(&stand->send_fd);
    return 0;
}

/* As a generation does it: a byte, and the connection if there is one. */
static void send_message(int fd) {
    char byte = 0;
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr aligned;
    } control = {{0}};
    struct iovec data = {.iov_base = &byte, .iov_len = sizeof byte};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    assert_int_equal(sendmsg(stand->send_fd, &message, 0), sizeof byte);
}

/* The client's end of a connection that came through the channel. */
static int send_connection(void) {
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    send_message(pair[1]);
    (void)close(pair[1]);
    return pair[0];
}

static void turn(void) {
    while (sd_event_run(stand->event, 20 * 1000) > 0) { /* a retry comes after a millisecond */
    }
}

static bool is_open(int client) {
    char byte;
    return recv(client, &byte, sizeof byte, MSG_DONTWAIT) < 0;
}

static void a_connection_stays_in_the_channel_until_it_was_offered(void **state) {
    (void)state;
    AUTO_CLOSE int client = send_connection();
    AUTO_CLOSE int other = send_connection();
    rescue_set_target(stand->rescue, target());
    turn();
    assert_int_equal(stand->calls, 2);
    assert_true(stand->was_in_channel[0] && stand->was_in_channel[1]);
    assert_false(is_in_channel());
    assert_int_equal(rescue_counts(stand->rescue).found, 2);
    stand->reply(stand->reply_context, target(), NULL, NULL);
    turn();
    assert_int_equal(rescue_counts(stand->rescue).adopted, 1);
    assert_false(is_open(other)); /* nobody but us had it */
    assert_true(is_open(client));
}

static void a_connection_that_cannot_be_offered_yet_stays_in_the_channel_and_is_offered_once(void **state) {
    (void)state;
    AUTO_CLOSE int client = send_connection();
    AUTO_CLOSE int other = send_connection();
    stand->refuses_calls = true;
    rescue_set_target(stand->rescue, target());
    for (int i = 0; i < 5; i++) {
        assert_true(sd_event_run(stand->event, UINT64_MAX) > 0);
    }
    assert_int_equal(rescue_waiting(stand->rescue), 1);
    assert_true(is_in_channel());
    assert_int_equal(rescue_counts(stand->rescue).found, 1);
    stand->refuses_calls = false;
    turn();
    assert_int_equal(stand->calls, 2);
    assert_int_equal(rescue_counts(stand->rescue).found, 2);
    assert_false(is_in_channel());
    assert_true(is_open(client) && is_open(other));
}

static void what_nobody_takes_yet_is_taken_out_and_offered_later(void **state) {
    (void)state;
    AUTO_CLOSE int client = send_connection();
    AUTO_CLOSE int other = send_connection();
    turn();
    assert_int_equal(rescue_waiting(stand->rescue), 2);
    assert_false(is_in_channel());
    cleanup_close(&stand->send_fd); /* the generation is gone, and what it left is here */
    turn();
    rescue_set_target(stand->rescue, target());
    assert_int_equal(stand->calls, 2);
    assert_int_equal(rescue_waiting(stand->rescue), 0);
    assert_true(is_open(client) && is_open(other));
}

static void a_dying_generation_is_told_once_and_connections_go_on(void **state) {
    (void)state;
    rescue_set_target(stand->rescue, target());
    AUTO_CLOSE int client = send_connection();
    send_message(-1);
    AUTO_CLOSE int other = send_connection();
    turn();
    assert_int_equal(stand->dying, 1);
    assert_int_equal(stand->calls, 2);
    assert_false(is_in_channel());
    assert_true(is_open(client) && is_open(other));
}

static int nothing(sd_event_source *source, uint64_t usec, void *context) {
    (void)source, (void)usec, (void)context;
    return 0;
}

static void without_a_free_descriptor_a_connection_waits_in_the_channel(void **state) {
    (void)state;
    struct rlimit limit;
    /* The loop's own descriptor for timers is there, as it is in a manager. */
    assert_true(sd_event_add_time_relative(stand->event, NULL, CLOCK_MONOTONIC, 0, 1, nothing, NULL) >= 0);
    assert_true(sd_event_run(stand->event, UINT64_MAX) > 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    AUTO_CLOSE int client = send_connection();
    rescue_set_target(stand->rescue, target());
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_true(sd_event_run(stand->event, UINT64_MAX) > 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(stand->dying, 0);
    assert_true(is_in_channel());
    while (stand->calls == 0) {
        assert_true(sd_event_run(stand->event, UINT64_MAX) > 0);
    }
    turn();
    assert_int_equal(stand->calls, 1);
    assert_false(is_in_channel());
    assert_true(is_open(client));
}

static void a_client_that_left_is_offered_to_nobody(void **state) {
    (void)state;
    int client = send_connection();
    (void)close(client);
    rescue_set_target(stand->rescue, target());
    turn();
    assert_int_equal(stand->calls, 0);
    assert_int_equal(rescue_counts(stand->rescue).departed, 1);
    assert_false(is_in_channel());
}

static void what_finds_no_room_stays_in_the_channel(void **state) {
    (void)state;
    int clients[ROOM + 1];
    for (size_t i = 0; i <= ROOM; i++) {
        assert_int_equal(rescue_waiting(stand->rescue), i);
        clients[i] = send_connection();
        turn();
    }
    assert_int_equal(rescue_waiting(stand->rescue), ROOM);
    assert_true(is_in_channel());
    rescue_set_target(stand->rescue, target());
    turn();
    assert_int_equal(stand->calls, ROOM + 1);
    assert_false(is_in_channel());
    assert_int_equal(rescue_counts(stand->rescue).found, ROOM + 1);
    assert_int_equal(rescue_counts(stand->rescue).lost, 0);
    for (size_t i = 0; i <= ROOM; i++) {
        assert_true(is_open(clients[i]));
        (void)close(clients[i]);
    }
}

static void so_many_are_offered_before_a_reply_and_the_next_stays_in_the_channel(void **state) {
    (void)state;
    int clients[RESCUE_OFFERS_MAX + 1];
    rescue_set_target(stand->rescue, target());
    for (unsigned i = 0; i < RESCUE_OFFERS_MAX; i++) {
        clients[i] = send_connection();
        while (stand->calls <= i) {
            assert_true(sd_event_run(stand->event, UINT64_MAX) > 0);
        }
    }
    clients[RESCUE_OFFERS_MAX] = send_connection();
    turn();
    assert_int_equal(stand->calls, RESCUE_OFFERS_MAX);
    assert_int_equal(rescue_waiting(stand->rescue), 0);
    assert_true(is_in_channel());
    stand->reply(stand->reply_context, target(), NULL, NULL);
    turn();
    assert_int_equal(stand->calls, RESCUE_OFFERS_MAX + 1);
    assert_int_equal(rescue_counts(stand->rescue).lost, 0);
    for (size_t i = 0; i <= RESCUE_OFFERS_MAX; i++) {
        (void)close(clients[i]);
    }
}

static void of_what_is_given_so_many_are_held_and_one_that_is_held_is_not_lost(void **state) {
    (void)state;
    int clients[ROOM + 1], copy = -1;
    for (size_t i = 0; i <= ROOM; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        clients[i] = pair[0];
        if (i == 0) {
            assert_true((copy = dup(pair[1])) >= 0);
        }
        rescue_give(stand->rescue, pair[1]);
        assert_int_equal(rescue_waiting(stand->rescue), i < ROOM ? i + 1 : ROOM);
        assert_int_equal(is_open(clients[i]), i < ROOM);
    }
    assert_int_equal(rescue_counts(stand->rescue).lost, 1);
    rescue_give(stand->rescue, copy);
    assert_int_equal(rescue_waiting(stand->rescue), ROOM);
    assert_int_equal(rescue_counts(stand->rescue).lost, 1);
    assert_true(is_open(clients[0]));
    for (size_t i = 0; i <= ROOM; i++) {
        (void)close(clients[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_stays_in_the_channel_until_it_was_offered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_connection_that_cannot_be_offered_yet_stays_in_the_channel_and_is_offered_once, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(what_nobody_takes_yet_is_taken_out_and_offered_later, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_dying_generation_is_told_once_and_connections_go_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_free_descriptor_a_connection_waits_in_the_channel, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_left_is_offered_to_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_finds_no_room_stays_in_the_channel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_many_are_offered_before_a_reply_and_the_next_stays_in_the_channel,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_what_is_given_so_many_are_held_and_one_that_is_held_is_not_lost,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
