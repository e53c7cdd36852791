/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/metadata.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/enclave_case.h"

static ErrorKind parse(EnclaveCase *fixture) {
    Error err = ERROR_INIT;
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    bool good =
        elf_parse(file, &fixture->elf, &err) && metadata_parse(&fixture->elf, &fixture->metadata, &err);
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

static void the_note_with_its_odd_name_is_read(void **state) {
    EnclaveCase *fixture = *state;
    assert_int_equal(parse(fixture), ERROR_NONE);
    const MetadataEntry *entry = &fixture->metadata.entries[0];
    assert_int_equal(fixture->metadata.count, 1);
    assert_int_equal(entry->file_offset, MAKER_NOTE_AT + METADATA_NOTE_HEADER_SIZE);
    assert_int_equal(entry->major, 1);
    assert_int_equal(entry->minor, 5);
    assert_int_equal(entry->data_offset, METADATA_DATA_OFFSET_FOUR);
    assert_int_equal(metadata_patches_count(entry), 4);
    assert_int_equal(metadata_layout_count(entry), 9);
    assert_int_equal(metadata_extends_count(entry), 0);
    MetadataPatch patch = metadata_patch(entry, 1);
    assert_int_equal(patch.target, 0x28);
    assert_int_equal(patch.source.size, 8);
    MetadataLayout group = metadata_layout(entry, 8);
    assert_int_equal(group.entry_count, 7);
    assert_int_equal(group.load_times, 0);
    assert_true(metadata_patches_touch(entry, 0x2f, 1));
    assert_false(metadata_patches_touch(entry, 0x30, 12));
    assert_false(metadata_patches_touch(entry, 0x28, 0));
}

static void what_is_data_before_four_directories_is_not_read_as_one(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.entries[0] = (MakerEntry){.major = 1, .minor = 4};
    maker_make(&fixture->maker, fixture->key);
    assert_int_equal(parse(fixture), ERROR_NONE);
    assert_int_equal(metadata_extends_count(&fixture->metadata.entries[0]), 0);
    assert_int_equal(fixture->metadata.entries[0].data_offset, METADATA_DATA_OFFSET);
}

static void an_elrange_has_to_hold_the_image(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.entries[0] = (MakerEntry){.major = 11, .minor = 5};
    maker_make(&fixture->maker, fixture->key);
    assert_int_equal(parse(fixture), ERROR_NONE);
    assert_true(fixture->metadata.entries[0].has_elrange);
    size_t record = fixture->maker.entries[0].at + METADATA_DATA_OFFSET_FOUR;
    expect_with(fixture, record, 8, 0x3ffff000, ERROR_INPUT); /* before the range */
    expect_with(fixture, record, 8, 0x40000001, ERROR_INPUT);
    expect_with(fixture, record, 8, 0x40000000 + 4 * fixture->maker.enclave_size, ERROR_INPUT);
    expect_with(fixture, record + 8, 8, 0x40001000, ERROR_INPUT); /* not a multiple */
    expect_with(fixture, record + 16, 8, 0, ERROR_INPUT);
    expect_with(fixture, record + 16, 8, 3 * fixture->maker.enclave_size, ERROR_INPUT);
    expect_with(fixture, fixture->maker.entries[0].at + 1892, 4, 23, ERROR_INPUT); /* directory */
}

static void a_note_that_is_not_one_is_refused(void **state) {
    EnclaveCase *fixture = *state;
    size_t note_header = fixture->maker.shdrs_at + 64 * 7;
    expect_with(fixture, MAKER_NOTE_AT, 4, 16, ERROR_INPUT); /* padded name */
    expect_with(fixture, MAKER_NOTE_AT + 4, 4, 0x1901, ERROR_INPUT);
    expect_with(fixture, MAKER_NOTE_AT + 4, 4, UINT32_MAX, ERROR_LIMIT);
    expect_with(fixture, MAKER_NOTE_AT + 8, 4, 2, ERROR_INPUT);
    expect_with(fixture, MAKER_NOTE_AT + 12, 1, 'S', ERROR_INPUT);
    expect_with(fixture, note_header, 4, 0, ERROR_INPUT); /* no section of that name */
    expect_with(fixture, note_header - 64, 4, bytes_le32(fixture->maker.file + note_header),
                ERROR_INPUT); /* two */
    expect_with(fixture, note_header + 4, 4, ELF_SECTION_NOBITS, ERROR_INPUT);
    expect_with(fixture, note_header + 32, 8, 24, ERROR_INPUT);
}

static void entries_of_impossible_size_or_version_are_refused(void **state) {
    EnclaveCase *fixture = *state;
    const MakerEntry *entry = &fixture->maker.entries[0];
    static const uint32_t sizes[] = {0, 1887, 1888, 1903, 0x1801, UINT32_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        expect_with(fixture, entry->at + 16, 4, sizes[i], ERROR_INPUT);
    }
    expect_with(fixture, entry->at, 1, 0, ERROR_INPUT); /* no magic: no entry at all */
    expect_with(fixture, entry->at + 12, 4, 0, ERROR_INPUT);
    expect_with(fixture, entry->at + 12, 4, 4, ERROR_INPUT);
    expect_with(fixture, entry->at + 12, 4, 21, ERROR_INPUT);
    expect_with(fixture, entry->at + 24, 4, 0, ERROR_INPUT);
    expect_with(fixture, entry->at + 24, 4, 5, ERROR_INPUT);
    expect_with(fixture, entry->at + 40, 8, 0x30000, ERROR_INPUT);
    expect_with(fixture, entry->at + 40, 8, 0, ERROR_INPUT);
}

static void tables_and_what_they_refer_to_lie_inside_the_entry(void **state) {
    EnclaveCase *fixture = *state;
    const MakerEntry *entry = &fixture->maker.entries[0];
    expect_with(fixture, entry->at + 1872, 4, 64, ERROR_INPUT); /* a table in the SIGSTRUCT */
    expect_with(fixture, entry->at + 1872, 4, UINT32_MAX, ERROR_INPUT);
    expect_with(fixture, entry->at + 1876, 4, 65 * 32, ERROR_LIMIT);
    expect_with(fixture, entry->at + 1880, 4, entry->size - 31, ERROR_INPUT);
    expect_with(fixture, entry->at + 1884, 4, UINT32_MAX, ERROR_LIMIT);
    expect_with(fixture, entry->patches_at, 8, fixture->maker.file_size - 255, ERROR_INPUT);
    expect_with(fixture, entry->patches_at, 8, UINT64_MAX, ERROR_INPUT);
    expect_with(fixture, entry->patches_at + 8, 4, entry->size - 255, ERROR_INPUT);
    expect_with(fixture, entry->patches_at + 12, 4, UINT32_MAX, ERROR_INPUT);
    expect_with(fixture, entry->layout_at + 4 * 32 + 16, 4, 4097, ERROR_INPUT); /* TCS */
    expect_with(fixture, entry->layout_at + 4 * 32 + 16, 4, 63, ERROR_INPUT);
    expect_with(fixture, entry->layout_at + 4 * 32 + 20, 4, entry->size, ERROR_INPUT);
    expect_with(fixture, entry->layout_at + 4 * 32 + 20, 4, 1, ERROR_INPUT);
    expect_with(fixture, entry->layout_at + 8 * 32 + 2, 2, 9,
                ERROR_INPUT); /* a group of more than there is */
    expect_with(fixture, entry->layout_at + 7 * 32, 2, 0x1000, ERROR_INPUT); /* a group in a group */
}

static void a_current_loader_takes_the_highest_version_it_knows(void **state) {
    (void)state;
    static const struct {
        uint32_t versions[3][2];
        size_t choice;
    } cases[] = {{{{2, 4}, {2, 1}, {1, 4}}, 2},
                 {{{1, 5}, {3, 2}, {3, 3}}, 2},
                 {{{3, 3}, {3, 2}, {1, 5}}, 0},
                 {{{12, 4}, {11, 4}, {11, 5}}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Metadata metadata = {.count = 3};
        for (size_t j = 0; j < 3; j++) {
            metadata.entries[j].major = cases[i].versions[j][0];
            metadata.entries[j].minor = cases[i].versions[j][1];
        }
        assert_ptr_equal(metadata_loaders_choice(&metadata), &metadata.entries[cases[i].choice]);
    }
}

static void too_many_entries_are_refused(void **state) {
    EnclaveCase *fixture = *state;
    /* The smallest entries there can be, one behind the other; their contents do not matter. */
    uint8_t *at = fixture->maker.file + MAKER_NOTE_AT + METADATA_NOTE_HEADER_SIZE;
    size_t section = fixture->maker.shdrs_at + 64 * 7;
    uint8_t headers[64 * 9 + 128];
    size_t names = bytes_le64(fixture->maker.file + section + 64 + 24);
    size_t tail = fixture->maker.file_size - names;
    assert_true(tail <= sizeof headers);
    memcpy(headers, fixture->maker.file + names, tail);
    size_t moved = MAKER_NOTE_AT + 25 + 9 * METADATA_DATA_OFFSET;
    moved = (moved + 7) / 8 * 8;
    for (size_t i = 0; i < 9; i++, at += METADATA_DATA_OFFSET) {
        memset(at, 0, METADATA_DATA_OFFSET);
        bytes_put_le64(at, METADATA_MAGIC);
        bytes_put_le32(at + 8, 4);
        bytes_put_le32(at + 12, 1);
        bytes_put_le32(at + 16, METADATA_DATA_OFFSET);
        bytes_put_le32(at + 24, 1);
        bytes_put_le64(at + 40, 0x40000);
    }
    memcpy(fixture->maker.file + moved, headers, tail);
    size_t shdrs = moved + (fixture->maker.shdrs_at - names);
    bytes_put_le64(fixture->maker.file + 40, shdrs);
    bytes_put_le64(fixture->maker.file + shdrs + 64 * 8 + 24, moved);
    bytes_put_le64(fixture->maker.file + shdrs + 64 * 7 + 32, moved - MAKER_NOTE_AT);
    fixture->maker.file_size = moved + tail;
    bytes_put_le32(fixture->maker.file + MAKER_NOTE_AT + 4, 8 * METADATA_DATA_OFFSET);
    assert_int_equal(parse(fixture), ERROR_NONE);
    assert_int_equal(fixture->metadata.count, METADATA_ENTRIES_MAX);
    bytes_put_le32(fixture->maker.file + MAKER_NOTE_AT + 4, 9 * METADATA_DATA_OFFSET);
    assert_int_equal(parse(fixture), ERROR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_note_with_its_odd_name_is_read, enclave_case_make),
        cmocka_unit_test_setup(what_is_data_before_four_directories_is_not_read_as_one, enclave_case_make),
        cmocka_unit_test_setup(an_elrange_has_to_hold_the_image, enclave_case_make),
        cmocka_unit_test_setup(a_note_that_is_not_one_is_refused, enclave_case_make),
        cmocka_unit_test_setup(entries_of_impossible_size_or_version_are_refused, enclave_case_make),
        cmocka_unit_test_setup(tables_and_what_they_refer_to_lie_inside_the_entry, enclave_case_make),
        cmocka_unit_test(a_current_loader_takes_the_highest_version_it_knows),
        cmocka_unit_test_setup(too_many_entries_are_refused, enclave_case_make),
    };
    return cmocka_run_group_tests(tests, enclave_case_open, enclave_case_close);
}
