/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/sightings.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/base/process.h"

static const uint8_t qe_a[SGX_HASH_SIZE] = {0xaa}, qe_b[SGX_HASH_SIZE] = {0xbb};

typedef struct Fixture {
    Sightings *sightings;
    int fds[2];
} Fixture;

static int setup(void **state) {
    static Fixture fixture;
    fixture.sightings = sightings_new();
    assert_non_null(fixture.sightings);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fixture.fds), 0);
    *state = &fixture;
    return 0;
}

static int teardown(void **state) {
    Fixture *fixture = *state;
    sightings_free(fixture->sightings);
    (void)close(fixture->fds[0]);
    (void)close(fixture->fds[1]);
    return 0;
}

static json_t *all(Sightings *sightings) {
    json_t *list = json_array();
    json_int_t from = 0;
    for (;;) {
        CLEANUP(json_freep) json_t *page = sightings_json(sightings, (unsigned)from);
        assert_non_null(page);
        assert_true(json_array_size(json_object_get(page, "clients")) <= SIGHTINGS_PAGE);
        assert_int_equal(json_array_extend(list, json_object_get(page, "clients")), 0);
        const json_t *next = json_object_get(page, "next");
        if (json_is_null(next)) {
            return list;
        }
        assert_true(json_integer_value(next) > from);
        from = json_integer_value(next);
    }
}

static json_int_t number(const json_t *list, size_t index, const char *key) {
    return json_integer_value(json_object_get(json_array_get(list, index), key));
}

static void a_process_is_counted_for_each_qe(void **state) {
    const Fixture *fixture = *state;
    bool gone = false;
    sightings_note(fixture->sightings, fixture->fds[0], qe_a, 7);
    sightings_note(fixture->sightings, fixture->fds[0], qe_a, 8);
    sightings_note(fixture->sightings, fixture->fds[0], qe_b, 9);
    CLEANUP(json_freep) json_t *list = all(fixture->sightings);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(number(list, 0, "pid"), getpid());
    assert_int_equal(number(list, 0, "uid"), getuid());
    assert_int_equal(number(list, 0, "start"), process_start_ticks(getpid(), &gone));
    assert_int_equal(number(list, 0, "count"), 2);
    assert_int_equal(number(list, 0, "generation"), 8);
    assert_int_equal(number(list, 1, "count"), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "command")),
                        "test_quoted_sig");
}

static void who_waited_in_vain_is_known_for_a_while(void **state) {
    const Fixture *fixture = *state;
    const struct timespec pause = {.tv_nsec = 50L * 1000 * 1000};
    assert_false(sightings_waited_in_vain(fixture->sightings, fixture->fds[0], 3600 * 1000));
    sightings_note(fixture->sightings, fixture->fds[0], qe_a, 7);
    sightings_note_refused(fixture->sightings, fixture->fds[0], false);
    assert_false(sightings_waited_in_vain(fixture->sightings, fixture->fds[0], 3600 * 1000));
    sightings_note_refused(fixture->sightings, fixture->fds[0], true);
    assert_true(sightings_waited_in_vain(fixture->sightings, fixture->fds[0], 3600 * 1000));
    assert_false(sightings_waited_in_vain(fixture->sightings, fixture->fds[0], 0));
    (void)nanosleep(&pause, NULL);
    sightings_note_refused(fixture->sightings, fixture->fds[0], false); /* no matter how often it asks */
    assert_false(sightings_waited_in_vain(fixture->sightings, fixture->fds[0], 40));
    assert_true(sightings_waited_in_vain(fixture->sightings, fixture->fds[0], 3600 * 1000));
    CLEANUP(json_freep) json_t *list = all(fixture->sightings);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "qe")), "");
}

/* A connection whose other end is a process of its own, which has ended when this returns. */
static int strangers_connection(void) {
    int fds[2];
    char ready = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { /* the credentials of a pair are those of who made it */
        int own[2];
        struct msghdr message = {0};
        union {
            struct cmsghdr head;
            char room[CMSG_SPACE(sizeof(int))];
        } control = {0};
        struct iovec part = {.iov_base = &ready, .iov_len = 1};
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, own) != 0) {
            _exit(1);
        }
        message = (struct msghdr){
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(head), &own[0], sizeof(int));
        _exit(sendmsg(fds[1], &message, 0) == 1 ? 0 : 1);
    }
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec part = {.iov_base = &ready, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    assert_int_equal(recvmsg(fds[0], &message, MSG_CMSG_CLOEXEC), 1);
    int fd = -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return fd;
}

static void of_a_process_that_is_gone_less_is_said(void **state) {
    const Fixture *fixture = *state;
    int fd = strangers_connection();
    sightings_note(fixture->sightings, fd, qe_a, 7);
    CLEANUP(json_freep) json_t *list = all(fixture->sightings);
    assert_int_equal(json_array_size(list), 1);
    assert_int_not_equal(number(list, 0, "pid"), getpid());
    assert_int_equal(number(list, 0, "start"), 0);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "cgroup")), "");
    (void)close(fd);
}

static void many_fill_pages_and_never_more_than_there_are_places(void **state) {
    const Fixture *fixture = *state;
    for (unsigned i = 0; i < SIGHTINGS_MAX; i++) {
        const uint8_t qe[SGX_HASH_SIZE] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
        sightings_note(fixture->sightings, fixture->fds[0], qe, i);
    }
    CLEANUP(json_freep) json_t *list = all(fixture->sightings);
    assert_int_equal(json_array_size(list), SIGHTINGS_MAX / 2);
    CLEANUP(json_freep) json_t *beyond = sightings_json(fixture->sightings, SIGHTINGS_MAX);
    assert_int_equal(json_array_size(json_object_get(beyond, "clients")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_process_is_counted_for_each_qe, setup, teardown),
        cmocka_unit_test_setup_teardown(who_waited_in_vain_is_known_for_a_while, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_process_that_is_gone_less_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(many_fill_pages_and_never_more_than_there_are_places, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
