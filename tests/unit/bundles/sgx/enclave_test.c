/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/enclave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/enclave_maker.h"
#include "tests/support/faults.h"

enum { NOW = 1735689600 /* 2025-01-01 */, POLICY_MAX = 2048 };

typedef struct Fixture {
    EVP_PKEY *key;
    EVP_PKEY *foreign_key;
    SignerPolicy *policy; /* pins `key` for qe3 and id_enclave */
    EnclaveMaker maker;
    EnclaveReport report;
} Fixture;

static const char policy_format[] = "format: 1\n"
                                    "name: tests\n"
                                    "simulated: true\n"
                                    "signers:\n"
                                    "  - name: test-signer\n"
                                    "    mrsigner: %s\n"
                                    "roles:\n"
                                    "  - role: qe3\n"
                                    "    soname: libsgx_qe3.signed.so.1\n"
                                    "    signers: [test-signer]\n"
                                    "    isvprodid: 1\n"
                                    "    min_isvsvn: 3\n"
                                    "    attributes: \"0x14\"\n"
                                    "    fixed_attributes: \"0x12\"\n"
                                    "    vendor: \"0x8086\"\n"
                                    "  - role: id_enclave\n"
                                    "    soname: libsgx_id_enclave.signed.so.1\n"
                                    "    signers: [test-signer]\n"
                                    "    isvprodid: 1\n"
                                    "    attributes: \"0x14\"\n";

static int open_fixture(void **state) {
    Fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->key = maker_key_new(3);
    fixture->foreign_key = maker_key_new(3);
    fixture->policy = signers_new(NULL);
    assert_non_null(fixture->policy);
    Digest mr_signer;
    char hex[DIGEST_HEX_SIZE];
    char yaml[POLICY_MAX];
    maker_mr_signer(fixture->key, mr_signer.bytes);
    digest_format(&mr_signer, hex);
    int size = snprintf(yaml, sizeof yaml, policy_format, hex);
    Error err = ERROR_INIT;
    if (!signers_add(fixture->policy, (Bytes){(const uint8_t *)yaml, (size_t)size}, "tests.yaml", &err)) {
        fail_msg("%s", err.text);
    }
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    Fixture *fixture = *state;
    signers_free(fixture->policy);
    EVP_PKEY_free(fixture->key);
    EVP_PKEY_free(fixture->foreign_key);
    free(fixture);
    return 0;
}

static int reset(void **state) {
    Fixture *fixture = *state;
    maker_init(&fixture->maker);
    return 0;
}

static void examine_bytes(Fixture *fixture, Bytes file) {
    EnclaveOptions options = {.policy = fixture->policy, .now = NOW, .limits = &image_limits_bundle};
    Error err = ERROR_INIT;
    if (!enclave_examine(file, &options, &fixture->report, &err)) {
        fail_msg("%s", err.text);
    }
}

static void examine(Fixture *fixture) {
    examine_bytes(fixture, (Bytes){fixture->maker.file, fixture->maker.file_size});
}

/* The file is refused for that reason alone: all other checks that could be made passed. */
static void expect_only(const Fixture *fixture, EnclaveCheckId failing) {
    assert_false(fixture->report.verified);
    for (size_t id = 0; id < ENCLAVE_CHECKS_COUNT; id++) {
        bool failed = fixture->report.checks[id].verdict == ENCLAVE_VERDICT_FAIL;
        if (failed != (id == failing)) {
            fail_msg("check %s: %s", enclave_check_name((EnclaveCheckId)id), fixture->report.checks[id].text);
        }
    }
    Error err = ERROR_INIT;
    assert_false(enclave_require_verified(&fixture->report, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);
    assert_non_null(strstr(err.text, enclave_check_name(failing)));
}

static void make_and_expect_only(Fixture *fixture, EnclaveCheckId failing) {
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_only(fixture, failing);
    maker_init(&fixture->maker);
}

static void expect_verified(const Fixture *fixture) {
    for (size_t id = 0; id < ENCLAVE_CHECKS_COUNT; id++) {
        if (fixture->report.checks[id].verdict == ENCLAVE_VERDICT_FAIL) {
            fail_msg("check %s: %s", enclave_check_name((EnclaveCheckId)id), fixture->report.checks[id].text);
        }
    }
    assert_true(fixture->report.verified);
    assert_true(enclave_require_verified(&fixture->report, NULL));
}

static void a_production_enclave_is_verified_and_described(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_verified(fixture);
    const EnclaveReport *report = &fixture->report;
    assert_string_equal(report->role, "qe3");
    assert_string_equal(report->signer, "test-signer");
    assert_string_equal(report->soname, "libsgx_qe3.signed.so.1");
    assert_string_equal(report->date, "2024-02-29");
    assert_true(report->simulated);
    assert_true(report->match);
    assert_int_equal(report->svn, 11);
    assert_int_equal(report->measurements_count, 1);
    assert_memory_equal(report->measurements[0].mr_enclave.bytes, fixture->maker.mr_enclave, DIGEST_SIZE);
    assert_int_equal(report->pages, fixture->maker.pages);
    assert_int_equal(report->epc_kib, 4 * (1 + fixture->maker.pages + 1));
}

static void three_entries_and_a_fips_record_are_verified(void **state) {
    Fixture *fixture = *state;
    fixture->maker.fips = true;
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_verified(fixture);
    assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_FIPS].verdict, ENCLAVE_VERDICT_PASS);
    maker_init(&fixture->maker);
    fixture->maker.entries[0] = (MakerEntry){.major = 2, .minor = 4};
    fixture->maker.entries[1] = (MakerEntry){.major = 2, .minor = 1};
    fixture->maker.entries[2] = (MakerEntry){.major = 1, .minor = 4};
    fixture->maker.entries_count = 3;
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_verified(fixture);
    assert_int_equal(fixture->report.measurements_count, 3);
}

static void a_bad_fips_record_is_refused(void **state) {
    Fixture *fixture = *state;
    fixture->maker.fips = true;
    maker_make(&fixture->maker, fixture->key);
    fixture->maker.file[fixture->maker.entries[0].at + fixture->maker.entries[0].size - 1] ^= 1;
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_FIPS);
}

static void a_look_alike_is_refused_by_its_signer_alone(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->foreign_key);
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_SIGNER);
    assert_string_equal(fixture->report.role, "qe3");
    assert_string_equal(fixture->report.signer, "unknown");
}

static void the_name_decides_the_role(void **state) {
    Fixture *fixture = *state;
    fixture->maker.soname = "libsgx_id_enclave.signed.so.1";
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_verified(fixture);
    assert_string_equal(fixture->report.role, "id_enclave");
    fixture->maker.soname = NULL;
    make_and_expect_only(fixture, ENCLAVE_CHECK_SONAME);
    fixture->maker.soname = "libsgx_qe3.signed.so";
    make_and_expect_only(fixture, ENCLAVE_CHECK_SONAME);
    fixture->maker.soname = "libsgx_pce.signed.so.1"; /* Intel's to sign */
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_SIGNER);
    assert_string_equal(fixture->report.role, "pce");
}

static void what_the_role_does_not_have_is_refused(void **state) {
    Fixture *fixture = *state;
    EnclaveMaker *maker = &fixture->maker;
    maker->prod_id = 2;
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->flags = 0x04;
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->flags = 0x16;
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->flags_mask &= ~UINT64_C(0x2);
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->flags_mask &= ~UINT64_C(0x10);
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->vendor = 0;
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->sw_defined = 2;
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->misc_mask = 0xfffffffe;
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->type = 0x80000000;
    make_and_expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker->svn = 2;
    make_and_expect_only(fixture, ENCLAVE_CHECK_SVN);
    maker->date = 0x20250201;
    make_and_expect_only(fixture, ENCLAVE_CHECK_DATE);
}

static void a_changed_enclave_under_its_signature_is_refused(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    fixture->maker.file[MAKER_CODE_AT + 7] ^= 1;
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_MEASUREMENT);
    assert_false(fixture->report.match);
}

static void a_second_entry_alone_that_is_wrong_is_noticed(void **state) {
    Fixture *fixture = *state;
    fixture->maker.entries[0] = (MakerEntry){.major = 2, .minor = 4};
    fixture->maker.entries[1] = (MakerEntry){.major = 2, .minor = 1};
    fixture->maker.entries[2] = (MakerEntry){.major = 1, .minor = 4};
    fixture->maker.entries_count = 3;
    maker_make(&fixture->maker, fixture->key);
    fixture->maker.file[fixture->maker.entries[1].tcs_at + 20] ^= 1;
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_MEASUREMENT);
    fixture->maker.file[fixture->maker.entries[1].tcs_at + 20] ^= 1;
    bytes_put_le16(maker_sigstruct(&fixture->maker, 2) + 1026, 12);
    maker_sign(&fixture->maker, 2, fixture->key);
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_SIGSTRUCT);
}

static void a_name_that_patches_could_have_changed_does_not_count(void **state) {
    Fixture *fixture = *state;
    static const struct {
        size_t patch;
        uint64_t target;
    } retargeted[] = {{0, MAKER_SONAME_AT - 10}, /* the name */
                      {0, MAKER_DYNAMIC_AT},     /* the dynamic section */
                      {0, MAKER_PHDRS_AT + 4},   /* the program headers */
                      {1, 32},                   /* their place */
                      {2, 56}};                  /* their number */
    maker_make(&fixture->maker, fixture->key);
    for (size_t i = 0; i < sizeof retargeted / sizeof retargeted[0]; i++) {
        uint8_t *target =
            fixture->maker.file + fixture->maker.entries[0].patches_at + 32 * retargeted[i].patch;
        uint64_t former = bytes_le64(target);
        bytes_put_le64(target, retargeted[i].target);
        examine(fixture);
        assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_FORM].verdict, ENCLAVE_VERDICT_PASS);
        assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_SONAME].verdict, ENCLAVE_VERDICT_FAIL);
        assert_string_equal(fixture->report.role, "");
        bytes_put_le64(target, former);
    }
    examine(fixture);
    expect_verified(fixture);
}

static void text_relocations_and_appended_libraries_have_no_role(void **state) {
    Fixture *fixture = *state;
    fixture->maker.text_relocations = true;
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_IDENTITY);
    maker_init(&fixture->maker);
    fixture->maker.appended = true;
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    assert_true(fixture->report.match);
    assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_IDENTITY].verdict, ENCLAVE_VERDICT_FAIL);
}

static void loose_form_can_be_waived_and_nothing_else(void **state) {
    Fixture *fixture = *state;
    fixture->maker.swap_segments = true;
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    expect_only(fixture, ENCLAVE_CHECK_STRICT_FORM);
    EnclaveOptions options = {
        .policy = fixture->policy, .now = NOW, .limits = &image_limits_bundle, .allow_loose_form = true};
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    assert_true(enclave_examine(file, &options, &fixture->report, NULL));
    assert_true(fixture->report.verified);
    assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_STRICT_FORM].verdict, ENCLAVE_VERDICT_WAIVED);
    fixture->maker.file[MAKER_CODE_AT] ^= 1;
    assert_true(enclave_examine(file, &options, &fixture->report, NULL));
    assert_false(fixture->report.verified);
}

static void what_claims_a_role_costs_no_more_than_a_bundle_s_enclave(void **state) {
    Fixture *fixture = *state;
    const EnclaveOptions options = {.policy = fixture->policy, .now = NOW, .limits = &image_limits_any};
    for (int foreign = 0; foreign < 3; foreign++) {
        maker_init(&fixture->maker);
        fixture->maker.soname = foreign < 2 ? fixture->maker.soname : "libapplication.so";
        maker_make(&fixture->maker, foreign > 0 ? fixture->foreign_key : fixture->key);
        const MakerEntry *entry = &fixture->maker.entries[0];
        uint8_t *stack = fixture->maker.file + entry->layout_at + 32 * 2;
        const uint32_t pages = 10000; /* 50 MiB to measure */
        bytes_put_le64(fixture->maker.file + entry->at + 40, UINT64_C(1) << 30);
        bytes_put_le32(stack + 4, pages);
        bytes_put_le64(stack + 8, UINT64_C(1) << 29);
        Bytes file = {fixture->maker.file, fixture->maker.file_size};
        assert_true(enclave_examine(file, &options, &fixture->report, NULL));
        assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_FORM].verdict,
                         foreign < 2 ? ENCLAVE_VERDICT_FAIL : ENCLAVE_VERDICT_PASS);
        assert_int_equal(fixture->report.measurements_count > 0 && fixture->report.measurements[0].measured,
                         foreign == 2);
    }
}

/* The heap is not measured: 64 bytes of hashing a page. */
static void examine_application(Fixture *fixture, uint32_t heap_pages, const ImageLimits *limits) {
    const EnclaveOptions options = {.policy = fixture->policy, .now = NOW, .limits = limits};
    maker_init(&fixture->maker);
    fixture->maker.soname = "libapplication.so";
    fixture->maker.entries_count = 1;
    maker_make(&fixture->maker, fixture->foreign_key);
    const MakerEntry *entry = &fixture->maker.entries[0];
    uint8_t *heap = fixture->maker.file + entry->layout_at;
    bytes_put_le64(fixture->maker.file + entry->at + 40, UINT64_C(1) << 36);
    bytes_put_le32(heap + 4, heap_pages);
    bytes_put_le64(heap + 8, UINT64_C(1) << 34);
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    assert_true(enclave_examine(file, &options, &fixture->report, NULL));
}

static void a_strangers_enclave_is_measured_as_long_as_that_is_little_work(void **state) {
    Fixture *fixture = *state;
    examine_application(fixture, 1, &image_limits_look);
    const EnclaveMeasurement *measurement = &fixture->report.measurements[0];
    uint64_t left = image_limits_look.hashed_bytes - measurement->measured_pages * 5120;
    uint32_t most = (uint32_t)(left / 64 - 1 - measurement->pages + 1); /* one for the SECS, one is there */
    for (uint32_t pages = most - 1; pages <= most + 1; pages++) {
        examine_application(fixture, pages, &image_limits_look);
        bool taken = pages <= most;
        assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_FORM].verdict,
                         taken ? ENCLAVE_VERDICT_PASS : ENCLAVE_VERDICT_FAIL);
        assert_int_equal(measurement->measured, taken);
        assert_int_equal(fixture->report.too_large, !taken);
    }
    examine_application(fixture, most + 1, &image_limits_any);
    assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_FORM].verdict, ENCLAVE_VERDICT_PASS);
    assert_true(measurement->measured);
}

static void a_bare_sigstruct_is_described_and_not_verified(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    examine_bytes(fixture, (Bytes){maker_sigstruct(&fixture->maker, 0), SIGSTRUCT_SIZE});
    assert_true(fixture->report.bare);
    assert_true(fixture->report.has_sigstruct);
    assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_SIGNATURE].verdict, ENCLAVE_VERDICT_PASS);
    assert_false(fixture->report.verified);
    assert_string_equal(fixture->report.signer, "test-signer");
}

static void what_is_no_enclave_gets_a_verdict_too(void **state) {
    Fixture *fixture = *state;
    static const uint8_t garbage[300] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    const size_t sizes[] = {0, 1, 63, 64, sizeof garbage};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        examine_bytes(fixture, (Bytes){garbage, sizes[i]});
        assert_int_equal(fixture->report.checks[ENCLAVE_CHECK_FORM].verdict, ENCLAVE_VERDICT_FAIL);
        assert_false(fixture->report.verified);
    }
}

static void a_file_cut_at_any_place_is_refused(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    for (size_t size = 0; size < fixture->maker.file_size; size += 61) {
        examine_bytes(fixture, (Bytes){fixture->maker.file, size});
        assert_false(fixture->report.verified);
    }
}

static void the_json_object_has_what_scripts_need(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    examine(fixture);
    json_t *object = enclave_report_json(&fixture->report, "lib/x.so");
    assert_non_null(object);
    static const char *const members[] = {
        "path",   "role",       "mrsigner",        "mrenclave",        "measured",    "match", "isvprodid",
        "isvsvn", "attributes", "attributes_mask", "miscselect",       "date",        "debug", "epc_kib",
        "soname", "signature",  "provision_key",   "metadata_version", "strict_form", "signer"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        assert_non_null(json_object_get(object, members[i]));
    }
    assert_string_equal(json_string_value(json_object_get(object, "attributes")),
                        "14000000000000000300000000000000");
    assert_string_equal(json_string_value(json_array_get(json_object_get(object, "metadata_version"), 0)),
                        "1.5");
    assert_string_equal(json_string_value(json_object_get(object, "signature")), "ok");
    assert_true(json_is_true(json_object_get(object, "match")));
    json_decref(object);
}

static bool run_examination(void *context, Error *err) {
    Fixture *fixture = context;
    EnclaveOptions options = {.policy = fixture->policy, .now = NOW, .limits = &image_limits_bundle};
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    return enclave_examine(file, &options, &fixture->report, err);
}

static void check_examination(void *context, FaultOutcome outcome) {
    const Fixture *fixture = context;
    assert_int_equal(fixture->report.verified, outcome == FAULT_SUCCEEDED);
}

static void without_memory_there_is_no_verdict(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    FaultSweep sweep = {.context = fixture, .run = run_examination, .check = check_examination};
    faults_sweep_failures(&sweep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_production_enclave_is_verified_and_described, reset),
        cmocka_unit_test_setup(three_entries_and_a_fips_record_are_verified, reset),
        cmocka_unit_test_setup(a_bad_fips_record_is_refused, reset),
        cmocka_unit_test_setup(a_look_alike_is_refused_by_its_signer_alone, reset),
        cmocka_unit_test_setup(the_name_decides_the_role, reset),
        cmocka_unit_test_setup(what_the_role_does_not_have_is_refused, reset),
        cmocka_unit_test_setup(a_changed_enclave_under_its_signature_is_refused, reset),
        cmocka_unit_test_setup(a_second_entry_alone_that_is_wrong_is_noticed, reset),
        cmocka_unit_test_setup(a_name_that_patches_could_have_changed_does_not_count, reset),
        cmocka_unit_test_setup(text_relocations_and_appended_libraries_have_no_role, reset),
        cmocka_unit_test_setup(loose_form_can_be_waived_and_nothing_else, reset),
        cmocka_unit_test_setup(what_claims_a_role_costs_no_more_than_a_bundle_s_enclave, reset),
        cmocka_unit_test_setup(a_strangers_enclave_is_measured_as_long_as_that_is_little_work, reset),
        cmocka_unit_test_setup(a_bare_sigstruct_is_described_and_not_verified, reset),
        cmocka_unit_test_setup(what_is_no_enclave_gets_a_verdict_too, reset),
        cmocka_unit_test_setup(a_file_cut_at_any_place_is_refused, reset),
        cmocka_unit_test_setup(the_json_object_has_what_scripts_need, reset),
        cmocka_unit_test_setup(without_memory_there_is_no_verdict, reset),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
