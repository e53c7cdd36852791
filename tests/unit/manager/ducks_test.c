/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ducks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static JournalGeneration duck(uint32_t number, const char *qe, int64_t since) {
    JournalGeneration generation = {.number = number, .since = since};
    (void)strcpy(generation.qe, qe);
    return generation;
}

static const DucksPolicy two = {.count = 2, .keep_s = 100, .now = 1000};

static void one_with_another_qe_stays(void **state) {
    (void)state;
    const JournalGeneration ducks[] = {duck(7, "aa", 990)};
    bool keep[1] = {false};
    ducks_select(ducks, 1, "bb", &two, keep);
    assert_true(keep[0]);
}

static void one_with_the_serving_qe_goes(void **state) {
    (void)state;
    const JournalGeneration ducks[] = {duck(7, "bb", 990)};
    bool keep[1] = {true};
    ducks_select(ducks, 1, "bb", &two, keep);
    assert_false(keep[0]);
}

static void of_the_same_qe_the_newest_stays(void **state) {
    (void)state;
    const JournalGeneration ducks[] = {duck(7, "aa", 990), duck(6, "aa", 980), duck(5, "cc", 970)};
    bool keep[3] = {false, true, false};
    ducks_select(ducks, 3, "bb", &two, keep);
    assert_true(keep[0]);
    assert_false(keep[1]);
    assert_true(keep[2]);
}

static void no_more_stay_than_the_policy_says(void **state) {
    (void)state;
    const JournalGeneration ducks[] = {duck(7, "aa", 990), duck(6, "cc", 980), duck(5, "dd", 970)};
    bool keep[3] = {false, false, true};
    ducks_select(ducks, 3, "bb", &two, keep);
    assert_true(keep[0] && keep[1]);
    assert_false(keep[2]);
    const DucksPolicy none = {.count = 0, .keep_s = 100, .now = 1000};
    ducks_select(ducks, 3, "bb", &none, keep);
    assert_false(keep[0] || keep[1] || keep[2]);
}

static void one_that_is_too_old_goes_and_makes_room(void **state) {
    (void)state;
    const JournalGeneration ducks[] = {duck(7, "aa", 990), duck(6, "cc", 899), duck(5, "dd", 900)};
    bool keep[3] = {false, true, false};
    ducks_select(ducks, 3, "bb", &two, keep);
    assert_true(keep[0]);
    assert_false(keep[1]);
    assert_true(keep[2]);
}

static void recalled_ones_are_not_counted(void **state) {
    (void)state;
    JournalGeneration ducks[] = {duck(7, "aa", 990), duck(6, "cc", 980), duck(5, "dd", 970),
                                 duck(4, "ee", 890)};
    bool keep[4] = {false};
    const DucksPolicy one = {.count = 1, .keep_s = 100, .now = 1000};
    ducks[2].recalled = ducks[3].recalled = true;
    ducks_select(ducks, 4, "bb", &one, keep);
    assert_true(keep[0] && !keep[1] && keep[2] && !keep[3]); /* the last one is too old */
}

static void of_those_that_do_not_fit_together_the_oldest_goes(void **state) {
    (void)state;
    const JournalGeneration ducks[] = {duck(7, "aa", 990), duck(6, "cc", 980), duck(5, "dd", 970)};
    const uint64_t epc_kib[] = {600, 600, 600};
    bool keep[3] = {true, true, true};
    ducks_fit(ducks, 3, epc_kib, 1300, true, keep);
    assert_true(keep[0] && keep[1]);
    assert_false(keep[2]);
    ducks_fit(ducks, 3, epc_kib, 0, true, keep);
    assert_false(keep[0] || keep[1]);
}

static void one_that_was_recalled_stays_and_takes_its_room(void **state) {
    (void)state;
    JournalGeneration ducks[] = {duck(7, "aa", 990), duck(6, "cc", 980)};
    const uint64_t epc_kib[] = {600, 600};
    bool keep[2] = {true, true};
    ducks[1].recalled = true;
    ducks_fit(ducks, 2, epc_kib, 1000, true, keep);
    assert_false(keep[0]);
    assert_true(keep[1]);
}

static void where_none_stays_in_any_case_the_newest_that_fit_do(void **state) {
    (void)state;
    JournalGeneration ducks[] = {duck(7, "aa", 990), duck(6, "cc", 980), duck(5, "dd", 970)};
    const uint64_t epc_kib[] = {600, 600, 400};
    bool keep[3] = {true, true, true};
    ducks[1].recalled = true;
    ducks_fit(ducks, 3, epc_kib, 1000, false, keep);
    assert_true(keep[0] && !keep[1] && keep[2]);
    keep[0] = false; /* it is not asked about, and takes no room */
    keep[1] = true;
    ducks_fit(ducks, 3, epc_kib, 1000, false, keep);
    assert_true(!keep[0] && keep[1] && keep[2]);
    ducks_fit(ducks, 3, epc_kib, 399, false, keep);
    assert_false(keep[0] || keep[1] || keep[2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_with_another_qe_stays),
        cmocka_unit_test(one_with_the_serving_qe_goes),
        cmocka_unit_test(of_the_same_qe_the_newest_stays),
        cmocka_unit_test(no_more_stay_than_the_policy_says),
        cmocka_unit_test(one_that_is_too_old_goes_and_makes_room),
        cmocka_unit_test(recalled_ones_are_not_counted),
        cmocka_unit_test(of_those_that_do_not_fit_together_the_oldest_goes),
        cmocka_unit_test(one_that_was_recalled_stays_and_takes_its_room),
        cmocka_unit_test(where_none_stays_in_any_case_the_newest_that_fit_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
