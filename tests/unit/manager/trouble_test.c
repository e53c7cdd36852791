/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/trouble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void mistakes_of_clients_are_no_trouble(void **state) {
    (void)state;
    static const uint32_t innocent[] = {0, 1, 3, 18, 30, 38, 47, 99};
    for (size_t i = 0; i < sizeof innocent / sizeof innocent[0]; i++) {
        assert_false(trouble_is(innocent[i]));
    }
}

static void failures_of_enclaves_are_trouble(void **state) {
    (void)state;
    static const uint32_t guilty[] = {24, 29, 42, 46, 48, 50};
    for (size_t i = 0; i < sizeof guilty / sizeof guilty[0]; i++) {
        assert_true(trouble_is(guilty[i]));
    }
}

static void a_status_document_is_summed_up(void **state) {
    (void)state;
    json_t *status = json_pack("{s:{s:{s:i, s:i, s:i, s:i, s:s}}}", "counters", "answers", "0", 90, "29", 4,
                               "3", 6, "junk", 5, "46", "x");
    uint64_t answers = 0, errors = 0;
    trouble_count(status, &answers, &errors);
    json_decref(status);
    assert_int_equal(answers, 100);
    assert_int_equal(errors, 4);
}

static void a_document_without_answers_counts_nothing(void **state) {
    (void)state;
    json_t *status = json_object();
    uint64_t answers = 7, errors = 7;
    trouble_count(status, &answers, &errors);
    json_decref(status);
    assert_int_equal(answers, 0);
    assert_int_equal(errors, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_of_clients_are_no_trouble),
        cmocka_unit_test(failures_of_enclaves_are_trouble),
        cmocka_unit_test(a_status_document_is_summed_up),
        cmocka_unit_test(a_document_without_answers_counts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
