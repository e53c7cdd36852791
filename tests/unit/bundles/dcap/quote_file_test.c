/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/quote_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

static ErrorKind decode(const uint8_t *file, size_t size, size_t expected) {
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer quote = BUFFER_INIT(QUOTE_FILE_MAX);
    bool good = quote_file_decode((Bytes){file, size}, "q", &quote, &err);
    assert_int_equal(good, err.kind == ERROR_NONE);
    assert_int_equal(quote.size, good ? expected : 0);
    return err.kind;
}

static void bytes_and_text_of_a_quote_have_a_limit_and_blanks_do_not_count(void **state) {
    (void)state;
    AUTO_FREE uint8_t *file = malloc(QUOTE_FILE_MAX + 100);
    for (int over = -2; over <= 2; over += 2) { /* two digits are one byte */
        const size_t size = (size_t)(QUOTE_FILE_MAX + over);
        const ErrorKind expected = over <= 0 ? ERROR_NONE : ERROR_LIMIT;
        memset(file, 1, size);
        assert_int_equal(decode(file, size, size), expected);
        memset(file, '1', size);
        assert_int_equal(decode(file, size, size / 2), expected);
        memset(file + size, '\n', 90);
        assert_int_equal(decode(file, size + 90, size / 2), expected);
    }
    memset(file, 1, QUOTE_FILE_MAX + 1);
    assert_int_equal(decode(file, QUOTE_FILE_MAX - 1, QUOTE_FILE_MAX - 1), ERROR_NONE);
    assert_int_equal(decode(file, QUOTE_FILE_MAX + 1, 0), ERROR_LIMIT);
    memset(file, '1', QUOTE_FILE_MAX + 1);
    assert_int_equal(decode(file, QUOTE_FILE_MAX - 1, QUOTE_FILE_MAX / 4 * 3 - 1), ERROR_NONE); /* base64 */
    assert_int_equal(decode(file, QUOTE_FILE_MAX + 1, 0), ERROR_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_text_of_a_quote_have_a_limit_and_blanks_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
