/* SPDX-License-Identifier: Apache-2.0
 *
 * What a bundle's library could do inside quoted. Everything happens in forked children, whose exit status is
 * the errno of what they tried, 0 for a success.
 */
#include "quoted/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/sandbox.h"
#include "bundles/base/text.h"
#include "tests/support/place.h"

enum { FAILED_TO_ENTER = 200 };

typedef int (*Deed)(const char *path);

static ManifestFile provider_file = {.path = "lib/libdcap_quoteprov.so.1", .role = MANIFEST_ROLE_PROVIDER};
static const Manifest simulated = {.simulated = true};
static const Manifest real = {.simulated = false};
static const Manifest with_provider = {.simulated = false, .files = &provider_file, .files_count = 1};

static void needs_everything(void) {
    SandboxReport report;
    sandbox_probe(&report);
    if (report.missing[0] != '\0') {
        skip();
    }
}

static int result_of(const Config *config, const Manifest *manifest, const char *control, Deed deed,
                     const char *path) {
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        Error err = ERROR_INIT;
        _exit(confine_enter(config, manifest, control, &err) ? deed(path) : FAILED_TO_ENTER);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static Config defaults(void) {
    Config config;
    config_set_defaults(&config);
    return config;
}

static int read_file(const char *path) {
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? errno : 0;
}

static int write_file(const char *path) {
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? errno : 0;
}

static int change_file(const char *path) {
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
    return fd < 0 ? errno : 0;
}

static int make_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && unlink(path) == 0
               ? 0
               : errno;
}

static int open_inet(const char *path) {
    (void)path;
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? errno : 0;
}

static int run_program(const char *path) {
    char *const argv[] = {(char[]){"true"}, NULL};
    (void)execve(path, argv, NULL);
    return errno;
}

/* As quoted's keeper of connections comes about. */
static int share_descriptors(const char *path) {
    (void)path;
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, NULL, NULL, 0);
    if (child == 0) {
        _exit(0);
    }
    return child < 0 ? errno : waitpid(child, NULL, 0) == child ? 0 : errno;
}

static int map_code(const char *path) {
    (void)path;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno
                                                                                                     : 0;
}

static int come_back_from_idle(const char *path) {
    (void)path;
    const struct sched_param none = {0};
    return sched_setscheduler(0, SCHED_IDLE, &none) == 0 && sched_setscheduler(0, SCHED_OTHER, &none) == 0
               ? 0
               : errno;
}

static void libraries_have_what_they_need(void **state) {
    (void)state;
    const Config config = defaults();
    assert_int_equal(result_of(&config, &real, NULL, read_file, "/etc/passwd"), 0);
    assert_int_equal(result_of(&config, &real, NULL, change_file, "/dev/null"), 0);
    assert_int_equal(result_of(&config, &real, NULL, map_code, NULL), 0);
    assert_int_equal(result_of(&config, &real, NULL, share_descriptors, NULL), 0);
}

static void root_comes_back_from_the_lowest_priority(void **state) {
    (void)state;
    const Config config = defaults();
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(result_of(&config, &real, NULL, come_back_from_idle, NULL), 0);
}

static void libraries_write_nothing_and_run_nothing(void **state) {
    const Place *place = *state;
    const Config config = defaults();
    needs_everything();
    place_put(place, "file", "text");
    AUTO_FREE char *file = text_format("%s/file", place->path);
    AUTO_FREE char *fresh = text_format("%s/fresh", place->path);
    assert_int_equal(result_of(&config, &real, NULL, change_file, file), EACCES);
    assert_int_equal(result_of(&config, &real, NULL, write_file, fresh), EACCES);
    assert_int_equal(result_of(&config, &real, NULL, run_program, "/bin/true"), EPERM);
    /* Simulated platforms keep a book about the EPC. */
    assert_int_equal(result_of(&config, &simulated, NULL, change_file, file), 0);
    assert_int_equal(result_of(&config, &simulated, NULL, write_file, fresh), EACCES);
}

static void the_control_socket_has_its_directory(void **state) {
    const Place *place = *state;
    const Config config = defaults();
    needs_everything();
    AUTO_FREE char *control = text_format("%s/generation-1.sock", place->path);
    AUTO_FREE char *file = text_format("%s/file", place->path);
    assert_int_equal(result_of(&config, &real, control, make_socket, control), 0);
    assert_int_equal(result_of(&config, &real, NULL, make_socket, control), EACCES);
    assert_int_equal(result_of(&config, &real, control, write_file, file), EACCES);
}

static void the_network_is_for_certificate_providers(void **state) {
    (void)state;
    Config config = defaults();
    needs_everything();
    assert_int_equal(result_of(&config, &simulated, NULL, open_inet, NULL), EAFNOSUPPORT);
    assert_int_equal(result_of(&config, &with_provider, NULL, open_inet, NULL), 0);
    config.host_provider = true;
    assert_int_equal(result_of(&config, &real, NULL, open_inet, NULL), 0);
    config.network = CONFIG_NETWORK_REFUSE;
    assert_int_equal(result_of(&config, &with_provider, NULL, open_inet, NULL), EAFNOSUPPORT);
    config.network = CONFIG_NETWORK_ALLOW;
    assert_int_equal(result_of(&config, &simulated, NULL, open_inet, NULL), 0);
}

static void the_providers_of_intel_and_azure_have_their_caches(void **state) {
    const Place *place = *state;
    const Config config = defaults();
    needs_everything();
    AUTO_FREE char *entry = text_format("%s/.dcap-qcnl/entry", place->path);
    AUTO_FREE char *azure = text_format("%s/.az-dcap-client/entry", place->path);
    AUTO_FREE char *beside = text_format("%s/beside", place->path);
    assert_int_equal(setenv("AZDCAP_CACHE", place->path, 1), 0);
    assert_int_equal(result_of(&config, &with_provider, NULL, write_file, entry), 0);
    assert_int_equal(result_of(&config, &with_provider, NULL, write_file, azure), 0);
    assert_int_equal(result_of(&config, &with_provider, NULL, write_file, beside), EACCES);
    /* A variable that is set to nothing does not count. */
    assert_int_equal(setenv("AZDCAP_CACHE", "", 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", place->path, 1), 0);
    assert_int_equal(unlink(entry), 0);
    assert_int_equal(result_of(&config, &with_provider, NULL, write_file, entry), 0);
    assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
    assert_int_equal(unsetenv("AZDCAP_CACHE"), 0);
}

static void off_is_off(void **state) {
    const Place *place = *state;
    Config config = defaults();
    config.sandbox = false;
    AUTO_FREE char *fresh = text_format("%s/fresh", place->path);
    assert_int_equal(result_of(&config, &real, NULL, write_file, fresh), 0);
    assert_int_equal(result_of(&config, &real, NULL, open_inet, NULL), 0);
}

int main(void) {
#define PLACE_TEST(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libraries_have_what_they_need),
        cmocka_unit_test(root_comes_back_from_the_lowest_priority),
        PLACE_TEST(libraries_write_nothing_and_run_nothing),
        PLACE_TEST(the_control_socket_has_its_directory),
        cmocka_unit_test(the_network_is_for_certificate_providers),
        PLACE_TEST(the_providers_of_intel_and_azure_have_their_caches),
        PLACE_TEST(off_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
