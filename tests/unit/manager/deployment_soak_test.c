/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/deployment_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "manager/generation_private.h"

typedef struct Soak {
    Config config;
    Journal journal;
    Generation generation;
    Deployment deployment;
} Soak;

/* A swap in its soak, and no control connection to the new generation. */
static Soak *soak_new(uint64_t soak_ms) {
    Soak *soak = calloc(1, sizeof *soak);
    assert_non_null(soak);
    assert_true(sd_event_new(&soak->deployment.event) >= 0);
    soak->config.trial_interval_ms = UINT64_C(3600) * 1000;
    soak->journal.swap.state = SWAP_SOAKING;
    soak->journal.swap.soak_ms = soak_ms;
    soak->journal.swap.next.number = soak->generation.number = 2;
    soak->generation.alive = soak->generation.warm = true;
    soak->generation.socket = -1;
    soak->deployment.config = &soak->config;
    soak->deployment.journal = &soak->journal;
    soak->deployment.generations[0] = &soak->generation;
    soak->deployment.generations_count = 1;
    return soak;
}

static void soak_free(Soak *soak) {
    deployment_soak_end(&soak->deployment);
    sd_event_unref(soak->deployment.event);
    free(soak);
}

static void without_a_connection_it_waits_for_its_trial_quote_when_its_time_is_over(void **state) {
    (void)state;
    Soak *soak = soak_new(1);
    deployment_soak_begin(&soak->deployment);
    while (soak->deployment.soak_timer != NULL) {
        assert_true(sd_event_run(soak->deployment.event, UINT64_MAX) >= 0);
    }
    assert_int_equal(soak->journal.swap.state, SWAP_SOAKING);
    assert_true(soak->deployment.trial_due);
    assert_non_null(soak->deployment.trial_timer); /* it is asked for again, before an hour is over */
    uint64_t again = 0, now = 0;
    assert_true(sd_event_source_get_time(soak->deployment.trial_timer, &again) >= 0);
    assert_true(sd_event_now(soak->deployment.event, CLOCK_MONOTONIC, &now) >= 0);
    assert_true(again < now + UINT64_C(60) * 1000 * 1000);
    soak_free(soak);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_connection_it_waits_for_its_trial_quote_when_its_time_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
