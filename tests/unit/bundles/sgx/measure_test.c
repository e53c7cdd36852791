/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/enclave_case.h"

static void parse(EnclaveCase *fixture) {
    Error err = ERROR_INIT;
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    if (!elf_parse(file, &fixture->elf, &err) || !metadata_parse(&fixture->elf, &fixture->metadata, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(fixture->metadata.count, fixture->maker.entries_count);
}

/* Every entry measures to what the maker's own picture of the memory gives. */
static void make_and_compare(EnclaveCase *fixture) {
    maker_make(&fixture->maker, fixture->key);
    parse(fixture);
    for (size_t i = 0; i < fixture->metadata.count; i++) {
        Error err = ERROR_INIT;
        Image image;
        Digest digest;
        if (!image_open(&fixture->elf, &fixture->metadata.entries[i], &image_limits_bundle, &image, &err) ||
            !measure_image(&image, &digest, &err)) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(image.pages, fixture->maker.pages);
        assert_int_equal(image.measured_pages, fixture->maker.measured_pages);
        assert_memory_equal(digest.bytes, fixture->maker.mr_enclave, DIGEST_SIZE);
        image_close(&image);
    }
}

static bool open_entry(EnclaveCase *fixture, ErrorKind *ret_kind) {
    Error err = ERROR_INIT;
    Image image = {0};
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    bool good = elf_parse(file, &fixture->elf, &err) &&
                metadata_parse(&fixture->elf, &fixture->metadata, &err) &&
                image_open(&fixture->elf, &fixture->metadata.entries[0], &image_limits_bundle, &image, &err);
    image_close(&image);
    *ret_kind = err.kind;
    return good;
}

static void an_enclave_measures_to_what_was_signed(void **state) {
    make_and_compare(*state);
}

static void every_version_of_the_metadata_measures_alike(void **state) {
    EnclaveCase *fixture = *state;
    static const MakerEntry versions[] = {{.major = 1, .minor = 4}, {.major = 2, .minor = 1},
                                          {.major = 2, .minor = 4}, {.major = 3, .minor = 0},
                                          {.major = 3, .minor = 1}, {.major = 3, .minor = 2},
                                          {.major = 3, .minor = 3}};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        fixture->maker.entries[0] = versions[i];
        make_and_compare(fixture);
    }
}

static void all_entries_of_a_file_are_measured(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.entries[0] = (MakerEntry){.major = 2, .minor = 4};
    fixture->maker.entries[1] = (MakerEntry){.major = 2, .minor = 1};
    fixture->maker.entries[2] = (MakerEntry){.major = 1, .minor = 4};
    fixture->maker.entries_count = 3;
    make_and_compare(fixture);
}

static void the_loader_of_version_1_3_adds_a_page(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.entries[0] = (MakerEntry){.major = 1, .minor = 4};
    make_and_compare(fixture);
    size_t pages = fixture->maker.pages;
    fixture->maker.entries[0] = (MakerEntry){.major = 1, .minor = 3};
    make_and_compare(fixture);
    assert_int_equal(fixture->maker.pages, pages + 1);
}

static void a_group_is_loaded_again_in_steps(void **state) {
    EnclaveCase *fixture = *state;
    for (uint32_t times = 1; times <= 3; times++) {
        fixture->maker.group_times = times;
        make_and_compare(fixture);
    }
}

static void contents_that_are_no_tcs_are_measured_whatever_the_attributes_say(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.loose_content = true;
    make_and_compare(fixture);
}

static void an_elrange_shifts_every_page(void **state) {
    EnclaveCase *fixture = *state;
    static const MakerEntry versions[] = {{.major = 11, .minor = 4},
                                          {.major = 11, .minor = 5},
                                          {.major = 12, .minor = 4},
                                          {.major = 13, .minor = 3}};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        fixture->maker.entries[0] = versions[i];
        make_and_compare(fixture);
    }
}

static void relocations_in_code_make_their_pages_writable(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.text_relocations = true;
    make_and_compare(fixture);
}

static void segments_count_in_the_order_of_their_headers(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.swap_segments = true;
    make_and_compare(fixture);
}

static void an_appended_library_is_loaded_behind(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.appended = true;
    make_and_compare(fixture);
    fixture->maker.fips = true;
    make_and_compare(fixture);
}

static void a_changed_byte_in_every_segment_template_and_patch_changes_the_measurement(void **state) {
    EnclaveCase *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    const MakerEntry *entry = &fixture->maker.entries[0];
    const size_t places[] = {MAKER_SONAME_AT,  MAKER_CODE_AT,      MAKER_RODATA_AT,
                             MAKER_DYNAMIC_AT, entry->tcs_at + 20, entry->tcs_at + 72 + 100};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        Image image;
        Digest digest;
        fixture->maker.file[places[i]] ^= 0x20;
        parse(fixture);
        assert_true(
            image_open(&fixture->elf, &fixture->metadata.entries[0], &image_limits_bundle, &image, NULL));
        assert_true(measure_image(&image, &digest, NULL));
        image_close(&image);
        assert_memory_not_equal(digest.bytes, fixture->maker.mr_enclave, DIGEST_SIZE);
        fixture->maker.file[places[i]] ^= 0x20;
    }
}

static void what_costs_too_much_is_refused_before_the_work(void **state) {
    EnclaveCase *fixture = *state;
    ErrorKind kind = ERROR_NONE;
    maker_make(&fixture->maker, fixture->key);
    const MakerEntry *entry = &fixture->maker.entries[0];
    uint8_t *heap_pages = fixture->maker.file + entry->layout_at + 4;
    uint8_t *group_times = fixture->maker.file + entry->layout_at + 8 * 32 + 4;
    uint8_t *enclave_size = fixture->maker.file + entry->at + 40;
    bytes_put_le32(heap_pages, UINT32_MAX);
    assert_false(open_entry(fixture, &kind));
    assert_int_equal(kind, ERROR_INPUT);
    bytes_put_le64(enclave_size, UINT64_C(1) << 63);
    assert_false(open_entry(fixture, &kind));
    assert_int_equal(kind, ERROR_LIMIT);
    bytes_put_le64(enclave_size, UINT64_C(1) << 30);
    bytes_put_le32(heap_pages, 4);
    bytes_put_le32(group_times, UINT32_MAX);
    assert_false(open_entry(fixture, &kind));
    assert_int_equal(kind, ERROR_LIMIT);
    bytes_put_le32(group_times, 0);
    bytes_put_le32(heap_pages + 32 * 2, 40000); /* the measured stack */
    bytes_put_le64(heap_pages + 32 * 2 + 4, 0x100000);
    assert_false(open_entry(fixture, &kind));
    assert_int_equal(kind, ERROR_LIMIT);
}

static void applications_of_gigabytes_are_taken_where_no_bundle_asks(void **state) {
    EnclaveCase *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    const uint64_t enclave_size = UINT64_C(1) << 36;
    const uint32_t heap_pages = 5 << 18, id = 1, attributes = METADATA_LAYOUT_EADD | METADATA_LAYOUT_EEXTEND;
    uint8_t *entry = fixture->maker.file + fixture->maker.entries[0].at;
    uint8_t *heap = fixture->maker.file + fixture->maker.entries[0].layout_at;
    bytes_put_le64(entry + 40, enclave_size);
    bytes_put_le32(heap, id | attributes << 16);
    bytes_put_le32(heap + 4, heap_pages);
    bytes_put_le64(heap + 8, enclave_size / 2);
    parse(fixture);
    Image image;
    assert_true(image_open(&fixture->elf, &fixture->metadata.entries[0], &image_limits_any, &image, NULL));
    assert_true(image.measured_pages > heap_pages && image_hashed_bytes(&image) > UINT64_C(5) << 30);
    image_close(&image);
    ErrorKind kind;
    assert_false(open_entry(fixture, &kind));
    assert_int_equal(kind, ERROR_LIMIT);
}

static void pages_added_twice_or_outside_are_refused(void **state) {
    EnclaveCase *fixture = *state;
    maker_make(&fixture->maker, fixture->key);
    uint8_t *heap_address = fixture->maker.file + fixture->maker.entries[0].layout_at + 8;
    static const uint64_t addresses[] = {0x5000, 0x1000, 0x6001, 0x40000000, UINT64_MAX - 0xfff, 0x1a000};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        ErrorKind kind = ERROR_NONE;
        bytes_put_le64(heap_address, addresses[i]);
        assert_false(open_entry(fixture, &kind));
        assert_int_equal(kind, ERROR_INPUT);
    }
}

static void identical_images_are_known_to_be(void **state) {
    EnclaveCase *fixture = *state;
    fixture->maker.entries[0] = (MakerEntry){.major = 2, .minor = 4};
    fixture->maker.entries[1] = (MakerEntry){.major = 1, .minor = 5};
    fixture->maker.entries_count = 2;
    maker_make(&fixture->maker, fixture->key);
    for (int changed = 0; changed < 2; changed++) {
        Image first, second;
        fixture->maker.file[fixture->maker.entries[1].tcs_at + 40] = (uint8_t)changed;
        parse(fixture);
        assert_true(
            image_open(&fixture->elf, &fixture->metadata.entries[0], &image_limits_bundle, &first, NULL));
        assert_true(
            image_open(&fixture->elf, &fixture->metadata.entries[1], &image_limits_bundle, &second, NULL));
        assert_int_equal(image_is_same(&first, &second), changed == 0);
        image_close(&first);
        image_close(&second);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_enclave_measures_to_what_was_signed, enclave_case_reset),
        cmocka_unit_test_setup(every_version_of_the_metadata_measures_alike, enclave_case_reset),
        cmocka_unit_test_setup(all_entries_of_a_file_are_measured, enclave_case_reset),
        cmocka_unit_test_setup(the_loader_of_version_1_3_adds_a_page, enclave_case_reset),
        cmocka_unit_test_setup(a_group_is_loaded_again_in_steps, enclave_case_reset),
        cmocka_unit_test_setup(contents_that_are_no_tcs_are_measured_whatever_the_attributes_say,
                               enclave_case_reset),
        cmocka_unit_test_setup(an_elrange_shifts_every_page, enclave_case_reset),
        cmocka_unit_test_setup(relocations_in_code_make_their_pages_writable, enclave_case_reset),
        cmocka_unit_test_setup(segments_count_in_the_order_of_their_headers, enclave_case_reset),
        cmocka_unit_test_setup(an_appended_library_is_loaded_behind, enclave_case_reset),
        cmocka_unit_test_setup(a_changed_byte_in_every_segment_template_and_patch_changes_the_measurement,
                               enclave_case_reset),
        cmocka_unit_test_setup(what_costs_too_much_is_refused_before_the_work, enclave_case_reset),
        cmocka_unit_test_setup(applications_of_gigabytes_are_taken_where_no_bundle_asks, enclave_case_reset),
        cmocka_unit_test_setup(pages_added_twice_or_outside_are_refused, enclave_case_reset),
        cmocka_unit_test_setup(identical_images_are_known_to_be, enclave_case_reset),
    };
    return cmocka_run_group_tests(tests, enclave_case_open, enclave_case_close);
}
