/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/strict_form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/enclave_case.h"

/* True if the file is well-formed; then *ret_strict says whether it is strictly so. */
static bool check(EnclaveCase *fixture, bool *ret_strict) {
    Error err = ERROR_INIT;
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    if (!elf_parse(file, &fixture->elf, &err) || !metadata_parse(&fixture->elf, &fixture->metadata, &err)) {
        return false;
    }
    *ret_strict = strict_form_check(&fixture->elf, &fixture->metadata, &err);
    assert_true(*ret_strict || err.kind == ERROR_VERIFY);
    return true;
}

static void expect(EnclaveCase *fixture, bool strict) {
    bool is_strict = !strict;
    assert_true(check(fixture, &is_strict));
    assert_int_equal(is_strict, strict);
}

/* A change of one value that leaves the file well-formed, but not strictly so. */
static void expect_loose_with(EnclaveCase *fixture, size_t at, size_t size, uint64_t value) {
    uint8_t former[8];
    memcpy(former, fixture->maker.file + at, size);
    memcpy(fixture->maker.file + at, &value, size);
    bool strict = true;
    if (!check(fixture, &strict) || strict) {
        fail_msg("offset 0x%zx", at);
    }
    memcpy(fixture->maker.file + at, former, size);
}

static void what_the_signing_tool_makes_is_strict(void **state) {
    EnclaveCase *fixture = *state;
    expect(fixture, true);
    fixture->maker.fips = true;
    maker_make(&fixture->maker, fixture->key);
    expect(fixture, true);
    fixture->maker.fips = false;
    fixture->maker.entries[0] = (MakerEntry){.major = 2, .minor = 4};
    fixture->maker.entries[1] = (MakerEntry){.major = 2, .minor = 1};
    fixture->maker.entries[2] = (MakerEntry){.major = 1, .minor = 4};
    fixture->maker.entries_count = 3;
    maker_make(&fixture->maker, fixture->key);
    expect(fixture, true);
}

static void other_versions_are_not(void **state) {
    EnclaveCase *fixture = *state;
    static const MakerEntry versions[] = {{.major = 1, .minor = 3},
                                          {.major = 2, .minor = 4},
                                          {.major = 3, .minor = 3},
                                          {.major = 11, .minor = 5}};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        fixture->maker.entries[0] = versions[i];
        maker_make(&fixture->maker, fixture->key);
        expect(fixture, false);
    }
}

static void segments_out_of_order_or_writable_code_are_not(void **state) {
    EnclaveCase *fixture = *state;
    expect_loose_with(fixture, MAKER_PHDRS_AT + 56 + 4, 4, 7); /* code, writable */
    expect_loose_with(fixture, MAKER_PHDRS_AT + 56 + 48, 8, 0x2000);
    expect_loose_with(fixture, MAKER_PHDRS_AT + 56 + 16, 8, 0x1001);
    fixture->maker.swap_segments = true;
    maker_make(&fixture->maker, fixture->key);
    expect(fixture, false);
}

static void no_byte_between_and_behind_the_segments_is_free(void **state) {
    EnclaveCase *fixture = *state;
    const MakerEntry *entry = &fixture->maker.entries[0];
    expect_loose_with(fixture, 0x300, 1, 1); /* between segments */
    expect_loose_with(fixture, 0x1fff, 1, 1);
    expect_loose_with(fixture, entry->at + entry->size, 1, 1);     /* behind the entry */
    expect_loose_with(fixture, fixture->maker.shdrs_at - 1, 1, 1); /* padding */
    fixture->maker.file_size++;
    expect(fixture, false);
}

static void sections_that_are_not_loaded_are_not(void **state) {
    EnclaveCase *fixture = *state;
    size_t text = fixture->maker.shdrs_at + 64 * 2;
    size_t note = fixture->maker.shdrs_at + 64 * 7;
    expect_loose_with(fixture, text + 8, 8, 0);       /* not SHF_ALLOC */
    expect_loose_with(fixture, text + 16, 8, 0x1008); /* elsewhere in memory */
    expect_loose_with(fixture, text + 32, 8, 0x1000); /* beyond its segment */
    expect_loose_with(fixture, note + 4, 4, 1);       /* no note */
    expect_loose_with(fixture, note + 8, 8, 2);
    expect_loose_with(fixture, note + 48, 8, 1);
}

static void metadata_is_fully_used_and_reserved_words_are_zero(void **state) {
    EnclaveCase *fixture = *state;
    const MakerEntry *entry = &fixture->maker.entries[0];
    expect_loose_with(fixture, entry->patches_at + 16, 4, 1);
    expect_loose_with(fixture, entry->layout_at + 8 * 32 + 16, 4, 1); /* the group's */
    expect_loose_with(fixture, entry->at + 1872 + 4, 4, 4 * 32 + 8);  /* a directory's size */
    expect_loose_with(fixture, entry->at + 16, 4, entry->size + 4);   /* the entry's */
    expect_loose_with(fixture, entry->at + 1888, 4, 1);               /* the ELRANGE directory */
}

static void the_four_patches_are_exactly_these(void **state) {
    EnclaveCase *fixture = *state;
    const MakerEntry *entry = &fixture->maker.entries[0];
    expect_loose_with(fixture, entry->patches_at, 8, MAKER_CODE_AT); /* global data elsewhere */
    expect_loose_with(fixture, entry->patches_at + 12, 4, 48);       /* too small */
    expect_loose_with(fixture, entry->patches_at + 32, 8, 0x20);     /* not e_shoff */
    expect_loose_with(fixture, entry->patches_at + 32 + 12, 4, 4);
    expect_loose_with(fixture, entry->tcs_at + 72 + 256, 1, 1);  /* not zero */
    expect_loose_with(fixture, entry->at + 1872 + 4, 4, 3 * 32); /* three */
    expect_loose_with(fixture, MAKER_DATA_AT + 8, 1, 2);         /* what it overwrites */
    expect_loose_with(fixture, MAKER_DATA_AT + 255, 1, 1);
}

static void what_the_loader_is_asked_for_is_what_was_signed(void **state) {
    EnclaveCase *fixture = *state;
    size_t at = fixture->maker.entries[0].at;
    expect_loose_with(fixture, at + 20, 4, 0);
    expect_loose_with(fixture, at + 24, 4, 2);
    expect_loose_with(fixture, at + 28, 4, 2689);
    expect_loose_with(fixture, at + 32, 4, 1);
    expect_loose_with(fixture, at + 36, 4, 2);
    expect_loose_with(fixture, at + 48, 8, 0x16);
    expect_loose_with(fixture, at + 56, 8, 0x3);
    expect_loose_with(fixture, at + 56, 8, 0x2e7);
}

static void pages_are_plain_data_or_the_one_tcs(void **state) {
    EnclaveCase *fixture = *state;
    size_t layout = fixture->maker.entries[0].layout_at;
    expect_loose_with(fixture, layout + 24, 8, 0x207);          /* executable heap */
    expect_loose_with(fixture, layout + 2, 2, 0);               /* heap without attributes */
    expect_loose_with(fixture, layout + 32 + 2, 2, 1);          /* guard with one */
    expect_loose_with(fixture, layout + 4 * 32 + 24, 8, 0x203); /* no TCS */
    expect_loose_with(fixture, layout + 7 * 32 + 24, 8, 0x100); /* two */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_the_signing_tool_makes_is_strict, enclave_case_make),
        cmocka_unit_test_setup(other_versions_are_not, enclave_case_make),
        cmocka_unit_test_setup(segments_out_of_order_or_writable_code_are_not, enclave_case_make),
        cmocka_unit_test_setup(no_byte_between_and_behind_the_segments_is_free, enclave_case_make),
        cmocka_unit_test_setup(sections_that_are_not_loaded_are_not, enclave_case_make),
        cmocka_unit_test_setup(metadata_is_fully_used_and_reserved_words_are_zero, enclave_case_make),
        cmocka_unit_test_setup(the_four_patches_are_exactly_these, enclave_case_make),
        cmocka_unit_test_setup(what_the_loader_is_asked_for_is_what_was_signed, enclave_case_make),
        cmocka_unit_test_setup(pages_are_plain_data_or_the_one_tcs, enclave_case_make),
    };
    return cmocka_run_group_tests(tests, enclave_case_open, enclave_case_close);
}
