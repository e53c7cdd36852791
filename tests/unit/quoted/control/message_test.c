/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/control/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

typedef struct Pair {
    int ends[2];
    ControlMessage message;
} Pair;

static int pair_setup(void **state) {
    static Pair pair;
    pair.message = CONTROL_MESSAGE_INIT;
    *state = &pair;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.ends);
}

static int pair_teardown(void **state) {
    Pair *pair = *state;
    control_message_done(&pair->message);
    cleanup_close(&pair->ends[0]);
    cleanup_close(&pair->ends[1]);
    return 0;
}

static void say(const Pair *pair, const void *payload, size_t size, int fd) {
    assert_true(control_message_send(pair->ends[0], CONTROL_STATUS, 7, 0, payload, size, fd, NULL));
}

static ControlReceived hear(Pair *pair) {
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    assert_true(control_message_receive(pair->ends[1], &pair->message, &received, NULL));
    return received;
}

static void a_message_arrives_whole(void **state) {
    Pair *pair = *state;
    assert_true(
        control_message_send(pair->ends[0], CONTROL_EVENT_READY, 3, ERROR_LIMIT, "hello", 5, -1, NULL));
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_int_equal(pair->message.header.type, CONTROL_EVENT_READY);
    assert_int_equal(pair->message.header.request, 3);
    assert_int_equal(pair->message.header.status, ERROR_LIMIT);
    assert_int_equal(pair->message.payload.size, 5);
    assert_string_equal(buffer_text(&pair->message.payload), "hello");
    assert_int_equal(pair->message.fd, -1);
}

static void messages_keep_their_borders(void **state) {
    Pair *pair = *state;
    say(pair, "a", 1, -1);
    say(pair, NULL, 0, -1);
    say(pair, "bc", 2, -1);
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_string_equal(buffer_text(&pair->message.payload), "a");
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_int_equal(pair->message.payload.size, 0);
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_string_equal(buffer_text(&pair->message.payload), "bc");
    assert_int_equal(hear(pair), CONTROL_RECEIVED_NOTHING);
}

static void the_largest_payload_passes_and_a_larger_one_is_refused(void **state) {
    Pair *pair = *state;
    AUTO_FREE char *payload = calloc(1, CONTROL_PAYLOAD_MAX + 1);
    assert_non_null(payload);
    memset(payload, 'x', CONTROL_PAYLOAD_MAX + 1);
    say(pair, payload, CONTROL_PAYLOAD_MAX, -1);
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_int_equal(pair->message.payload.size, CONTROL_PAYLOAD_MAX);
    assert_int_equal(strlen(buffer_text(&pair->message.payload)), CONTROL_PAYLOAD_MAX);
    Error err = ERROR_INIT;
    assert_false(control_message_send(pair->ends[0], CONTROL_STATUS, 1, 0, payload, CONTROL_PAYLOAD_MAX + 1,
                                      -1, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static void a_descriptor_travels_along_and_is_owned_by_the_message(void **state) {
    Pair *pair = *state;
    int pipe_ends[2];
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    say(pair, "", 0, pipe_ends[1]);
    (void)close(pipe_ends[1]);
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_true(pair->message.fd >= 0);
    assert_int_equal(fcntl(pair->message.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(pair->message.fd, "x", 1), 1);
    char byte = 0;
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    control_message_done(&pair->message);
    assert_int_equal(pair->message.fd, -1);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 0); /* the last writer is closed */
    (void)close(pipe_ends[0]);
}

/* How many descriptors this process has open. */
static size_t open_descriptors(void) {
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void more_than_one_descriptor_is_not_kept(void **state) {
    Pair *pair = *state;
    size_t before = open_descriptors();
    int three[] = {pair->ends[0], pair->ends[0], pair->ends[0]};
    ControlHeader header = {.type = CONTROL_STATUS};
    struct iovec part = {&header, sizeof header};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof three)];
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof three);
    memcpy(CMSG_DATA(rights), three, sizeof three);
    assert_int_equal(sendmsg(pair->ends[0], &message, 0), sizeof header);
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    control_message_done(&pair->message);
    assert_int_equal(open_descriptors(), before);
}

static void malformed_messages_are_input_errors(void **state) {
    Pair *pair = *state;
    static const struct {
        uint32_t claimed;
        size_t sent;
    } cases[] = {{0, 1},  {0, 15},          {1, 16},
                 {0, 17}, {UINT32_MAX, 16}, {CONTROL_PAYLOAD_MAX + 1, CONTROL_MESSAGE_MAX + 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static uint8_t bytes[CONTROL_MESSAGE_MAX + 1];
        ControlHeader header = {.type = CONTROL_STATUS, .size = cases[i].claimed};
        memcpy(bytes, &header, sizeof header);
        assert_int_equal(send(pair->ends[0], bytes, cases[i].sent, 0), cases[i].sent);
        Error err = ERROR_INIT;
        ControlReceived received = CONTROL_RECEIVED_NOTHING;
        assert_false(control_message_receive(pair->ends[1], &pair->message, &received, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
}

static void the_end_is_told_from_nothing(void **state) {
    Pair *pair = *state;
    assert_int_equal(hear(pair), CONTROL_RECEIVED_NOTHING);
    say(pair, "last", 4, -1);
    cleanup_close(&pair->ends[0]);
    pair->ends[0] = -1;
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_int_equal(hear(pair), CONTROL_RECEIVED_END);
}

static void last_words_are_heard_of_one_who_went_without_reading(void **state) {
    Pair *pair = *state;
    Error failure = ERROR_INIT;
    assert_true(control_message_send(pair->ends[1], CONTROL_WATCH, 1, 0, NULL, 0, -1, NULL));
    error_set(&failure, ERROR_CONFIG, "quoted.yaml: wrong");
    control_message_send_failed(pair->ends[0], &failure);
    cleanup_close(&pair->ends[0]);
    pair->ends[0] = -1;
    assert_int_equal(hear(pair), CONTROL_RECEIVED);
    assert_int_equal(pair->message.header.type, CONTROL_EVENT_FAILED);
    assert_string_equal(buffer_text(&pair->message.payload),
                        "{\"kind\":\"config\",\"error\":\"quoted.yaml: wrong\"}");
    assert_int_equal(hear(pair), CONTROL_RECEIVED_END);
}

static void sending_to_nobody_is_unavailable(void **state) {
    Pair *pair = *state;
    cleanup_close(&pair->ends[1]);
    pair->ends[1] = -1;
    Error err = ERROR_INIT;
    assert_false(control_message_send(pair->ends[0], CONTROL_STATUS, 1, 0, "", 0, -1, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
}

static void sending_to_one_who_does_not_read_is_a_timeout(void **state) {
    Pair *pair = *state;
    static const char payload[CONTROL_PAYLOAD_MAX];
    Error err = ERROR_INIT;
    while (control_message_send(pair->ends[0], CONTROL_STATUS, 1, 0, payload, sizeof payload, -1, &err)) {
    }
    assert_int_equal(err.kind, ERROR_TIMEOUT);
}

static ControlMessage made(uint32_t status, const char *payload) {
    ControlMessage message = CONTROL_MESSAGE_INIT;
    message.header.status = status;
    assert_true(buffer_append_text(&message.payload, payload));
    return message;
}

static void the_payload_is_json_or_the_others_error(void **state) {
    (void)state;
    static const struct {
        uint32_t status;
        const char *payload;
        ErrorKind kind;
        const char *text;
    } cases[] = {
        {0, "{\"a\": 1}", ERROR_NONE, ""},
        {0, "", ERROR_NONE, ""},
        {0, "{", ERROR_INPUT, "control message"},
        {0, "[]", ERROR_INPUT, "not an object"},
        {ERROR_CONFLICT, "it is draining", ERROR_CONFLICT, "it is draining"},
        {ERROR_KINDS_COUNT, "of the future", ERROR_INPUT, "of the future"},
        {UINT32_MAX, "", ERROR_INPUT, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CLEANUP(control_message_done) ControlMessage message = made(cases[i].status, cases[i].payload);
        Error err = ERROR_INIT;
        CLEANUP(json_freep) json_t *json = control_message_json(&message, &err);
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(json != NULL, cases[i].kind == ERROR_NONE);
        assert_non_null(strstr(err.text, cases[i].text));
    }
}

static void states_have_names(void **state) {
    (void)state;
    assert_string_equal(control_state_name(CONTROL_STATE_WARMING), "warming");
    assert_string_equal(control_state_name(CONTROL_STATE_LAME_DUCK), "lame-duck");
    assert_string_equal(control_state_name(CONTROL_STATE_FAILED), "failed");
}

#define PAIR_TEST(test) cmocka_unit_test_setup_teardown(test, pair_setup, pair_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PAIR_TEST(a_message_arrives_whole),
        PAIR_TEST(messages_keep_their_borders),
        PAIR_TEST(the_largest_payload_passes_and_a_larger_one_is_refused),
        PAIR_TEST(a_descriptor_travels_along_and_is_owned_by_the_message),
        PAIR_TEST(more_than_one_descriptor_is_not_kept),
        PAIR_TEST(malformed_messages_are_input_errors),
        PAIR_TEST(the_end_is_told_from_nothing),
        PAIR_TEST(last_words_are_heard_of_one_who_went_without_reading),
        PAIR_TEST(sending_to_nobody_is_unavailable),
        PAIR_TEST(sending_to_one_who_does_not_read_is_a_timeout),
        cmocka_unit_test(the_payload_is_json_or_the_others_error),
        cmocka_unit_test(states_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
