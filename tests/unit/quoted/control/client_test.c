/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/control/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "tests/support/place.h"

/* What the other side says is put into its end beforehand: the first call of a thread has number 1, the
 * second 2, and so on. */
typedef struct Dialogue {
    int ours;
    int theirs;
} Dialogue;

static uint32_t calls_made;

static int dialogue_setup(void **state) {
    static Dialogue dialogue;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return -1;
    }
    dialogue = (Dialogue){.ours = ends[0], .theirs = ends[1]};
    *state = &dialogue;
    return 0;
}

static int dialogue_teardown(void **state) {
    Dialogue *dialogue = *state;
    cleanup_close(&dialogue->ours);
    cleanup_close(&dialogue->theirs);
    return 0;
}

static void reply(const Dialogue *dialogue, uint32_t request, uint32_t status, const char *text, int fd) {
    assert_true(control_message_send(dialogue->theirs, CONTROL_STATUS, request, status, text, strlen(text),
                                     fd, NULL));
}

static bool call(const Dialogue *dialogue, const json_t *arguments, ControlMessage *ret_reply, Error *err) {
    calls_made++;
    return control_client_call(dialogue->ours, CONTROL_STATUS, arguments, -1, 30, ret_reply, err);
}

static void a_call_gives_its_reply_and_drops_events_before_it(void **state) {
    Dialogue *dialogue = *state;
    reply(dialogue, 0, 0, "{\"event\": 1}", dialogue->theirs);
    reply(dialogue, calls_made + 500, 0, "{\"late\": 1}", -1);
    reply(dialogue, calls_made + 1, 0, "{\"right\": 1}", -1);
    CLEANUP(json_freep) json_t *arguments = json_pack("{s:i}", "n", 5);
    CLEANUP(control_message_done) ControlMessage got = CONTROL_MESSAGE_INIT;
    assert_true(call(dialogue, arguments, &got, NULL));
    assert_string_equal(buffer_text(&got.payload), "{\"right\": 1}");
    assert_int_equal(got.fd, -1);
    CLEANUP(control_message_done) ControlMessage asked = CONTROL_MESSAGE_INIT;
    ControlReceived received = CONTROL_RECEIVED_NOTHING;
    assert_true(control_message_receive(dialogue->theirs, &asked, &received, NULL));
    assert_int_equal(asked.header.type, CONTROL_STATUS);
    assert_int_equal(asked.header.request, calls_made);
    CLEANUP(json_freep) json_t *sent = control_message_json(&asked, NULL);
    assert_int_equal(json_integer_value(json_object_get(sent, "n")), 5);
}

static void a_reply_brings_its_descriptor(void **state) {
    Dialogue *dialogue = *state;
    reply(dialogue, calls_made + 1, 0, "", dialogue->theirs);
    CLEANUP(control_message_done) ControlMessage got = CONTROL_MESSAGE_INIT;
    assert_true(call(dialogue, NULL, &got, NULL));
    assert_true(got.fd >= 0);
}

static void a_refusal_is_an_error_of_the_others_kind(void **state) {
    Dialogue *dialogue = *state;
    reply(dialogue, calls_made + 1, ERROR_CONFLICT, "not while draining", -1);
    CLEANUP(control_message_done) ControlMessage got = CONTROL_MESSAGE_INIT;
    Error err = ERROR_INIT;
    assert_false(call(dialogue, NULL, &got, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_string_equal(err.text, "not while draining");
    assert_int_equal(got.payload.size, 0);
}

static void no_reply_is_a_timeout(void **state) {
    Dialogue *dialogue = *state;
    CLEANUP(control_message_done) ControlMessage got = CONTROL_MESSAGE_INIT;
    Error err = ERROR_INIT;
    assert_false(call(dialogue, NULL, &got, &err));
    assert_int_equal(err.kind, ERROR_TIMEOUT);
}

static void the_end_of_the_other_side_is_unavailable(void **state) {
    Dialogue *dialogue = *state;
    CLEANUP(control_message_done) ControlMessage got = CONTROL_MESSAGE_INIT;
    reply(dialogue, 0, 0, "", -1);
    cleanup_close(&dialogue->theirs);
    dialogue->theirs = -1;
    Error err = ERROR_INIT;
    assert_false(call(dialogue, NULL, &got, &err));
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
}

static void connecting_finds_the_process_at_the_other_end(void **state) {
    const Place *place = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/generation-1.sock", place->path);
    pid_t pid = 0;
    Error err = ERROR_INIT;
    assert_int_equal(control_client_connect(address.sun_path, &pid, &err), -1);
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    AUTO_CLOSE int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    err = ERROR_INIT;
    assert_int_equal(control_client_connect(address.sun_path, &pid, &err), -1); /* bound, nobody listens */
    assert_int_equal(err.kind, ERROR_UNAVAILABLE);
    assert_int_equal(listen(listener, 4), 0);
    AUTO_CLOSE int fd = control_client_connect(address.sun_path, &pid, NULL);
    assert_true(fd >= 0);
    assert_int_equal(pid, getpid());
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void a_path_that_is_too_long_is_refused(void **state) {
    (void)state;
    char path[120];
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = 0;
    Error err = ERROR_INIT;
    assert_int_equal(control_client_connect(path, NULL, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
}

#define DIALOGUE_TEST(test) cmocka_unit_test_setup_teardown(test, dialogue_setup, dialogue_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        DIALOGUE_TEST(a_call_gives_its_reply_and_drops_events_before_it),
        DIALOGUE_TEST(a_reply_brings_its_descriptor),
        DIALOGUE_TEST(a_refusal_is_an_error_of_the_others_kind),
        DIALOGUE_TEST(no_reply_is_a_timeout),
        DIALOGUE_TEST(the_end_of_the_other_side_is_unavailable),
        cmocka_unit_test_setup_teardown(connecting_finds_the_process_at_the_other_end, place_setup,
                                        place_teardown),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
