/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ctl/http.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"

/* A server of canned answers: for each connection a list of answers, one for each request, ended by NULL;
 * after the last the connection is closed. */
typedef struct Server {
    char path[64];
    pid_t pid;
} Server;

static void serve_connection(int fd, const char *const *answers) {
    char request[4096];
    for (; *answers != NULL; answers++) {
        size_t at = 0;
        do { /* to the end of the head; our requests have no body that matters */
            ssize_t size = read(fd, request + at, sizeof request - 1 - at);
            if (size <= 0) {
                return;
            }
            at += (size_t)size;
            request[at] = '\0';
        } while (strstr(request, "\r\n\r\n") == NULL && at < sizeof request - 1);
        for (const char *next = *answers; *next != '\0'; next++) { /* in the smallest pieces */
            if (write(fd, next, 1) != 1) {
                return;
            }
        }
    }
}

static Server server_start(const char *const *const *connections) {
    Server server = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(server.path, sizeof server.path, "/tmp/http-test-%d.sock", (int)getpid());
    (void)unlink(server.path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", server.path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    server.pid = fork();
    assert_true(server.pid >= 0);
    if (server.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (; *connections != NULL; connections++) {
            int fd = accept(listener, NULL, NULL);
            serve_connection(fd, *connections);
            (void)close(fd);
        }
        _exit(0);
    }
    (void)close(listener);
    return server;
}

static void server_stop(Server *server) {
    (void)kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    (void)unlink(server->path);
}

static const HttpRequest get = {.method = "GET", .path = "/v1/status", .fd = -1};

/* Asks once of a fresh server with one connection. */
static bool ask(const char *answer, const HttpRequest *request, size_t max, char *text, size_t size,
                unsigned *ret_status, Error *err) {
    const char *const answers[] = {answer, NULL};
    const char *const *const connections[] = {answers, NULL};
    Server server = server_start(connections);
    CLEANUP(buffer_done) Buffer body = BUFFER_INIT(max);
    Http *http = http_open(server.path, err);
    assert_non_null(http);
    bool good = http_exchange(http, request, &body, ret_status, err);
    (void)snprintf(text, size, "%s", buffer_text(&body));
    http_close(http);
    server_stop(&server);
    return good;
}

static void an_answer_is_its_status_and_as_many_bytes_as_it_says(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    char text[64];
    unsigned status = 0;
    assert_true(ask(GOOD, &get, 100, text, sizeof text, &status, &err));
    assert_int_equal(status, 200);
    assert_string_equal(text, "true");
    assert_true(
        ask("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\r\nX: y\r\ncontent-length:  2\r\n\r\n{}",
            &get, 100, text, sizeof text, &status, &err));
    assert_int_equal(status, 409);
    assert_string_equal(text, "{}");
}

static void what_is_no_answer_of_the_manager_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "hello\r\n\r\n",
        "HTTP/1.1 2xx OK\r\nContent-Length: 4\r\n\r\ntrue",
        "HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\ntrue",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ntrue\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        Error err = ERROR_INIT;
        char text[64];
        unsigned status = 0;
        assert_false(ask(bad[i], &get, 100, text, sizeof text, &status, &err));
        assert_int_equal(err.kind, ERROR_SYSTEM);
        assert_non_null(strstr(err.text, "is not psw-manager"));
    }
}

static void an_answer_that_is_too_large_or_cut_short_is_an_error(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    char text[64];
    unsigned status = 0;
    assert_false(ask(GOOD, &get, 3, text, sizeof text, &status, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    err = ERROR_INIT;
    assert_false(ask("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", &get, 100, text,
                     sizeof text, &status, &err));
    err = ERROR_INIT;
    assert_false(
        ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntrue", &get, 100, text, sizeof text, &status, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    err = ERROR_INIT;
    assert_false(ask("", &get, 100, text, sizeof text, &status, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
}

static void a_kept_connection_that_was_closed_is_made_anew_for_a_get_only(void **state) {
    (void)state;
    static const char *const one[] = {GOOD, NULL};
    static const char *const *const connections[] = {one, one, one, NULL};
    Server server = server_start(connections);
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer body = BUFFER_INIT(100);
    unsigned status = 0;
    Http *http = http_open(server.path, &err);
    assert_non_null(http);
    assert_true(http_exchange(http, &get, &body, &status, &err));
    assert_true(http_exchange(http, &get, &body, &status, &err));
    assert_string_equal(buffer_text(&body), "truetrue");
    const HttpRequest post = {.method = "POST", .path = "/v1/update", .body = "{}", .fd = -1};
    assert_false(http_exchange(http, &post, &body, &status, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    http_close(http);
    server_stop(&server);
}

static void a_refusal_in_the_middle_of_an_upload_is_heard(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    char text[64];
    unsigned status = 0;
    AUTO_CLOSE int fd = memfd_create("upload", 0);
    assert_int_equal(ftruncate(fd, 8 * 1024 * 1024), 0); /* more than a socket holds */
    const HttpRequest upload = {
        .method = "POST", .path = "/v1/stage", .fd = fd, .size = (uint64_t)8 * 1024 * 1024};
    assert_true(ask("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", &upload,
                    100, text, sizeof text, &status, &err));
    assert_int_equal(status, 413);
    assert_string_equal(text, "{}");
}

static void nobody_listening_is_said_with_what_to_do(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    assert_null(http_open("/no/such/socket", &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "systemctl start psw-manager"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_its_status_and_as_many_bytes_as_it_says),
        cmocka_unit_test(what_is_no_answer_of_the_manager_is_refused),
        cmocka_unit_test(an_answer_that_is_too_large_or_cut_short_is_an_error),
        cmocka_unit_test(a_kept_connection_that_was_closed_is_made_anew_for_a_get_only),
        cmocka_unit_test(a_refusal_in_the_middle_of_an_upload_is_heard),
        cmocka_unit_test(nobody_listening_is_said_with_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
