/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/signers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char intel_dcap[] = "8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff";
static const char intel_pce[] = "c54a62f2be9ef76efb1f3930ad81ea7f60defc1f5f25e09b7c067a815ae0c6cb";
static const char sdk_sample[] = "83d719e77deaca1470f6baf62a4d774303c899db69020f9c70ee1dfc08c7ce9e";
static const char other[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static int open_policy(void **state) {
    *state = signers_new(NULL);
    assert_non_null(*state);
    return 0;
}

static int close_policy(void **state) {
    signers_free(*state);
    return 0;
}

static Digest digest(const char *hex) {
    Digest value;
    assert_true(digest_parse(hex, &value));
    return value;
}

static bool add(SignerPolicy *policy, const char *yaml, Error *err) {
    return signers_add(policy, (Bytes){(const uint8_t *)yaml, strlen(yaml)}, "site.yaml", err);
}

static const char site_format[] = "format: 1\n"
                                  "name: site\n"
                                  "signers:\n"
                                  "  - name: ours\n"
                                  "    mrsigner: %s\n"
                                  "roles:\n"
                                  "  - role: %s\n"
                                  "    soname: libsgx_qe3.signed.so.1\n"
                                  "    signers: [%s]\n"
                                  "    isvprodid: %s\n"
                                  "    attributes: \"%s\"\n";

static bool add_site(SignerPolicy *policy, const char *mrsigner, const char *signer, const char *prodid,
                     const char *attributes, Error *err) {
    char yaml[1024];
    int size = snprintf(yaml, sizeof yaml, site_format, mrsigner, "qe3", signer, prodid, attributes);
    assert_true(size > 0 && size < (int)sizeof yaml);
    return add(policy, yaml, err);
}

static void intels_roles_are_built_in(void **state) {
    const SignerPolicy *policy = *state;
    static const struct {
        const char *soname, *role, *mrsigner;
    } roles[] = {{"libsgx_qe3.signed.so.1", "qe3", intel_dcap},
                 {"libsgx_id_enclave.signed.so.1", "id_enclave", intel_dcap},
                 {"libsgx_qve.signed.so.1", "qve", intel_dcap},
                 {"libsgx_pce.signed.so.1", "pce", intel_pce}};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        Digest mr_signer = digest(roles[i].mrsigner);
        const SignerRole *role = signers_find_role(policy, roles[i].soname, &mr_signer);
        assert_non_null(role);
        assert_string_equal(role->role, roles[i].role);
        assert_true(signers_may_sign(role, &mr_signer));
        assert_false(role->simulated);
    }
    Digest pce = digest(intel_pce);
    const SignerRole *qe3 = signers_find_role(policy, "libsgx_qe3.signed.so.1", &pce);
    assert_non_null(qe3);
    assert_false(signers_may_sign(qe3, &pce));
    assert_null(signers_find_role(policy, "libsgx_qe3.signed.so", &pce));
    assert_string_equal(signers_find(policy, &pce)->name, "intel-pce");
}

static void public_keys_are_denied_even_if_a_site_pins_them(void **state) {
    SignerPolicy *policy = *state;
    Digest sample = digest(sdk_sample);
    assert_non_null(signers_find_denied(policy, &sample));
    assert_true(add_site(policy, sdk_sample, "ours", "1", "0x14", NULL));
    const SignerRole *role = signers_find_role(policy, "libsgx_qe3.signed.so.1", &sample);
    assert_non_null(role);
    assert_false(signers_may_sign(role, &sample));
}

static void a_site_can_pin_its_own_signer_beside_intels(void **state) {
    SignerPolicy *policy = *state;
    Digest ours = digest(other);
    Digest intel = digest(intel_dcap);
    assert_true(add_site(policy, other, "ours", "7", "0x4", NULL));
    const SignerRole *role = signers_find_role(policy, "libsgx_qe3.signed.so.1", &ours);
    assert_true(signers_may_sign(role, &ours));
    assert_int_equal(role->prod_id, 7);
    assert_int_equal(role->flags, 4);
    assert_int_equal(role->fixed_flags, SGX_FLAGS_DEBUG);
    assert_int_equal(signers_find_role(policy, "libsgx_qe3.signed.so.1", &intel)->prod_id, 1);
}

static void a_later_file_can_deny_what_an_earlier_one_allowed(void **state) {
    SignerPolicy *policy = *state;
    Digest intel = digest(intel_dcap);
    char yaml[512];
    (void)snprintf(
        yaml, sizeof yaml,
        "format: 1\nname: site\nsigners: []\nroles: []\ndenied:\n  - name: gone\n    mrsigner: %s\n"
        "    reason: revoked by us\n",
        intel_dcap);
    assert_true(add(policy, yaml, NULL));
    const SignerRole *role = signers_find_role(policy, "libsgx_qe3.signed.so.1", &intel);
    assert_false(signers_may_sign(role, &intel));
    assert_string_equal(signers_find_denied(policy, &intel)->reason, "revoked by us");
}

static void bad_files_are_refused_and_change_nothing(void **state) {
    SignerPolicy *policy = *state;
    static const struct {
        const char *mrsigner, *signer, *prodid, *attributes;
    } bad[] = {{"00", "ours", "1", "0x14"},      {other, "intel-dcap", "1", "0x14"},
               {other, "ours", "65536", "0x14"}, {other, "ours", "01", "0x14"},
               {other, "ours", "1", "14"},       {other, "ours", "1", "0x"},
               {other, "ours", "1", "0x1g"},     {other, "ours", "1", "0x00000000000000014"}};
    Digest ours = digest(other);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        Error err = ERROR_INIT;
        assert_false(
            add_site(policy, bad[i].mrsigner, bad[i].signer, bad[i].prodid, bad[i].attributes, &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_non_null(strstr(err.text, "site.yaml"));
        assert_null(signers_find(policy, &ours));
    }
    assert_false(add(policy, "", NULL));
    assert_false(add(policy, "format: 2\nname: x\nsigners: []\nroles: []\n", NULL));
    assert_false(add(policy, "format: 1\nname: x\nsigners: []\nroles: []\nextra: 1\n", NULL));
    assert_false(add(policy, "format: 1\nname: x\nsimulated: yes\nsigners: []\nroles: []\n", NULL));
}

static void the_number_of_signers_is_bounded(void **state) {
    SignerPolicy *policy = *state;
    Error err = ERROR_INIT;
    size_t added = 0;
    while (added <= SIGNERS_MAX && add_site(policy, other, "ours", "1", "0x14", &err)) {
        added++;
    }
    assert_true(added > 0 && added < SIGNERS_MAX);
    assert_int_equal(err.kind, ERROR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(intels_roles_are_built_in, open_policy, close_policy),
        cmocka_unit_test_setup_teardown(public_keys_are_denied_even_if_a_site_pins_them, open_policy,
                                        close_policy),
        cmocka_unit_test_setup_teardown(a_site_can_pin_its_own_signer_beside_intels, open_policy,
                                        close_policy),
        cmocka_unit_test_setup_teardown(a_later_file_can_deny_what_an_earlier_one_allowed, open_policy,
                                        close_policy),
        cmocka_unit_test_setup_teardown(bad_files_are_refused_and_change_nothing, open_policy, close_policy),
        cmocka_unit_test_setup_teardown(the_number_of_signers_is_bounded, open_policy, close_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
