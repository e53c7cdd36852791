/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/duck.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "quoted/relay.h"
#include "tests/support/place.h"

enum { PATH_LONGEST = 107 }; /* of a Unix socket */

CLEANUP_DEFINE(Ducks, ducks_free)

/* So many that are away, under paths of so many bytes. */
static json_t *flock(size_t count, size_t length) {
    char path[PATH_LONGEST + 2] = "";
    memset(path, 'p', length);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(json_array_append_new(list, json_pack("{s:i, s:s, s:b}", "generation", (int)i + 1,
                                                               "control", path, "away", true)),
                         0);
    }
    return json_pack("{s:o}", "ducks", list);
}

static void there_are_so_many_and_no_more(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        unsigned unreachable = 7;
        CLEANUP(ducks_freep) Ducks *ducks = ducks_new();
        CLEANUP(json_freep) json_t *arguments = flock((size_t)(DUCKS_MAX + over), 1);
        assert_int_equal(ducks_set(ducks, arguments, &unreachable, &err), over <= 0);
        assert_int_equal(err.kind, over <= 0 ? ERROR_NONE : ERROR_INPUT);
        assert_int_equal(unreachable, over <= 0 ? 0 : 7);
        assert_int_equal(ducks_are_there(ducks), over <= 0);
        assert_int_equal(ducks_version_of(ducks), over <= 0);
    }
}

static void one_whose_path_is_too_long_for_a_socket_cannot_be_reached(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        unsigned unreachable = 7;
        CLEANUP(ducks_freep) Ducks *ducks = ducks_new();
        CLEANUP(json_freep) json_t *arguments = flock(1, (size_t)(PATH_LONGEST + over));
        assert_true(ducks_set(ducks, arguments, &unreachable, &err));
        assert_int_equal(unreachable, over > 0);
    }
}

/* Where a lame duck would listen, and the set with it alone. */
static int listen_as_duck(const Place *place, Ducks *ducks) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    Error err = ERROR_INIT;
    unsigned unreachable = 0;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/duck", place->path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 2 * DUCK_CONNECTIONS_MAX), 0);
    CLEANUP(json_freep)
    json_t *arguments = json_pack("{s:[{s:i, s:s, s:b}]}", "ducks", "generation", 1, "control",
                                  address.sun_path, "away", true);
    assert_true(ducks_set(ducks, arguments, &unreachable, &err));
    return listener;
}

static void *ask(void *ducks) {
    static const uint8_t own_qe[SGX_HASH_SIZE] = {1};
    static const SgxReport report = {0};
    uint8_t quote = 0;
    uint32_t size = 0;
    DuckMaker maker = {0};
    return ducks_quote(ducks, own_qe, &report, NULL, &quote, sizeof quote, &size, &maker) ==
                       QUOTE3_INVALID_REPORT &&
                   !maker.away
               ? ducks
               : NULL;
}

static void take_question(int fd) {
    ControlReceived received = CONTROL_RECEIVED_END;
    CLEANUP(control_message_done) ControlMessage question = CONTROL_MESSAGE_INIT;
    assert_true(control_message_receive(fd, &question, &received, NULL));
    assert_int_equal(received, CONTROL_RECEIVED);
    assert_int_equal(question.header.type, CONTROL_QUOTE);
}

static bool has_hung_up(int fd) {
    struct pollfd state = {.fd = fd};
    return poll(&state, 1, 0) > 0;
}

/* So many ask at the same time, each on a connection of its own; the connections that are closed then. */
static int close_after(const Place *place, int askers) {
    pthread_t threads[DUCK_CONNECTIONS_MAX + 1];
    int connections[DUCK_CONNECTIONS_MAX + 1];
    int closed = 0;
    CLEANUP(ducks_freep) Ducks *ducks = ducks_new();
    AUTO_CLOSE int listener = listen_as_duck(place, ducks);
    CLEANUP(buffer_done) Buffer answer = BUFFER_INIT(RELAY_ANSWER_HEADER_SIZE);
    assert_true(relay_answer_write(&answer, QUOTE3_INVALID_REPORT, NULL, 0, NULL));
    for (int i = 0; i < askers; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask, ducks), 0);
    }
    for (int i = 0; i < askers; i++) {
        assert_true((connections[i] = accept(listener, NULL, NULL)) >= 0);
        take_question(connections[i]);
    }
    for (int i = 0; i < askers; i++) {
        assert_true(
            control_message_send(connections[i], CONTROL_QUOTE, 1, 0, answer.data, answer.size, -1, NULL));
    }
    for (int i = 0; i < askers; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, ducks);
    }
    for (int i = 0; i < askers; i++) {
        closed += has_hung_up(connections[i]);
        cleanup_close(&connections[i]);
    }
    return closed;
}

static void so_many_connections_to_one_are_kept(void **state) {
    for (int over = -1; over <= 1; over++) {
        assert_int_equal(close_after(*state, DUCK_CONNECTIONS_MAX + over), over > 0);
        place_reset(*state);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_so_many_and_no_more),
        cmocka_unit_test(one_whose_path_is_too_long_for_a_socket_cannot_be_reached),
        cmocka_unit_test_setup_teardown(so_many_connections_to_one_are_kept, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
