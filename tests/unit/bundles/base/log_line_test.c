/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_line(const LogLine *line, const char *expected) {
    assert_int_equal(line->length, strlen(expected));
    assert_memory_equal(line->text, expected, strlen(expected));
}

static void numbers_and_plain_values_stand_as_they_are(void **state) {
    (void)state;
    LogLine line = LOG_LINE_INIT;
    log_line_add(&line, "a=%u b=%d c=0x%x d=%zu e=%llu f=%s g=%.3s h=100%%", 1U, -2, 0xbeU, (size_t)3, ~0ULL,
                 "/run/x.sock", "abcdef");
    log_line_end(&line);
    assert_line(&line, "a=1 b=-2 c=0xbe d=3 e=18446744073709551615 f=/run/x.sock g=abc h=100%\n");
}

static void a_value_gets_the_quotes_that_it_needs(void **state) {
    (void)state;
    LogLine line = LOG_LINE_INIT;
    log_line_add(&line, "blank=%s empty=%s mark=%s slash=%s control=%s last=%s", "a b", "", "a\"b", "a\\b",
                 "a\rb", "z");
    log_line_end(&line);
    assert_line(&line,
                "blank=\"a b\" empty=\"\" mark=\"a\\\"b\" slash=\"a\\\\b\" control=\"a\\x0db\" last=z\n");
}

static void a_value_cannot_leave_the_quotes_of_the_format(void **state) {
    (void)state;
    LogLine line = LOG_LINE_INIT;
    log_line_add(&line, "error=\"%s\" what=\"cannot %s\" n=%u", "x\" uid=\"0\n\t\x7f", "\\", 7U);
    log_line_end(&line);
    assert_line(&line, "error=\"x\\\" uid=\\\"0\\n\\t\\x7f\" what=\"cannot \\\\\" n=7\n");
}

/* Wherever the room ends, the line ends in a newline, with its quotes closed and no half of an escape. */
static void what_is_too_long_is_cut_and_its_quotes_are_closed(void **state) {
    (void)state;
    char value[LOG_LINE_SIZE + 8];
    for (size_t size = LOG_LINE_SIZE - 40; size < LOG_LINE_SIZE + 4; size++) {
        memset(value, 'v', size);
        memcpy(value + size, "\"", 2);
        LogLine line = LOG_LINE_INIT;
        log_line_add(&line, "error=\"%s\" path=%s more=%s", value, "a b", "\n");
        log_line_end(&line);
        assert_in_range(line.length, LOG_LINE_SIZE - 40, LOG_LINE_SIZE);
        assert_int_equal(line.text[line.length - 1], '\n');
        size_t marks = 0;
        for (size_t at = 0; at < line.length; at++) {
            at += line.text[at] == '\\' ? 1 : 0;
            marks += line.text[at] == '"' && line.text[at - 1] != '\\' ? 1 : 0;
        }
        assert_int_equal(marks % 2, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_plain_values_stand_as_they_are),
        cmocka_unit_test(a_value_gets_the_quotes_that_it_needs),
        cmocka_unit_test(a_value_cannot_leave_the_quotes_of_the_format),
        cmocka_unit_test(what_is_too_long_is_cut_and_its_quotes_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
