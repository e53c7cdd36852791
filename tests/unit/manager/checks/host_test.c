/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/host.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "manager/checks/mounts.h"
#include "tests/support/place.h"

static Host host;

static int open_place(void **state) {
    Error err = ERROR_INIT;
    assert_int_equal(place_setup(state), 0);
    const Place *place = *state;
    assert_int_equal(mkdirat(place->fd, "etc", 0755), 0);
    assert_int_equal(mkdirat(place->fd, "proc", 0755), 0);
    assert_int_equal(mkdirat(place->fd, "proc/self", 0755), 0);
    assert_true(host_open(place->path, &host, &err));
    return 0;
}

static int close_place(void **state) {
    host_close(&host);
    return place_teardown(state);
}

static void links_do_not_lead_out_of_the_root(void **state) {
    const Place *place = *state;
    char line[64];
    place_put(place, "etc/inside", "inside\n");
    assert_int_equal(symlinkat("/etc/inside", place->fd, "absolute"), 0);
    assert_int_equal(symlinkat("../../../../../../etc/inside", place->fd, "upward"), 0);
    assert_int_equal(symlinkat("/etc/passwd", place->fd, "outside"), 0);
    assert_true(host_read_line(&host, "/absolute", line, sizeof line));
    assert_string_equal(line, "inside");
    assert_true(host_read_line(&host, "/upward", line, sizeof line));
    assert_string_equal(line, "inside");
    assert_false(host_has(&host, "/outside"));
}

static void what_cannot_be_read_says_why(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(64);
    Error missing = ERROR_INIT, directory = ERROR_INIT;
    uint64_t number = 7;
    struct stat facts;
    assert_false(host_read(&host, "/nowhere", &text, &missing));
    assert_int_equal(missing.kind, ERROR_NOT_FOUND);
    assert_false(host_read(&host, "/etc", &text, &directory));
    assert_int_equal(directory.kind, ERROR_INPUT);
    assert_false(host_read_u64(&host, "/nowhere", &number));
    assert_int_equal(number, 7);
    assert_int_equal(host_stat(&host, "/nowhere", &facts), ENOENT);
}

static void a_file_without_end_is_not_read_for_ever(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    AUTO_CLOSE int fd = openat(place->fd, "large", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(ftruncate(fd, HOST_FILE_MAX + 1), 0);
    assert_false(host_read(&host, "/large", &text, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static bool of_group_20(gid_t group) {
    return group == 20;
}

static void access_is_judged_by_owner_group_and_others(void **state) {
    (void)state;
    struct stat facts = {.st_mode = S_IFCHR | 0640, .st_uid = 10, .st_gid = 20};
    host.uid = 10, host.gid = 10;
    assert_true(host_may(&host, &facts, R_OK | W_OK));
    host.uid = 11;
    assert_false(host_may(&host, &facts, R_OK));
    host.is_member = of_group_20;
    assert_true(host_may(&host, &facts, R_OK));
    assert_false(host_may(&host, &facts, W_OK));
    host.uid = 0;
    assert_true(host_may(&host, &facts, W_OK));
    /* The owner's own bits count for the owner, however much the others may. */
    facts.st_mode = S_IFCHR | 0066;
    host.uid = 10;
    assert_false(host_may(&host, &facts, R_OK));
}

static void users_and_groups_are_found_by_name(void **state) {
    const Place *place = *state;
    gid_t gid = 0;
    uid_t uid = 0;
    char name[64];
    place_put(place, "etc/group", "root:x:0:\nbroken\nsgx:x:106:a,b\nlast:x:4294967296:\n");
    place_put(place, "etc/passwd", "root:x:0:0::/root:/bin/sh\naesmd:x:990:990::/:/bin/false\n");
    assert_true(host_find_group(&host, "sgx", &gid));
    assert_int_equal(gid, 106);
    assert_false(host_find_group(&host, "last", &gid));
    assert_false(host_find_group(&host, "sg", &gid));
    assert_true(host_find_user(&host, "aesmd", &uid));
    assert_int_equal(uid, 990);
    assert_string_equal(host_group_name(&host, 106, name, sizeof name), "sgx");
    assert_string_equal(host_group_name(&host, 107, name, sizeof name), "gid 107");
}

static void names_come_sorted(void **state) {
    const Place *place = *state;
    HostNames names;
    place_put(place, "etc/b", "");
    place_put(place, "etc/a", "");
    place_put(place, "etc/c", "");
    host_names(&host, "/etc", &names);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.names[0], "a");
    assert_string_equal(names.names[2], "c");
    host_names_done(&names);
    host_names(&host, "/nowhere", &names);
    assert_int_equal(names.count, 0);
    host_names_done(&names);
}

static void of_a_directory_so_many_names_are_kept(void **state) {
    const Place *place = *state;
    assert_int_equal(mkdirat(place->fd, "many", 0755), 0);
    for (int made = 0; made <= HOST_NAMES_MAX; made++) {
        HostNames names;
        char path[32];
        (void)snprintf(path, sizeof path, "many/%d", made);
        assert_int_equal(mknodat(place->fd, path, S_IFREG | 0644, 0), 0);
        if (made >= HOST_NAMES_MAX - 2) {
            host_names(&host, "/many", &names);
            assert_int_equal(names.count, made < HOST_NAMES_MAX ? made + 1 : HOST_NAMES_MAX);
            host_names_done(&names);
        }
    }
}

/* Directory services give people hundreds of them. */
static void the_running_users_groups_count_however_many_they_are(void **state) {
    (void)state;
    enum { GROUPS = 300, FIRST = 20000, LACKS_RIGHTS = 77 };
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        gid_t groups[GROUPS];
        Host live;
        struct stat facts = {.st_mode = S_IFCHR | 0060, .st_gid = FIRST + GROUPS - 1};
        for (gid_t i = 0; i < GROUPS; i++) {
            groups[i] = FIRST + i;
        }
        if (setgroups(GROUPS, groups) != 0) {
            _exit(LACKS_RIGHTS);
        }
        if (!host_open("/", &live, NULL)) {
            _exit(2);
        }
        live.uid = live.gid = 1;
        bool may = host_may(&live, &facts, R_OK | W_OK);
        facts.st_gid++;
        bool may_not = !host_may(&live, &facts, R_OK | W_OK);
        host_close(&live);
        _exit(may && may_not ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == LACKS_RIGHTS) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_environment_is_asked_by_whole_names(void **state) {
    (void)state;
    char one[] = "HOMER=x", two[] = "HOME=/root";
    char *environment[] = {one, two, NULL};
    assert_null(host_environment(&host, "HOME"));
    host.environment = environment;
    assert_string_equal(host_environment(&host, "HOME"), "/root");
    assert_null(host_environment(&host, "HOM"));
}

static bool keep_root(void *context, const Mount *mount) {
    (void)snprintf(context, 64, "%s", mount->root);
    return false;
}

static void mounts_are_read_with_their_odd_letters(void **state) {
    const Place *place = *state;
    char root[64] = "";
    place_put(
        place, "proc/self/mountinfo",
        "36 35 98:0 /my\\040dir /mnt/a\\134b rw,noexec master:1 shared:2 - ext3 /dev/root rw\nbroken line\n"
        "37 36 98:1 / /mnt/a\\134b/c rw - tmpfs tmpfs rw\n");
    assert_true(mounts_each(&host, "self", keep_root, root));
    assert_string_equal(root, "/my dir");
    assert_int_equal(mounts_path_has(&host, "/mnt/a\\b/file", "noexec"), MOUNT_YES);
    assert_int_equal(mounts_path_has(&host, "/mnt/a\\b/c/file", "noexec"), MOUNT_NO);
    assert_int_equal(mounts_path_has(&host, "/mnt/a\\bc", "noexec"), MOUNT_UNKNOWN);
    assert_int_equal(mounts_path_has(&host, "/mnt/a\\b", "exec"), MOUNT_NO);
    assert_false(mounts_each(&host, "1", keep_root, root));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(links_do_not_lead_out_of_the_root, open_place, close_place),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_says_why, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_file_without_end_is_not_read_for_ever, open_place, close_place),
        cmocka_unit_test_setup_teardown(access_is_judged_by_owner_group_and_others, open_place, close_place),
        cmocka_unit_test_setup_teardown(of_a_directory_so_many_names_are_kept, open_place, close_place),
        cmocka_unit_test(the_running_users_groups_count_however_many_they_are),
        cmocka_unit_test_setup_teardown(users_and_groups_are_found_by_name, open_place, close_place),
        cmocka_unit_test_setup_teardown(names_come_sorted, open_place, close_place),
        cmocka_unit_test_setup_teardown(the_environment_is_asked_by_whole_names, open_place, close_place),
        cmocka_unit_test_setup_teardown(mounts_are_read_with_their_odd_letters, open_place, close_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
