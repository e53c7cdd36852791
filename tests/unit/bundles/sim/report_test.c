/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/sim/ereport.h"
#include "bundles/sim/platform.h"
#include "tests/support/place.h"

static const char seed[] = "0123456789abcdef0123456789abcdef";
static const uint8_t cpu_svn[SIM_CPU_SVN_SIZE] = {0x0e, 0x0e, 0x03, 0x03, 0xff, 0xff, 0x01};

static SgxTargetInfo target_of(uint8_t name) {
    SgxTargetInfo target = {.attributes = {0x15, 0xe7}};
    memset(target.mr_enclave, name, sizeof target.mr_enclave);
    return target;
}

static bool accepts(const SgxTargetInfo *target, const SgxReport *report) {
    return sim_ereport_check((const uint8_t *)seed, cpu_svn, target, report);
}

static void a_report_is_accepted_by_its_target_alone(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    uint8_t data[SGX_REPORT_DATA_SIZE] = "nonce";
    SgxReport report;
    place_put(place, SIM_PLATFORM_SEED_NAME, seed);
    place_put(place, SIM_PLATFORM_KNOBS_NAME, sim_platform_default_knobs);
    SimReporter *reporter = sim_reporter_open(place->path, &err);
    assert_non_null(reporter);
    const SgxTargetInfo target = target_of(1);
    assert_true(sim_reporter_make(reporter, &target, data, &report, &err));
    sim_reporter_close(reporter);
    assert_true(accepts(&target, &report));
    assert_memory_equal(report.body.report_data, data, sizeof data);

    SgxTargetInfo others[5] = {target_of(2), target, target, target, target};
    others[1].attributes.flags ^= SGX_FLAGS_DEBUG;
    others[2].misc_select = 1;
    others[3].config_id[63] = 1;
    others[4].config_svn = 1;
    for (size_t i = 0; i < 5; i++) {
        assert_false(accepts(&others[i], &report));
    }
}

static void every_changed_byte_of_a_report_is_noticed(void **state) {
    (void)state;
    const SgxTargetInfo target = target_of(1);
    const uint8_t data[SGX_REPORT_DATA_SIZE] = {0};
    SgxReport report;
    assert_true(
        sim_ereport((const uint8_t *)seed, cpu_svn, &sim_ereport_application, &target, data, &report));
    for (size_t at = 0; at < sizeof report; at++) {
        SgxReport changed = report;
        ((uint8_t *)&changed)[at] ^= 1;
        assert_false(accepts(&target, &changed));
    }
}

static void reports_of_another_platform_are_refused(void **state) {
    (void)state;
    const SgxTargetInfo target = target_of(1);
    const uint8_t data[SGX_REPORT_DATA_SIZE] = {0};
    const uint8_t other_seed[SIM_SEED_SIZE] = {1};
    uint8_t other_svn[SIM_CPU_SVN_SIZE] = {1};
    SgxReport report;
    assert_true(sim_ereport(other_seed, cpu_svn, &sim_ereport_application, &target, data, &report));
    assert_false(accepts(&target, &report));
    assert_true(
        sim_ereport((const uint8_t *)seed, other_svn, &sim_ereport_application, &target, data, &report));
    assert_false(accepts(&target, &report));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_report_is_accepted_by_its_target_alone, place_setup,
                                        place_teardown),
        cmocka_unit_test(every_changed_byte_of_a_report_is_noticed),
        cmocka_unit_test(reports_of_another_platform_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
