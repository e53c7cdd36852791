/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static SimFaultSetting code_setting(char *code, char *after, char *every) {
    return (SimFaultSetting){
        .call = SIM_CALL_QUOTE, .effect = SIM_EFFECT_CODE, .code = code, .after = after, .every = every};
}

static void a_fault_strikes_every_nth_call_after_some(void **state) {
    (void)state;
    char code[] = "0xe017";
    char after[] = "2";
    char every[] = "3";
    SimFaults faults = {0};
    Error err = ERROR_INIT;
    SimFaultSetting setting = code_setting(code, after, every);
    assert_true(sim_faults_add(&faults, &setting, 1, "test", &err));
    for (uint64_t number = 1; number <= 12; number++) {
        bool strikes = number == 5 || number == 8 || number == 11;
        assert_int_equal(sim_faults_strike(&faults, SIM_CALL_QUOTE, number), strikes ? 0xe017 : 0);
        assert_int_equal(sim_faults_strike(&faults, SIM_CALL_INIT, number), 0);
    }
}

static void a_setting_that_makes_no_sense_is_refused(void **state) {
    (void)state;
    char good[] = "0xe001";
    char no_prefix[] = "e001";
    char too_long[] = "0xe0012";
    char zero[] = "0";
    char word[] = "often";
    const SimFaultSetting settings[] = {
        code_setting(NULL, NULL, NULL),     code_setting(no_prefix, NULL, NULL),
        code_setting(too_long, NULL, NULL), code_setting(good, NULL, zero),
        code_setting(good, word, NULL),     {.call = SIM_CALL_INIT, .effect = SIM_EFFECT_HANG, .code = good},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        SimFaults faults = {0};
        Error err = ERROR_INIT;
        assert_false(sim_faults_add(&faults, &settings[i], 1, "some.yaml", &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_non_null(strstr(err.text, "some.yaml"));
        assert_int_equal(faults.count, 0);
    }
}

static void more_faults_than_fit_are_refused(void **state) {
    (void)state;
    char code[] = "0xe001";
    SimFaults faults = {0};
    Error err = ERROR_INIT;
    SimFaultSetting settings[SIM_FAULTS_MAX + 1];
    for (size_t i = 0; i < SIM_FAULTS_MAX + 1; i++) {
        settings[i] = code_setting(code, NULL, NULL);
    }
    assert_true(sim_faults_add(&faults, settings, SIM_FAULTS_MAX, "a", &err));
    assert_false(sim_faults_add(&faults, settings, 1, "b", &err));
    assert_int_equal(faults.count, SIM_FAULTS_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_strikes_every_nth_call_after_some),
        cmocka_unit_test(a_setting_that_makes_no_sense_is_refused),
        cmocka_unit_test(more_faults_than_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
