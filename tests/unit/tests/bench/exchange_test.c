/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/exchange.h"

/* A server that takes one connection, reads what it is told to, says what it is told to, and closes. */
typedef struct Peer {
    int listener;
    ExchangeServer server;
    size_t reads;
    Bytes says;
    int holds_ms; /* keeps the connection open, at most this long */
    pthread_t thread;
} Peer;

static void *peer_main(void *argument) {
    Peer *peer = argument;
    int fd = accept(peer->listener, NULL, NULL);
    uint8_t bytes[64];
    for (size_t got = 0; got < peer->reads;) {
        ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        got += size > 0 ? (size_t)size : peer->reads;
    }
    (void)send(fd, peer->says.data, peer->says.size, MSG_NOSIGNAL);
    /* What is not to be read has to be there before it is closed. */
    struct pollfd until_closed = {.fd = fd, .events = peer->reads == 0 ? POLLIN : 0};
    (void)poll(&until_closed, 1, peer->holds_ms);
    (void)close(fd);
    return NULL;
}

static void peer_start(Peer *peer, uint64_t timeout_ms) {
    Error err = ERROR_INIT;
    char name[64];
    (void)snprintf(name, sizeof name, "@psw-exchange-test-%d", (int)getpid());
    assert_true(exchange_server_init(&peer->server, name, timeout_ms, &err));
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(peer->listener, (const struct sockaddr *)&peer->server.address, peer->server.address_size), 0);
    assert_int_equal(listen(peer->listener, 4), 0);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
}

static void peer_end(Peer *peer) {
    (void)pthread_join(peer->thread, NULL);
    (void)close(peer->listener);
}

static const uint8_t request[] = {1, 0, 0, 0, 'x'};

static ExchangeOutcome ask(const Peer *peer, Bytes *ret_body) {
    static uint8_t buffer[32];
    return exchange_run(&peer->server, (Bytes){request, sizeof request}, buffer, sizeof buffer, ret_body);
}

static void a_whole_answer_is_given_without_its_length(void **state) {
    (void)state;
    static const uint8_t answer[] = {3, 0, 0, 0, 'a', 'b', 'c'};
    Peer peer = {.reads = sizeof request, .says = {answer, sizeof answer}};
    peer_start(&peer, 5000);
    Bytes body;
    assert_int_equal(ask(&peer, &body), EXCHANGE_ANSWERED);
    assert_int_equal(body.size, 3);
    assert_memory_equal(body.data, "abc", 3);
    peer_end(&peer);
}

static void an_answer_that_is_cut_off_is_told_from_none(void **state) {
    (void)state;
    static const uint8_t answer[] = {3, 0, 0, 0, 'a'};
    Peer peer = {.reads = sizeof request, .says = {answer, sizeof answer}};
    peer_start(&peer, 5000);
    Bytes body;
    assert_int_equal(ask(&peer, &body), EXCHANGE_END);
    peer_end(&peer);
}

static void a_server_that_closes_unread_is_a_reset(void **state) {
    (void)state;
    Peer peer = {.reads = 0, .holds_ms = 5000};
    peer_start(&peer, 5000);
    Bytes body;
    assert_int_equal(ask(&peer, &body), EXCHANGE_RESET);
    peer_end(&peer);
}

static void silence_is_a_timeout(void **state) {
    (void)state;
    Peer peer = {.reads = sizeof request, .holds_ms = 5000};
    peer_start(&peer, 50);
    Bytes body;
    assert_int_equal(ask(&peer, &body), EXCHANGE_TIMEOUT);
    peer_end(&peer);
}

static void an_answer_larger_than_the_buffer_is_refused(void **state) {
    (void)state;
    static const uint8_t answer[] = {0xff, 0xff, 0xff, 0xff, 'a'};
    Peer peer = {.reads = sizeof request, .says = {answer, sizeof answer}};
    peer_start(&peer, 5000);
    Bytes body;
    assert_int_equal(ask(&peer, &body), EXCHANGE_TOO_LARGE);
    peer_end(&peer);
}

static void nobody_there_is_no_connection(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Peer peer = {.listener = -1};
    assert_true(exchange_server_init(&peer.server, "/nonexistent/aesm.socket", 50, &err));
    Bytes body;
    assert_int_equal(ask(&peer, &body), EXCHANGE_NO_CONNECTION);
}

static void a_path_that_does_not_fit_is_a_usage_error(void **state) {
    (void)state;
    char path[200];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    ExchangeServer server;
    Error err = ERROR_INIT;
    assert_false(exchange_server_init(&server, path, 50, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_is_given_without_its_length),
        cmocka_unit_test(an_answer_that_is_cut_off_is_told_from_none),
        cmocka_unit_test(a_server_that_closes_unread_is_a_reset),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(an_answer_larger_than_the_buffer_is_refused),
        cmocka_unit_test(nobody_there_is_no_connection),
        cmocka_unit_test(a_path_that_does_not_fit_is_a_usage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
