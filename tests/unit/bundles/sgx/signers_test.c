/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/signers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/sgx/signers_private.h"

CLEANUP_DEFINE(SignerPolicy, signers_free)

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

/* A policy with so many signers, roles and denied signers, and one with names and a reason of so many bytes.
 */
typedef struct Lengths {
    int signers, roles, signers_of_role, denied, name, soname, reason;
} Lengths;

static const Lengths short_ones = {1, 1, 1, 1, 1, 1, 1};

static void put_name(Buffer *yaml, const char *head, int length, int number) {
    assert_true(buffer_append_format(yaml, "%s\"%0*d\"\n", head, length, number));
}

static bool add_lengths(SignerPolicy *policy, const Lengths *lengths, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(1 << 18);
    put_name(&yaml, "format: 1\nname: ", lengths->name, 1);
    assert_true(buffer_append_format(&yaml, "signers:%s\n", lengths->signers == 0 ? " []" : ""));
    for (int i = 0; i < lengths->signers; i++) {
        put_name(&yaml, "  - name: ", lengths->name, i % 10);
        assert_true(buffer_append_format(&yaml, "    mrsigner: %064d\n", i));
    }
    assert_true(buffer_append_format(&yaml, "roles:%s\n", lengths->roles == 0 ? " []" : ""));
    for (int i = 0; i < lengths->roles; i++) {
        put_name(&yaml, "  - role: qe3\n    soname: ", lengths->soname, 1);
        assert_true(buffer_append_text(&yaml, "    isvprodid: 1\n    attributes: \"0x14\"\n    signers:\n"));
        for (int s = 0; s < lengths->signers_of_role; s++) {
            put_name(&yaml, "      - ", lengths->name, 0);
        }
    }
    assert_true(buffer_append_format(&yaml, "denied:%s\n", lengths->denied == 0 ? " []" : ""));
    for (int i = 0; i < lengths->denied; i++) {
        put_name(&yaml, "  - name: ", lengths->name, i % 10);
        put_name(&yaml, "    reason: ", lengths->reason, 1);
        assert_true(buffer_append_format(&yaml, "    mrsigner: %064d\n", 1000 + i));
    }
    return signers_add(policy, buffer_bytes(&yaml), "site.yaml", err);
}

/* In a policy of its own. */
static void expect_lengths(const Lengths *lengths, bool taken) {
    CLEANUP(signers_freep) SignerPolicy *policy = signers_new(NULL);
    Error err = ERROR_INIT;
    if (add_lengths(policy, lengths, &err) != taken) {
        fail_msg("%d signers, %d roles of %d, %d denied, names of %d and %d, reason of %d: %s",
                 lengths->signers, lengths->roles, lengths->signers_of_role, lengths->denied, lengths->name,
                 lengths->soname, lengths->reason, taken ? err.text : "taken");
    }
}

static void the_limits_of_a_file_hold_exactly(void **state) {
    const SignerPolicy *built_in = *state; /* what is there already counts in all */
    const int signers = SIGNERS_MAX - (int)built_in->signers_count,
              roles = SIGNERS_ROLES_MAX - (int)built_in->roles_count,
              denied = SIGNERS_MAX - (int)built_in->denied_count;
    for (int over = -1; over <= 1; over++) {
        Lengths lengths[7];
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            lengths[i] = short_ones;
        }
        lengths[0].signers = signers + over;
        lengths[1].roles = roles + over;
        lengths[2].denied = denied + over;
        lengths[3].signers_of_role = SIGNERS_PER_ROLE_MAX + over;
        lengths[4].name = SIGNERS_NAME_MAX + over;
        lengths[5].soname = SIGNERS_NAME_MAX + over;
        lengths[6].reason = SIGNERS_REASON_MAX + over;
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            expect_lengths(&lengths[i], over <= 0);
        }
    }
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
        cmocka_unit_test_setup_teardown(the_limits_of_a_file_hold_exactly, open_policy, close_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
