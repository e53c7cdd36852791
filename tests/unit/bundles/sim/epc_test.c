/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/epc.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/sim/platform.h"
#include "tests/support/place.h"

enum { BUDGET = 1000 };

static SimEpcAnswer take(SimEpc *epc, const Place *place, uint64_t kib) {
    SimEpcAnswer answer = SIM_EPC_EXHAUSTED;
    Error err = ERROR_INIT;
    assert_true(sim_epc_take(epc, place->fd, BUDGET, kib, &answer, &err));
    return answer;
}

static void holders_share_one_budget(void **state) {
    const Place *place = *state;
    place_put(place, SIM_PLATFORM_EPC_NAME, "");
    SimEpc first = SIM_EPC_INIT;
    SimEpc second = SIM_EPC_INIT;
    assert_int_equal(take(&first, place, 600), SIM_EPC_GRANTED);
    assert_int_equal(take(&second, place, 401), SIM_EPC_EXHAUSTED);
    assert_int_equal(take(&second, place, 400), SIM_EPC_GRANTED);
    assert_int_equal(take(&first, place, 1), SIM_EPC_EXHAUSTED);
    sim_epc_give(&second, 100);
    assert_int_equal(take(&first, place, 100), SIM_EPC_GRANTED);
    sim_epc_done(&first);
    assert_int_equal(take(&second, place, 700), SIM_EPC_GRANTED);
    sim_epc_done(&second);
}

static void what_a_dead_process_held_is_free_again(void **state) {
    const Place *place = *state;
    place_put(place, SIM_PLATFORM_EPC_NAME, "");
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        SimEpc epc = SIM_EPC_INIT;
        char answer = take(&epc, place, 900) == SIM_EPC_GRANTED ? 'y' : 'n';
        (void)!write(ready[1], &answer, 1);
        for (;;) {
            (void)pause();
        }
    }
    char answer = 0;
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    SimEpc epc = SIM_EPC_INIT;
    assert_int_equal(take(&epc, place, 200), SIM_EPC_EXHAUSTED);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(take(&epc, place, 200), SIM_EPC_GRANTED);
    sim_epc_done(&epc);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void without_a_budget_no_file_is_touched(void **state) {
    const Place *place = *state;
    SimEpc epc = SIM_EPC_INIT;
    SimEpcAnswer answer = SIM_EPC_EXHAUSTED;
    Error err = ERROR_INIT;
    assert_true(sim_epc_take(&epc, place->fd, 0, UINT64_MAX, &answer, &err));
    assert_int_equal(answer, SIM_EPC_GRANTED);
    assert_int_equal(faccessat(place->fd, SIM_PLATFORM_EPC_NAME, F_OK, 0), -1);
    sim_epc_done(&epc);
}

static void a_missing_table_is_an_error_that_names_it(void **state) {
    const Place *place = *state;
    SimEpc epc = SIM_EPC_INIT;
    SimEpcAnswer answer = SIM_EPC_GRANTED;
    Error err = ERROR_INIT;
    assert_false(sim_epc_take(&epc, place->fd, BUDGET, 1, &answer, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    sim_epc_done(&epc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(holders_share_one_budget, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_a_dead_process_held_is_free_again, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(without_a_budget_no_file_is_touched, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_missing_table_is_an_error_that_names_it, place_setup,
                                        place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
