/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/wire/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/sgx/att_key_id.h"
#include "quoted/wire/request.h"
#include "quoted/wire/response.h"

enum { FRAME_MAX = 16 * 1024 };

/* A server for one request: it takes it in, says what it is told to, and closes when the client has. */
typedef struct Server {
    int listener;
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
    pthread_t thread;
    Bytes says;
    bool hangs_up; /* closes behind its answer */
    uint8_t request[FRAME_MAX + AESM_BODY_SLACK];
    size_t request_size;
} Server;

static void *server_main(void *argument) {
    Server *server = argument;
    AUTO_CLOSE int fd = accept(server->listener, NULL, NULL);
    size_t wanted = AESM_FRAME_HEADER_SIZE;
    while (server->request_size < wanted) {
        ssize_t got = recv(fd, server->request + server->request_size, wanted - server->request_size, 0);
        if (got <= 0) {
            return NULL;
        }
        server->request_size += (size_t)got;
        if (server->request_size == AESM_FRAME_HEADER_SIZE) {
            wanted += bytes_le32(server->request);
        }
    }
    (void)send(fd, server->says.data, server->says.size, MSG_NOSIGNAL);
    char byte;
    while (!server->hangs_up && recv(fd, &byte, 1, 0) > 0) {
    }
    return NULL;
}

static void server_bind(Server *server, int backlog) {
    (void)snprintf(server->path, sizeof server->path, "@psw-client-test-%d", (int)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, server->path + 1, strlen(server->path) - 1);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, backlog), 0);
}

static AesmClient server_start(Server *server, Bytes says, int timeout_ms) {
    server_bind(server, 4);
    server->says = says;
    assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
    return (AesmClient){.path = server->path, .timeout_ms = timeout_ms};
}

static AesmRequest server_end(Server *server) {
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    AesmRequest request = {0};
    if (server->request_size > AESM_FRAME_HEADER_SIZE) {
        assert_true(aesm_request_read(server->request + AESM_FRAME_HEADER_SIZE,
                                      server->request_size - AESM_FRAME_HEADER_SIZE, &request));
    }
    return request;
}

static Bytes refusal(AesmResponse *response, AesmNumber number, AesmCode code) {
    aesm_response_begin(response, code);
    return aesm_response_end(response, number);
}

static void init_quote_gives_target_info_and_key_id(void **state) {
    (void)state;
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(FRAME_MAX);
    uint8_t info[512];
    memset(info, 1, sizeof info);
    uint8_t key[32];
    memset(key, 2, sizeof key);
    aesm_response_begin(&response, AESM_SUCCESS);
    aesm_response_add_bytes(&response, 2, info, sizeof info, sizeof info);
    aesm_response_add_number(&response, 3, sizeof key);
    aesm_response_add_bytes(&response, 4, key, sizeof key, sizeof key);
    Server server = {0};
    AesmClient client = server_start(&server, aesm_response_end(&response, AESM_INIT_QUOTE), 5000);
    AesmCode code = 99;
    SgxTargetInfo target;
    uint8_t got[32];
    assert_true(aesm_client_init_quote(&client, &code, &target, got, NULL));
    AesmRequest request = server_end(&server);
    assert_int_equal(code, AESM_SUCCESS);
    assert_memory_equal(&target, info, sizeof info);
    assert_memory_equal(got, key, sizeof key);
    assert_int_equal(request.number, AESM_INIT_QUOTE);
    assert_int_equal(request.fields[3].value, 1);
    assert_int_equal(request.fields[4].value, 32);
    assert_int_equal(request.fields[1].bytes.size, SGX_ATT_KEY_ID_SIZE);
    assert_memory_equal(request.fields[1].bytes.data, &sgx_att_key_id_ecdsa, SGX_ATT_KEY_ID_SIZE);
}

static void a_refusal_is_an_outcome_not_an_error(void **state) {
    (void)state;
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(FRAME_MAX);
    Server server = {0};
    AesmClient client =
        server_start(&server, refusal(&response, AESM_QUOTE_SIZE, AESM_ATT_KEY_NOT_INITIALIZED), 5000);
    AesmCode code = 0;
    uint32_t size = 7;
    assert_true(aesm_client_quote_size(&client, &code, &size, NULL));
    (void)server_end(&server);
    assert_int_equal(code, AESM_ATT_KEY_NOT_INITIALIZED);
    assert_int_equal(size, 7);
}

static void a_quote_size_is_given(void **state) {
    (void)state;
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(FRAME_MAX);
    AesmCode code = 99;
    uint32_t number = 0;
    aesm_response_begin(&response, AESM_SUCCESS);
    aesm_response_add_number(&response, 2, 4000);
    Server server = {0};
    AesmClient client = server_start(&server, aesm_response_end(&response, AESM_QUOTE_SIZE), 5000);
    assert_true(aesm_client_quote_size(&client, &code, &number, NULL));
    assert_int_equal(server_end(&server).number, AESM_QUOTE_SIZE);
    assert_int_equal(code, AESM_SUCCESS);
    assert_int_equal(number, 4000);
}

/* Asks for a quote of 5 bytes; the server says one of `size`, and an info if told to. */
static bool ask_quote(size_t size, bool with_info, SgxQeReportInfo *info, Buffer *quote,
                      AesmRequest *ret_request, Error *err) {
    CLEANUP(aesm_response_done) AesmResponse response = AESM_RESPONSE_INIT(FRAME_MAX);
    SgxQeReportInfo said;
    memset(&said, 6, sizeof said);
    aesm_response_begin(&response, AESM_SUCCESS);
    aesm_response_add_bytes(&response, 2, "quote", size, size);
    if (with_info) {
        aesm_response_add_bytes(&response, 3, &said, sizeof said, sizeof said);
    }
    static Server server;
    server = (Server){0};
    AesmClient client = server_start(&server, aesm_response_end(&response, AESM_QUOTE), 5000);
    SgxReport report;
    memset(&report, 3, sizeof report);
    AesmCode code = 99;
    bool good = aesm_client_quote(&client, &report, 5, info, &code, quote, err);
    *ret_request = server_end(&server);
    assert_memory_equal(ret_request->fields[1].bytes.data, &report, sizeof report);
    return good && code == AESM_SUCCESS;
}

static void a_quote_replaces_the_buffer_and_fills_the_info(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer quote = BUFFER_INIT(64);
    assert_true(buffer_append_text(&quote, "what was here before"));
    SgxQeReportInfo info;
    memset(&info, 9, sizeof info);
    AesmRequest request;
    assert_true(ask_quote(5, true, &info, &quote, &request, NULL));
    assert_int_equal(quote.size, 5);
    assert_memory_equal(quote.data, "quote", 5);
    assert_int_equal(((uint8_t *)&info)[959], 6);
    assert_int_equal(request.fields[3].bytes.size, sizeof info);
    assert_int_equal(request.fields[3].bytes.data[0], 9);
    assert_int_equal(request.fields[4].value, 5);
    assert_true(ask_quote(5, false, NULL, &quote, &request, NULL));
    assert_false(request.fields[3].present);
}

static void a_quote_of_another_size_or_without_info_is_malformed(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer quote = BUFFER_INIT(64);
    AesmRequest request;
    SgxQeReportInfo info = {0};
    Error err = ERROR_INIT;
    assert_false(ask_quote(4, false, NULL, &quote, &request, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    err = ERROR_INIT;
    assert_false(ask_quote(5, false, &info, &quote, &request, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    err = ERROR_INIT;
    quote.max = 4;
    assert_false(ask_quote(5, false, NULL, &quote, &request, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_int_equal(quote.size, 0);
}

/* The error of a size request to a server that says this. */
static Error size_error(const void *says, size_t size, bool hangs_up, int timeout_ms) {
    Server server = {.hangs_up = hangs_up};
    AesmClient client = server_start(&server, (Bytes){says, size}, timeout_ms);
    Error err = ERROR_INIT;
    AesmCode code = 0;
    uint32_t number = 0;
    assert_false(aesm_client_quote_size(&client, &code, &number, &err));
    (void)server_end(&server);
    assert_non_null(strstr(err.text, server.path));
    return err;
}

static void each_broken_answer_has_its_own_error(void **state) {
    (void)state;
    static const uint8_t other[] = {5, 0, 0, 0, 0x8a, 0x01, 2, 0x08, 0};
    static const uint8_t no_size[] = {5, 0, 0, 0, 0x82, 0x01, 2, 0x08, 0};
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff};
    static const uint8_t empty[] = {0, 0, 0, 0};
    assert_int_equal(size_error(other, sizeof other, false, 5000).kind, ERROR_INPUT);
    assert_int_equal(size_error(no_size, sizeof no_size, false, 5000).kind, ERROR_INPUT);
    assert_int_equal(size_error(empty, sizeof empty, false, 5000).kind, ERROR_INPUT);
    assert_int_equal(size_error(huge, sizeof huge, false, 5000).kind, ERROR_LIMIT);
    assert_int_equal(size_error(other, 0, true, 5000).kind, ERROR_UNAVAILABLE);
    assert_int_equal(size_error(other, 3, true, 5000).kind, ERROR_UNAVAILABLE);
    assert_int_equal(size_error(other, 7, true, 5000).kind, ERROR_UNAVAILABLE);
}

static void a_silent_server_is_a_timeout(void **state) {
    (void)state;
    static const uint8_t half[] = {5, 0, 0, 0, 0x82};
    assert_int_equal(size_error(half, 0, false, 30).kind, ERROR_TIMEOUT);
    assert_int_equal(size_error(half, sizeof half, false, 30).kind, ERROR_TIMEOUT);
}

static void a_full_backlog_is_waited_for_until_the_deadline(void **state) {
    (void)state;
    Server server = {0};
    server_bind(&server, 0);
    AesmClient client = {.path = server.path, .timeout_ms = 30};
    AesmCode code = 0;
    uint32_t number = 0;
    Error err = ERROR_INIT;
    assert_false(aesm_client_quote_size(&client, &code, &number, &err)); /* keeps the only place */
    for (int timeout_ms = 30; timeout_ms >= 0; timeout_ms -= 30) {
        client.timeout_ms = timeout_ms;
        err = ERROR_INIT;
        assert_false(aesm_client_quote_size(&client, &code, &number, &err));
        assert_int_equal(err.kind, ERROR_TIMEOUT);
    }
    (void)close(server.listener);
}

static void nobody_listening_is_unavailable(void **state) {
    (void)state;
    AesmCode code = 0;
    uint32_t number = 0;
    Error err = ERROR_INIT;
    AesmClient client = {.path = "@psw-nobody-listens-here", .timeout_ms = 1000};
    assert_false(aesm_client_quote_size(&client, &code, &number, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    err = ERROR_INIT;
    client.path = "/nonexistent/aesm.socket";
    assert_false(aesm_client_quote_size(&client, &code, &number, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
}

static void a_path_that_is_too_long_is_refused(void **state) {
    (void)state;
    char path[200];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    AesmClient client = {.path = path, .timeout_ms = 1000};
    AesmCode code = 0;
    uint32_t number = 0;
    Error err = ERROR_INIT;
    assert_false(aesm_client_quote_size(&client, &code, &number, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_quote_gives_target_info_and_key_id),
        cmocka_unit_test(a_refusal_is_an_outcome_not_an_error),
        cmocka_unit_test(a_quote_size_is_given),
        cmocka_unit_test(a_quote_replaces_the_buffer_and_fills_the_info),
        cmocka_unit_test(a_quote_of_another_size_or_without_info_is_malformed),
        cmocka_unit_test(each_broken_answer_has_its_own_error),
        cmocka_unit_test(a_silent_server_is_a_timeout),
        cmocka_unit_test(a_full_backlog_is_waited_for_until_the_deadline),
        cmocka_unit_test(nobody_listening_is_unavailable),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
