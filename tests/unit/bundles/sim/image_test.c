/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sim/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/sgx/enclave.h"
#include "bundles/sim/enclave.h"
#include "tests/support/sim_signer.h"

typedef struct Fixture {
    EVP_PKEY *key;
    Buffer file;
} Fixture;

static int open_fixture(void **state) {
    static Fixture fixture;
    const SimEnclaveSpec spec = {.role = SIM_ROLE_ID_ENCLAVE, .isv_svn = 3, .version = "1.0"};
    Error err = ERROR_INIT;
    fixture = (Fixture){.key = sim_signer_new(3), .file = BUFFER_INIT(SIM_IMAGE_FILE_MAX)};
    assert_true(sim_enclave_make(&spec, fixture.key, &fixture.file, &err));
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state) {
    Fixture *fixture = *state;
    EVP_PKEY_free(fixture->key);
    buffer_done(&fixture->file);
    return 0;
}

static void a_good_file_starts(void **state) {
    const Fixture *fixture = *state;
    SimIdentity identity;
    uint8_t mr_signer[SGX_HASH_SIZE];
    Error err = ERROR_INIT;
    assert_true(sim_image_start(buffer_bytes(&fixture->file), &identity, &err));
    assert_true(sim_sigstruct_key_mr_signer(fixture->key, mr_signer));
    assert_memory_equal(identity.mr_signer, mr_signer, sizeof mr_signer);
    assert_int_equal(identity.isv_svn, 3);
    assert_int_equal(identity.attributes.flags,
                     SGX_FLAGS_INIT | SGX_FLAGS_MODE64BIT | SGX_FLAGS_PROVISION_KEY);
    assert_int_equal(identity.attributes.xfrm, 0xe7);
}

static void a_changed_byte_in_any_page_is_refused(void **state) {
    const Fixture *fixture = *state;
    /* ELF header, symbols, code, read-only data, dynamic section. */
    static const size_t places[] = {0x19, 0x1a8, 0x1000, 0x2004, 0x2818};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        SimIdentity identity;
        Error err = ERROR_INIT;
        fixture->file.data[places[i]] ^= 4;
        assert_false(sim_image_start(buffer_bytes(&fixture->file), &identity, &err));
        fixture->file.data[places[i]] ^= 4;
    }
}

static void a_file_that_is_cut_off_anywhere_is_refused(void **state) {
    const Fixture *fixture = *state;
    for (size_t size = 0; size < fixture->file.size; size += 61) {
        SimIdentity identity;
        Error err = ERROR_INIT;
        /* A copy of its own, so that a read behind the end is seen by the sanitizer. */
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, fixture->file.data, size);
        assert_false(sim_image_start((Bytes){copy, size}, &identity, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
        free(copy);
    }
}

static void a_mutated_file_never_starts_as_another_enclave(void **state) {
    const Fixture *fixture = *state;
    SimIdentity genuine;
    Error err = ERROR_INIT;
    assert_true(sim_image_start(buffer_bytes(&fixture->file), &genuine, &err));
    uint32_t random = 1;
    for (int i = 0; i < 400; i++) {
        SimIdentity identity;
        random = random * 1664525 + 1013904223;
        size_t at = random % fixture->file.size;
        uint8_t kept = fixture->file.data[at];
        fixture->file.data[at] = (uint8_t)(random >> 24);
        if (sim_image_start(buffer_bytes(&fixture->file), &identity, NULL)) {
            assert_memory_equal(&identity, &genuine, sizeof genuine);
        }
        fixture->file.data[at] = kept;
    }
}

/* The verifier of bundles/sgx reads and measures with other code. */
static void the_verifier_measures_the_same(void **state) {
    const Fixture *fixture = *state;
    SimIdentity identity;
    Error err = ERROR_INIT;
    EnclaveReport report;
    SignerPolicy *policy = signers_new(&err);
    const EnclaveOptions options = {.policy = policy, .now = 1767225600, .limits = &image_limits_bundle};
    assert_true(sim_image_start(buffer_bytes(&fixture->file), &identity, &err));
    assert_true(enclave_examine(buffer_bytes(&fixture->file), &options, &report, &err));
    assert_true(report.match);
    assert_memory_equal(report.mr_enclave.bytes, identity.mr_enclave, sizeof identity.mr_enclave);
    assert_memory_equal(report.mr_signer.bytes, identity.mr_signer, sizeof identity.mr_signer);
    assert_int_equal(report.epc_kib, identity.epc_kib);
    signers_free(policy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_starts),
        cmocka_unit_test(a_changed_byte_in_any_page_is_refused),
        cmocka_unit_test(a_file_that_is_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_mutated_file_never_starts_as_another_enclave),
        cmocka_unit_test(the_verifier_measures_the_same),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
