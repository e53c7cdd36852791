/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/sgx_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <errno.h>

#include "bundles/sgx/image.h"
#include "tests/support/faults.h"
#include "tests/support/sgx_driver_double.h"

static void machine(const char *flavour, const char *more) {
    char words[128];
    (void)snprintf(words, sizeof words, "flavour=%s,%s", flavour, more);
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, words, 1), 0);
}

static const SgxSecs secs = {
    .size = 1 << 16, .ssa_frame_size = 1, .attributes = {.flags = SGX_FLAGS_MODE64BIT, .xfrm = 3}};
static _Alignas(SGX_PAGE_SIZE) uint8_t page[SGX_PAGE_SIZE];
static uint32_t code;

static int add(SgxDevice *device, uint64_t offset, uint64_t si_flags) {
    return sgx_device_add(device, offset, si_flags, true, page, &code);
}

static void open_flavour(SgxFlavour flavour, SgxDevice *ret_device) {
    machine(sgx_flavour_name(flavour), "epc=4");
    SgxFlavour found = SGX_FLAVOURS_COUNT;
    assert_true(sgx_flavour_find("", &found));
    assert_int_equal(found, flavour);
    assert_int_equal(sgx_device_open("", flavour, ret_device), 0);
}

static void every_driver_takes_the_steps_in_order_and_gives_everything_back(void **state) {
    (void)state;
    for (SgxFlavour flavour = 0; flavour < SGX_FLAVOURS_COUNT; flavour++) {
        SgxDevice device;
        size_t fds = faults_count_fds();
        open_flavour(flavour, &device);
        assert_int_equal(sgx_device_reserve(&device, secs.size), 0);
        assert_int_equal(device.base % secs.size, 0);
        assert_int_not_equal(add(&device, 0, SGX_SI_REG | SGX_SI_R), 0); /* before ECREATE */
        assert_int_equal(sgx_device_create(&device, &secs), 0);
        assert_int_not_equal(sgx_device_create(&device, &secs), 0);
        assert_int_equal(add(&device, 0, SGX_SI_REG | SGX_SI_R), 0);
        assert_int_equal(add(&device, SGX_PAGE_SIZE, SGX_SI_REG | SGX_SI_R | SGX_SI_W), 0);
        assert_int_equal(sgx_double_epc_used(), 4); /* SECS, two pages, version array */
        assert_int_equal(add(&device, 2 * SGX_PAGE_SIZE, SGX_SI_REG | SGX_SI_R), ENOMEM);
        uint8_t sigstruct[1808] = {0};
        assert_int_equal(sgx_device_init(&device, sigstruct, &code), EPERM);
        assert_int_equal(code, flavour >= SGX_FLAVOUR_DCAP_EARLY ? SGX_EINIT_INVALID_SIG_STRUCT : 0);
        sgx_device_close(&device);
        assert_int_equal(sgx_double_epc_used(), 0);
        assert_int_equal(faults_count_fds(), fds);
    }
}

static void bad_pages_are_refused(void **state) {
    (void)state;
    static const uint64_t bad_flags[] = {0, SGX_SI_REG | SGX_SI_W, SGX_SI_TCS | SGX_SI_R, 0x300,
                                         SGX_SI_REG | 8};
    for (SgxFlavour flavour = 0; flavour < SGX_FLAVOURS_COUNT; flavour++) {
        SgxDevice device;
        open_flavour(flavour, &device);
        assert_int_equal(sgx_device_reserve(&device, secs.size), 0);
        assert_int_equal(sgx_device_create(&device, &secs), 0);
        for (size_t i = 0; i < sizeof bad_flags / sizeof bad_flags[0]; i++) {
            assert_int_equal(add(&device, 0, bad_flags[i]), EINVAL);
        }
        assert_int_equal(add(&device, 0, SGX_SI_REG | SGX_SI_R), 0);
        assert_int_not_equal(add(&device, 0, SGX_SI_REG | SGX_SI_R), 0); /* twice */
        assert_int_equal(add(&device, secs.size, SGX_SI_REG | SGX_SI_R), EINVAL);
        sgx_device_close(&device);
    }
}

static void a_page_cannot_be_mapped_with_more_than_its_permissions(void **state) {
    (void)state;
    static const SgxFlavour flavours[] = {SGX_FLAVOUR_IN_KERNEL, SGX_FLAVOUR_DCAP};
    for (size_t i = 0; i < 2; i++) {
        SgxDevice device;
        open_flavour(flavours[i], &device);
        assert_int_equal(sgx_device_reserve(&device, secs.size), 0);
        assert_int_equal(sgx_device_create(&device, &secs), 0);
        assert_int_equal(add(&device, 0, SGX_SI_REG | SGX_SI_R), 0);
        assert_int_equal(sgx_device_map(&device, 0, SGX_PAGE_SIZE, PROT_READ), 0);
        assert_int_equal(sgx_device_map(&device, 0, SGX_PAGE_SIZE, PROT_READ | PROT_WRITE), EACCES);
        sgx_device_close(&device);
    }
}

static void what_is_no_sgx_device_is_left_alone(void **state) {
    (void)state;
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, "", 1), 0);
    SgxFlavour flavour;
    assert_false(sgx_flavour_find("", &flavour));
    assert_false(sgx_flavour_find("/nowhere", &flavour));
    SgxDevice device;
    assert_int_equal(sgx_device_open("", SGX_FLAVOUR_LEGACY, &device), ENOENT);
    sgx_device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_driver_takes_the_steps_in_order_and_gives_everything_back),
        cmocka_unit_test(bad_pages_are_refused),
        cmocka_unit_test(a_page_cannot_be_mapped_with_more_than_its_permissions),
        cmocka_unit_test(what_is_no_sgx_device_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
