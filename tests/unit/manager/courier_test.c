/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/courier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "manager/courier_message.h"

enum { SIZE_ALLOWED = 64 * 1024, /* fits into a socket */ MUCH = 1024 * 1024 };

/* What the courier says is put into its end beforehand, one byte of kind and the rest. */
typedef struct Dialogue {
    int ours, theirs;
    uint64_t got;       /* bytes */
    size_t chain, etag; /* bytes of these */
    CourierEnd end;
} Dialogue;

static int set_up(void **state) {
    static Dialogue dialogue;
    int ends[2];
    dialogue = (Dialogue){0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return -1;
    }
    dialogue.ours = ends[0];
    dialogue.theirs = ends[1];
    *state = &dialogue;
    return 0;
}

static int tear_down(void **state) {
    const Dialogue *dialogue = *state;
    (void)close(dialogue->ours);
    (void)close(dialogue->theirs);
    return 0;
}

static void start_over(Dialogue *dialogue) {
    void *state = dialogue;
    (void)tear_down(&state);
    assert_int_equal(set_up(&state), 0);
}

static void say(const Dialogue *dialogue, char kind, const void *data, size_t size) {
    CLEANUP(buffer_done) Buffer message = BUFFER_INIT(2 * COURIER_MESSAGE_MAX);
    assert_true(buffer_append(&message, &kind, 1) && buffer_append(&message, data, size));
    assert_int_equal(send(dialogue->theirs, message.data, message.size, MSG_DONTWAIT), message.size);
}

static void say_json(const Dialogue *dialogue, char kind, json_t *owned) {
    CLEANUP(json_freep) json_t *object = owned;
    AUTO_FREE char *text = json_format(object, false);
    say(dialogue, kind, text, strlen(text));
}

/* So many letters, in one of two static buffers. */
static const char *letters(int which, size_t count) {
    static char text[2][COURIER_CHAIN_MAX + 8];
    memset(text[which], 'x', count);
    text[which][count] = '\0';
    return text[which];
}

static void say_head(const Dialogue *dialogue, size_t etag, size_t chain) {
    say_json(dialogue, COURIER_HEAD,
             json_pack("{s:i, s:i, s:{s:s, s:s}, s:s}", "offset", 0, "total", 0, "validator", "etag",
                       letters(0, etag), "modified", "", "issuer_chain", letters(1, chain)));
}

static void say_zeros(const Dialogue *dialogue, size_t size) {
    AUTO_FREE uint8_t *zeros = calloc(1, size);
    say(dialogue, COURIER_DATA, zeros, size);
}

static void say_end(const Dialogue *dialogue, size_t etag, int mirror) {
    say_json(dialogue, COURIER_END,
             json_pack("{s:i, s:i, s:i, s:{s:s, s:s}}", "outcome", COURIER_ALL, "mirror", mirror, "status",
                       200, "validator", "etag", letters(0, etag), "modified", ""));
}

static bool on_begin(void *context, const CourierHead *head, Error *err) {
    (void)err;
    Dialogue *dialogue = context;
    dialogue->chain = strlen(head->issuer_chain);
    dialogue->etag = strlen(head->validator.etag);
    return true;
}

static bool on_data(void *context, const void *data, size_t size, Error *err) {
    (void)data, (void)err;
    ((Dialogue *)context)->got += size;
    return true;
}

/* Everything is good, or the courier broke its rules. */
static void expect(Dialogue *dialogue, uint64_t size_max, bool good) {
    Error err = ERROR_INIT;
    const CourierRequest request = {.path = "p", .size_max = size_max};
    bool fetched = courier_fetch(dialogue->ours, &request, &(CourierSink){on_begin, on_data, dialogue},
                                 &dialogue->end, &err);
    if (fetched != good || (!good && strstr(err.text, "broke its rules") == NULL)) {
        fail_msg("%s", fetched ? "taken" : err.text);
    }
}

static void validators_and_chains_have_room_for_a_nul(void **state) {
    Dialogue *dialogue = *state;
    for (int over = -1; over <= 1; over++) {
        const size_t etag = (size_t)(COURIER_VALIDATOR_MAX - 1 + over);
        const size_t chain = (size_t)(COURIER_CHAIN_MAX - 1 + over);
        start_over(dialogue);
        say_head(dialogue, etag, 0);
        say_end(dialogue, 0, 0);
        expect(dialogue, MUCH, over <= 0);
        assert_int_equal(dialogue->etag, over <= 0 ? etag : 0);
        start_over(dialogue);
        say_head(dialogue, 0, chain);
        say_end(dialogue, 0, 0);
        expect(dialogue, MUCH, over <= 0);
        assert_int_equal(dialogue->chain, over <= 0 ? chain : 0);
        start_over(dialogue);
        say_head(dialogue, 0, 0);
        say_end(dialogue, etag, 0);
        expect(dialogue, MUCH, over <= 0);
    }
}

static void a_message_is_taken_whole_or_not_at_all(void **state) {
    Dialogue *dialogue = *state;
    for (int over = -1; over <= 1; over++) {
        const size_t size = (size_t)(COURIER_MESSAGE_MAX - 1 + over); /* and its kind */
        start_over(dialogue);
        say_head(dialogue, 0, 0);
        say_zeros(dialogue, size);
        say_end(dialogue, 0, 0);
        expect(dialogue, MUCH, over <= 0);
        assert_int_equal(dialogue->got, over <= 0 ? size : 0);
    }
}

static void no_more_bytes_are_taken_than_were_asked_for(void **state) {
    Dialogue *dialogue = *state;
    for (int over = -1; over <= 1; over++) {
        start_over(dialogue);
        say_head(dialogue, 0, 0);
        for (size_t left = (size_t)(SIZE_ALLOWED + over), size; left > 0; left -= size) {
            size = left < SIZE_ALLOWED / 4 ? left : SIZE_ALLOWED / 4;
            say_zeros(dialogue, size);
        }
        say_end(dialogue, 0, 0);
        expect(dialogue, SIZE_ALLOWED, over <= 0);
        assert_int_equal(dialogue->got, over <= 0 ? SIZE_ALLOWED + over : SIZE_ALLOWED);
    }
}

static void there_are_at_most_256_mirrors(void **state) {
    Dialogue *dialogue = *state;
    for (int over = -1; over <= 1; over++) {
        start_over(dialogue);
        say_head(dialogue, 0, 0);
        say_end(dialogue, 0, UINT8_MAX + over);
        expect(dialogue, MUCH, over <= 0);
    }
}

static void what_failed_is_told_in_one_line_of_bounded_length(void **state) {
    Dialogue *dialogue = *state;
    Error err = ERROR_INIT;
    const CourierRequest request = {.path = "p", .size_max = SIZE_ALLOWED};
    AUTO_FREE char *words = calloc(1, 2 * ERROR_TEXT_MAX);
    memset(words, '\n', 2 * ERROR_TEXT_MAX - 1);
    memcpy(words, "no\x1b[2J", 6);
    say_json(dialogue, COURIER_FAILURE, json_pack("{s:s, s:s}", "kind", "network", "error", words));
    assert_false(courier_fetch(dialogue->ours, &request, &(CourierSink){on_begin, on_data, dialogue},
                               &dialogue->end, &err));
    assert_int_equal(err.kind, ERROR_NETWORK);
    assert_memory_equal(err.text, "no\\x1b[2J\\x0a", 13);
    assert_null(strchr(err.text, '\n'));
    assert_true(strlen(err.text) < ERROR_TEXT_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(validators_and_chains_have_room_for_a_nul, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_is_taken_whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_more_bytes_are_taken_than_were_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_are_at_most_256_mirrors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_failed_is_told_in_one_line_of_bounded_length, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
