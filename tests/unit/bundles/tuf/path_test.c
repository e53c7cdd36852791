/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void patterns_match_part_by_part(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"*", "a", true},
        {"*", "a/b", false},
        {"**", "a/b", false},
        {"*/*", "a/b", true},
        {"*/*", "a/b/c", false},
        {"*", ".hidden", true},
        {"foo-?.tgz", "foo-1.tgz", true},
        {"foo-?.tgz", "foo-alpha.tgz", false},
        {"foo?bar", "foo/bar", false},
        {"a?", "a\xc3\xa9", true},
        {"README.md", "README.MD", false},
        {"a*b*c", "axxbyybzzc", true},
        {"a*b*c", "axxbyyb/c", false},
        {"a*/b", "aaa/b", true},
        {"*.pswb", "x.pswb", true},
        {"*.pswb", "x.pswb.old", false},
        {"[a-c]x", "bx", true},
        {"[!a-c]x", "bx", false},
        {"[!a-c]x", "dx", true},
        {"[!a]b", "/b", false},
        {"[]a]", "]", true},
        {"[", "[", true},
        {"[ab", "[ab", true},
        {"[a/b]", "a", false},
        {"a\\*", "a\\x", true},
        {"a\\*", "a*", false},
        {"{a,b}", "a", false},
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"/a", "a", false},
        {"a//b", "a/b", false},
        {"a//b", "a//b", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (tuf_path_matches(cases[i].pattern, cases[i].path) != cases[i].matches) {
            fail_msg("pattern '%s', path '%s'", cases[i].pattern, cases[i].path);
        }
    }
}

static void a_hostile_pattern_costs_no_more_than_the_product_of_the_lengths(void **state) {
    (void)state;
    char pattern[513], path[1001];
    for (size_t i = 0; i < 256; i++) {
        memcpy(pattern + 2 * i, "*a", 2);
    }
    pattern[512] = '\0';
    memset(path, 'a', 1000);
    path[999] = 'b';
    path[1000] = '\0';
    assert_false(tuf_path_matches(pattern, path));
}

/* SHA-256("a") is ca978112…, SHA-256("b") is 3e23e816… */
static void prefixes_are_lower_case_and_the_empty_one_takes_all(void **state) {
    (void)state;
    assert_true(tuf_path_has_prefix("a", "ca9"));
    assert_false(tuf_path_has_prefix("a", "CA9"));
    assert_false(tuf_path_has_prefix("b", "ca"));
    assert_true(tuf_path_has_prefix("b", ""));
}

static void bins_are_the_top_bits_of_the_hash(void **state) {
    (void)state;
    unsigned long bin = 99;
    assert_true(tuf_path_bin("a", 1, &bin));
    assert_int_equal(bin, 1);
    assert_true(tuf_path_bin("b", 3, &bin));
    assert_int_equal(bin, 1);
    assert_true(tuf_path_bin("a", 32, &bin));
    assert_int_equal(bin, 0xca978112);
    assert_false(tuf_path_bin("a", 0, &bin));
    assert_false(tuf_path_bin("a", 33, &bin));
}

static void names_are_encoded_into_what_neither_leads_away_nor_collides(void **state) {
    (void)state;
    char text[64];
    assert_true(tuf_path_encode("../delegated role?#", false, text, sizeof text));
    assert_string_equal(text, "..%2Fdelegated%20role%3F%23");
    assert_true(tuf_path_encode("a b/c", true, text, sizeof text));
    assert_string_equal(text, "a%20b/c");
    assert_true(tuf_path_encode("\xc3\xa9!", false, text, sizeof text));
    assert_string_equal(text, "%C3%A9%21");
    assert_false(tuf_path_encode("0123456789", false, text, 10));
}

static void what_was_encoded_is_decoded(void **state) {
    (void)state;
    char text[64];
    assert_true(tuf_path_decode("..%2Fa%20%C3%A9", text, sizeof text));
    assert_string_equal(text, "../a \xc3\xa9");
    assert_false(tuf_path_decode("a%", text, sizeof text));
    assert_false(tuf_path_decode("a%2", text, sizeof text));
    assert_false(tuf_path_decode("a%zz", text, sizeof text));
    assert_false(tuf_path_decode("a%00", text, sizeof text));
    assert_false(tuf_path_decode("abcd", text, 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_part_by_part),
        cmocka_unit_test(a_hostile_pattern_costs_no_more_than_the_product_of_the_lengths),
        cmocka_unit_test(prefixes_are_lower_case_and_the_empty_one_takes_all),
        cmocka_unit_test(bins_are_the_top_bits_of_the_hash),
        cmocka_unit_test(names_are_encoded_into_what_neither_leads_away_nor_collides),
        cmocka_unit_test(what_was_encoded_is_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
