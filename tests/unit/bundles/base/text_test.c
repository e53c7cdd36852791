/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/faults.h"

static void a_number_is_digits_and_nothing_else(void **state) {
    (void)state;
    uint64_t value = 0;
    assert_true(text_parse_u64("0", 0, 9, &value) && value == 0);
    assert_true(text_parse_u64("18446744073709551615", 0, UINT64_MAX, &value) && value == UINT64_MAX);
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "01",
                                        "00",
                                        "0x1",
                                        "1e3",
                                        "1.",
                                        "1_0",
                                        "١",
                                        "18446744073709551616",
                                        "99999999999999999999"};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        value = 7;
        assert_false(text_parse_u64(wrong[at], 0, UINT64_MAX, &value));
        assert_true(value == 7);
    }
}

static void a_number_outside_its_range_is_refused(void **state) {
    (void)state;
    uint32_t value = 7;
    assert_true(text_parse_u32("4294967295", 0, UINT32_MAX, &value));
    assert_false(text_parse_u32("4294967296", 0, UINT32_MAX, &value));
    assert_false(text_parse_u32("0", 1, 10, &value));
    assert_false(text_parse_u32("11", 1, 10, &value));
    assert_true(text_parse_u32("10", 1, 10, &value));
    assert_int_equal(value, 10);
}

static void a_truth_is_true_or_false(void **state) {
    (void)state;
    bool value = false;
    assert_true(text_parse_bool("true", &value) && value);
    assert_true(text_parse_bool("false", &value) && !value);
    static const char *const wrong[] = {"", "True", "yes", "1", "truee", "flase", "on"};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        assert_false(text_parse_bool(wrong[at], &value));
    }
}

static void sizes_have_binary_units(void **state) {
    (void)state;
    uint64_t bytes = 0;
    assert_true(text_parse_size("4096", &bytes) && bytes == 4096);
    assert_true(text_parse_size("64KiB", &bytes) && bytes == 65536);
    assert_true(text_parse_size("16MiB", &bytes) && bytes == 16777216);
    assert_true(text_parse_size("2GiB", &bytes) && bytes == UINT64_C(2147483648));
    static const char *const wrong[] = {"", "KiB", "64KB", "64k", "64 KiB", "1.5MiB", "-1", "17179869184GiB"};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        assert_false(text_parse_size(wrong[at], &bytes));
    }
}

static void durations_have_units(void **state) {
    (void)state;
    uint64_t ms = 7;
    assert_true(text_parse_duration("0", &ms) && ms == 0);
    assert_true(text_parse_duration("250ms", &ms) && ms == 250);
    assert_true(text_parse_duration("30s", &ms) && ms == 30000);
    assert_true(text_parse_duration("15m", &ms) && ms == 900000);
    assert_true(text_parse_duration("12h", &ms) && ms == 43200000);
    assert_true(text_parse_duration("7d", &ms) && ms == 604800000);
    static const char *const wrong[] = {"", "30", "s", "1w", "1h30m", "1 s", "-1s", "00s", "213503982335d"};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        assert_false(text_parse_duration(wrong[at], &ms));
    }
}

static void a_mode_is_four_octal_digits(void **state) {
    (void)state;
    unsigned mode = 0;
    assert_true(text_parse_mode("0644", &mode));
    assert_int_equal(mode, 0644);
    assert_true(text_parse_mode("7777", &mode));
    static const char *const wrong[] = {"", "644", "0648", "06444", "0x12", " 644"};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        assert_false(text_parse_mode(wrong[at], &mode));
    }
}

static void hex_goes_both_ways(void **state) {
    (void)state;
    uint8_t bytes[4] = {0};
    char text[9];
    assert_true(text_parse_hex("00aBFf7e", bytes, 4));
    text_format_hex(bytes, 4, text);
    assert_string_equal(text, "00abff7e");
    assert_false(text_parse_hex("00abff7", bytes, 4));
    assert_false(text_parse_hex("00abff7e0", bytes, 4));
    assert_false(text_parse_hex("11111g11", bytes, 4));
    assert_int_equal(bytes[0], 0);
}

static void sizes_are_written_for_people(void **state) {
    (void)state;
    char buffer[16];
    assert_string_equal(text_format_size(buffer, sizeof buffer, 0), "0 B");
    assert_string_equal(text_format_size(buffer, sizeof buffer, 1023), "1023 B");
    assert_string_equal(text_format_size(buffer, sizeof buffer, 1024), "1 KiB");
    assert_string_equal(text_format_size(buffer, sizeof buffer, 1536), "1.5 KiB");
    assert_string_equal(text_format_size(buffer, sizeof buffer, 1048575), "1023.9 KiB");
    assert_string_equal(text_format_size(buffer, sizeof buffer, UINT64_MAX), "15.9 EiB");
}

static void durations_are_written_in_their_two_largest_units(void **state) {
    (void)state;
    char buffer[24];
    assert_string_equal(text_format_duration(buffer, sizeof buffer, 0), "0s");
    assert_string_equal(text_format_duration(buffer, sizeof buffer, 999), "999ms");
    assert_string_equal(text_format_duration(buffer, sizeof buffer, 1500), "1s500ms");
    assert_string_equal(text_format_duration(buffer, sizeof buffer, 3600000), "1h");
    assert_string_equal(text_format_duration(buffer, sizeof buffer, 93784000), "1d2h");
    assert_string_equal(text_format_duration(buffer, sizeof buffer, 86405000), "1d");
}

static void one_is_singular_and_none_is_not(void **state) {
    (void)state;
    assert_string_equal(text_plural(0, "file", "files"), "files");
    assert_string_equal(text_plural(1, "file", "files"), "file");
    assert_string_equal(text_plural(2, "file", "files"), "files");
    assert_string_equal(text_plural(UINT64_MAX, "file", "files"), "files");
}

static void printable_means_ascii_without_controls(void **state) {
    (void)state;
    assert_true(text_is_printable("", 0));
    assert_true(text_is_printable("a ~", 3));
    assert_false(text_is_printable("abcd", 3));
    assert_false(text_is_printable("a\n", 10));
    assert_false(text_is_printable("\x7f", 10));
    assert_false(text_is_printable("\xc3\xa4", 10));
}

static void a_copy_fits_or_is_not_made(void **state) {
    (void)state;
    char buffer[4] = "old";
    assert_false(text_copy(buffer, sizeof buffer, "four"));
    assert_string_equal(buffer, "old");
    assert_true(text_copy(buffer, sizeof buffer, "new"));
    assert_string_equal(buffer, "new");
    assert_false(text_copy(buffer, 0, ""));
}

static void formatted_text_is_new_or_null(void **state) {
    (void)state;
    AUTO_FREE char *text = text_format("%s-%d", "a", 1);
    assert_string_equal(text, "a-1");
    faults_arm(FAULT_FAIL, 1);
    char *none = text_format("%s", "a");
    assert_true(faults_disarm());
    assert_null(none);
}

static void what_is_shown_is_utf8_without_controls(void **state) {
    (void)state;
    static const struct {
        const char *text, *shown;
        bool utf8;
    } cases[] = {
        {"", "", true},
        {"a b~", "a b~", true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", true},
        {"a\nb\x1b[1m\x7f", "a\\x0ab\\x1b[1m\\x7f", true},
        {"\xc2\x9b", "\\xc2\\x9b", true},           /* a control character of two bytes */
        {"\xc3", "\\xc3", false},                   /* cut short */
        {"\xe2\x82", "\\xe2\\x82", false},          /* cut short */
        {"\xc1\x81", "\\xc1\\x81", false},          /* longer than it has to be */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", false}, /* half a pair */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", false},
        {"\xff\x80z", "\\xff\\x80z", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO_FREE char *shown = text_show(cases[i].text);
        assert_string_equal(shown, cases[i].shown);
        assert_int_equal(text_is_utf8(cases[i].text), cases[i].utf8);
    }
    faults_arm(FAULT_FAIL, 1);
    char *none = text_show("a");
    assert_true(faults_disarm());
    assert_null(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_digits_and_nothing_else),
        cmocka_unit_test(a_number_outside_its_range_is_refused),
        cmocka_unit_test(a_truth_is_true_or_false),
        cmocka_unit_test(sizes_have_binary_units),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(a_mode_is_four_octal_digits),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(sizes_are_written_for_people),
        cmocka_unit_test(durations_are_written_in_their_two_largest_units),
        cmocka_unit_test(one_is_singular_and_none_is_not),
        cmocka_unit_test(printable_means_ascii_without_controls),
        cmocka_unit_test(a_copy_fits_or_is_not_made),
        cmocka_unit_test(formatted_text_is_new_or_null),
        cmocka_unit_test(what_is_shown_is_utf8_without_controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
