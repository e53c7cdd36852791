/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/report.h"

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
#include "tests/support/place.h"

typedef struct Fixture {
    Place *place;
    Host host;
    CheckSettings settings;
    CheckSubject subject;
} Fixture;

static int begin(void **state) {
    Error err = ERROR_INIT;
    void *place = NULL;
    Fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(place_setup(&place), 0);
    fixture->place = place;
    assert_true(host_open(fixture->place->path, &fixture->host, &err));
    fixture->subject = (CheckSubject){.host = &fixture->host, .settings = &fixture->settings};
    *state = fixture;
    return 0;
}

static int end(void **state) {
    Fixture *fixture = *state;
    void *place = fixture->place;
    host_close(&fixture->host);
    free(fixture);
    return place_teardown(&place);
}

static const CheckResult *find(const CheckReport *report, const char *id) {
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->results[i].check->id, id) == 0) {
            return &report->results[i];
        }
    }
    return NULL;
}

static void ids_are_of_their_family_and_each_is_there_once(void **state) {
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < check_families_count; i++) {
        const CheckFamily *family = check_families[i];
        for (size_t j = 0; j < family->count; j++, count++) {
            const Check *check = &family->checks[j];
            size_t length = strlen(family->name);
            assert_true(strncmp(check->id, family->name, length) == 0 && check->id[length] == '.');
            assert_true(strlen(check->id) < CHECK_ID_MAX);
            assert_ptr_equal(check_find(check->id), check);
            assert_true(check->title[0] != '\0' && check->protects[0] != '\0' && check->remedy[0] != '\0');
            assert_true(strncmp(check->reference, "https://", 8) == 0);
            assert_true(check->severity == CHECK_INFO || check->severity == CHECK_WARN ||
                        check->severity == CHECK_FAIL);
        }
    }
    assert_true(count >= 60);
    assert_null(check_find("cpu"));
}

static void every_check_has_one_result_and_what_is_not_run_says_why(void **state) {
    Fixture *fixture = *state;
    CheckReport report;
    Error err = ERROR_INIT;
    size_t sum = 0;
    assert_true(report_run(&fixture->subject, true, &report, &err));
    for (int status = 0; status < CHECK_STATUSES_COUNT; status++) {
        sum += report.counts[status];
    }
    assert_int_equal(sum, report.count);
    assert_int_equal(find(&report, "quote.load")->status, CHECK_SKIP);
    assert_non_null(strstr(find(&report, "bundle.driver")->text, "pswctl test"));
    assert_non_null(strstr(find(&report, "driver.open")->text, "running system"));
    for (size_t i = 0; i < report.count; i++) {
        assert_true(report.results[i].text[0] != '\0');
        assert_null(strstr(report.results[i].text, "gave no answer"));
    }
    report_done(&report);
}

static void a_waiver_holds_until_its_end_and_for_its_check_alone(void **state) {
    Fixture *fixture = *state;
    CheckReport report;
    Error err = ERROR_INIT;
    const CheckWaiver waivers[] = {{"driver.nodes", "no hardware yet", 100}, {"cpu.sgx", "", 100}};
    assert_true(report_run(&fixture->subject, true, &report, &err));
    assert_int_equal(find(&report, "driver.nodes")->status, CHECK_FAIL);
    size_t failed = report.counts[CHECK_FAIL];
    report_waive(&report, waivers, 2, 100);
    assert_int_equal(find(&report, "driver.nodes")->status, CHECK_FAIL);
    report_waive(&report, waivers, 2, 99);
    assert_int_equal(find(&report, "driver.nodes")->status, CHECK_WAIVED);
    assert_non_null(strstr(find(&report, "driver.nodes")->text, "(waived: no hardware yet)"));
    assert_int_equal(find(&report, "cpu.sgx")->status, CHECK_SKIP); /* what is not known is not waived */
    assert_int_equal(report.counts[CHECK_FAIL], failed - 1);
    assert_int_equal(report.counts[CHECK_WAIVED], 1);
    report_done(&report);
}

static void junit_escapes_what_xml_would_not_take(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    CLEANUP(json_freep)
    json_t *report =
        json_pack("{s:[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s}], s:{s:i, s:i}, s:f}", "checks", "id", "a.b",
                  "status", "fail", "text", "1 < 2 & \"3\"", "remedy", "do > that", "id", "a.c", "status",
                  "skip", "text", "not known", "counts", "fail", 1, "skip", 1, "milliseconds", 2500.0);
    FILE *out = open_memstream(&text, &size);
    assert_true(out != NULL && report_write_junit(report, out));
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"2.500\""));
    assert_non_null(strstr(text, "<failure message=\"1 &lt; 2 &amp; &quot;3&quot;\">do &gt; that</failure>"));
    assert_non_null(strstr(text, "<skipped message=\"not known\"></skipped>"));
    free(text);
}

static void bytes_that_are_not_printable_do_not_reach_the_terminal(void **state) {
    (void)state;
    CheckResult result = {.check = check_find("driver.nodes")};
    check_bad(&result, "a\033[31mb\n%s", "\xff");
    assert_string_equal(result.text, "a?[31mb??");
    assert_int_equal(result.status, CHECK_FAIL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_of_their_family_and_each_is_there_once),
        cmocka_unit_test_setup_teardown(every_check_has_one_result_and_what_is_not_run_says_why, begin, end),
        cmocka_unit_test_setup_teardown(a_waiver_holds_until_its_end_and_for_its_check_alone, begin, end),
        cmocka_unit_test(junit_escapes_what_xml_would_not_take),
        cmocka_unit_test(bytes_that_are_not_printable_do_not_reach_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
