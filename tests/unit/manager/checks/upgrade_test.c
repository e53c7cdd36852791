/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scene.h"

static char qe_path[] = "libsgx_qe3.signed.so.1", pce_path[] = "libsgx_pce.signed.so.1",
            ide_path[] = "libsgx_id_enclave.signed.so.1", name[] = "psw-dcap", other[] = "other",
            from[] = "1.21", to[] = "1.22";
static ManifestFile was[3], becomes[3];

static ManifestFile enclave(char *path, ManifestRole role, uint16_t svn, uint8_t measurement) {
    ManifestFile file = {.path = path, .role = role, .has_identity = true, .isv_svn = svn};
    memset(file.mr_enclave.bytes, measurement, sizeof file.mr_enclave.bytes);
    return file;
}

/* The same enclaves on both sides. */
static void prepare(Scene *scene) {
    was[0] = enclave(qe_path, MANIFEST_ROLE_QE3, 10, 1);
    was[1] = enclave(pce_path, MANIFEST_ROLE_PCE, 15, 2);
    was[2] = enclave(ide_path, MANIFEST_ROLE_ID_ENCLAVE, 4, 3);
    memcpy(becomes, was, sizeof was);
    scene->serving = (Manifest){.name = name, .version = from, .files = was, .files_count = 3};
    scene->bundle = (Manifest){.name = name, .version = to, .files = becomes, .files_count = 3};
    scene->subject.bundle = &scene->bundle;
    scene->subject.serving = &scene->serving;
}

static void newer(Scene *scene) {
    (void)scene;
    becomes[0] = enclave(qe_path, MANIFEST_ROLE_QE3, 11, 4);
    becomes[1] = enclave(pce_path, MANIFEST_ROLE_PCE, 16, 5);
}

static void newer_without_ducks(Scene *scene) {
    newer(scene);
    scene->settings.ducks_count = 0;
}

static void older(Scene *scene) {
    newer(scene);
    scene->subject.bundle = &scene->serving;
    scene->subject.serving = &scene->bundle;
}

static void other_pce(Scene *scene) {
    (void)scene;
    becomes[1] = enclave(pce_path, MANIFEST_ROLE_PCE, 15, 5);
}

static void other_name(Scene *scene) {
    scene->bundle.name = other;
}

static void simulated(Scene *scene) {
    scene->bundle.simulated = true;
}

static void unnamed(Scene *scene) {
    (void)scene;
    was[0].has_identity = was[1].has_identity = false;
}

static const SceneCase cases[] = {
    {"upgrade.downgrade", CHECK_PASS, "no ISVSVN", {{0}}, newer},
    {"upgrade.downgrade", CHECK_WARN, "qe3 11 to 10", {{0}}, older},
    {"upgrade.pce", CHECK_PASS, "15 to 16", {{0}}, newer},
    {"upgrade.pce", CHECK_WARN, "from ISVSVN 16 to 15", {{0}}, older},
    {"upgrade.pce", CHECK_SKIP, "does not say", {{0}}, unnamed},
    {"upgrade.pce-back", CHECK_PASS, "no other certificates", {{0}}, NULL},
    {"upgrade.pce-back", CHECK_INFO, "15 to 16", {{0}}, newer},
    {"upgrade.key", CHECK_PASS, "stays", {{0}}, NULL},
    {"upgrade.key", CHECK_INFO, "another attestation key", {{0}}, newer},
    {"upgrade.key", CHECK_INFO, "the attestation key stays and is certified anew", {{0}}, other_pce},
    {"upgrade.reports", CHECK_PASS, "stays", {{0}}, NULL},
    {"upgrade.reports", CHECK_PASS, "lame duck", {{0}}, newer},
    {"upgrade.reports", CHECK_WARN, "lame_ducks.count is 0", {{0}}, newer_without_ducks},
    {"upgrade.same-svn", CHECK_PASS, "another ISVSVN", {{0}}, newer},
    {"upgrade.same-svn", CHECK_INFO, "pce changes and keeps ISVSVN 15", {{0}}, other_pce},
    {"upgrade.product", CHECK_PASS, "psw-dcap", {{0}}, NULL},
    {"upgrade.product", CHECK_WARN, "other", {{0}}, other_name},
    {"upgrade.platform", CHECK_PASS, "same platform", {{0}}, NULL},
    {"upgrade.platform", CHECK_WARN, "this one is simulated", {{0}}, simulated},
    {"upgrade.version", CHECK_PASS, "not older", {{0}}, NULL},
    {"upgrade.version", CHECK_INFO, "1.21 is older than 1.22", {{0}}, older},
};

static void the_step_is_judged_in_both_directions(void **state) {
    (void)state;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], prepare);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_step_is_judged_in_both_directions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
