/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/api.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "manager/api_request.h"
#include "tests/support/place.h"

enum { PATIENCE_S = 60, SETTLED_US = 20 * 1000 };

static int leaving = -1; /* the connection of a client that leaves when the HTTP server has been run */

enum MHD_Result __real_MHD_run(struct MHD_Daemon *daemon);
enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon);

enum MHD_Result __wrap_MHD_run(struct MHD_Daemon *daemon) {
    enum MHD_Result result = __real_MHD_run(daemon);
    cleanup_close(&leaving);
    leaving = -1;
    return result;
}

static bool is_readable(int fd) {
    struct pollfd state = {.fd = fd, .events = POLLIN};
    return poll(&state, 1, 0) > 0;
}

static void send_request(int fd) {
    static const char request[] = "GET /nothing HTTP/1.1\r\nHost: node\r\n\r\n";
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
}

/* A client that asks for what is not there. It is connected also if nobody takes it in yet. */
static int ask(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    send_request(fd);
    return fd;
}

static void expect_answer(sd_event *event, int fd) {
    static const char expected[] = "HTTP/1.1 404 ";
    char answer[sizeof expected] = "";
    while (!is_readable(fd)) {
        assert_true(sd_event_run(event, UINT64_C(1000000) * PATIENCE_S) > 0);
    }
    assert_int_equal(recv(fd, answer, sizeof expected - 1, 0), sizeof expected - 1);
    assert_string_equal(answer, expected);
}

static void so_many_connections_are_taken_in_and_the_next_waits(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    sd_event *event = NULL;
    int clients[API_CONNECTIONS_MAX];
    const Config config = {.runtime = (char *)(uintptr_t)place->path, .api_group = CONFIG_NO_GROUP};
    AUTO_FREE char *path = config_api_path(place->path);
    assert_true(sd_event_new(&event) >= 0);
    const ApiSpec spec = {.event = event, .config = &config};
    Api *api = api_new(&spec, &err);
    assert_non_null(api);
    for (size_t i = 0; i < API_CONNECTIONS_MAX; i++) {
        clients[i] = ask(path);
        expect_answer(event, clients[i]);
    }
    AUTO_CLOSE int next = ask(path);
    while (sd_event_run(event, SETTLED_US) > 0) {
    }
    assert_false(is_readable(next));
    (void)close(clients[0]);
    expect_answer(event, next);
    AUTO_CLOSE int further = ask(path);
    while (sd_event_run(event, SETTLED_US) > 0) {
    }
    assert_false(is_readable(further));
    leaving = clients[1];
    send_request(clients[2]);
    expect_answer(event, further);
    for (size_t i = 2; i < API_CONNECTIONS_MAX; i++) {
        (void)close(clients[i]);
    }
    api_free(api);
    (void)sd_event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_connections_are_taken_in_and_the_next_waits, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
