/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void assert_place(const char *path, const char *runtime, const char *container, const char *unit) {
    CgroupPlace place;
    cgroup_place(path, &place);
    assert_string_equal(place.runtime, runtime);
    assert_string_equal(place.container, container);
    assert_string_equal(place.unit, unit);
}

static void runtimes_are_known_by_the_names_of_their_scopes(void **state) {
    (void)state;
    assert_place("/system.slice/docker-" ID ".scope", "docker", ID, "");
    assert_place("/machine.slice/libpod-" ID ".scope/container", "podman", ID, "");
    assert_place(
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod12.slice/cri-containerd-" ID
        ".scope",
        "containerd", ID, "");
    assert_place("/kubepods.slice/kubepods-pod12.slice/crio-" ID ".scope/init", "cri-o", ID, "");
}

static void runtimes_without_systemd_are_known_by_their_directories(void **state) {
    (void)state;
    assert_place("/docker/" ID, "docker", ID, "");
    assert_place("/kubepods/burstable/pod0e1c/" ID, "container", ID, "");
    assert_place("/libpod_parent/" ID, "podman", ID, "");
}

static void units_are_named_and_in_a_container_the_unit_around_it(void **state) {
    (void)state;
    assert_place("/system.slice/sgx-app.service", "", "", "sgx-app.service");
    assert_place("/user.slice/user-1000.slice/session-3.scope", "", "", "session-3.scope");
    assert_place("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" ID ".scope", "docker", ID,
                 "user@1000.service");
}

static void what_only_looks_like_a_container_is_none(void **state) {
    (void)state;
    assert_place("", "", "", "");
    assert_place("/", "", "", "");
    assert_place("//", "", "", "");
    assert_place("/docker-0123.scope", "", "", "docker-0123.scope");
    assert_place("/docker-" ID "0.scope/" ID "0/x" ID, "", "", "docker-" ID "0.scope");
    assert_place("no path", "", "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runtimes_are_known_by_the_names_of_their_scopes),
        cmocka_unit_test(runtimes_without_systemd_are_known_by_their_directories),
        cmocka_unit_test(units_are_named_and_in_a_container_the_unit_around_it),
        cmocka_unit_test(what_only_looks_like_a_container_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
