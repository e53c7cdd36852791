/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/jobs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "manager/transfer.h"
#include "tests/support/place.h"

enum { SHA256_DIGITS = 64 };

/* Transfers that do nothing: each is its place in here. */
static TransferSpec transfers[JOBS_MAX + 1];
static size_t started, cancelled;

Transfer *transfer_start(const TransferSpec *spec, Error *err) {
    (void)err;
    assert_true(started <= JOBS_MAX);
    transfers[started] = *spec;
    return (Transfer *)&transfers[started++]; /* never looked into */
}

void transfer_cancel(Transfer *transfer) {
    cancelled += transfer != NULL;
}

static void on_changed(void *context, const Operation *operation) {
    (void)context, (void)operation;
}

typedef struct Stage {
    Journal *journal;
    Operations *operations;
    Jobs *jobs;
    Config config;
} Stage;

static void begin(const Place *place, Stage *ret_stage) {
    Error err = ERROR_INIT;
    started = cancelled = 0;
    *ret_stage = (Stage){.journal = journal_open(place->fd, JOURNAL_NAME, &err),
                         .operations = operations_new(on_changed, NULL),
                         .config = {.state = (char *)(uintptr_t)place->path, .fetch_file = true}};
    assert_non_null(ret_stage->journal);
    assert_non_null(ret_stage->operations);
    const JobsSpec spec = {
        .config = &ret_stage->config, .journal = ret_stage->journal, .operations = ret_stage->operations};
    assert_non_null(ret_stage->jobs = jobs_new(&spec, &err));
}

static void end(const Stage *stage) {
    jobs_free(stage->jobs);
    operations_free(stage->operations);
    journal_close(stage->journal);
}

static Operation *fetch(const Stage *stage, size_t number, Error *err) {
    char sha256[SHA256_DIGITS + 1];
    (void)snprintf(sha256, sizeof sha256, "%064zx", number);
    return jobs_fetch(stage->jobs, "file:///some.pswb", sha256, false, (JournalWho){0}, err);
}

static void so_many_jobs_are_under_way_and_no_more(void **state) {
    Stage stage;
    begin(*state, &stage);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        Error err = ERROR_INIT;
        assert_non_null(fetch(&stage, i, &err));
    }
    assert_int_equal(started, JOBS_MAX);
    for (size_t i = 0; i < 2; i++) {
        Error err = ERROR_INIT;
        assert_null(fetch(&stage, JOBS_MAX + i, &err));
        assert_int_equal(err.kind, ERROR_LIMIT);
        assert_string_equal(err.text, "8 fetches, stagings and removals are under way: "
                                      "try again when one has ended");
    }
    assert_int_equal(started, JOBS_MAX);
    const Error failure = {.kind = ERROR_NETWORK, .text = "gone"};
    transfers[0].done(transfers[0].context, NULL, &failure);
    Error err = ERROR_INIT;
    assert_non_null(fetch(&stage, JOBS_MAX, &err));
    assert_null(fetch(&stage, JOBS_MAX + 1, &err));
    end(&stage);
    assert_int_equal(cancelled, JOBS_MAX);
}

static void an_upload_that_finds_no_place_is_let_go(void **state) {
    Stage stage;
    Error err = ERROR_INIT;
    begin(*state, &stage);
    for (size_t i = 0; i < JOBS_MAX; i++) {
        assert_non_null(fetch(&stage, i, &err));
    }
    int upload = jobs_spool(stage.jobs, &err);
    assert_true(upload >= 0);
    const uint64_t number = stage.journal->next_operation;
    assert_null(jobs_stage(stage.jobs, upload, (JournalWho){0}, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_int_equal(fcntl(upload, F_GETFD), -1);
    assert_int_equal(stage.journal->next_operation, number);
    end(&stage);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_jobs_are_under_way_and_no_more, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(an_upload_that_finds_no_place_is_let_go, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
