/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/certification.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/file.h"

static int load(void **state) {
    Buffer *quote = calloc(1, sizeof *quote);
    Error err = ERROR_INIT;
    char path[512];
    assert_non_null(quote);
    buffer_init(quote, 64 * 1024);
    (void)snprintf(path, sizeof path, "%s/tests/data/dcap/phala-00A067110000-qe10/quote.bin",
                   getenv("PSW_SOURCE"));
    if (!file_read(AT_FDCWD, path, quote, &err)) {
        fail_msg("%s", err.text);
    }
    *state = quote;
    return 0;
}

static int unload(void **state) {
    buffer_done(*state);
    free(*state);
    return 0;
}

static void the_chain_of_a_quote_is_kept_and_nothing_else(void **state) {
    const Buffer *quote = *state;
    Certification certification = CERTIFICATION_INIT;
    uint8_t chain[CERTIFICATION_MAX];
    assert_int_equal(certification_read(&certification, chain), 0);
    certification_note(&certification, buffer_bytes(quote));
    size_t size = certification_read(&certification, chain);
    assert_true(size > 3000);
    assert_memory_equal(chain, "-----BEGIN CERTIFICATE-----", 27);
    assert_ptr_not_equal(memmem(quote->data, quote->size, chain, size), NULL);
}

static void what_is_no_quote_leaves_what_was_there(void **state) {
    const Buffer *quote = *state;
    Certification certification = CERTIFICATION_INIT;
    uint8_t chain[CERTIFICATION_MAX];
    certification_note(&certification, (Bytes){(const uint8_t *)"none", 4});
    assert_int_equal(certification_read(&certification, chain), 0);
    certification.next_ms = 0;
    certification_note(&certification, buffer_bytes(quote));
    size_t size = certification_read(&certification, chain);
    certification.next_ms = 0;
    certification_note(&certification, (Bytes){quote->data, quote->size / 2});
    assert_int_equal(certification_read(&certification, chain), size);
}

static void quotes_are_looked_at_now_and_then_only(void **state) {
    const Buffer *quote = *state;
    Certification certification = CERTIFICATION_INIT;
    uint8_t chain[CERTIFICATION_MAX];
    certification_note(&certification, (Bytes){(const uint8_t *)"none", 4});
    certification_note(&certification, buffer_bytes(quote));
    assert_int_equal(certification_read(&certification, chain), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_chain_of_a_quote_is_kept_and_nothing_else, load, unload),
        cmocka_unit_test_setup_teardown(what_is_no_quote_leaves_what_was_there, load, unload),
        cmocka_unit_test_setup_teardown(quotes_are_looked_at_now_and_then_only, load, unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
