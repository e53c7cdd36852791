/* SPDX-License-Identifier: Apache-2.0
 *
 * Genuine quotes with the collateral of their time, under Intel's root. What needs collateral signed anew is
 * in tests/integration/test_verify.py. */
#include "bundles/dcap/quote_verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/dcap/quote_file.h"
#include "bundles/dcap/root.h"
#include "bundles/sgx/report.h"

CLEANUP_DEFINE(X509, X509_free)

typedef struct Case {
    Buffer bytes;
    Quote quote;
    Collateral *collateral;
    X509 *root;
    TrustedCollateral *trusted;
} Case;

static void case_done(Case *one) {
    trusted_collateral_free(one->trusted);
    X509_free(one->root);
    collateral_free(one->collateral);
    buffer_done(&one->bytes);
}

static void case_load(const char *set, Case *ret_case) {
    Error err = ERROR_INIT;
    char path[512];
    Case one = {.bytes = BUFFER_INIT(65536)};
    (void)snprintf(path, sizeof path, "%s/tests/data/dcap/%s/quote.bin", getenv("PSW_SOURCE"), set);
    bool loaded = file_read(AT_FDCWD, path, &one.bytes, &err) &&
                  quote_parse(buffer_bytes(&one.bytes), &one.quote, &err) &&
                  (*strrchr(path, '/') = '\0', one.collateral = collateral_load(path, &err)) != NULL &&
                  (one.root = root_intel(&err)) != NULL &&
                  (one.trusted = trusted_collateral_new(one.collateral, one.root, &err)) != NULL;
    if (!loaded) {
        fail_msg("%s: %s", set, err.text);
    }
    *ret_case = one;
}

static int64_t at(const char *text) {
    int64_t seconds = 0;
    assert_true(clock_parse(text, &seconds));
    return seconds;
}

static void genuine_quotes_get_the_grades_that_other_verifiers_give(void **state) {
    (void)state;
    static const struct {
        const char *set, *time;
        TcbStatus platform, qe;
        size_t problems;
        bool multi_package;
        uint16_t pce_svn;
    } expected[] = {
        {"phala-00A067110000-qe10", "2025-07-01T00:00:00Z", TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
         TCB_UP_TO_DATE, 0, false, 13},
        {"automata-00606A000000-qe9", "2025-09-01T00:00:00Z", TCB_SW_HARDENING_NEEDED, TCB_UP_TO_DATE, 0,
         true, 13},
        {"mobilecoin-00906ED50000-qe9", "2023-07-20T00:00:00Z", TCB_SW_HARDENING_NEEDED, TCB_UP_TO_DATE, 1,
         false, 13},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        CLEANUP(case_done) Case one;
        Error err = ERROR_INIT;
        QuoteVerdict verdict;
        case_load(expected[i].set, &one);
        if (!quote_verify(&one.quote, one.trusted, at(expected[i].time), &verdict, &err)) {
            fail_msg("%s: %s", expected[i].set, err.text);
        }
        assert_int_equal(verdict.platform_status, expected[i].platform);
        assert_int_equal(verdict.qe_status, expected[i].qe);
        assert_int_equal(verdict.status, expected[i].platform);
        assert_int_equal(verdict.problems_count, expected[i].problems);
        assert_int_equal(quote_verdict_is_whole(&verdict), expected[i].problems == 0);
        assert_int_equal(verdict.pck.is_multi_package, expected[i].multi_package);
        assert_int_equal(verdict.pck.tcb.pce_svn, expected[i].pce_svn);
        assert_memory_equal(verdict.pck.cpu_svn, verdict.pck.tcb.components, 16);
    }
}

static void everything_that_is_judged_has_a_span_and_the_first_to_expire_is_known(void **state) {
    (void)state;
    CLEANUP(case_done) Case one;
    QuoteVerdict verdict;
    case_load("phala-00A067110000-qe10", &one);
    assert_true(quote_verify(&one.quote, one.trusted, at("2025-07-01T00:00:00Z"), &verdict, NULL));
    assert_int_equal(verdict.spans_count, 8);
    const QuoteSpan *first = quote_verdict_first_to_expire(&verdict);
    assert_string_equal(first->what, "QE identity");
    assert_true(first->until == at("2025-07-19T10:01:18Z"));
    assert_true(quote_verify(&one.quote, one.trusted, at("2060-01-01T00:00:00Z"), &verdict, NULL));
    assert_int_equal(verdict.problems_count, 8);
}

static void any_changed_byte_of_a_quote_is_noticed(void **state) {
    (void)state;
    CLEANUP(case_done) Case one;
    case_load("automata-00606A000000-qe9", &one);
    /* The sizes, the chain's line ends and the zeros behind are the only bytes that no signature covers. */
    for (size_t place = 0; place < 2600; place += 37) {
        Quote quote;
        QuoteVerdict verdict;
        one.bytes.data[place] ^= 0x01;
        assert_false(quote_parse(buffer_bytes(&one.bytes), &quote, NULL) &&
                     quote_verify(&quote, one.trusted, at("2025-09-01T00:00:00Z"), &verdict, NULL));
        one.bytes.data[place] ^= 0x01;
    }
}

/* The same content as a quote of version 4 or 5: signatures over the body differ, all else is read alike. */
static void versions_4_and_5_are_read_as_version_3_is(void **state) {
    (void)state;
    CLEANUP(case_done) Case one;
    case_load("phala-00A067110000-qe10", &one);
    for (uint8_t version = 4; version <= 5; version++) {
        CLEANUP(buffer_done) Buffer other = BUFFER_INIT(65536);
        const uint8_t *from = one.bytes.data;
        uint8_t head[] = {version, 0}, typed[] = {1, 0, 0x80, 1, 0, 0}, nested[6] = {6, 0}, size[4];
        uint32_t inner = (uint32_t)(one.bytes.size - 436 - 128);
        bytes_put_le32(nested + 2, inner);
        bytes_put_le32(size, inner + 6 + 128);
        assert_true(buffer_append(&other, head, 2) && buffer_append(&other, from + 2, 46) &&
                    (version == 4 || buffer_append(&other, typed, sizeof typed)) &&
                    buffer_append(&other, from + 48, 384) && buffer_append(&other, size, 4) &&
                    buffer_append(&other, from + 436, 128) && buffer_append(&other, nested, 6) &&
                    buffer_append(&other, from + 564, inner));
        Quote quote;
        QuoteVerdict verdict;
        Error err = ERROR_INIT;
        if (!quote_parse(buffer_bytes(&other), &quote, &err)) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(quote.version, version);
        assert_int_equal(quote.signed_part.size, version == 4 ? 432 : 438);
        assert_memory_equal(quote.body, one.quote.body, SGX_REPORT_BODY_SIZE);
        assert_memory_equal(quote.qe_report, one.quote.qe_report, SGX_REPORT_BODY_SIZE);
        assert_false(quote_verify(&quote, one.trusted, at("2025-07-01T00:00:00Z"), &verdict, &err));
        assert_non_null(strstr(err.text, "not signed by the attestation key"));
        for (size_t cut = 1; cut < 40; cut++) {
            assert_false(quote_parse((Bytes){other.data, other.size - cut}, &quote, NULL));
        }
        other.data[4] = 0x81;
        err = ERROR_INIT;
        assert_false(quote_parse(buffer_bytes(&other), &quote, &err));
        assert_non_null(strstr(err.text, "TDX"));
    }
}

static void intel_s_root_is_the_one_that_everybody_knows(void **state) {
    (void)state;
    CLEANUP(X509_freep) X509 *root = root_intel(NULL);
    assert_non_null(root);
    uint8_t digest[32];
    unsigned size = 0;
    assert_int_equal(X509_digest(root, EVP_sha256(), digest, &size), 1);
    static const uint8_t known[] = {0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89};
    assert_memory_equal(digest, known, sizeof known);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(genuine_quotes_get_the_grades_that_other_verifiers_give),
        cmocka_unit_test(everything_that_is_judged_has_a_span_and_the_first_to_expire_is_known),
        cmocka_unit_test(any_changed_byte_of_a_quote_is_noticed),
        cmocka_unit_test(versions_4_and_5_are_read_as_version_3_is),
        cmocka_unit_test(intel_s_root_is_the_one_that_everybody_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
