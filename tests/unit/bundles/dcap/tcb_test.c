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

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/dcap/qe_identity.h"
#include "bundles/dcap/tcb_info.h"

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

/* A level with so many advisories, each of so many bytes. */
static bool grade_advisories(int count, int size) {
    CLEANUP(buffer_done) Buffer level = BUFFER_INIT(1 << 16);
    TcbGrade read;
    assert_true(buffer_append_text(
        &level, "{\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\",\"advisoryIDs\":["));
    for (int i = 0; i < count; i++) {
        assert_true(buffer_append_format(&level, "%s\"%0*d\"", i > 0 ? "," : "", size, i));
    }
    assert_true(buffer_append_text(&level, "]}"));
    return grade(buffer_text(&level), &read, NULL);
}

static void the_limits_of_advisories_hold_exactly(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        assert_int_equal(grade_advisories(TCB_ADVISORIES_MAX + over, 2), over <= 0);
        assert_int_equal(grade_advisories(2, TCB_ADVISORY_SIZE_MAX + over), over <= 0);
    }
}

/* A document with so many levels; `tcb` is what a level has to say. */
static json_t *with_levels(const char *document, const char *tcb, int count) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(1 << 20);
    assert_true(buffer_append_format(&text, "{%s,\"tcbLevels\":[", document));
    for (int i = 0; i < count; i++) {
        assert_true(buffer_append_format(
            &text, "%s{\"tcb\":{%s},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}",
            i > 0 ? "," : "", tcb));
    }
    assert_true(buffer_append_text(&text, "]}"));
    return json_parse(buffer_bytes(&text), "document", NULL);
}

#define DATES "\"issueDate\":\"2024-03-13T00:00:00Z\",\"nextUpdate\":\"2024-04-13T00:00:00Z\""
#define NUMBER "\"tcbEvaluationDataNumber\":16"
#define SVN "{\"svn\":1}"
#define FOUR_SVNS SVN "," SVN "," SVN "," SVN

static void the_limit_of_levels_holds_exactly(void **state) {
    (void)state;
    static const char platform[] = "\"id\":\"SGX\",\"version\":3,\"tcbType\":0,\"fmspc\":\"00906ea10000\","
                                   "\"pceId\":\"0000\"," DATES "," NUMBER,
                      components[] = "\"sgxtcbcomponents\":[" FOUR_SVNS "," FOUR_SVNS "," FOUR_SVNS
                                     "," FOUR_SVNS "],\"pcesvn\":13";
    static const char enclave[] =
        "\"id\":\"QE\",\"version\":2,\"miscselect\":\"00000000\",\"miscselectMask\":"
        "\"FFFFFFFF\",\"attributes\":\"11000000000000000000000000000000\","
        "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\""
        "8C4F5775D796503E96137F77C68A829A0056AC8DED70140B081B094490C57BFF\","
        "\"isvprodid\":1," DATES "," NUMBER;
    for (int over = -TCB_LEVELS_MAX; over <= 1; over += over < -1 ? TCB_LEVELS_MAX - 1 : 1) { /* none, too */
        const bool taken = over <= 0 && over > -TCB_LEVELS_MAX;
        CLEANUP(json_freep) json_t *info_json = with_levels(platform, components, TCB_LEVELS_MAX + over);
        CLEANUP(json_freep)
        json_t *identity_json = with_levels(enclave, "\"isvsvn\":8", TCB_LEVELS_MAX + over);
        Error err = ERROR_INIT;
        CLEANUP(tcb_info_freep) TcbInfo *info = tcb_info_new(info_json, &err);
        if ((info != NULL) != taken) {
            fail_msg("%+d: %s", over, err.text);
        }
        CLEANUP(qe_identity_freep) QeIdentity *identity = qe_identity_new(identity_json, &err);
        if ((identity != NULL) != taken) {
            fail_msg("%+d: %s", over, err.text);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_of_intel_s_has_a_name_that_reads_back),
        cmocka_unit_test(platform_and_qe_merge_as_intel_s_library_does),
        cmocka_unit_test(a_level_without_date_status_or_printable_advisories_is_refused),
        cmocka_unit_test(the_limits_of_advisories_hold_exactly),
        cmocka_unit_test(the_limit_of_levels_holds_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
