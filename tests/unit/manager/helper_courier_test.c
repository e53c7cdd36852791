/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/helper_child.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "manager/courier_message.h"
#include "manager/courier_transfer.h"

/* No time is left, so that nothing is asked of anybody. */
static json_t *arguments_with(size_t mirrors) {
    json_t *list = json_array();
    for (size_t i = 0; i < mirrors; i++) {
        assert_int_equal(json_array_append_new(list, json_string("http://192.0.2.1")), 0);
    }
    return json_pack("{s:o, s:i, s:i, s:i, s:i}", "mirrors", list, "timeout_ms", 0, "speed_min", 0,
                     "stall_timeout_ms", 0, "rate_max", 0);
}

static Carriage *prepare(size_t mirrors) {
    Error err = ERROR_INIT;
    void *prepared = NULL;
    CLEANUP(json_freep) json_t *arguments = arguments_with(mirrors);
    bool good = helper_task_courier.prepare(arguments, &prepared, &err);
    Carriage *carriage = prepared;
    assert_true(good || strstr(err.text, "a list of 1 to 8 URLs") != NULL);
    if (!good) {
        free(carriage);
        return NULL;
    }
    /* The strings were the arguments'. */
    for (size_t i = 0; i < mirrors; i++) {
        carriage->mirrors[i] = "http://192.0.2.1";
    }
    return carriage;
}

static void carriage_freep(Carriage **carriage) {
    if (*carriage != NULL) {
        curl_easy_cleanup((*carriage)->curl);
        free(*carriage);
    }
}

static void there_are_so_many_mirrors_and_no_more(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        CLEANUP(carriage_freep) Carriage *carriage = prepare((size_t)(CARRIAGE_MIRRORS_MAX + over));
        assert_int_equal(carriage != NULL, over <= 0);
    }
}

/* Asks for a file, hangs up, and lets the courier answer. */
static bool ask_for(Carriage *carriage, size_t path_length, uint64_t offset, uint64_t size_max, Error *err) {
    char path[COURIER_PATH_MAX + 2] = "", answer[1024];
    int ends[2];
    json_t *result = NULL;
    memset(path, 'p', path_length);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    carriage->socket = ends[1];
    assert_true(courier_send(ends[0], COURIER_REQUEST,
                             json_pack("{s:s, s:i, s:I, s:i, s:I, s:b, s:b, s:{s:s, s:s}}", "path", path,
                                       "mirror", 0, "offset", (json_int_t)offset, "size", 0, "size_max",
                                       (json_int_t)size_max, "conditional", false, "optional", false,
                                       "validator", "etag", "", "modified", ""),
                             err));
    assert_int_equal(shutdown(ends[0], SHUT_WR), 0);
    bool good = helper_task_courier.run(NULL, carriage, &result, err);
    json_decref(result);
    assert_true(!good || (recv(ends[0], answer, sizeof answer, MSG_DONTWAIT) > 0 && answer[0] == 'F'));
    (void)close(ends[0]);
    (void)close(ends[1]);
    return good;
}

static void requests_keep_their_limits(void **state) {
    (void)state;
    CLEANUP(carriage_freep) Carriage *carriage = prepare(1);
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        bool good = ask_for(carriage, (size_t)(COURIER_PATH_MAX + over), 0, 100, &err);
        assert_int_equal(good, over <= 0);
        assert_true(good || strstr(err.text, "the request is malformed") != NULL);
        good = ask_for(carriage, 1, (uint64_t)(100 + over), 100, &err);
        assert_int_equal(good, over <= 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_are_so_many_mirrors_and_no_more),
        cmocka_unit_test(requests_keep_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
