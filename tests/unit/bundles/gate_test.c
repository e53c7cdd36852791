/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/text.h"
#include "bundles/sim/enclave.h"
#include "bundles/sim/sigstruct.h"
#include "tests/support/sim_signer.h"

CLEANUP_DEFINE(Manifest, manifest_free)

enum { NOW = 1800000000 };

/* Three enclaves, their manifest, and a policy that trusts their signer; all simulated. */
typedef struct Stage {
    EVP_PKEY *key;
    SignerPolicy *signers;
    Releases *releases;
    Buffer enclaves[RELEASE_ENCLAVES_COUNT];
    uint64_t epc_kib;
} Stage;

static const SimRole sim_roles[RELEASE_ENCLAVES_COUNT] = {SIM_ROLE_QE3, SIM_ROLE_ID_ENCLAVE, SIM_ROLE_PCE};

static void trust(Stage *stage) {
    uint8_t mr_signer[SGX_HASH_SIZE];
    char hex[2 * SGX_HASH_SIZE + 1];
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(16 * 1024);
    assert_true(sim_sigstruct_key_mr_signer(stage->key, mr_signer));
    text_format_hex(mr_signer, sizeof mr_signer, hex);
    assert_true(buffer_append_format(&yaml,
                                     "format: 1\nname: test\nsimulated: true\nsigners:\n"
                                     "  - {name: test, mrsigner: %s}\nroles:\n",
                                     hex));
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        assert_true(buffer_append_format(
            &yaml, "  - {role: %s, soname: %s, signers: [test], isvprodid: 1, attributes: \"0x14\"}\n",
            manifest_role_name(release_roles[i]), sim_enclave_soname(sim_roles[i])));
    }
    assert_true(signers_add(stage->signers, buffer_bytes(&yaml), "test", &err));
}

static int stage_setup(void **state) {
    Error err = ERROR_INIT;
    Stage *stage = calloc(1, sizeof *stage);
    stage->key = sim_signer_new(3);
    stage->signers = signers_new(&err);
    stage->releases = releases_new(&err);
    trust(stage);
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        const SimEnclaveSpec spec = {.role = sim_roles[i], .isv_svn = (uint16_t)(7 + i), .version = "1.0"};
        buffer_init(&stage->enclaves[i], 1 << 20);
        assert_true(sim_enclave_make(&spec, stage->key, &stage->enclaves[i], &err));
    }
    *state = stage;
    return 0;
}

static int stage_teardown(void **state) {
    Stage *stage = *state;
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        buffer_done(&stage->enclaves[i]);
    }
    EVP_PKEY_free(stage->key);
    signers_free(stage->signers);
    releases_free(stage->releases);
    free(stage);
    return 0;
}

/* The manifest that fits the enclaves: ISVSVN 7, 8, 9. */
static Manifest *manifest_of(const Stage *stage) {
    Manifest *manifest = calloc(1, sizeof *manifest);
    manifest->name = strdup("psw-test");
    manifest->version = strdup("1.0");
    manifest->simulated = true;
    manifest->files = calloc(RELEASE_ENCLAVES_COUNT, sizeof *manifest->files);
    manifest->files_count = RELEASE_ENCLAVES_COUNT;
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        const EnclaveOptions options = {.policy = stage->signers, .now = NOW, .limits = &image_limits_bundle};
        EnclaveReport report;
        Error err = ERROR_INIT;
        assert_true(enclave_examine(buffer_bytes(&stage->enclaves[i]), &options, &report, &err));
        manifest->files[i] = (ManifestFile){.path = text_format("lib/%zu", i),
                                            .role = release_roles[i],
                                            .has_identity = true,
                                            .isv_svn = report.svn,
                                            .mr_enclave = report.mr_enclave};
        manifest->epc_kib += report.epc_kib;
    }
    return manifest;
}

static GatePolicy policy_of(const Stage *stage) {
    return (GatePolicy){
        .signers = stage->signers, .releases = stage->releases, .allow_simulated = true, .now = NOW};
}

/* All enclaves and the manifest; the gate is the caller's. */
static bool pass(const GatePolicy *policy, const Stage *stage, const Manifest *manifest, Gate **ret_gate,
                 Error *err) {
    Gate *gate = gate_new(policy, err);
    assert_non_null(gate);
    *ret_gate = gate;
    for (size_t i = 0; i < RELEASE_ENCLAVES_COUNT; i++) {
        if (!gate_add_enclave(gate, &manifest->files[i], buffer_bytes(&stage->enclaves[i]), err)) {
            return false;
        }
    }
    return gate_finish(gate, manifest, err);
}

static const GateCheck *find_check(const Gate *gate, const char *id, const char *path) {
    for (size_t i = 0; i < gate_checks_count(gate); i++) {
        const GateCheck *check = gate_check(gate, i);
        bool about =
            path == NULL ? check->path == NULL : check->path != NULL && strcmp(check->path, path) == 0;
        if (about && strcmp(check->id, id) == 0) {
            return check;
        }
    }
    fail_msg("there is no check %s", id);
    return NULL;
}

static void assert_refused(const GatePolicy *policy, const Stage *stage, const Manifest *manifest,
                           ErrorKind kind, const char *words) {
    Error err = ERROR_INIT;
    CLEANUP(gate_freep) Gate *gate = NULL;
    assert_false(pass(policy, stage, manifest, &gate, &err));
    assert_int_equal(err.kind, kind);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' is not in: %s", words, err.text);
    }
}

static void a_good_bundle_passes_with_a_sentence_for_each_check(void **state) {
    const Stage *stage = *state;
    const GatePolicy policy = policy_of(stage);
    Error err = ERROR_INIT;
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    CLEANUP(gate_freep) Gate *gate = NULL;
    if (!pass(&policy, stage, manifest, &gate, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(gate_checks_count(gate), 3 * (ENCLAVE_CHECKS_COUNT + 3) + 5);
    for (size_t i = 0; i < gate_checks_count(gate); i++) {
        assert_int_not_equal(gate_check(gate, i)->verdict, ENCLAVE_VERDICT_FAIL);
        assert_true(strlen(gate_check(gate, i)->text) > 10);
    }
    assert_int_equal(find_check(gate, "expected", "lib/0")->verdict, ENCLAVE_VERDICT_PASS);
    json_t *json = gate_json(gate);
    assert_int_equal(json_array_size(json), gate_checks_count(gate));
    json_decref(json);
}

static void simulated_enclaves_are_refused_unless_that_is_allowed(void **state) {
    const Stage *stage = *state;
    GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    policy.allow_simulated = false;
    assert_refused(&policy, stage, manifest, ERROR_PERMISSION, "simulated: allow");
}

static void a_manifest_that_hides_that_its_enclaves_are_simulated_is_refused(void **state) {
    const Stage *stage = *state;
    GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    manifest->simulated = false;
    assert_refused(&policy, stage, manifest, ERROR_PERMISSION, "the manifest says not simulated");
}

static void a_signer_that_no_policy_names_is_refused(void **state) {
    const Stage *stage = *state;
    GatePolicy policy = policy_of(stage);
    Error err = ERROR_INIT;
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    SignerPolicy *intel_only = signers_new(&err);
    policy.signers = intel_only;
    manifest->simulated = false; /* as a look-alike would say */
    assert_refused(&policy, stage, manifest, ERROR_VERIFY, "lib/0: check signer: MRSIGNER");
    signers_free(intel_only);
}

static void an_enclave_in_anothers_place_is_refused(void **state) {
    const Stage *stage = *state;
    const GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    manifest->files[0].role = MANIFEST_ROLE_ID_ENCLAVE;
    manifest->files[1].role = MANIFEST_ROLE_QE3;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY,
                   "check role: the manifest calls it qe3, it is id_enclave");
}

static void what_the_manifest_expects_has_to_be_there(void **state) {
    const Stage *stage = *state;
    const GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    manifest->files[2].isv_svn++;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY,
                   "lib/2: check expected: ISVSVN is 9, the manifest says 10");
    manifest->files[2].isv_svn--;
    manifest->files[2].mr_enclave.bytes[0] ^= 1;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY, "lib/2: check expected: MRENCLAVE");
    manifest->files[2].has_identity = false;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY, "does not say which enclave");
}

static void every_failed_check_is_named(void **state) {
    const Stage *stage = *state;
    const GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    manifest->files[0].isv_svn++;
    manifest->files[2].isv_svn++;
    manifest->epc_kib--;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY, "; also: expected of lib/2, epc");
}

static void a_changed_page_is_refused(void **state) {
    Stage *stage = *state;
    const GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    uint8_t *text = memmem(stage->enclaves[1].data, stage->enclaves[1].size, "SGX_TRTS_VERSION", 16);
    assert_non_null(text);
    text[0] ^= 1;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY, "lib/1: check measurement");
    text[0] ^= 1;
}

static void a_file_that_is_no_enclave_ends_it_at_once(void **state) {
    Stage *stage = *state;
    const GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    stage->enclaves[0].data[0] ^= 1;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY, "lib/0: check form");
    stage->enclaves[0].data[0] ^= 1;
}

static void more_epc_than_there_is_and_less_than_is_said_are_refused(void **state) {
    const Stage *stage = *state;
    GatePolicy policy = policy_of(stage);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_of(stage);
    policy.epc_kib = manifest->epc_kib - 1;
    assert_refused(&policy, stage, manifest, ERROR_VERIFY, "check epc: the enclaves take");
}

static void a_lower_isvsvn_is_pointed_out_when_staged_and_needs_a_name_to_be_swapped_to(void **state) {
    const Stage *stage = *state;
    GatePolicy policy = policy_of(stage);
    Error err = ERROR_INIT;
    CLEANUP(manifest_freep) Manifest *offered = manifest_of(stage);
    CLEANUP(manifest_freep) Manifest *installed = manifest_of(stage);
    CLEANUP(gate_freep) Gate *gate = NULL;
    char text[GATE_DOWNGRADE_TEXT_MAX];
    installed->files[0].isv_svn = 8;
    installed->files[2].isv_svn = 12;
    policy.installed = installed;
    assert_true(pass(&policy, stage, offered, &gate, &err));
    assert_int_equal(find_check(gate, "downgrade", "lib/0")->verdict, ENCLAVE_VERDICT_WAIVED);
    assert_int_equal(find_check(gate, "downgrade", "lib/1")->verdict, ENCLAVE_VERDICT_PASS);
    gate_describe_downgrade(installed, offered, text);
    assert_string_equal(text, "qe3 8 to 7, pce 12 to 9");

    const char *const one[] = {"qe3"};
    const char *const both[] = {"qe3", "pce"};
    const char *const bundle[] = {"psw-test"};
    assert_false(gate_check_downgrade(installed, offered, NULL, 0, &err));
    assert_int_equal(err.kind, ERROR_PERMISSION);
    assert_non_null(strstr(err.text, "(qe3 from 8 to 7, pce from 12 to 9)"));
    assert_non_null(strstr(err.text, "say --allow-downgrade qe3 --allow-downgrade pce"));
    err = ERROR_INIT;
    assert_false(gate_check_downgrade(installed, offered, one, 1, &err));
    assert_non_null(strstr(err.text, "--allow-downgrade pce"));
    assert_true(gate_check_downgrade(installed, offered, both, 2, &err));
    assert_true(gate_check_downgrade(installed, offered, bundle, 1, &err));
    assert_true(gate_check_downgrade(offered, installed, NULL, 0, &err));
    assert_true(gate_check_downgrade(NULL, offered, NULL, 0, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_bundle_passes_with_a_sentence_for_each_check),
        cmocka_unit_test(simulated_enclaves_are_refused_unless_that_is_allowed),
        cmocka_unit_test(a_manifest_that_hides_that_its_enclaves_are_simulated_is_refused),
        cmocka_unit_test(a_signer_that_no_policy_names_is_refused),
        cmocka_unit_test(an_enclave_in_anothers_place_is_refused),
        cmocka_unit_test(what_the_manifest_expects_has_to_be_there),
        cmocka_unit_test(every_failed_check_is_named),
        cmocka_unit_test(a_changed_page_is_refused),
        cmocka_unit_test(a_file_that_is_no_enclave_ends_it_at_once),
        cmocka_unit_test(more_epc_than_there_is_and_less_than_is_said_are_refused),
        cmocka_unit_test(a_lower_isvsvn_is_pointed_out_when_staged_and_needs_a_name_to_be_swapped_to),
    };
    return cmocka_run_group_tests(tests, stage_setup, stage_teardown);
}
