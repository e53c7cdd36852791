/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/trial_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "bundles/sim/enclave.h"
#include "manager/checks/trial_parts.h"
#include "tests/support/enclave_maker.h"
#include "tests/support/faults.h"
#include "tests/support/sgx_driver_double.h"

static const char *const flavours[] = {"in-kernel", "dcap", "dcap-early", "legacy"};
enum { FLAVOURS = 4, METADATA_FLAGS = 48, METADATA_SSA_FRAME = 24 };

typedef struct Fixture {
    EVP_PKEY *key;
    EnclaveMaker maker;
    TrialResult result;
} Fixture;

static int open_fixture(void **state) {
    Fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->key = maker_key_new(3);
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    Fixture *fixture = *state;
    EVP_PKEY_free(fixture->key);
    free(fixture);
    return 0;
}

static int reset(void **state) {
    Fixture *fixture = *state;
    maker_init(&fixture->maker);
    return 0;
}

static void load_bytes(TrialResult *result, const char *words, Bytes file, int timeout_ms) {
    Error err = ERROR_INIT;
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, words, 1), 0);
    if (!trial_load("", &file, 1, timeout_ms, result, &err)) {
        fail_msg("%s", err.text);
    }
}

static void load(Fixture *fixture, const char *words) {
    load_bytes(&fixture->result, words, (Bytes){fixture->maker.file, fixture->maker.file_size},
               TRIAL_TIMEOUT_MS);
}

static void expect(const TrialResult *result, const char *words, TrialVerdict verdict) {
    if (result->verdict != verdict) {
        fail_msg("%s: verdict %d, not %d: %s", words, result->verdict, verdict, result->text);
    }
    assert_true(strlen(result->text) > 10);
}

static void load_in_every_flavour(Fixture *fixture) {
    maker_make(&fixture->maker, fixture->key);
    for (size_t i = 0; i < FLAVOURS; i++) {
        char words[64];
        (void)snprintf(words, sizeof words, "flavour=%s", flavours[i]);
        load(fixture, words);
        expect(&fixture->result, words, TRIAL_LOADED);
        assert_int_equal(fixture->result.pages, fixture->maker.pages);
        assert_int_equal(fixture->result.epc_kib, 4 * (1 + fixture->maker.pages + 1));
        assert_string_equal(sgx_flavour_name(fixture->result.flavour), flavours[i]);
    }
    maker_init(&fixture->maker);
}

static void every_form_of_an_enclave_loads_in_every_driver(void **state) {
    Fixture *fixture = *state;
    EnclaveMaker *maker = &fixture->maker;
    load_in_every_flavour(fixture);
    maker->group_times = 2;
    load_in_every_flavour(fixture);
    maker->swap_segments = true;
    load_in_every_flavour(fixture);
    maker->text_relocations = true;
    load_in_every_flavour(fixture);
    maker->loose_content = true;
    load_in_every_flavour(fixture);
    maker->fips = true;
    load_in_every_flavour(fixture);
    maker->appended = true;
    load_in_every_flavour(fixture);
}

static void every_version_of_the_metadata_loads(void **state) {
    Fixture *fixture = *state;
    static const uint32_t versions[][2] = {{1, 3}, {1, 4}, {1, 5}, {3, 0}, {3, 3}, {11, 4}, {11, 5}, {13, 3}};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        fixture->maker.entries_count = 1;
        fixture->maker.entries[0] = (MakerEntry){.major = versions[i][0], .minor = versions[i][1]};
        load_in_every_flavour(fixture);
    }
    fixture->maker.entries_count = 3;
    fixture->maker.entries[0] = (MakerEntry){.major = 2, .minor = 4};
    fixture->maker.entries[1] = (MakerEntry){.major = 2, .minor = 1};
    fixture->maker.entries[2] = (MakerEntry){.major = 1, .minor = 4};
    load_in_every_flavour(fixture);
}

static void the_simulated_set_loads_in_every_driver(void **state) {
    Fixture *fixture = *state;
    for (SimRole role = 0; role < SIM_ROLES_COUNT; role++) {
        Buffer file = BUFFER_INIT(1 << 20);
        const SimEnclaveSpec spec = {.role = role, .isv_svn = 9, .version = "2.0"};
        assert_true(sim_enclave_make(&spec, fixture->key, &file, NULL));
        for (size_t i = 0; i < FLAVOURS; i++) {
            char words[64];
            (void)snprintf(words, sizeof words, "flavour=%s", flavours[i]);
            load_bytes(&fixture->result, words, (Bytes){file.data, file.size}, TRIAL_TIMEOUT_MS);
            expect(&fixture->result, words, TRIAL_LOADED);
            print_message("%s, %s: %llu pages in %llu us\n", sim_enclave_soname(role), flavours[i],
                          (unsigned long long)fixture->result.pages,
                          (unsigned long long)fixture->result.elapsed_us);
        }
        buffer_done(&file);
    }
}

typedef struct Refusal {
    const char *words;
    TrialVerdict verdict;
    const char *said;
} Refusal;

static void what_a_node_lacks_is_named(void **state) {
    Fixture *fixture = *state;
    static const Refusal refusals[] = {
        {"", TRIAL_NO_DEVICE, "/dev/sgx_enclave"},
        {"flavour=in-kernel,node=dead", TRIAL_NO_DEVICE, "no driver"},
        {"flavour=in-kernel,node=denied", TRIAL_NO_PERMISSION, "group"},
        {"flavour=legacy,node=denied", TRIAL_NO_PERMISSION, "/dev/isgx"},
        {"flavour=in-kernel,provision=absent", TRIAL_NO_PROVISION_DEVICE, "/dev/sgx_provision"},
        {"flavour=dcap,provision=absent", TRIAL_NO_PROVISION_DEVICE, "/dev/sgx/provision"},
        {"flavour=dcap-early,provision=absent", TRIAL_NO_PROVISION_DEVICE, "/dev/sgx_prv"},
        {"flavour=in-kernel,provision=denied", TRIAL_NO_PROVISION_PERMISSION, "sgx_prv"},
        {"flavour=dcap,provision=denied", TRIAL_NO_PROVISION_PERMISSION, "sgx_prv"},
        {"flavour=in-kernel,provision=stale", TRIAL_NO_PROVISION_PERMISSION, "stale"},
        {"flavour=dcap-early,provision=stale", TRIAL_NO_PROVISION_PERMISSION, "stale"},
        {"flavour=in-kernel,epc=1", TRIAL_NO_EPC, "after 0 of"},
        {"flavour=in-kernel,epc=9", TRIAL_NO_EPC, "after 7 of"},
        {"flavour=dcap,epc=9", TRIAL_NO_EPC, "after 7 of"},
        {"flavour=dcap-early,epc=9", TRIAL_NO_EPC, "after 7 of"},
        {"flavour=legacy,epc=9", TRIAL_NO_EPC, "after 7 of"},
        {"flavour=in-kernel,noexec", TRIAL_NOEXEC, "noexec"},
        {"flavour=dcap,noexec", TRIAL_NOEXEC, "noexec"},
        {"flavour=dcap-early,noexec", TRIAL_NOEXEC, "noexec"},
        {"flavour=legacy,noexec", TRIAL_NOEXEC, "noexec"},
        {"flavour=in-kernel,max_bits=14", TRIAL_BAD_RANGE, "EIO"},
        {"flavour=dcap,max_bits=14", TRIAL_BAD_RANGE, "EINVAL"},
        {"flavour=legacy,fault=unaligned", TRIAL_BAD_RANGE, "not aligned"},
        {"flavour=dcap-early,fault=unaligned", TRIAL_BAD_RANGE, "not aligned"},
        {"flavour=in-kernel,ioctls=legacy", TRIAL_FOREIGN_DRIVER, "another driver"},
        {"flavour=dcap,ioctls=dcap-early", TRIAL_FOREIGN_DRIVER, "another driver"},
        {"flavour=legacy,ioctls=in-kernel", TRIAL_FOREIGN_DRIVER, "another driver"},
        {"flavour=legacy,ioctls=dcap-early", TRIAL_FOREIGN_DRIVER, "initialise"},
        {"flavour=dcap-early,ioctls=legacy", TRIAL_FOREIGN_DRIVER, "provisioning"},
    };
    maker_make(&fixture->maker, fixture->key);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        load(fixture, refusals[i].words);
        expect(&fixture->result, refusals[i].words, refusals[i].verdict);
        if (strstr(fixture->result.text, refusals[i].said) == NULL) {
            fail_msg("%s: '%s' is not in: %s", refusals[i].words, refusals[i].said, fixture->result.text);
        }
    }
}

static void a_refusal_by_the_processor_is_told_apart_from_a_driver_that_errs(void **state) {
    Fixture *fixture = *state;
    static const Refusal refusals[] = {
        {"flavour=legacy,launch=00", TRIAL_LAUNCH_CONTROL, "SGX_INVALID_EINITTOKEN"},
        {"flavour=dcap-early,launch=00", TRIAL_LAUNCH_CONTROL, "SGX_INVALID_EINITTOKEN"},
        {"flavour=in-kernel,launch=00", TRIAL_REFUSED, "launch control"},
        {"flavour=legacy,fault=measure", TRIAL_DRIVER_BUG, "measure to what was signed"},
        {"flavour=in-kernel,fault=measure", TRIAL_REFUSED, "measures wrongly"},
        {"flavour=legacy,fault=busy", TRIAL_BUSY, "SGX_UNMASKED_EVENT"},
        {"flavour=in-kernel,fault=busy", TRIAL_REFUSED, "without a reason"},
        {"flavour=legacy,fault=lost", TRIAL_BUSY, "EPC was lost"},
        {"flavour=in-kernel,fault=lost", TRIAL_BUSY, "EPC was lost"},
        {"flavour=in-kernel,fault=strange", TRIAL_FAILED, "page 1 of"},
        {"flavour=in-kernel,fault=crash", TRIAL_CRASHED, "SIGABRT"},
        {"flavour=in-kernel,fault=interrupts", TRIAL_LOADED, "pages"},
        {"flavour=in-kernel,xfrm=3", TRIAL_BAD_RANGE, "XFRM"},
    };
    maker_make(&fixture->maker, fixture->key);
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        load(fixture, refusals[i].words);
        expect(&fixture->result, refusals[i].words, refusals[i].verdict);
        if (strstr(fixture->result.text, refusals[i].said) == NULL) {
            fail_msg("%s: '%s' is not in: %s", refusals[i].words, refusals[i].said, fixture->result.text);
        }
    }
}

static void expect_everywhere(Fixture *fixture, TrialVerdict verdict, const char *said) {
    for (size_t i = 0; i < FLAVOURS; i++) {
        char words[64];
        (void)snprintf(words, sizeof words, "flavour=%s", flavours[i]);
        load(fixture, words);
        expect(&fixture->result, words, verdict);
        if (strstr(fixture->result.text, said) == NULL) {
            fail_msg("%s: '%s' is not in: %s", words, said, fixture->result.text);
        }
    }
}

/* Some drivers tell EINIT's code, the others only that there was one. The verdict is the same. */
static void what_is_wrong_with_an_enclave_is_named_in_every_driver(void **state) {
    Fixture *fixture = *state;
    EnclaveMaker *maker = &fixture->maker;
    maker->entries_count = 1;
    maker_make(maker, fixture->key);
    maker_sigstruct(maker, 0)[2] = 1; /* in the fixed header */
    expect_everywhere(fixture, TRIAL_BAD_SIGSTRUCT, "SGX_INVALID_SIG_STRUCT");

    maker_make(maker, fixture->key);
    maker_sigstruct(maker, 0)[516] ^= 1;
    expect_everywhere(fixture, TRIAL_BAD_SIGNATURE, "SGX_INVALID_SIGNATURE");

    maker_make(maker, fixture->key);
    maker_sigstruct(maker, 0)[1424] ^= 1; /* Q2, which nobody signs */
    expect_everywhere(fixture, TRIAL_BAD_SIGNATURE, "SGX_INVALID_SIGNATURE");

    maker_make(maker, fixture->key);
    maker->file[MAKER_CODE_AT] ^= 1;
    expect_everywhere(fixture, TRIAL_BAD_MEASUREMENT, "SGX_INVALID_MEASUREMENT");

    maker_make(maker, fixture->key);
    maker->file[maker->entries[0].at + METADATA_FLAGS] |= 0x80; /* KSS, which was not signed for */
    expect_everywhere(fixture, TRIAL_BAD_ATTRIBUTES, "SGX_INVALID_ATTRIBUTE");

    maker_make(maker, fixture->key);
    maker->file[maker->entries[0].at + METADATA_SSA_FRAME] = 2; /* is measured by ECREATE */
    expect_everywhere(fixture, TRIAL_BAD_MEASUREMENT, "SGX_INVALID_MEASUREMENT");
}

/* What no loader objects to, and the processor does. */
static void a_thread_control_structure_that_no_processor_accepts_is_named(void **state) {
    Fixture *fixture = *state;
    EnclaveMaker *maker = &fixture->maker;
    maker->entries_count = 1;
    maker_make(maker, fixture->key);
    maker->file[maker->entries[0].tcs_at + 8] = 0xff; /* its flags */
    expect_everywhere(fixture, TRIAL_BAD_FILE, "thread control structure");
}

static void nothing_is_loaded_for_debugging(void **state) {
    Fixture *fixture = *state;
    EnclaveMaker *maker = &fixture->maker;
    maker->entries_count = 1;
    maker_make(maker, fixture->key);
    maker->file[maker->entries[0].at + METADATA_FLAGS] |=
        2; /* the metadata ask for it, the signer forbids it */
    load(fixture, "flavour=legacy");
    expect(&fixture->result, "flavour=legacy", TRIAL_LOADED);
}

static void an_enclave_that_wants_launch_tokens_is_not_allowed_to_have_them(void **state) {
    Fixture *fixture = *state;
    fixture->maker.flags = 0x24;
    maker_make(&fixture->maker, fixture->key);
    load(fixture, "flavour=in-kernel");
    expect(&fixture->result, "flavour=in-kernel", TRIAL_BAD_ATTRIBUTES);
}

static void what_no_loader_could_load_is_not_brought_to_the_driver(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    static const uint8_t garbage[] = "\x7f"
                                     "ELF and nothing else";
    load_bytes(&fixture->result, "flavour=in-kernel,fault=crash", (Bytes){garbage, sizeof garbage},
               TRIAL_TIMEOUT_MS);
    expect(&fixture->result, "garbage", TRIAL_BAD_FILE);
    load_bytes(&fixture->result, "flavour=in-kernel,fault=crash", (Bytes){garbage, 0}, TRIAL_TIMEOUT_MS);
    expect(&fixture->result, "nothing", TRIAL_BAD_FILE);
    load_bytes(&fixture->result, "flavour=in-kernel,fault=crash",
               (Bytes){fixture->maker.file, fixture->maker.file_size / 2}, TRIAL_TIMEOUT_MS);
    expect(&fixture->result, "half a file", TRIAL_BAD_FILE);
}

static void a_set_is_in_the_epc_together(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    const Bytes file = {fixture->maker.file, fixture->maker.file_size};
    const Bytes files[] = {file, file, file};
    size_t each = fixture->maker.pages + 2; /* SECS and version array */
    char words[64];
    (void)snprintf(words, sizeof words, "flavour=in-kernel,epc=%zu", 3 * each);
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, words, 1), 0);
    assert_true(trial_load("", files, 3, TRIAL_TIMEOUT_MS, &fixture->result, NULL));
    expect(&fixture->result, words, TRIAL_LOADED);
    assert_int_equal(fixture->result.pages, 3 * fixture->maker.pages);
    assert_int_equal(fixture->result.epc_kib, 3 * 4 * each);

    (void)snprintf(words, sizeof words, "flavour=in-kernel,epc=%zu", 3 * each - 1);
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, words, 1), 0);
    assert_true(trial_load("", files, 3, TRIAL_TIMEOUT_MS, &fixture->result, NULL));
    expect(&fixture->result, words, TRIAL_NO_EPC);
    assert_int_equal(fixture->result.index, 2);
}

static bool load_here(void *context, Error *err) {
    Fixture *fixture = context;
    const Bytes file = {fixture->maker.file, fixture->maker.file_size};
    fixture->result = (TrialResult){0};
    trial_enclaves_run("", &file, 1, &fixture->result);
    return fixture->result.verdict == TRIAL_LOADED ||
           error_set(err, ERROR_SYSTEM, "%s", fixture->result.text);
}

static void check_here(void *context, FaultOutcome outcome) {
    Fixture *fixture = context;
    assert_int_equal(sgx_double_epc_used(), 0);
    assert_true(outcome == FAULT_FAILED || strlen(fixture->result.text) > 10);
}

static void whatever_fails_there_is_a_verdict_and_nothing_stays_loaded(void **state) {
    Fixture *fixture = *state;
    static const char *const machines[] = {"flavour=in-kernel", "flavour=legacy"};
    maker_make(&fixture->maker, fixture->key);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, machines[i], 1), 0);
        faults_sweep_failures(&(FaultSweep){.context = fixture, .run = load_here, .check = check_here});
    }
}

static bool load_in_child(void *context, Error *err) {
    Fixture *fixture = context;
    const Bytes file = {fixture->maker.file, fixture->maker.file_size};
    return trial_load("", &file, 1, TRIAL_TIMEOUT_MS, &fixture->result, err);
}

static void a_child_that_cannot_be_made_is_no_verdict(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, "flavour=in-kernel", 1), 0);
    faults_sweep_failures(&(FaultSweep){.context = fixture, .run = load_in_child, .check = check_here});
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void a_driver_that_hangs_is_given_up(void **state) {
    Fixture *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    load_bytes(&fixture->result, "flavour=in-kernel,fault=hang",
               (Bytes){fixture->maker.file, fixture->maker.file_size}, 100);
    expect(&fixture->result, "hang", TRIAL_TIMED_OUT);
    assert_non_null(strstr(fixture->result.text, "100 ms"));
    assert_null(strstr(fixture->result.text, "cannot even be killed"));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void the_provisioning_device_is_asked_for_without_an_enclave(void **state) {
    (void)state;
    static const Refusal cases[] = {
        {"", TRIAL_NO_DEVICE, "no SGX device"},
        {"flavour=in-kernel", TRIAL_LOADED, "/dev/sgx_provision"},
        {"flavour=dcap", TRIAL_LOADED, "/dev/sgx/provision"},
        {"flavour=dcap-early", TRIAL_LOADED, "/dev/sgx_prv"},
        {"flavour=legacy", TRIAL_LOADED, "has no provisioning device"},
        {"flavour=in-kernel,node=denied", TRIAL_NO_PERMISSION, "group"},
        {"flavour=in-kernel,provision=absent", TRIAL_NO_PROVISION_DEVICE, "not there"},
        {"flavour=in-kernel,provision=denied", TRIAL_NO_PROVISION_PERMISSION, "sgx_prv"},
        {"flavour=in-kernel,provision=stale", TRIAL_NO_PROVISION_PERMISSION, "stale"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        TrialResult result;
        assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, cases[i].words, 1), 0);
        assert_true(trial_provisioning("", TRIAL_TIMEOUT_MS, &result, NULL));
        expect(&result, cases[i].words, cases[i].verdict);
        if (strstr(result.text, cases[i].said) == NULL) {
            fail_msg("%s: '%s' is not in: %s", cases[i].words, cases[i].said, result.text);
        }
    }
}

static void an_enclave_of_our_own_shows_whether_any_starts(void **state) {
    (void)state;
    static const Refusal cases[] = {
        {"", TRIAL_NO_DEVICE, "no SGX device"},
        {"flavour=in-kernel,provision=absent", TRIAL_LOADED, "of our own"},
        {"flavour=in-kernel,node=denied", TRIAL_NO_PERMISSION, "group"},
        {"flavour=legacy,launch=00", TRIAL_LAUNCH_CONTROL, "launch token"},
        {"flavour=in-kernel,fault=measure", TRIAL_REFUSED, "measures wrongly"},
        {"flavour=in-kernel,epc=4", TRIAL_NO_EPC, "after 2 of 3 pages"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        TrialResult result;
        assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, cases[i].words, 1), 0);
        assert_true(trial_probe("", TRIAL_TIMEOUT_MS, &result, NULL));
        expect(&result, cases[i].words, cases[i].verdict);
        if (strstr(result.text, cases[i].said) == NULL) {
            fail_msg("%s: '%s' is not in: %s", cases[i].words, cases[i].said, result.text);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_form_of_an_enclave_loads_in_every_driver, reset),
        cmocka_unit_test_setup(every_version_of_the_metadata_loads, reset),
        cmocka_unit_test_setup(the_simulated_set_loads_in_every_driver, reset),
        cmocka_unit_test_setup(what_a_node_lacks_is_named, reset),
        cmocka_unit_test_setup(a_refusal_by_the_processor_is_told_apart_from_a_driver_that_errs, reset),
        cmocka_unit_test_setup(what_is_wrong_with_an_enclave_is_named_in_every_driver, reset),
        cmocka_unit_test_setup(a_thread_control_structure_that_no_processor_accepts_is_named, reset),
        cmocka_unit_test_setup(nothing_is_loaded_for_debugging, reset),
        cmocka_unit_test_setup(an_enclave_that_wants_launch_tokens_is_not_allowed_to_have_them, reset),
        cmocka_unit_test_setup(what_no_loader_could_load_is_not_brought_to_the_driver, reset),
        cmocka_unit_test_setup(a_set_is_in_the_epc_together, reset),
        cmocka_unit_test_setup(whatever_fails_there_is_a_verdict_and_nothing_stays_loaded, reset),
        cmocka_unit_test_setup(a_child_that_cannot_be_made_is_no_verdict, reset),
        cmocka_unit_test_setup(a_driver_that_hangs_is_given_up, reset),
        cmocka_unit_test_setup(an_enclave_of_our_own_shows_whether_any_starts, reset),
        cmocka_unit_test_setup(the_provisioning_device_is_asked_for_without_an_enclave, reset),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
