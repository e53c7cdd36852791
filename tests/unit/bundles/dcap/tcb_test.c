/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/tcb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

static void every_status_of_intel_s_has_a_name_that_reads_back(void **state) {
    (void)state;
    for (int status = TCB_UP_TO_DATE; status <= TCB_REVOKED; status++) {
        TcbStatus back = TCB_UNKNOWN;
        assert_true(tcb_status_parse(tcb_status_name((TcbStatus)status), &back));
        assert_int_equal(back, status);
    }
    TcbStatus kept = TCB_OUT_OF_DATE;
    assert_false(tcb_status_parse("NotSupported", &kept));
    assert_false(tcb_status_parse("uptodate", &kept));
    assert_int_equal(kept, TCB_OUT_OF_DATE);
}

static void platform_and_qe_merge_as_intel_s_library_does(void **state) {
    (void)state;
    static const struct {
        TcbStatus platform, with_old_qe;
    } rows[] = {
        {TCB_UP_TO_DATE, TCB_OUT_OF_DATE},
        {TCB_SW_HARDENING_NEEDED, TCB_OUT_OF_DATE},
        {TCB_CONFIGURATION_NEEDED, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_OUT_OF_DATE, TCB_OUT_OF_DATE},
        {TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_REVOKED, TCB_REVOKED},
        {TCB_NOT_SUPPORTED, TCB_NOT_SUPPORTED},
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        TcbStatus platform = rows[at].platform;
        assert_int_equal(tcb_status_merge(platform, TCB_UP_TO_DATE), platform);
        assert_int_equal(tcb_status_merge(platform, TCB_OUT_OF_DATE), rows[at].with_old_qe);
        assert_int_equal(tcb_status_merge(platform, TCB_REVOKED),
                         platform == TCB_NOT_SUPPORTED ? TCB_NOT_SUPPORTED : TCB_REVOKED);
        assert_int_equal(tcb_status_merge(platform, TCB_NOT_SUPPORTED), TCB_NOT_SUPPORTED);
        assert_int_equal(tcb_status_merge(platform, TCB_UNKNOWN), TCB_UNKNOWN);
        assert_int_equal(tcb_status_merge(TCB_UNKNOWN, platform), TCB_UNKNOWN);
    }
}

static bool grade(const char *text, TcbGrade *ret_grade, Error *err) {
    CLEANUP(json_freep) json_t *json = json_parse((Bytes){(const uint8_t *)text, strlen(text)}, "level", err);
    assert_non_null(json);
    return tcb_grade_parse(json, ret_grade, err);
}

static void a_level_without_date_status_or_printable_advisories_is_refused(void **state) {
    (void)state;
    TcbGrade read;
    Error err = ERROR_INIT;
    assert_true(grade("{\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}", &read, &err));
    assert_int_equal(read.status, TCB_UP_TO_DATE);
    assert_null(read.advisories);
    static const char *const bad[] = {
        "{\"tcbStatus\":\"UpToDate\"}",
        "{\"tcbDate\":\"2024-03-13\",\"tcbStatus\":\"UpToDate\"}",
        "{\"tcbDate\":\"2024-03-13T00:00:00Z\"}",
        "{\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"Fine\"}",
        "{\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\",\"advisoryIDs\":\"INTEL-SA-1\"}",
        "{\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\",\"advisoryIDs\":[1]}",
        "{\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\",\"advisoryIDs\":[\"\\u001b[2J\"]}",
        "[]",
    };
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        err = ERROR_INIT;
        assert_false(grade(bad[at], &read, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_of_intel_s_has_a_name_that_reads_back),
        cmocka_unit_test(platform_and_qe_merge_as_intel_s_library_does),
        cmocka_unit_test(a_level_without_date_status_or_printable_advisories_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
