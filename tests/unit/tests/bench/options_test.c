/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <getopt.h>
#include <string.h>

#include "tests/bench/options.h"

enum { ARGUMENTS_MAX = 16 };

/* The command line in one string, split at blanks. */
static bool parse(const char *line, Options *options, Error *err) {
    static char text[512];
    char *arguments[ARGUMENTS_MAX] = {"aesm-load"};
    int count = 1;
    char *rest = NULL;
    assert_true(strlen(line) < sizeof text);
    strcpy(text, line);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        arguments[count++] = word;
    }
    optind = 0;
    return options_parse(count, arguments, options, err);
}

static void defaults_are_eight_clients_for_ten_seconds_flat_out(void **state) {
    (void)state;
    Options options;
    Error err = ERROR_INIT;
    assert_true(parse("-s sock -p dir", &options, &err));
    assert_string_equal(options.socket, "sock");
    assert_int_equal(options.clients, 8);
    assert_int_equal(options.duration_ms, 10000);
    assert_int_equal(options.rate, 0);
    assert_int_equal(options.flow, FLOW_FULL);
    assert_true(options.verify);
}

static void a_number_of_requests_lifts_the_default_duration(void **state) {
    (void)state;
    Options options;
    Error err = ERROR_INIT;
    assert_true(parse("-s sock -f num -n 5", &options, &err));
    assert_int_equal(options.requests, 5);
    assert_int_equal(options.duration_ms, 0);
}

static void targets_read_back_as_they_were_written(void **state) {
    (void)state;
    static const char *const targets[] = {"fresh", "cached", "mixed:30"};
    for (size_t i = 0; i < 3; i++) {
        Options options;
        Error err = ERROR_INIT;
        char line[64] = "-s sock -p dir -t ";
        char name[24];
        strcat(line, targets[i]);
        assert_true(parse(line, &options, &err));
        assert_string_equal(options_target_name(&options, name, sizeof name), targets[i]);
    }
}

static void verification_can_be_told_how_often_to_check_signatures(void **state) {
    (void)state;
    Options options;
    Error err = ERROR_INIT;
    assert_true(parse("-s s -p d --verify full:7", &options, &err));
    assert_int_equal(options.signatures_every, 7);
    assert_true(parse("-s s -p d --verify full", &options, &err));
    assert_int_equal(options.signatures_every, 100);
    assert_true(parse("-s s -p d --verify none", &options, &err));
    assert_false(options.verify);
}

static void what_is_not_a_value_is_refused_by_name(void **state) {
    (void)state;
    static const char *const lines[] = {
        "-s s -p d --flow all",
        "-s s -p d --target mixed:101",
        "-s s -p d --clients 0",
        "-s s -p d --rate 1e3",
        "-s s -p d --duration 10",
        "-s s -p d --verify full:0",
        "-s s -p d --expect-qe 0011",
        "-s s -p d --timeout 0",
        "-s s -p d extra",
        "-s s -p d --no-such-option",
        "-s",
        "-s s",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        Options options = {.clients = 77};
        Error err = ERROR_INIT;
        assert_false(parse(lines[i], &options, &err));
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_int_equal(options.clients, 77);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_eight_clients_for_ten_seconds_flat_out),
        cmocka_unit_test(a_number_of_requests_lifts_the_default_duration),
        cmocka_unit_test(targets_read_back_as_they_were_written),
        cmocka_unit_test(verification_can_be_told_how_often_to_check_signatures),
        cmocka_unit_test(what_is_not_a_value_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
