/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/elf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/enclave_case.h"

enum { DYNAMIC_HEADER = MAKER_PHDRS_AT + 4 * 56, SONAME_ENTRY = MAKER_DYNAMIC_AT + 4 * 16 };

static ErrorKind parse(EnclaveCase *fixture) {
    Error err = ERROR_INIT;
    bool good = elf_parse((Bytes){fixture->maker.file, fixture->maker.file_size}, &fixture->elf, &err);
    assert_int_equal(good, err.kind == ERROR_NONE);
    return err.kind;
}

static void expect_with(EnclaveCase *fixture, size_t at, size_t size, uint64_t value, ErrorKind kind) {
    uint8_t former[8];
    memcpy(former, fixture->maker.file + at, size);
    memcpy(fixture->maker.file + at, &value, size);
    ErrorKind result = parse(fixture);
    if (result != kind) {
        fail_msg("offset 0x%zx: %s", at, error_kind_name(result));
    }
    memcpy(fixture->maker.file + at, former, size);
}

/* The soname is refused, or missing, with a change of one value. */
static void expect_no_soname_with(EnclaveCase *fixture, size_t at, size_t size, uint64_t value) {
    uint8_t former[8];
    ElfSoname soname = {0};
    memcpy(former, fixture->maker.file + at, size);
    memcpy(fixture->maker.file + at, &value, size);
    assert_int_equal(parse(fixture), ERROR_NONE);
    if (elf_soname(&fixture->elf, &soname, NULL) && soname.text[0] != 0) {
        fail_msg("offset 0x%zx: %s", at, soname.text);
    }
    memcpy(fixture->maker.file + at, former, size);
}

static void segments_sections_and_the_soname_are_read(void **state) {
    EnclaveCase *fixture = *state;
    assert_int_equal(parse(fixture), ERROR_NONE);
    assert_int_equal(fixture->elf.segments.count, 7);
    assert_int_equal(fixture->elf.segments.items[3].memory_size, 0x2200);
    assert_int_equal(fixture->elf.sections_count, 9);
    assert_string_equal(fixture->elf.sections[2].name, ".text");
    size_t index = 0;
    assert_true(elf_find_section(&fixture->elf, ".dynamic", &index, NULL));
    assert_int_equal(index, 4);
    assert_false(elf_find_section(&fixture->elf, ".symtab", &index, NULL));
    ElfSoname soname;
    assert_true(elf_soname(&fixture->elf, &soname, NULL));
    assert_string_equal(soname.text, "libsgx_qe3.signed.so.1");
    assert_ptr_equal(soname.string.data, fixture->maker.file + MAKER_SONAME_AT);
}

static void other_kinds_of_file_are_refused(void **state) {
    EnclaveCase *fixture = *state;
    expect_with(fixture, 0, 1, 0, ERROR_INPUT);
    expect_with(fixture, 4, 1, 1, ERROR_INPUT);  /* 32 bits */
    expect_with(fixture, 5, 1, 2, ERROR_INPUT);  /* big endian */
    expect_with(fixture, 16, 2, 2, ERROR_INPUT); /* a program */
    expect_with(fixture, 18, 2, 183, ERROR_INPUT);
}

static void header_tables_lie_inside_the_file(void **state) {
    EnclaveCase *fixture = *state;
    expect_with(fixture, 32, 8, UINT64_MAX, ERROR_INPUT);
    expect_with(fixture, 32, 8, fixture->maker.file_size - 100, ERROR_INPUT);
    expect_with(fixture, 54, 2, 32, ERROR_INPUT);
    expect_with(fixture, 56, 2, 65, ERROR_LIMIT);
    expect_with(fixture, 56, 2, 0, ERROR_LIMIT);
    expect_with(fixture, 40, 8, UINT64_MAX - 8, ERROR_INPUT);
    expect_with(fixture, 40, 8, 0, ERROR_INPUT); /* names outside */
    expect_with(fixture, 58, 2, 40, ERROR_INPUT);
    expect_with(fixture, 60, 2, 257, ERROR_LIMIT);
    expect_with(fixture, 60, 2, 0, ERROR_INPUT);
    expect_with(fixture, 62, 2, 9, ERROR_INPUT);
}

static void segments_that_cannot_be_loaded_are_refused(void **state) {
    EnclaveCase *fixture = *state;
    enum { CODE = MAKER_PHDRS_AT + 56 };
    expect_with(fixture, CODE + 4, 4, 0, ERROR_INPUT);                  /* no rights */
    expect_with(fixture, CODE + 8, 8, UINT64_MAX, ERROR_INPUT);         /* outside the file */
    expect_with(fixture, CODE + 32, 8, 0x41, ERROR_INPUT);              /* more in the file than in memory */
    expect_with(fixture, CODE + 16, 8, UINT64_MAX - 0x20, ERROR_INPUT); /* wraps */
    expect_with(fixture, CODE + 40, 8, UINT64_MAX - 0x20, ERROR_INPUT);
    expect_with(fixture, CODE + 48, 8, 0, ERROR_INPUT);
    expect_with(fixture, CODE + 48, 8, 0x1800, ERROR_INPUT);
}

static void section_names_and_contents_lie_inside(void **state) {
    EnclaveCase *fixture = *state;
    size_t text = fixture->maker.shdrs_at + 64 * 2;
    expect_with(fixture, text, 4, 0x1000, ERROR_INPUT);
    expect_with(fixture, text + 24, 8, UINT64_MAX, ERROR_INPUT);
    expect_with(fixture, text + 32, 8, UINT64_MAX, ERROR_INPUT);
    expect_with(fixture, text + 4, 4, ELF_SECTION_NOBITS, ERROR_NONE);
    size_t names = bytes_le64(fixture->maker.file + fixture->maker.shdrs_at + 64 * 8 + 24);
    size_t size = bytes_le64(fixture->maker.file + fixture->maker.shdrs_at + 64 * 8 + 32);
    expect_with(fixture, fixture->maker.shdrs_at + 64 * 8 + 32, 8, size - 2,
                ERROR_INPUT); /* the last has no NUL */
    assert_true(names > 0);
}

/* All 256 of them may begin in the same endless one. */
static void a_section_name_has_at_most_1024_bytes(void **state) {
    EnclaveCase *fixture = *state;
    size_t names = fixture->maker.shdrs_at + 64 * 8;
    memset(fixture->maker.file + MAKER_CODE_AT, 'x', 1026);
    bytes_put_le64(fixture->maker.file + names + 32, 1026);
    fixture->maker.file[MAKER_CODE_AT + 1025] = 0;
    expect_with(fixture, names + 24, 8, MAKER_CODE_AT, ERROR_INPUT);
    fixture->maker.file[MAKER_CODE_AT + 1024] = 0;
    expect_with(fixture, names + 24, 8, MAKER_CODE_AT, ERROR_NONE);
}

static void a_soname_counts_only_once_whole_and_loaded(void **state) {
    EnclaveCase *fixture = *state;
    assert_int_equal(bytes_le64(fixture->maker.file + SONAME_ENTRY), ELF_TAG_SONAME);
    expect_no_soname_with(fixture, SONAME_ENTRY, 8, ELF_TAG_NULL);        /* none */
    expect_no_soname_with(fixture, SONAME_ENTRY - 16, 8, ELF_TAG_SONAME); /* twice */
    expect_no_soname_with(fixture, SONAME_ENTRY - 16, 8, ELF_TAG_STRTAB);
    expect_no_soname_with(fixture, MAKER_DYNAMIC_AT, 8, ELF_TAG_RELA); /* no string table */
    expect_no_soname_with(fixture, SONAME_ENTRY + 8, 8, 0x10000);      /* outside */
    expect_no_soname_with(fixture, SONAME_ENTRY + 8, 8, UINT64_MAX);
    expect_no_soname_with(fixture, SONAME_ENTRY + 8, 8, 0);                 /* empty */
    expect_no_soname_with(fixture, MAKER_SONAME_AT + 3, 1, 0x1b);           /* not printable */
    expect_no_soname_with(fixture, DYNAMIC_HEADER + 8, 8, MAKER_RODATA_AT); /* not where it is mapped */
    expect_no_soname_with(fixture, DYNAMIC_HEADER + 8, 8, UINT64_MAX - 0x100);
    expect_no_soname_with(fixture, DYNAMIC_HEADER + 32, 8, 0x1000); /* beyond its segment */
    expect_no_soname_with(fixture, DYNAMIC_HEADER, 4, 0);           /* no dynamic segment */
    memset(fixture->maker.file + MAKER_SONAME_AT, 'x', 65);
    expect_no_soname_with(fixture, MAKER_SONAME_AT, 1, 'x');
    memset(fixture->maker.file + 0x2f0, 'x', 16); /* up to the segment's end without NUL */
    expect_no_soname_with(fixture, SONAME_ENTRY + 8, 8, 0x2f0 - MAKER_DYNSTR_AT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(segments_sections_and_the_soname_are_read, enclave_case_make),
        cmocka_unit_test_setup(other_kinds_of_file_are_refused, enclave_case_make),
        cmocka_unit_test_setup(header_tables_lie_inside_the_file, enclave_case_make),
        cmocka_unit_test_setup(segments_that_cannot_be_loaded_are_refused, enclave_case_make),
        cmocka_unit_test_setup(section_names_and_contents_lie_inside, enclave_case_make),
        cmocka_unit_test_setup(a_section_name_has_at_most_1024_bytes, enclave_case_make),
        cmocka_unit_test_setup(a_soname_counts_only_once_whole_and_loaded, enclave_case_make),
    };
    return cmocka_run_group_tests(tests, enclave_case_open, enclave_case_close);
}
