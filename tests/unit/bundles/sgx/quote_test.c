/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/quote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/file.h"

enum {
    SIGNATURE_DATA_SIZE_AT = 432,
    AUTH_SIZE_AT = 1012,
    CERTIFICATION_TYPE_AT = 1046,
    CERTIFICATION_SIZE_AT = 1048
};

typedef struct Genuine {
    const char *set;
    uint16_t qe_svn;
    uint16_t pce_svn;
    size_t size;
} Genuine;

static const Genuine genuine[] = {
    {"phala-00A067110000-qe10", 10, 15, 4600},
    {"automata-00606A000000-qe9", 9, 14, 4734},
    {"mobilecoin-00906ED50000-qe9", 9, 14, 4600},
};

static void load(const char *set, Buffer *ret_quote) {
    Error err = ERROR_INIT;
    char path[512];
    const char *source = getenv("PSW_SOURCE");
    assert_non_null(source);
    assert_true(snprintf(path, sizeof path, "%s/tests/data/dcap/%s/quote.bin", source, set) <
                (int)sizeof path);
    *ret_quote = BUFFER_INIT(65536);
    if (!file_read(AT_FDCWD, path, ret_quote, &err)) {
        fail_msg("%s", err.text);
    }
}

static int load_first(void **state) {
    Buffer *quote = calloc(1, sizeof *quote);
    assert_non_null(quote);
    load(genuine[0].set, quote);
    *state = quote;
    return 0;
}

static int unload(void **state) {
    buffer_done(*state);
    free(*state);
    return 0;
}

static void genuine_quotes_parse_and_their_signatures_verify(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof genuine / sizeof genuine[0]; i++) {
        Buffer bytes;
        load(genuine[i].set, &bytes);
        Quote quote;
        Error err = ERROR_INIT;
        assert_true(quote_parse(buffer_bytes(&bytes), &quote, &err));
        assert_int_equal(quote.qe_isv_svn, genuine[i].qe_svn);
        assert_int_equal(quote.pce_isv_svn, genuine[i].pce_svn);
        assert_int_equal(quote.size, genuine[i].size);
        assert_int_equal(quote.qe_report->isv_svn, genuine[i].qe_svn);
        assert_int_equal(quote.auth_data.size, 32);
        assert_int_equal(quote.certification_type, QUOTE_CERTIFICATION_PCK_CHAIN);
        if (!quote_check_signatures(&quote, &err)) {
            fail_msg("%s: %s", genuine[i].set, err.text);
        }
        assert_true(quote_matches_report(&quote, quote.body, &err));
        buffer_done(&bytes);
    }
}

static void zeros_behind_a_quote_do_not_count(void **state) {
    Buffer *bytes = *state;
    Quote quote;
    size_t size = bytes->size;
    assert_true(buffer_append_zeros(bytes, 8192 - size));
    assert_true(quote_parse(buffer_bytes(bytes), &quote, NULL));
    assert_int_equal(quote.size, size);
    bytes->data[bytes->size - 1] = 1;
    assert_false(quote_parse(buffer_bytes(bytes), &quote, NULL));
}

static void a_quote_cut_at_any_place_is_refused(void **state) {
    const Buffer *bytes = *state;
    for (size_t size = 0; size < bytes->size; size++) {
        Quote quote;
        Error err = ERROR_INIT;
        assert_false(quote_parse((Bytes){bytes->data, size}, &quote, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
}

static void other_versions_key_types_and_platforms_are_refused(void **state) {
    Buffer *bytes = *state;
    static const size_t places[] = {0, 2, 4, 12};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        Quote quote;
        bytes->data[places[i]] ^= 1;
        assert_false(quote_parse(buffer_bytes(bytes), &quote, NULL));
        bytes->data[places[i]] ^= 1;
        assert_true(quote_parse(buffer_bytes(bytes), &quote, NULL));
    }
}

static void sizes_that_do_not_add_up_are_refused(void **state) {
    Buffer *bytes = *state;
    static const struct {
        size_t at;
        uint32_t value;
    } sizes[] = {{SIGNATURE_DATA_SIZE_AT, 0},         {SIGNATURE_DATA_SIZE_AT, UINT32_MAX},
                 {SIGNATURE_DATA_SIZE_AT, 583},       {CERTIFICATION_SIZE_AT, UINT32_MAX},
                 {CERTIFICATION_SIZE_AT, 0},          {AUTH_SIZE_AT, 0xffff},
                 {SIGNATURE_DATA_SIZE_AT, 4600 - 437}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        Quote quote;
        uint32_t former = bytes_le32(bytes->data + sizes[i].at);
        bytes_put_le32(bytes->data + sizes[i].at, sizes[i].value);
        assert_false(quote_parse(buffer_bytes(bytes), &quote, NULL));
        bytes_put_le32(bytes->data + sizes[i].at, former);
    }
}

static void a_changed_bit_in_any_signed_byte_breaks_a_signature(void **state) {
    Buffer *bytes = *state;
    /* header and body, signature, key, QE report, its signature, authentication data */
    for (size_t at = 0; at < 1046; at += at < 432 ? 29 : 13) {
        Quote quote;
        Error err = ERROR_INIT;
        bytes->data[at] ^= 0x10;
        if (quote_parse(buffer_bytes(bytes), &quote, NULL)) {
            assert_false(quote_check_signatures(&quote, &err));
            assert_int_equal(err.kind, ERROR_VERIFY);
        }
        bytes->data[at] ^= 0x10;
    }
}

static void a_chain_may_end_with_or_without_nul(void **state) {
    const Buffer *bytes = *state;
    Quote quote;
    assert_true(quote_parse(buffer_bytes(bytes), &quote, NULL));
    Quote shorter = quote;
    while (shorter.certification_data.data[shorter.certification_data.size - 1] != '-') {
        shorter.certification_data.size--;
    }
    assert_true(quote_check_signatures(&shorter, NULL));
    assert_true(quote_check_signatures(&quote, NULL));
}

static void a_quote_without_a_certificate_chain_cannot_be_checked(void **state) {
    Buffer *bytes = *state;
    Quote quote;
    Error err = ERROR_INIT;
    bytes_put_le16(bytes->data + CERTIFICATION_TYPE_AT, 3);
    assert_true(quote_parse(buffer_bytes(bytes), &quote, &err));
    assert_false(quote_check_signatures(&quote, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);
    bytes_put_le16(bytes->data + CERTIFICATION_TYPE_AT, 6);
    assert_false(quote_parse(buffer_bytes(bytes), &quote, NULL));
    bytes_put_le16(bytes->data + CERTIFICATION_TYPE_AT, QUOTE_CERTIFICATION_PCK_CHAIN);
    bytes->data[CERTIFICATION_SIZE_AT + 4] = 'x';
    err = ERROR_INIT;
    assert_true(quote_parse(buffer_bytes(bytes), &quote, NULL));
    assert_false(quote_check_signatures(&quote, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);
}

static void a_quote_of_another_report_does_not_match(void **state) {
    const Buffer *bytes = *state;
    Quote quote;
    Error err = ERROR_INIT;
    assert_true(quote_parse(buffer_bytes(bytes), &quote, NULL));
    SgxReportBody report = *quote.body;
    assert_true(quote_matches_report(&quote, &report, NULL));
    report.report_data[63] ^= 1;
    assert_false(quote_matches_report(&quote, &report, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genuine_quotes_parse_and_their_signatures_verify),
        cmocka_unit_test_setup_teardown(zeros_behind_a_quote_do_not_count, load_first, unload),
        cmocka_unit_test_setup_teardown(a_quote_cut_at_any_place_is_refused, load_first, unload),
        cmocka_unit_test_setup_teardown(other_versions_key_types_and_platforms_are_refused, load_first,
                                        unload),
        cmocka_unit_test_setup_teardown(sizes_that_do_not_add_up_are_refused, load_first, unload),
        cmocka_unit_test_setup_teardown(a_changed_bit_in_any_signed_byte_breaks_a_signature, load_first,
                                        unload),
        cmocka_unit_test_setup_teardown(a_chain_may_end_with_or_without_nul, load_first, unload),
        cmocka_unit_test_setup_teardown(a_quote_without_a_certificate_chain_cannot_be_checked, load_first,
                                        unload),
        cmocka_unit_test_setup_teardown(a_quote_of_another_report_does_not_match, load_first, unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
