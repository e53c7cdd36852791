/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "tests/support/place.h"

CLEANUP_DEFINE(SimPlatform, sim_platform_close)

static const char seed[] = "0123456789abcdef0123456789abcdef";

/* The default knobs with the line of one key replaced. */
static void put_knobs(const Place *place, const char *line) {
    AUTO_FREE char *text = strdup(sim_platform_default_knobs);
    size_t key = strcspn(line, ":");
    char *at = strstr(text, "format:");
    while (strncmp(at, line, key + 1) != 0) {
        at = strchr(at, '\n') + 1;
    }
    char *rest = strchr(at, '\n');
    *at = 0;
    AUTO_FREE char *changed = text_format("%s%s%s", text, line, rest);
    place_put(place, SIM_PLATFORM_KNOBS_NAME, changed);
}

static void default_knobs_are_valid_and_limit_nothing(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    place_put(place, SIM_PLATFORM_SEED_NAME, seed);
    place_put(place, SIM_PLATFORM_KNOBS_NAME, sim_platform_default_knobs);
    CLEANUP(sim_platform_closep) SimPlatform *platform = sim_platform_open(place->path, &err);
    assert_non_null(platform);
    assert_int_equal(platform->knobs.epc_kib, 0);
    assert_int_equal(platform->knobs.tcs, 1);
    assert_true(platform->knobs.provider_chain);
    assert_int_equal(platform->knobs.cpu_svn[0], 0x0e);
    assert_memory_equal(platform->seed, seed, SIM_SEED_SIZE);
}

static void a_change_is_noticed(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    place_put(place, SIM_PLATFORM_SEED_NAME, seed);
    place_put(place, SIM_PLATFORM_KNOBS_NAME, sim_platform_default_knobs);
    CLEANUP(sim_platform_closep) SimPlatform *platform = sim_platform_open(place->path, &err);
    assert_true(sim_platform_is_current(platform));
    put_knobs(place, "tcs: 16");
    assert_false(sim_platform_is_current(platform));
    assert_true(sim_platform_refresh(platform, &err));
    assert_int_equal(platform->knobs.tcs, 16);
    assert_true(sim_platform_is_current(platform));
}

static void a_wrong_value_is_refused_by_name_and_the_former_ones_stay(void **state) {
    const Place *place = *state;
    static const char *const lines[] = {"tcs: 0",         "tcs: 65",           "epc_kib: -1",
                                        "cpu_svn: 0e",    "format: 2",         "provider: perhaps",
                                        "faults: always", "cached_pce_svn: x", "delays_us: 5"};
    Error first = ERROR_INIT;
    place_put(place, SIM_PLATFORM_SEED_NAME, seed);
    place_put(place, SIM_PLATFORM_KNOBS_NAME, sim_platform_default_knobs);
    CLEANUP(sim_platform_closep) SimPlatform *platform = sim_platform_open(place->path, &first);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Error err = ERROR_INIT;
        put_knobs(place, lines[i]);
        assert_false(sim_platform_refresh(platform, &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_non_null(strstr(err.text, SIM_PLATFORM_KNOBS_NAME));
        assert_int_equal(platform->knobs.tcs, 1);
    }
}

static void a_directory_without_a_seed_is_no_platform(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    place_put(place, SIM_PLATFORM_KNOBS_NAME, sim_platform_default_knobs);
    assert_null(sim_platform_open(place->path, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    err = ERROR_INIT;
    place_put(place, SIM_PLATFORM_SEED_NAME, "short");
    assert_null(sim_platform_open(place->path, &err));
    assert_int_equal(err.kind, ERROR_CONFIG);
    err = ERROR_INIT;
    assert_null(sim_platform_open("/nonexistent", &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(default_knobs_are_valid_and_limit_nothing, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_change_is_noticed, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_wrong_value_is_refused_by_name_and_the_former_ones_stay,
                                        place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_directory_without_a_seed_is_no_platform, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
