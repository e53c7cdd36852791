/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/sim/enclave.h"
#include "tests/support/enclave_maker.h"
#include "tests/support/scene.h"
#include "tests/support/sgx_driver_double.h"

enum { ROLES = SIM_ROLES_COUNT };
static Buffer enclaves[ROLES];
static ManifestFile files[ROLES] = {
    {.path = "qe3.so", .role = MANIFEST_ROLE_QE3},
    {.path = "id.so", .role = MANIFEST_ROLE_ID_ENCLAVE},
    {.path = "pce.so", .role = MANIFEST_ROLE_PCE},
};

static int make_enclaves(void **state) {
    (void)state;
    EVP_PKEY *key = maker_key_new(3);
    for (SimRole role = 0; role < SIM_ROLES_COUNT; role++) {
        const SimEnclaveSpec spec = {.role = role, .isv_svn = 9, .version = "2.0"};
        enclaves[role] = BUFFER_INIT(1 << 20);
        assert_true(sim_enclave_make(&spec, key, &enclaves[role], NULL));
    }
    EVP_PKEY_free(key);
    return 0;
}

static int free_enclaves(void **state) {
    (void)state;
    for (size_t i = 0; i < ROLES; i++) {
        buffer_done(&enclaves[i]);
    }
    return 0;
}

/* A node with a driver, and the set unpacked beside it. */
static void prepare(Scene *scene) {
    Error err = ERROR_INIT;
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, "flavour=in-kernel", 1), 0);
    scene->subject.bundle = &scene->bundle;
    scene->subject.bundle_path = scene->bundle_path;
    scene->bundle.files = files;
    scene->bundle.files_count = ROLES;
    assert_true(file_make_path(scene->bundle_path, 0755, &err));
    AUTO_CLOSE int dir_fd = file_open_directory(AT_FDCWD, scene->bundle_path, &err);
    for (size_t i = 0; i < ROLES; i++) {
        assert_true(file_replace(dir_fd, files[i].path, enclaves[i].data, enclaves[i].size, 0644, &err));
    }
}

static void words(const char *words_) {
    assert_int_equal(setenv(SGX_DOUBLE_VARIABLE, words_, 1), 0);
}

static void no_device(Scene *scene) {
    (void)scene;
    words("");
}

static void no_device_simulated(Scene *scene) {
    scene->bundle.simulated = true;
    words("");
}

static void foreign_driver(Scene *scene) {
    (void)scene;
    words("flavour=in-kernel,ioctls=legacy");
}

static void no_provisioning(Scene *scene) {
    (void)scene;
    words("flavour=in-kernel,provision=denied");
}

static void no_provisioning_simulated(Scene *scene) {
    scene->bundle.simulated = true;
    words("flavour=in-kernel,provision=denied");
}

static void lost(Scene *scene) {
    (void)scene;
    words("flavour=in-kernel,fault=lost");
}

/* Each alone has room: 113, 12 and 22 pages, SECS and version array each. */
static void small_epc(Scene *scene) {
    (void)scene;
    words("flavour=in-kernel,epc=120");
}

static void tiny_epc(Scene *scene) {
    (void)scene;
    words("flavour=in-kernel,epc=10");
}

static void locked(Scene *scene) {
    (void)scene;
    words("flavour=dcap-early,launch=00");
}

static void no_file(Scene *scene) {
    Error err = ERROR_INIT;
    assert_true(file_remove_tree(scene->place->fd, "bundle", &err));
}

static void not_unpacked(Scene *scene) {
    scene->subject.bundle_path = NULL;
}

static const SceneCase cases[] = {
    {"load.driver", CHECK_PASS, "/dev/sgx_enclave answers as the in-kernel driver does", {{0}}, NULL},
    {"load.driver", CHECK_PASS, "in-kernel", {{0}}, no_provisioning},
    {"load.driver", CHECK_FAIL, "another driver owns the device node", {{0}}, foreign_driver},
    {"load.driver", CHECK_SKIP, "no SGX device", {{0}}, no_device},
    {"load.probe", CHECK_PASS, "an enclave of our own starts in the in-kernel driver", {{0}}, NULL},
    {"load.probe", CHECK_FAIL, "another driver", {{0}}, foreign_driver},
    {"load.probe", CHECK_SKIP, "no SGX device", {{0}}, no_device},
    {"load.provision", CHECK_PASS, "/dev/sgx_provision is accepted", {{0}}, NULL},
    {"load.provision", CHECK_FAIL, "sgx_prv", {{0}}, no_provisioning},
    {"load.provision", CHECK_SKIP, "see load.driver", {{0}}, foreign_driver},
    {"load.provision", CHECK_SKIP, "see load.driver", {{0}}, no_device},
    {"load.qe3", CHECK_PASS, "113 pages", {{0}}, NULL},
    {"load.qe3", CHECK_FAIL, "the provisioning key is wanted", {{0}}, no_provisioning},
    {"load.qe3", CHECK_INFO, "the provisioning key is wanted", {{0}}, no_provisioning_simulated},
    {"load.qe3", CHECK_WARN, "try again", {{0}}, lost},
    {"load.qe3", CHECK_SKIP, "no SGX device (looked for", {{0}}, no_device},
    {"load.qe3", CHECK_SKIP, "simulated platform needs none", {{0}}, no_device_simulated},
    {"load.qe3", CHECK_SKIP, "cannot be read", {{0}}, no_file},
    {"load.qe3", CHECK_SKIP, "not unpacked", {{0}}, not_unpacked},
    {"load.id_enclave", CHECK_PASS, "12 pages", {{0}}, NULL},
    {"load.id_enclave", CHECK_FAIL, "EPC was exhausted", {{0}}, tiny_epc},
    {"load.pce", CHECK_PASS, "22 pages", {{0}}, small_epc},
    {"load.pce", CHECK_FAIL, "launch control", {{0}}, locked},
    {"load.set", CHECK_PASS, "147 pages", {{0}}, NULL},
    {"load.set", CHECK_FAIL, "id_enclave: the EPC was exhausted", {{0}}, small_epc},
};

static void what_the_driver_says_is_answered(void **state) {
    (void)state;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], prepare);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_the_driver_says_is_answered)};
    return cmocka_run_group_tests(tests, make_enclaves, free_enclaves);
}
