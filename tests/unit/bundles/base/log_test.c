/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

/* What one event writes to standard error, through a pipe. */
static void capture(char *line, size_t size, LogLevel level, const char *value) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    log_event(level, "swap-committed", "bundle=%s", value);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(ends[1]);
    ssize_t length = read(ends[0], line, size - 1);
    (void)close(ends[0]);
    assert_true(length >= 0);
    line[length] = 0;
}

static void a_line_has_time_level_name_event_and_values(void **state) {
    (void)state;
    char line[8192];
    log_open("quoted[8]", LOG_LEVEL_INFO);
    capture(line, sizeof line, LOG_LEVEL_WARNING, "1.23");
    assert_int_equal(line[10], 'T');
    assert_int_equal(line[19], 'Z');
    assert_string_equal(line + 20, " warning quoted[8]: swap-committed bundle=1.23\n");
}

static void what_is_below_the_level_is_not_written(void **state) {
    (void)state;
    char line[8192];
    log_open("x", LOG_LEVEL_WARNING);
    capture(line, sizeof line, LOG_LEVEL_INFO, "v");
    assert_string_equal(line, "");
    capture(line, sizeof line, LOG_LEVEL_ERROR, "v");
    assert_non_null(strstr(line, " error x: "));
}

static void outside_bytes_cannot_forge_a_line(void **state) {
    (void)state;
    char line[8192];
    log_open("x", LOG_LEVEL_INFO);
    capture(line, sizeof line, LOG_LEVEL_INFO, "a\nfake \x1b[31m\x7f\xc3\xa4");
    assert_non_null(strstr(line, "bundle=\"a\\nfake \\x1b[31m\\x7f\xc3\xa4\"\n"));
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
}

static void a_long_line_is_cut_and_still_ends(void **state) {
    (void)state;
    char line[16384];
    char value[8192];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    log_open("x", LOG_LEVEL_INFO);
    capture(line, sizeof line, LOG_LEVEL_INFO, value);
    assert_in_range(strlen(line), 4000, 4096);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

static void the_journal_gets_priorities(void **state) {
    (void)state;
    char path[] = "/tmp/log-test-XXXXXX";
    AUTO_CLOSE int file = mkstemp(path);
    assert_true(file >= 0);
    (void)unlink(path);
    struct stat status;
    assert_int_equal(fstat(file, &status), 0);
    char stream[64];
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(file, STDERR_FILENO) >= 0);
    log_open("x", LOG_LEVEL_INFO);
    log_error("broken", "a=%d", 1);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    char line[128] = "";
    assert_true(pread(file, line, sizeof line - 1, 0) > 0);
    assert_string_equal(line, "<3>x: broken a=1\n");
    char elsewhere[8192];
    capture(elsewhere, sizeof elsewhere, LOG_LEVEL_INFO, "v");
    assert_null(strchr(elsewhere, '<'));
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
}

static void levels_have_names(void **state) {
    (void)state;
    LogLevel level = LOG_LEVEL_INFO;
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_false(log_level_parse("DEBUG", &level));
    assert_false(log_level_parse("", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
}

static void of_many_complaints_one_is_made_and_the_others_are_counted(void **state) {
    (void)state;
    LogPace pace = {0};
    unsigned left_out = 99;
    assert_true(log_may(&pace, 3600 * 1000, &left_out));
    assert_int_equal(left_out, 0);
    for (int i = 0; i < 5; i++) {
        assert_false(log_may(&pace, 3600 * 1000, &left_out));
    }
    pace.next_ms = 0; /* an hour later */
    assert_true(log_may(&pace, 0, &left_out));
    assert_int_equal(left_out, 5);
}

int main(void) {
    (void)unsetenv("JOURNAL_STREAM");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_name_event_and_values),
        cmocka_unit_test(what_is_below_the_level_is_not_written),
        cmocka_unit_test(outside_bytes_cannot_forge_a_line),
        cmocka_unit_test(a_long_line_is_cut_and_still_ends),
        cmocka_unit_test(the_journal_gets_priorities),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test(of_many_complaints_one_is_made_and_the_others_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
