/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/fingerprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/json.h"
#include "tests/support/place.h"

static void put(const Place *place, const char *directory, const char *name, const char *text) {
    Error err = ERROR_INIT;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", place->path, directory);
    assert_true(file_make_path(path, 0755, &err));
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    place_put(place, path, text);
}

static json_t *read_place(const Place *place) {
    Host host;
    Error err = ERROR_INIT;
    assert_true(host_open(place->path, &host, &err));
    json_t *fingerprint = fingerprint_read(&host);
    host_close(&host);
    assert_non_null(fingerprint);
    return fingerprint;
}

static void prepare(const Place *place) {
    put(place, "proc/sys/kernel", "osrelease", "6.1.0-18-amd64\n");
    put(place, "proc", "cpuinfo", "microcode\t: 0xd0003b9\n");
    put(place, "sys/module/intel_sgx", "version", "1.41\n");
    put(place, "dev", "sgx_enclave", "");
    put(place, "etc", "sgx_default_qcnl.conf", "{}");
    put(place, "lib/x86_64-linux-gnu", "libcurl.so.4", "");
}

static void expect(const json_t *was, const json_t *is, const char *text) {
    CLEANUP(buffer_done) Buffer changes = BUFFER_INIT(4096);
    assert_true(fingerprint_compare(was, is, &changes));
    assert_string_equal(buffer_text(&changes), text);
}

static void the_same_platform_has_the_same_fingerprint(void **state) {
    Digest one, two;
    prepare(*state);
    CLEANUP(json_freep) json_t *was = read_place(*state);
    CLEANUP(json_freep) json_t *is = read_place(*state);
    assert_true(fingerprint_digest(was, &one) && fingerprint_digest(is, &two));
    assert_true(digest_equal(&one, &two));
    expect(was, is, "");
    assert_string_equal(json_string_value(json_object_get(was, "kernel")), "6.1.0-18-amd64");
    assert_non_null(json_object_get(was, "library libcurl.so.4"));
}

static void every_change_is_told(void **state) {
    const Place *place = *state;
    Digest one, two;
    prepare(place);
    CLEANUP(json_freep) json_t *was = read_place(place);
    place_put(place, "proc/sys/kernel/osrelease", "6.1.0-20-amd64\n");
    place_put(place, "proc/cpuinfo", "microcode\t: 0xd0003d1\n");
    Error err = ERROR_INIT;
    assert_true(file_remove_tree(place->fd, "sys/module/intel_sgx", &err));
    CLEANUP(json_freep) json_t *is = read_place(place);
    expect(was, is,
           "kernel: 6.1.0-18-amd64 -> 6.1.0-20-amd64; microcode: 0xd0003b9 -> 0xd0003d1; module intel_sgx: "
           "gone, was "
           "1.41");
    assert_true(fingerprint_digest(was, &one) && fingerprint_digest(is, &two));
    assert_false(digest_equal(&one, &two));
    place_put(place, "etc/sgx_default_qcnl.conf", "{\"retry_times\": 1}");
    CLEANUP(json_freep) json_t *later = read_place(place);
    CLEANUP(buffer_done) Buffer changes = BUFFER_INIT(4096);
    assert_true(fingerprint_compare(is, later, &changes));
    assert_non_null(strstr(buffer_text(&changes), "provider configuration: "));
}

static void what_comes_new_is_told(void **state) {
    const Place *place = *state;
    CLEANUP(json_freep) json_t *was = read_place(place);
    put(place, "sys/module/isgx", "refcnt", "0\n");
    CLEANUP(json_freep) json_t *is = read_place(place);
    expect(was, is, "module isgx: none -> loaded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_platform_has_the_same_fingerprint, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(every_change_is_told, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(what_comes_new_is_told, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
