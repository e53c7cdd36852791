/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/requirements.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/file.h"
#include "tests/support/place.h"

static char in_kernel[] = "in-kernel", simulated[] = "simulated", name[] = "psw", version[] = "1.2",
            kernel[] = "5.11";

static Manifest manifest(ManifestDriver *driver) {
    return (Manifest){
        .name = name, .version = version, .drivers = driver, .drivers_count = driver != NULL ? 1 : 0};
}

static void assert_refused(const Manifest *wants, const RequirementsHost *host, ErrorKind kind,
                           const char *words) {
    Error err = ERROR_INIT;
    assert_false(requirements_check(wants, host, &err));
    assert_int_equal(err.kind, kind);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, words);
    }
}

static void a_simulated_bundle_needs_permission(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    ManifestDriver driver = {.flavour = simulated};
    Manifest wants = manifest(&driver);
    wants.simulated = true;
    assert_refused(&wants, &(RequirementsHost){.kernel = "6.1"}, ERROR_PERMISSION, "simulated: allow");
    assert_true(
        requirements_check(&wants, &(RequirementsHost){.kernel = "6.1", .simulated_allowed = true}, &err));
}

static void a_real_bundle_cannot_name_the_simulated_driver(void **state) {
    (void)state;
    ManifestDriver driver = {.flavour = simulated};
    Manifest wants = manifest(&driver);
    assert_refused(&wants, &(RequirementsHost){.simulated_allowed = true}, ERROR_VERIFY, "drivers");
}

static void one_of_the_drivers_must_be_there(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    ManifestDriver driver = {.flavour = in_kernel};
    const Manifest wants = manifest(&driver);
    assert_refused(&wants, &(RequirementsHost){.legacy = true}, ERROR_VERIFY, "/dev/sgx_enclave");
    assert_true(requirements_check(&wants, &(RequirementsHost){.in_kernel = true}, &err));
    const Manifest any = manifest(NULL);
    assert_true(requirements_check(&any, &(RequirementsHost){0}, &err));
}

static void an_older_driver_from_outside_the_kernel_is_refused(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    static char dcap[] = "dcap", least[] = "1.41";
    ManifestDriver driver = {.flavour = dcap, .min_version = least};
    const Manifest wants = manifest(&driver);
    assert_refused(&wants, &(RequirementsHost){.dcap = true, .module = "1.36.2"}, ERROR_VERIFY, "drivers");
    assert_true(requirements_check(&wants, &(RequirementsHost){.dcap = true, .module = "1.41"}, &err));
    assert_true(requirements_check(&wants, &(RequirementsHost){.dcap = true}, &err));
}

static void an_older_kernel_is_refused(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Manifest wants = manifest(NULL);
    wants.kernel = kernel;
    assert_refused(&wants, &(RequirementsHost){.kernel = "5.9.16"}, ERROR_VERIFY,
                   "needs Linux 5.11, this is 5.9.16");
    assert_true(requirements_check(&wants, &(RequirementsHost){.kernel = "5.11.0"}, &err));
}

static void more_epc_than_there_is_is_refused(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Manifest wants = manifest(NULL);
    wants.epc_kib = 2048;
    assert_refused(&wants, &(RequirementsHost){.epc_kib = 1024}, ERROR_VERIFY, "2048 KiB of EPC");
    assert_true(requirements_check(&wants, &(RequirementsHost){.epc_kib = 2048}, &err));
    assert_true(requirements_check(&wants, &(RequirementsHost){.epc_kib = 0}, &err));
}

static void two_sets_fit_only_beside_each_other(void **state) {
    (void)state;
    assert_true(requirements_fit(600, 400, 1000));
    assert_false(requirements_fit(600, 401, 1000));
    assert_true(requirements_fit(600, 600, 0));
    assert_true(requirements_fit(0, 1000, 1000));
    /* What already runs is not judged by a number that is wrong then. */
    assert_true(requirements_fit(2000, 400, 1000));
}

static void the_host_is_read_from_its_files(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[256];
    RequirementsHost host;
    for (int node = 0; node < 2; node++) {
        (void)snprintf(path, sizeof path, "%s/sys/devices/system/node/node%d/x86", place->path, node);
        assert_true(file_make_path(path, 0755, &err));
        (void)snprintf(path, sizeof path, "sys/devices/system/node/node%d/x86/sgx_total_bytes", node);
        place_put(place, path, "1048576\n");
    }
    (void)snprintf(path, sizeof path, "%s/dev", place->path);
    assert_true(file_make_path(path, 0755, &err));
    place_put(place, "dev/sgx_enclave", "a plain file is no device");
    Host at;
    assert_true(host_open(place->path, &at, &err));
    (void)snprintf(at.release, sizeof at.release, "6.1.0-18-amd64");
    requirements_host_read(&at, &host);
    host_close(&at);
    assert_int_equal(host.epc_kib, 2048);
    assert_false(host.in_kernel || host.dcap || host.legacy);
    assert_string_equal(host.kernel, "6.1.0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_simulated_bundle_needs_permission),
        cmocka_unit_test(a_real_bundle_cannot_name_the_simulated_driver),
        cmocka_unit_test(one_of_the_drivers_must_be_there),
        cmocka_unit_test(an_older_driver_from_outside_the_kernel_is_refused),
        cmocka_unit_test(an_older_kernel_is_refused),
        cmocka_unit_test(more_epc_than_there_is_is_refused),
        cmocka_unit_test(two_sets_fit_only_beside_each_other),
        cmocka_unit_test_setup_teardown(the_host_is_read_from_its_files, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
