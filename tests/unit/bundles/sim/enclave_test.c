/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/enclave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/sim/image.h"
#include "tests/support/sim_signer.h"

static int open_key(void **state) {
    *state = sim_signer_new(3);
    return 0;
}

static int close_key(void **state) {
    EVP_PKEY_free(*state);
    return 0;
}

static void make(EVP_PKEY *key, SimRole role, uint16_t svn, const char *version, Buffer *file) {
    const SimEnclaveSpec spec = {.role = role, .isv_svn = svn, .version = version};
    Error err = ERROR_INIT;
    assert_true(sim_enclave_make(&spec, key, file, &err));
}

static void the_same_specification_gives_the_same_bytes(void **state) {
    Buffer first = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    Buffer second = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    make(*state, SIM_ROLE_QE3, 8, "1.0", &first);
    make(*state, SIM_ROLE_QE3, 8, "1.0", &second);
    assert_true(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    buffer_done(&first);
    buffer_done(&second);
}

static void role_svn_and_version_each_change_mrenclave(void **state) {
    static const struct {
        SimRole role;
        uint16_t svn;
        const char *version;
    } specs[] = {{SIM_ROLE_QE3, 8, "1.0"},
                 {SIM_ROLE_QE3, 9, "1.0"},
                 {SIM_ROLE_QE3, 8, "1.1"},
                 {SIM_ROLE_ID_ENCLAVE, 8, "1.0"},
                 {SIM_ROLE_PCE, 8, "1.0"}};
    enum { COUNT = sizeof specs / sizeof *specs };
    SimIdentity identities[COUNT];
    Buffer file = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    for (size_t i = 0; i < COUNT; i++) {
        Error err = ERROR_INIT;
        make(*state, specs[i].role, specs[i].svn, specs[i].version, &file);
        assert_true(sim_image_start(buffer_bytes(&file), &identities[i], &err));
        assert_int_equal(identities[i].isv_svn, specs[i].svn);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(identities[i].mr_enclave, identities[j].mr_enclave, SGX_HASH_SIZE);
        }
    }
    buffer_done(&file);
}

static void a_qe_takes_the_room_of_its_heap_and_stack(void **state) {
    SimIdentity identity;
    Error err = ERROR_INIT;
    Buffer file = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    make(*state, SIM_ROLE_QE3, 8, "1.0", &file);
    assert_true(sim_image_start(buffer_bytes(&file), &identity, &err));
    /* 5 pages of image, 0x24 heap, 0x44 stack, TCS, 2 SSA, TD, SECS, version array */
    assert_int_equal(identity.epc_kib, 4 * (5 + 0x24 + 0x44 + 1 + 2 + 1 + 1 + 1));
    buffer_done(&file);
}

static void svn_0_and_odd_versions_are_refused(void **state) {
    Buffer file = BUFFER_INIT(SIM_IMAGE_FILE_MAX);
    const SimEnclaveSpec specs[] = {{SIM_ROLE_QE3, 0, "1.0"}, {SIM_ROLE_QE3, 1, "1\n0"}};
    for (size_t i = 0; i < 2; i++) {
        Error err = ERROR_INIT;
        assert_false(sim_enclave_make(&specs[i], *state, &file, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
    }
    buffer_done(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_specification_gives_the_same_bytes),
        cmocka_unit_test(role_svn_and_version_each_change_mrenclave),
        cmocka_unit_test(a_qe_takes_the_room_of_its_heap_and_stack),
        cmocka_unit_test(svn_0_and_odd_versions_are_refused),
    };
    return cmocka_run_group_tests(tests, open_key, close_key);
}
