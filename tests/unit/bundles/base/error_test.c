/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_set_error_has_kind_and_text_and_returns_false(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    assert_int_equal(err.kind, ERROR_NONE);
    assert_false(error_set(&err, ERROR_VERIFY, "file %s", "x"));
    assert_int_equal(err.kind, ERROR_VERIFY);
    assert_string_equal(err.text, "file x");
    assert_false(error_set(NULL, ERROR_VERIFY, "file %s", "x"));
}

static void an_errno_gives_kind_and_reason(void **state) {
    (void)state;
    static const struct {
        int errnum;
        ErrorKind kind;
    } known[] = {{EACCES, ERROR_PERMISSION}, {EPERM, ERROR_PERMISSION},  {ENOENT, ERROR_NOT_FOUND},
                 {EEXIST, ERROR_CONFLICT},   {ENOSPC, ERROR_NO_SPACE},   {EDQUOT, ERROR_NO_SPACE},
                 {ENOMEM, ERROR_MEMORY},     {ETIMEDOUT, ERROR_TIMEOUT}, {EIO, ERROR_SYSTEM}};
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        Error err = ERROR_INIT;
        assert_false(error_set_errno(&err, known[at].errnum, "cannot open %s", "x"));
        assert_int_equal(err.kind, known[at].kind);
        assert_non_null(strstr(err.text, "cannot open x: "));
        assert_non_null(strstr(err.text, strerrordesc_np(known[at].errnum)));
    }
    Error err = ERROR_INIT;
    assert_false(error_set_errno(&err, 123456, "x"));
    assert_string_equal(err.text, "x: unknown error");
}

static void wrapping_puts_the_context_in_front(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    error_set(&err, ERROR_LIMIT, "too large");
    assert_false(error_wrap(&err, "bundle '%s'", "b"));
    assert_false(error_wrap(&err, "stage"));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_string_equal(err.text, "stage: bundle 'b': too large");
}

static void a_text_that_is_too_long_is_cut(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    char text[ERROR_TEXT_MAX * 2];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    error_set(&err, ERROR_INPUT, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    error_wrap(&err, "front");
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    assert_int_equal(strncmp(err.text, "front: xxx", 10), 0);
    error_set_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
}

static void every_kind_has_its_own_name_and_exit_status(void **state) {
    (void)state;
    assert_int_equal(error_kind_exit_status(ERROR_NONE), 0);
    for (int a = ERROR_NONE; a < ERROR_KINDS_COUNT; a++) {
        ErrorKind parsed = ERROR_NONE;
        assert_non_null(error_kind_name((ErrorKind)a));
        assert_true(error_kind_parse(error_kind_name((ErrorKind)a), &parsed));
        assert_int_equal(parsed, a);
        assert_in_range(error_kind_http_status((ErrorKind)a), a == ERROR_NONE ? 200 : 400, 599);
        for (int b = a + 1; b < ERROR_KINDS_COUNT; b++) {
            assert_int_not_equal(error_kind_exit_status((ErrorKind)a), error_kind_exit_status((ErrorKind)b));
        }
    }
    ErrorKind kind = ERROR_LIMIT;
    assert_false(error_kind_parse("nonsense", &kind));
    assert_int_equal(kind, ERROR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_error_has_kind_and_text_and_returns_false),
        cmocka_unit_test(an_errno_gives_kind_and_reason),
        cmocka_unit_test(wrapping_puts_the_context_in_front),
        cmocka_unit_test(a_text_that_is_too_long_is_cut),
        cmocka_unit_test(every_kind_has_its_own_name_and_exit_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
