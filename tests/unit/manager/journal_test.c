/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "tests/support/faults.h"
#include "tests/support/place.h"

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const JournalWho alice = {.uid = 1000, .pid = 4711};

static void fill(Journal *journal) {
    journal->next_generation = 9;
    journal->next_operation = 18;
    journal->serving =
        (JournalGeneration){.number = 8, .digest = DIGEST_B, .qe = DIGEST_A, .since = 1700000000};
    journal_set_origin(journal, 8, DIGEST_B);
    journal->standby.number = 9;
    journal_set_origin(journal, 9, DIGEST_A);
    (void)strcpy(journal->previous, DIGEST_A);
    journal->ducks[0] =
        (JournalGeneration){.number = 7, .digest = DIGEST_A, .qe = DIGEST_B, .since = 1700000001};
    journal->ducks_count = 1;
    journal->ducks[0].recalled = true;
    journal_set_origin(journal, 7, DIGEST_A);
    journal->retired[0] =
        (JournalGeneration){.number = 5, .digest = DIGEST_A, .qe = DIGEST_A, .since = 1700000003};
    journal->retired_count = 1;
    journal->qe_retired = true;
    journal->swap = (JournalSwap){.state = SWAP_SOAKING,
                                  .operation = 17,
                                  .rollback = true,
                                  .resumes = true,
                                  .next = journal->serving,
                                  .former = journal->ducks[0],
                                  .soak_ms = 300000,
                                  .started_at = 1700000002,
                                  .who = alice};
    journal_note(journal, 17, alice, "swap", "to %s", "psw 1.2");
}

static void assert_filled(const Journal *journal) {
    assert_int_equal(journal->next_generation, 9);
    assert_int_equal(journal->next_operation, 18);
    assert_int_equal(journal->serving.number, 8);
    assert_string_equal(journal->serving.digest, DIGEST_B);
    assert_string_equal(journal->serving.qe, DIGEST_A);
    assert_int_equal(journal->serving.since, 1700000000);
    assert_int_equal(journal->standby.number, 9);
    assert_string_equal(journal->previous, DIGEST_A);
    assert_int_equal(journal->ducks_count, 1);
    assert_int_equal(journal->ducks[0].number, 7);
    assert_string_equal(journal_origin(journal, 8), DIGEST_B);
    assert_string_equal(journal_origin(journal, 7), DIGEST_A);
    assert_string_equal(journal_origin(journal, 9), DIGEST_A);
    assert_string_equal(journal_origin(journal, 5), "");
    assert_true(journal->ducks[0].recalled);
    assert_int_equal(journal->retired_count, 1);
    assert_int_equal(journal->retired[0].number, 5);
    assert_false(journal->retired[0].recalled);
    assert_true(journal->qe_retired);
    assert_int_equal(journal->swap.state, SWAP_SOAKING);
    assert_int_equal(journal->swap.operation, 17);
    assert_true(journal->swap.rollback && journal->swap.resumes);
    assert_int_equal(journal->swap.next.number, 8);
    assert_int_equal(journal->swap.former.number, 7);
    assert_int_equal(journal->swap.soak_ms, 300000);
    assert_int_equal(journal->swap.who.uid, 1000);
    assert_int_equal(journal->history_count, 1);
    assert_string_equal(journal->history[0].text, "to psw 1.2");
    assert_int_equal(journal->history[0].who.pid, 4711);
}

static Journal *must_open(const Place *place) {
    Error err = ERROR_INIT;
    Journal *journal = journal_open(place->fd, place->path, &err);
    if (journal == NULL) {
        fail_msg("%s", err.text);
    }
    return journal;
}

static void without_a_file_it_is_empty(void **state) {
    CLEANUP(journal_closep) Journal *journal = must_open(*state);
    assert_int_equal(journal->next_generation, 1);
    assert_int_equal(journal->next_operation, 1);
    assert_int_equal(journal->swap.state, SWAP_IDLE);
    assert_string_equal(journal->serving.digest, "");
    assert_int_equal(journal->history_count, 0);
}

static void what_was_saved_reads_back(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(journal_closep) Journal *journal = must_open(place);
    fill(journal);
    assert_true(journal_save(journal, &err));
    CLEANUP(journal_closep) Journal *again = must_open(place);
    assert_filled(again);
}

/* As it was written before there were origins. */
#define FORMER                                                                                               \
    "{\"format\": 1, \"next_generation\": 3, \"next_operation\": 4, \"serving\": {\"number\": 2, "           \
    "\"bundle\": "                                                                                           \
    "\"" DIGEST_B "\", \"qe\": \"" DIGEST_A                                                                  \
    "\", \"since\": 1700000000, \"recalled\": false}, \"standby\": 3, "                                      \
    "\"previous\": \"\", \"ducks\": [{\"number\": 1, \"bundle\": \"" DIGEST_A                                \
    "\", \"qe\": \"\", \"since\": 1, "                                                                       \
    "\"recalled\": false}], \"retired\": [], \"qe_retired\": false, \"swap\": null, \"history\": []}"

static void one_from_before_there_were_origins_is_read(void **state) {
    const Place *place = *state;
    place_put(place, JOURNAL_NAME, FORMER);
    CLEANUP(journal_closep) Journal *journal = must_open(place);
    assert_int_equal(journal->serving.number, 2);
    assert_int_equal(journal->ducks[0].number, 1);
    assert_int_equal(journal->standby.number, 3);
    assert_string_equal(journal_origin(journal, 3), "");
    assert_string_equal(journal_origin(journal, 2), "");
    assert_string_equal(journal_origin(journal, 1), "");
}

static void the_oldest_event_goes_when_there_are_too_many(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(journal_closep) Journal *journal = must_open(place);
    for (int i = 0; i < JOURNAL_HISTORY_MAX + 5; i++) {
        journal_note(journal, 0, alice, "event", "%d", i);
    }
    assert_true(journal_save(journal, &err));
    CLEANUP(journal_closep) Journal *again = must_open(place);
    assert_int_equal(again->history_count, JOURNAL_HISTORY_MAX);
    assert_string_equal(again->history[0].text, "5");
    assert_string_equal(again->history[JOURNAL_HISTORY_MAX - 1].text, "204");
}

static void bytes_that_are_no_text_do_not_spoil_it(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char longer[2 * JOURNAL_TEXT_MAX];
    memset(longer, '\xc3', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    CLEANUP(journal_closep) Journal *journal = must_open(place);
    journal_note(journal, 0, alice, "event", "a\nb\x7f\xff");
    journal_note(journal, 0, alice, "event", "%s", longer);
    assert_true(journal_save(journal, &err));
    CLEANUP(journal_closep) Journal *again = must_open(place);
    assert_string_equal(again->history[0].text, "a?b??");
    assert_int_equal(strlen(again->history[1].text), JOURNAL_TEXT_MAX - 1);
}

static void assert_refused(const Place *place, const char *text, const char *words) {
    Error err = ERROR_INIT;
    place_put(place, JOURNAL_NAME, text);
    assert_null(journal_open(place->fd, place->path, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    if (strstr(err.text, words) == NULL || strstr(err.text, "restore it") == NULL) {
        fail_msg("'%s' does not say '%s' and what to do", err.text, words);
    }
}

static void a_damaged_one_is_refused_and_not_guessed_at(void **state) {
    const Place *place = *state;
    assert_refused(place, "", JOURNAL_NAME);
    assert_refused(place, "{\"format\": 1", JOURNAL_NAME);
    assert_refused(place, "{\"format\": 2}", "format 2");
    assert_refused(place, "{\"format\": 1, \"next_generation\": 5000000000}", "too large");
    assert_refused(place, "{\"format\": 1, \"next_generation\": 1, \"next_operation\": 1}", "number");
}

/* One from before with one event, of that pid. */
static char *of_pid(const char *pid) {
    return text_format("%.*s{\"at\": 1, \"operation\": 1, \"who\": {\"uid\": 4294967295, \"pid\": %s}, "
                       "\"event\": \"swap\", \"text\": \"\"}]}",
                       (int)strlen(FORMER) - 2, FORMER, pid);
}

static void a_pid_that_no_process_has_is_refused(void **state) {
    const Place *place = *state;
    AUTO_FREE char *largest = of_pid("2147483647"), *beyond = of_pid("2147483648"), *less = of_pid("-1");
    assert_refused(place, beyond, "'pid' is too large");
    assert_refused(place, less, "pid");
    Error err = ERROR_INIT;
    place_put(place, JOURNAL_NAME, largest);
    CLEANUP(journal_closep) Journal *journal = must_open(place);
    assert_int_equal(journal->history[0].who.pid, 2147483647);
    assert_true(journal_save(journal, &err));
    CLEANUP(journal_closep) Journal *again = must_open(place);
    assert_int_equal(again->history[0].who.uid, 4294967295);
}

typedef struct Sweep {
    Place *place;
    Journal *journal;
} Sweep;

static void before_sweep(void *context) {
    Sweep *sweep = context;
    Error err = ERROR_INIT;
    place_reset(sweep->place);
    sweep->journal = must_open(sweep->place);
    assert_true(journal_save(sweep->journal, &err));
    fill(sweep->journal);
}

static bool save_again(void *context, Error *err) {
    const Sweep *sweep = context;
    return journal_save(sweep->journal, err);
}

/* Old or new, and new if it said so. */
static void after_sweep(void *context, FaultOutcome outcome) {
    Sweep *sweep = context;
    journal_close(sweep->journal);
    CLEANUP(journal_closep) Journal *now = must_open(sweep->place);
    if (outcome == FAULT_SUCCEEDED || now->next_generation == 9) {
        assert_filled(now);
    } else {
        assert_int_equal(now->next_generation, 1);
        assert_int_equal(now->history_count, 0);
    }
}

static void a_fault_or_crash_at_any_call_leaves_the_old_or_the_new_one(void **state) {
    Sweep sweep = {.place = *state};
    const FaultSweep faults = {
        .context = &sweep, .prepare = before_sweep, .run = save_again, .check = after_sweep};
    faults_sweep(&faults);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_file_it_is_empty, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_was_saved_reads_back, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(one_from_before_there_were_origins_is_read, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(the_oldest_event_goes_when_there_are_too_many, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text_do_not_spoil_it, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_damaged_one_is_refused_and_not_guessed_at, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_pid_that_no_process_has_is_refused, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_fault_or_crash_at_any_call_leaves_the_old_or_the_new_one,
                                        place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
