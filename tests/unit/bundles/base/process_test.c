/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "tests/support/faults.h"

static ProcessSpec shell(const char *const *argv) {
    return (ProcessSpec){.path = "/bin/sh", .argv = argv};
}

/* Runs a shell script with the given descriptors and gives what it wrote to its standard output. */
static void run_script(const char *script, const ProcessFd *fds, size_t fds_count, char *output,
                       size_t size) {
    Error err = ERROR_INIT;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    ProcessFd all[16];
    assert_true(fds_count < 15);
    if (fds_count > 0) {
        memcpy(all, fds, fds_count * sizeof *fds);
    }
    all[fds_count] = (ProcessFd){.from = ends[1], .to = 1};
    const char *const argv[] = {"sh", "-c", script, NULL};
    ProcessSpec spec = shell(argv);
    spec.fds = all;
    spec.fds_count = fds_count + 1;
    pid_t pid = -1;
    AUTO_CLOSE int pidfd = -1;
    assert_true(process_start(&spec, &pid, &pidfd, &err));
    (void)close(ends[1]);
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(size - 1);
    assert_true(file_read_fd(ends[0], "output", &text, &err));
    (void)close(ends[0]);
    ProcessExit how;
    assert_true(process_wait(pidfd, 20000, &how, &err));
    assert_false(how.signalled);
    assert_int_equal(how.code, 0);
    memcpy(output, buffer_text(&text), text.size + 1);
}

static void exit_status_and_signal_are_told(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    static const struct {
        const char *script;
        ProcessExit how;
        const char *text;
    } known[] = {{"exit 3", {false, 3}, "exit status 3"},
                 {"kill -SEGV $$", {true, SIGSEGV}, "SIGSEGV"},
                 {"true", {false, 0}, "exit status 0"}};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        const char *const argv[] = {"sh", "-c", known[at].script, NULL};
        ProcessSpec spec = shell(argv);
        pid_t pid = -1;
        AUTO_CLOSE int pidfd = -1;
        ProcessExit how;
        char text[32];
        assert_true(process_start(&spec, &pid, &pidfd, &err));
        assert_true(process_wait(pidfd, 20000, &how, &err));
        assert_int_equal(how.signalled, known[at].how.signalled);
        assert_int_equal(how.code, known[at].how.code);
        assert_string_equal(process_exit_format(text, sizeof text, how), known[at].text);
    }
}

static void a_program_that_is_not_there_is_named(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    pid_t pid = -1;
    int pidfd = -1;
    ProcessSpec spec = {.path = "/no/such/program", .argv = (const char *const[]){"x", NULL}};
    assert_false(process_start(&spec, &pid, &pidfd, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/program"));
    assert_int_equal(pid, -1);
    assert_int_equal(pidfd, -1);
}

static void only_listed_descriptors_reach_the_child(void **state) {
    (void)state;
    char output[256];
    AUTO_CLOSE int extra = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run_script("cd /proc/self/fd && echo *", &(ProcessFd){.from = extra, .to = 7}, 1, output, sizeof output);
    /* 0, 1, 2, 7, and the one with which the shell reads the directory. */
    assert_non_null(strstr(output, "0 1 2 "));
    assert_non_null(strstr(output, "7"));
    assert_null(strstr(output, "8"));
}

static void descriptors_may_trade_places(void **state) {
    (void)state;
    char output[256];
    int one[2];
    int two[2];
    assert_int_equal(pipe2(one, O_CLOEXEC), 0);
    assert_int_equal(pipe2(two, O_CLOEXEC), 0);
    assert_int_equal(write(one[1], "one\n", 4), 4);
    assert_int_equal(write(two[1], "two\n", 4), 4);
    AUTO_CLOSE int a = fcntl(one[0], F_DUPFD_CLOEXEC, 8);
    AUTO_CLOSE int b = fcntl(two[0], F_DUPFD_CLOEXEC, 8);
    assert_true(a < 10 && b < 10); /* the shell takes one digit */
    char script[64];
    snprintf(script, sizeof script, "read x <&%d; read y <&%d; echo $x $y", a, b);
    run_script(script, (ProcessFd[]){{a, b}, {b, a}}, 2, output, sizeof output);
    assert_string_equal(output, "two one\n");
    for (int end = 0; end < 2; end++) {
        (void)close(one[end]);
        (void)close(two[end]);
    }
}

static void a_descriptor_that_keeps_its_number_is_inherited(void **state) {
    (void)state;
    char output[256];
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "kept\n", 5), 5);
    AUTO_CLOSE int same = fcntl(ends[0], F_DUPFD_CLOEXEC, 9);
    assert_int_equal(same, 9);
    run_script("read x <&9; echo $x", &(ProcessFd){9, 9}, 1, output, sizeof output);
    assert_string_equal(output, "kept\n");
    assert_int_equal(fcntl(9, F_GETFD), FD_CLOEXEC);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void signal_mask_and_handlers_start_fresh(void **state) {
    (void)state;
    char output[512];
    sigset_t blocked;
    sigset_t before;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
    run_script("grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL, 0, output, sizeof output);
    (void)signal(SIGPIPE, handler);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    /* SIGHUP to SIGSYS; the C library keeps two of the numbers behind them to itself. */
    uint64_t blocked_now = 1;
    uint64_t ignored_now = 1;
    assert_int_equal(sscanf(output, "SigBlk: %" SCNx64 " SigIgn: %" SCNx64, &blocked_now, &ignored_now), 2);
    assert_true(blocked_now == 0);
    assert_true((ignored_now & UINT64_C(0x7fffffff)) == 0);
}

static void the_environment_is_the_one_given(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    const char *const argv[] = {"sh", "-c", "test \"$A\" = b && test -z \"$HOME\"", NULL};
    ProcessSpec spec = shell(argv);
    spec.environment = (const char *const[]){"A=b", NULL};
    pid_t pid = -1;
    AUTO_CLOSE int pidfd = -1;
    ProcessExit how;
    assert_true(process_start(&spec, &pid, &pidfd, &err));
    assert_true(process_wait(pidfd, 20000, &how, &err));
    assert_int_equal(how.code, 0);
}

static void a_deadline_leaves_the_child_running_until_it_is_signalled(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    const char *const argv[] = {"sh", "-c", "while :; do sleep 30; done", NULL};
    ProcessSpec spec = shell(argv);
    spec.new_group = true;
    pid_t pid = -1;
    AUTO_CLOSE int pidfd = -1;
    ProcessExit how;
    assert_true(process_start(&spec, &pid, &pidfd, &err));
    assert_int_equal(getpgid(pid), pid);
    assert_false(process_wait(pidfd, 10, &how, &err));
    assert_int_equal(err.kind, ERROR_TIMEOUT);
    assert_int_equal(kill(-pid, SIGKILL), 0);
    assert_true(process_wait(pidfd, 20000, &how, &err));
    assert_true(how.signalled);
    assert_int_equal(how.code, SIGKILL);
    assert_false(process_signal(pidfd, SIGTERM, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

static void a_signal_reaches_the_child(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    const char *const argv[] = {"cat", NULL};
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    ProcessSpec spec = {.path = "/bin/cat", .argv = argv, .fds = &(ProcessFd){ends[0], 0}, .fds_count = 1};
    pid_t pid = -1;
    AUTO_CLOSE int pidfd = -1;
    ProcessExit how;
    assert_true(process_start(&spec, &pid, &pidfd, &err));
    assert_true(process_signal(pidfd, SIGTERM, &err));
    assert_true(process_wait(pidfd, 20000, &how, &err));
    assert_true(how.signalled);
    assert_int_equal(how.code, SIGTERM);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* Exit status: which descriptors from 3 on are open, as bits. */
static int tell_fds(void *context) {
    int *answer_fd = context;
    unsigned open = 0;
    for (int fd = 3; fd < 64; fd++) {
        open |= fcntl(fd, F_GETFD) >= 0 && fd < 11 ? 1U << (fd - 3) : 0;
        open |= fcntl(fd, F_GETFD) >= 0 && fd >= 11 ? 0x80U : 0;
    }
    sigset_t mask;
    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    bool fresh =
        sigismember(&mask, SIGTERM) == 0 && signal(SIGPIPE, SIG_DFL) == SIG_DFL && getpgrp() == getpid();
    return write(*answer_fd, "x", 1) == 1 && fresh ? (int)open : 255;
}

static void a_forked_child_has_the_listed_descriptors_and_a_fresh_signal_state(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    int ends[2];
    pid_t pid = -1;
    AUTO_CLOSE int pidfd = -1;
    sigset_t blocked;
    sigset_t before;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    AUTO_CLOSE int between = fcntl(2, F_DUPFD, 4); /* in the way of a number that is not listed */
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
    const ProcessFd fds[] = {{ends[1], 3}, {2, 6}};
    int answer_fd = 3;
    const ProcessFork spec = {.run = tell_fds, .context = &answer_fd, .fds = fds, .fds_count = 2};
    assert_true(process_fork(&spec, &pid, &pidfd, &err));
    (void)signal(SIGPIPE, handler);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    ProcessExit how;
    assert_true(process_wait(pidfd, 20000, &how, &err));
    assert_false(how.signalled);
    assert_int_equal(how.code, 1 << 0 | 1 << 3);
    char answer = 0;
    assert_int_equal(read(ends[0], &answer, 1), 1);
    assert_int_equal(answer, 'x');
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void the_own_directory_holds_the_program(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_FREE char *directory = process_own_directory(&err);
    assert_non_null(directory);
    assert_int_equal(directory[0], '/');
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, program_invocation_short_name);
    assert_int_equal(access(path, X_OK), 0);
}

static bool start_and_wait(void *context, Error *err) {
    const char *const argv[] = {"true", NULL};
    ProcessSpec spec = {.path = "/bin/true", .argv = argv, .fds = context, .fds_count = 2};
    pid_t pid = -1;
    AUTO_CLOSE int pidfd = -1;
    ProcessExit how;
    if (!process_start(&spec, &pid, &pidfd, err)) {
        return false;
    }
    bool waited = process_wait(pidfd, 20000, &how, err);
    if (!waited) {
        (void)waitpid(pid, NULL, 0);
    }
    return waited;
}

static void expect_no_child_left(void *context, FaultOutcome outcome) {
    (void)context;
    (void)outcome;
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void a_start_that_fails_anywhere_leaves_no_child_and_no_descriptor(void **state) {
    (void)state;
    ProcessFd fds[] = {{2, 5}, {2, 6}};
    FaultSweep sweep = {.context = fds, .run = start_and_wait, .check = expect_no_child_left};
    faults_sweep_failures(&sweep);
    faults_sweep_interrupts(&sweep);
}

int main(void) {
    /* Whoever started the tests may have left descriptors open. */
    if (close_range(3, ~0U, 0) != 0) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_status_and_signal_are_told),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(only_listed_descriptors_reach_the_child),
        cmocka_unit_test(descriptors_may_trade_places),
        cmocka_unit_test(a_descriptor_that_keeps_its_number_is_inherited),
        cmocka_unit_test(signal_mask_and_handlers_start_fresh),
        cmocka_unit_test(the_environment_is_the_one_given),
        cmocka_unit_test(a_deadline_leaves_the_child_running_until_it_is_signalled),
        cmocka_unit_test(a_signal_reaches_the_child),
        cmocka_unit_test(a_forked_child_has_the_listed_descriptors_and_a_fresh_signal_state),
        cmocka_unit_test(the_own_directory_holds_the_program),
        cmocka_unit_test(a_start_that_fails_anywhere_leaves_no_child_and_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
