/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/tally.h"

static void successes_and_failures_add_up_to_the_requests(void **state) {
    (void)state;
    Tally *tally = tally_new(false);
    tally_success(tally, FRAME_INIT, 0, 1000);
    tally_success(tally, FRAME_QUOTE, 0, 2000);
    tally_failure(tally, FRAME_QUOTE, TALLY_RESET, 0, NULL);
    tally_code(tally, FRAME_QUOTE, 47, 0);
    tally_code(tally, FRAME_QUOTE, 4711, 0);
    assert_int_equal(tally_requests(tally), 5);
    assert_int_equal(tally_failed(tally), 3);
    assert_int_equal(tally->failures[TALLY_RESET], 1);
    assert_int_equal(tally->failures[TALLY_CODE], 2);
    assert_int_equal(tally->codes[47], 1);
    assert_int_equal(tally->codes[TALLY_CODES_MAX - 1], 1);
    tally_free(tally);
}

static void merging_keeps_the_earliest_failures_in_order(void **state) {
    (void)state;
    Tally *a = tally_new(false);
    Tally *b = tally_new(false);
    for (uint64_t i = 0; i < TALLY_NOTES_MAX; i++) {
        tally_failure(a, FRAME_SIZE, TALLY_END, 100 + 2 * i, NULL);
        tally_failure(b, FRAME_SIZE, TALLY_END, 101 + 2 * i, "late");
    }
    assert_true(tally_merge(a, b));
    assert_int_equal(a->notes_count, TALLY_NOTES_MAX);
    for (uint64_t i = 0; i < TALLY_NOTES_MAX; i++) {
        assert_int_equal(a->notes[i].at_ns, 100 + i);
    }
    assert_string_equal(a->notes[1].text, "size: end-of-file: late");
    assert_int_equal(tally_failed(a), 2 * TALLY_NOTES_MAX);
    tally_free(a);
    tally_free(b);
}

static void merging_adds_quotes_of_the_same_qe(void **state) {
    (void)state;
    uint8_t one[SGX_HASH_SIZE] = {1};
    uint8_t two[SGX_HASH_SIZE] = {2};
    Tally *a = tally_new(false);
    Tally *b = tally_new(false);
    tally_qe(a, one);
    tally_qe(b, two);
    tally_qe(b, one);
    assert_true(tally_merge(a, b));
    assert_int_equal(a->qes_count, 2);
    assert_memory_equal(a->qes[0].mr_enclave, one, sizeof one);
    assert_int_equal(a->qes[0].quotes, 2);
    assert_int_equal(a->qes[1].quotes, 1);
    tally_free(a);
    tally_free(b);
}

static void samples_are_kept_only_when_asked_for(void **state) {
    (void)state;
    Tally *without = tally_new(false);
    Tally *with = tally_new(true);
    tally_success(without, FRAME_INIT, 0, 1000);
    tally_success(with, FRAME_INIT, 250 * 1000000, 7000);
    tally_failure(with, FRAME_INIT, TALLY_TIMEOUT, 350 * 1000000, NULL);
    assert_int_equal(without->samples_count, 0);
    assert_int_equal(with->samples_count, 2);
    assert_int_equal(with->samples[0].at_ms, 250);
    assert_int_equal(with->samples[0].latency_us, 7);
    assert_int_equal(with->samples[1].latency_us, UINT32_MAX);
    tally_free(without);
    tally_free(with);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(successes_and_failures_add_up_to_the_requests),
        cmocka_unit_test(merging_keeps_the_earliest_failures_in_order),
        cmocka_unit_test(merging_adds_quotes_of_the_same_qe),
        cmocka_unit_test(samples_are_kept_only_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
