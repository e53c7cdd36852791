/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONG_MS = 60 * 1000 };

static bool answers(void *context, char text[CHILD_TEXT_MAX]) {
    (void)snprintf(text, CHILD_TEXT_MAX, "%s", (const char *)context);
    return strcmp(context, "yes") == 0;
}

static bool hangs(void *context, char text[CHILD_TEXT_MAX]) {
    (void)context, (void)text;
    for (;;) {
        (void)pause();
    }
    return true;
}

static bool crashes(void *context, char text[CHILD_TEXT_MAX]) {
    (void)context, (void)text;
    (void)raise(SIGSEGV);
    return true;
}

static bool leaves(void *context, char text[CHILD_TEXT_MAX]) {
    (void)context, (void)text;
    _exit(7);
}

static bool scribbles(void *context, char text[CHILD_TEXT_MAX]) {
    (void)context, (void)text;
    for (int fd = 3; fd < 64; fd++) {
        (void)!write(fd, "rubbish", 7);
    }
    return true;
}

static void expect(ChildFn function, void *context, int timeout_ms, ChildVerdict verdict, const char *words) {
    ChildAnswer answer;
    child_run(function, context, timeout_ms, &answer);
    assert_int_equal(answer.verdict, verdict);
    if (strstr(answer.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", answer.text, words);
    }
}

static void an_answer_comes_back(void **state) {
    (void)state;
    ChildAnswer answer;
    char yes[] = "yes", no[] = "no";
    child_run(answers, yes, LONG_MS, &answer);
    assert_true(answer.good);
    child_run(answers, no, LONG_MS, &answer);
    assert_false(answer.good);
    expect(answers, no, LONG_MS, CHILD_ANSWERED, "no");
}

static void what_goes_wrong_has_its_name(void **state) {
    (void)state;
    expect(hangs, NULL, 50, CHILD_HANGS, "hangs");
    expect(crashes, NULL, LONG_MS, CHILD_CRASHES, "SEGV");
    expect(leaves, NULL, LONG_MS, CHILD_CRASHES, "status 7");
    expect(scribbles, NULL, LONG_MS, CHILD_SCRIBBLES, "scribbles");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_back),
        cmocka_unit_test(what_goes_wrong_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
