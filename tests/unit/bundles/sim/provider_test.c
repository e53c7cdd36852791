/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/place.h"

static const uint8_t newer[SIM_CPU_SVN_SIZE] = {5, 5};
static const uint8_t older[SIM_CPU_SVN_SIZE] = {4, 5};

static int open_place(void **state) {
    static const uint16_t svns[] = {5, 13, 16};
    if (place_setup(state) != 0) {
        return -1;
    }
    const Place *place = *state;
    assert_int_equal(mkdirat(place->fd, SIM_PLATFORM_PCK_NAME, 0755), 0);
    for (size_t i = 0; i < 6; i++) {
        char name[8 + SIM_PROVIDER_NAME_SIZE] = SIM_PLATFORM_PCK_NAME "/";
        SimTcb tcb = {.pce_svn = svns[i % 3]};
        memcpy(tcb.cpu_svn, i < 3 ? newer : older, sizeof tcb.cpu_svn);
        sim_provider_name(&tcb, name + sizeof SIM_PLATFORM_PCK_NAME);
        place_put(place, name, name);
    }
    place_put(place, SIM_PLATFORM_PCK_NAME "/README", "not a certificate");
    return 0;
}

static SimPlatform platform_at(const Place *place, const uint8_t cpu_svn[SIM_CPU_SVN_SIZE]) {
    SimPlatform platform = {
        .path = (char *)place->path, .dir_fd = place->fd, .knobs = {.provider_chain = true}};
    memcpy(platform.knobs.cpu_svn, cpu_svn, SIM_CPU_SVN_SIZE);
    return platform;
}

static SimProviderAnswer find(const SimPlatform *platform, uint16_t pce_svn, SimTcb *ret_tcb) {
    CLEANUP(buffer_done) Buffer chain = BUFFER_INIT(SIM_PROVIDER_CHAIN_MAX);
    SimProviderAnswer answer = SIM_PROVIDER_ABSENT;
    Error err = ERROR_INIT;
    assert_true(sim_provider_find(platform, pce_svn, &answer, ret_tcb, &chain, &err));
    assert_true(answer != SIM_PROVIDER_FOUND || chain.data[chain.size - 1] == 0);
    return answer;
}

static void the_best_level_that_is_not_above_the_tcb_is_found(void **state) {
    SimPlatform platform = platform_at(*state, newer);
    SimTcb tcb;
    assert_int_equal(find(&platform, 14, &tcb), SIM_PROVIDER_FOUND);
    assert_int_equal(tcb.pce_svn, 13);
    assert_memory_equal(tcb.cpu_svn, newer, sizeof newer);
    assert_int_equal(find(&platform, 99, &tcb), SIM_PROVIDER_FOUND);
    assert_int_equal(tcb.pce_svn, 16);
    platform = platform_at(*state, older);
    assert_int_equal(find(&platform, 13, &tcb), SIM_PROVIDER_FOUND);
    assert_memory_equal(tcb.cpu_svn, older, sizeof older);
}

static void below_all_levels_there_is_none(void **state) {
    const uint8_t ancient[SIM_CPU_SVN_SIZE] = {9, 4};
    SimPlatform platform = platform_at(*state, newer);
    SimTcb tcb;
    assert_int_equal(find(&platform, 4, &tcb), SIM_PROVIDER_NONE);
    platform = platform_at(*state, ancient);
    assert_int_equal(find(&platform, 13, &tcb), SIM_PROVIDER_NONE);
}

static void a_cached_certificate_wins_whatever_the_pce_is(void **state) {
    SimPlatform platform = platform_at(*state, newer);
    SimTcb tcb;
    platform.knobs.cached_pce_svn = 16;
    assert_int_equal(find(&platform, 5, &tcb), SIM_PROVIDER_FOUND);
    assert_int_equal(tcb.pce_svn, 16);
    platform.knobs.cached_pce_svn = 12;
    assert_int_equal(find(&platform, 16, &tcb), SIM_PROVIDER_NONE);
}

static void a_platform_may_have_no_provider(void **state) {
    SimPlatform platform = platform_at(*state, newer);
    SimTcb tcb;
    platform.knobs.provider_chain = false;
    assert_int_equal(find(&platform, 13, &tcb), SIM_PROVIDER_ABSENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_best_level_that_is_not_above_the_tcb_is_found, open_place,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(below_all_levels_there_is_none, open_place, place_teardown),
        cmocka_unit_test_setup_teardown(a_cached_certificate_wins_whatever_the_pce_is, open_place,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_platform_may_have_no_provider, open_place, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
