/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/control/server.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "quoted/control/client.h"
#include "tests/support/place.h"

enum { PATIENCE_MS = 60 * 1000 };

CLEANUP_DEFINE(ControlServer, control_server_close)

static void answer(void *context, ControlPeer *peer, ControlMessage *message) {
    (void)context;
    control_peer_reply(peer, message, "{}", 2, -1);
}

/* -1: the server hung up. */
static int connect_and_ask(const char *path) {
    Error err = ERROR_INIT;
    CLEANUP(control_message_done) ControlMessage reply = CONTROL_MESSAGE_INIT;
    AUTO_CLOSE int fd = control_client_connect(path, NULL, &err);
    assert_true(fd >= 0);
    if (control_client_call(fd, CONTROL_STATUS, NULL, -1, PATIENCE_MS, &reply, &err)) {
        return TAKE_FD(fd);
    }
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    return -1;
}

/* The server has heard of it when it hangs up, too. */
static void hang_up(int fd) {
    char byte;
    struct pollfd end = {.fd = fd, .events = POLLIN};
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(poll(&end, 1, PATIENCE_MS), 1);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
}

static void so_many_peers_are_served_and_whoever_leaves_makes_room(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[128];
    int peers[CONTROL_SERVER_PEERS_MAX];
    (void)snprintf(path, sizeof path, "%s/generation-1.sock", place->path);
    CLEANUP(control_server_closep) ControlServer *server = control_server_open(path, -1, answer, NULL, &err);
    assert_non_null(server);
    for (size_t i = 0; i < CONTROL_SERVER_PEERS_MAX; i++) {
        peers[i] = connect_and_ask(path);
        assert_true(peers[i] >= 0);
    }
    assert_int_equal(connect_and_ask(path), -1);
    hang_up(peers[7]);
    peers[7] = connect_and_ask(path);
    assert_true(peers[7] >= 0);
    assert_int_equal(connect_and_ask(path), -1);
    for (size_t i = 0; i < CONTROL_SERVER_PEERS_MAX; i++) {
        (void)close(peers[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_peers_are_served_and_whoever_leaves_makes_room, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
