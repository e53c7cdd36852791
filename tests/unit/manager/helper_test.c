/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "manager/helper.h"
#include "manager/helper_child.h"

enum { PATIENCE_S = 60 };

static bool tell_and_stay(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    static const char message[] = "{\"result\": {}}";
    (void)arguments, (void)prepared, (void)ret_result, (void)err;
    (void)!send(HELPER_SOCKET, message, sizeof message - 1, MSG_NOSIGNAL);
    while (poll(NULL, 0, -1) <= 0) {
    }
    return false;
}

static void note_done(void *context, const json_t *result, const Error *failure) {
    int *times = context;
    assert_non_null(result);
    assert_null(failure);
    ++*times;
}

/* The pipe's end hangs up when the child is gone, which has the other end. */
static void a_child_that_stays_when_it_has_told_its_result_is_ended(void **state) {
    (void)state;
    static const HelperTask task = {.name = "stage", .run = tell_and_stay, .hands_over = true};
    Error err = ERROR_INIT;
    int ends[2], times = 0;
    sd_event *event = NULL;
    CLEANUP(json_freep) json_t *arguments = json_object();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(sd_event_new(&event) >= 0);
    const HelperSpec spec = {.event = event,
                             .task = &task,
                             .arguments = arguments,
                             .fd = ends[1],
                             .timeout_ms = UINT64_C(3600) * 1000,
                             .done = note_done,
                             .context = &times};
    if (helper_start(&spec, &err) == NULL) {
        fail_msg("%s", err.text);
    }
    (void)close(ends[1]);
    struct pollfd child = {.fd = ends[0], .events = POLLIN};
    while (poll(&child, 1, 0) == 0) {
        assert_true(sd_event_run(event, UINT64_C(1000000) * PATIENCE_S) > 0);
    }
    assert_int_equal(times, 1);
    (void)close(ends[0]);
    (void)sd_event_unref(event);
}

static bool fail_with_controls(const json_t *arguments, void *prepared, json_t **ret_result, Error *err) {
    (void)arguments, (void)prepared, (void)ret_result;
    return error_set(err, ERROR_NETWORK, "caf\xc3\xa9\x1b[2J\xc2\x9b\n");
}

static void note_failure(void *context, const json_t *result, const Error *failure) {
    Error *seen = context;
    assert_null(result);
    *seen = *failure;
}

static void what_a_child_says_of_a_failure_is_made_fit_to_be_shown(void **state) {
    (void)state;
    static const HelperTask task = {.name = "stage", .run = fail_with_controls};
    Error err = ERROR_INIT, seen = ERROR_INIT;
    sd_event *event = NULL;
    CLEANUP(json_freep) json_t *arguments = json_object();
    assert_true(sd_event_new(&event) >= 0);
    const HelperSpec spec = {.event = event,
                             .task = &task,
                             .arguments = arguments,
                             .fd = -1,
                             .timeout_ms = UINT64_C(3600) * 1000,
                             .done = note_failure,
                             .context = &seen};
    if (helper_start(&spec, &err) == NULL) {
        fail_msg("%s", err.text);
    }
    while (seen.kind == ERROR_NONE) {
        assert_true(sd_event_run(event, UINT64_C(1000000) * PATIENCE_S) > 0);
    }
    assert_int_equal(seen.kind, ERROR_NETWORK);
    assert_string_equal(seen.text, "caf\xc3\xa9\\x1b[2J\\xc2\\x9b\\x0a");
    (void)sd_event_unref(event);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_that_stays_when_it_has_told_its_result_is_ended),
        cmocka_unit_test(what_a_child_says_of_a_failure_is_made_fit_to_be_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
