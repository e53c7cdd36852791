/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/sigstruct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/sim_signer.h"

typedef struct Fixture {
    EVP_PKEY *key;
    SimSigstruct sigstruct;
} Fixture;

static int open_fixture(void **state) {
    static Fixture fixture;
    Error err = ERROR_INIT;
    fixture.key = sim_signer_new(3);
    sim_sigstruct_init(&fixture.sigstruct);
    fixture.sigstruct.isv_svn = 7;
    assert_true(sim_sigstruct_sign(&fixture.sigstruct, fixture.key, &err));
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state) {
    EVP_PKEY_free(((Fixture *)*state)->key);
    return 0;
}

static void a_signed_sigstruct_is_accepted(void **state) {
    const Fixture *fixture = *state;
    Error err = ERROR_INIT;
    assert_true(sim_sigstruct_check(&fixture->sigstruct, &err));
}

static void every_changed_byte_is_refused(void **state) {
    const Fixture *fixture = *state;
    for (size_t at = 0; at < sizeof(SimSigstruct); at++) {
        SimSigstruct changed = fixture->sigstruct;
        Error err = ERROR_INIT;
        ((uint8_t *)&changed)[at] ^= 0x10;
        bool is_free = at >= offsetof(SimSigstruct, reserved4) && at < offsetof(SimSigstruct, q1);
        assert_int_equal(sim_sigstruct_check(&changed, &err), is_free);
    }
}

static void a_key_with_another_exponent_is_refused(void **state) {
    (void)state;
    SimSigstruct sigstruct;
    Error err = ERROR_INIT;
    EVP_PKEY *key = sim_signer_new(65537);
    sim_sigstruct_init(&sigstruct);
    assert_false(sim_sigstruct_sign(&sigstruct, key, &err));
    assert_int_not_equal(err.kind, ERROR_NONE);
    EVP_PKEY_free(key);
}

static void mrsigner_belongs_to_the_key(void **state) {
    const Fixture *fixture = *state;
    uint8_t of_sigstruct[SGX_HASH_SIZE];
    uint8_t of_key[SGX_HASH_SIZE];
    assert_true(sim_sigstruct_mr_signer(&fixture->sigstruct, of_sigstruct));
    assert_true(sim_sigstruct_key_mr_signer(fixture->key, of_key));
    assert_memory_equal(of_sigstruct, of_key, sizeof of_key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_sigstruct_is_accepted),
        cmocka_unit_test(every_changed_byte_is_refused),
        cmocka_unit_test(a_key_with_another_exponent_is_refused),
        cmocka_unit_test(mrsigner_belongs_to_the_key),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
