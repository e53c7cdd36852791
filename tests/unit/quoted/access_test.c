/* SPDX-License-Identifier: Apache-2.0 */
#include "quoted/access.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

static void uids_are_numbers_and_ranges(void **state) {
    (void)state;
    static const char *const wrong[] = {"",      "x",          "-",  "5-", "-5", "5-4",
                                        "1-2-3", "4294967295", "1 ", "+1", "01", "12345678901234567890"};
    Access access = {.uids_count = 0};
    assert_true(access_add_uids(&access, "0"));
    assert_true(access_add_uids(&access, "1000-1999"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(access_add_uids(&access, wrong[i]));
    }
    assert_int_equal(access.uids_count, 2);
    assert_int_equal(access.uids[1].first, 1000);
    assert_int_equal(access.uids[1].last, 1999);
}

static void too_many_entries_are_refused(void **state) {
    (void)state;
    Access access = {.uids_count = ACCESS_ENTRIES_MAX, .cgroups_count = ACCESS_ENTRIES_MAX};
    assert_false(access_add_uids(&access, "0"));
    assert_false(access_add_cgroup(&access, "/a"));
}

static void who_is_in_no_range_is_not_allowed(void **state) {
    (void)state;
    Access access = {.uids_count = 0};
    struct ucred peer = {.uid = 1500};
    assert_true(access_allows(&access, -1, &peer));
    assert_true(access_add_uids(&access, "0"));
    assert_false(access_allows(&access, -1, &peer));
    assert_true(access_add_uids(&access, "1000-1999"));
    assert_true(access_allows(&access, -1, &peer));
    peer.uid = (uid_t)-1; /* nobody knows */
    assert_false(access_allows(&access, -1, &peer));
}

static void a_group_has_what_is_beneath_it_and_no_namesake(void **state) {
    (void)state;
    Access access = {.uids_count = 0};
    assert_true(access_add_cgroup(&access, "/kubepods.slice/"));
    assert_true(access_has_cgroup(&access, "/kubepods.slice"));
    assert_true(access_has_cgroup(&access, "/kubepods.slice/pod1/container"));
    assert_false(access_has_cgroup(&access, "/kubepods.slice-other"));
    assert_false(access_has_cgroup(&access, "/"));
    assert_false(access_has_cgroup(&access, "/../kubepods.slice"));
    assert_false(access_has_cgroup(&access, "/kubepods.slice/../evil"));
}

static void the_root_group_has_everybody_in_this_namespace(void **state) {
    (void)state;
    Access access = {.uids_count = 0};
    assert_true(access_add_cgroup(&access, "/"));
    assert_true(access_has_cgroup(&access, "/"));
    assert_true(access_has_cgroup(&access, "/a/b"));
    assert_false(access_has_cgroup(&access, "/../../a"));
}

static void a_group_is_an_absolute_path(void **state) {
    (void)state;
    Access access = {.uids_count = 0};
    char longer[ACCESS_CGROUP_MAX + 2];
    memset(longer, 'a', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_false(access_add_cgroup(&access, ""));
    assert_false(access_add_cgroup(&access, "kubepods"));
    assert_false(access_add_cgroup(&access, "/a/../b"));
    assert_false(access_add_cgroup(&access, "/a\nb"));
    longer[ACCESS_CGROUP_MAX] = 'a';
    assert_false(access_add_cgroup(&access, longer));
}

static void a_process_that_is_gone_is_in_no_group(void **state) {
    (void)state;
    Access access = {.uids_count = 0};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    AUTO_CLOSE int own = ends[0];
    AUTO_CLOSE int other = ends[1];
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(access_add_cgroup(&access, "/"));
    struct ucred peer = {.pid = child};
    assert_false(access_allows(&access, own, &peer));
    peer.pid = 0; /* of a process that this namespace does not show */
    assert_false(access_allows(&access, own, &peer));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uids_are_numbers_and_ranges),
        cmocka_unit_test(too_many_entries_are_refused),
        cmocka_unit_test(who_is_in_no_range_is_not_allowed),
        cmocka_unit_test(a_group_has_what_is_beneath_it_and_no_namesake),
        cmocka_unit_test(the_root_group_has_everybody_in_this_namespace),
        cmocka_unit_test(a_group_is_an_absolute_path),
        cmocka_unit_test(a_process_that_is_gone_is_in_no_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
