/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scene.h"

#define QE "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER_QE "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char qe_path[] = "libsgx_qe3.signed.so.1", pce_path[] = "libsgx_pce.signed.so.1";
static ManifestFile files[3];
static json_t *trial;
static char directory[256];

static void set_trial(Scene *scene, const char *kind, const char *qe, int qe_svn, int pce_svn, int size) {
    json_decref(trial);
    trial = json_pack("{s:{s:s, s:i}, s:{s:{s:s, s:i}, s:{s:i}, s:i}}", "trial", "kind", kind, "microseconds",
                      6000000, "status", "qe", "mrenclave", qe, "isv_svn", qe_svn, "pce", "isv_svn", pce_svn,
                      "quote_size", size);
    assert_non_null(trial);
    scene->subject.trial = trial;
}

static void use_library(Scene *scene, const char *path) {
    static char copy[64];
    const char *programs = getenv("PSW_BIN"); /* NOLINT(concurrency-mt-unsafe) */
    assert_non_null(programs);
    (void)snprintf(copy, sizeof copy, "%s", path);
    (void)snprintf(directory, sizeof directory, "%s/../tests", programs);
    files[2] = (ManifestFile){.path = copy, .role = MANIFEST_ROLE_QUOTE_LIBRARY};
    scene->subject.bundle_path = directory;
}

static void prepare(Scene *scene) {
    files[0] =
        (ManifestFile){.path = qe_path, .role = MANIFEST_ROLE_QE3, .has_identity = true, .isv_svn = 11};
    files[1] =
        (ManifestFile){.path = pce_path, .role = MANIFEST_ROLE_PCE, .has_identity = true, .isv_svn = 16};
    assert_true(digest_parse(QE, &files[0].mr_enclave));
    scene->bundle = (Manifest){.files = files, .files_count = 3};
    scene->subject.bundle = &scene->bundle;
    scene->settings.trial_latency_max_ms = 10000;
    use_library(scene, "libgood.so");
    set_trial(scene, "quote", QE, 11, 16, 4734);
}

static void missing_library(Scene *scene) {
    use_library(scene, "libnowhere.so");
}

static void crash(Scene *scene) {
    use_library(scene, "libcrash.so");
}

static void leave(Scene *scene) {
    use_library(scene, "libleave.so");
}

static void scribble(Scene *scene) {
    use_library(scene, "libscribble.so");
}

static void lack(Scene *scene) {
    use_library(scene, "liblack.so");
}

static void not_unpacked(Scene *scene) {
    scene->subject.bundle_path = NULL;
}

static void other_qe(Scene *scene) {
    set_trial(scene, "quote", OTHER_QE, 10, 15, 9000);
}

static void probe(Scene *scene) {
    set_trial(scene, "probe", QE, 0, 0, 4734);
}

static void nothing(Scene *scene) {
    json_decref(trial);
    trial = json_object();
    scene->subject.trial = trial;
}

static void failure(Scene *scene) {
    json_decref(trial);
    trial = json_pack("{s:s}", "error", "0xe016");
    scene->subject.trial = trial;
}

static void hurried(Scene *scene) {
    scene->settings.trial_latency_max_ms = 5000;
}

static void no_identity(Scene *scene) {
    (void)scene;
    files[0].has_identity = files[1].has_identity = false;
}

static const SceneCase cases[] = {
    {"quote.load", CHECK_PASS, "every function", {{0}}, NULL},
    {"quote.load", CHECK_FAIL, "libnowhere.so does not load", {{0}}, missing_library},
    {"quote.load", CHECK_FAIL, "crashes: ABRT", {{0}}, crash},
    {"quote.load", CHECK_FAIL, "status 3", {{0}}, leave},
    {"quote.load", CHECK_FAIL, "scribbles", {{0}}, scribble},
    {"quote.load", CHECK_FAIL, "no function sgx_qe_set_enclave_load_policy", {{0}}, lack},
    {"quote.load", CHECK_SKIP, "not unpacked", {{0}}, not_unpacked},
    {"quote.trial", CHECK_PASS, "signatures", {{0}}, NULL},
    {"quote.trial", CHECK_INFO, "forged", {{0}}, probe},
    {"quote.trial", CHECK_FAIL, "no quote", {{0}}, nothing},
    {"quote.trial", CHECK_FAIL, "0xe016", {{0}}, failure},
    {"quote.target-info", CHECK_PASS, "is the bundle's", {{0}}, NULL},
    {"quote.target-info", CHECK_FAIL, "bbbbbbbbbbbbbbbb, the bundle's is aaaa", {{0}}, other_qe},
    {"quote.target-info", CHECK_SKIP, "did not say", {{0}}, nothing},
    {"quote.target-info", CHECK_SKIP, "manifest does not say", {{0}}, no_identity},
    {"quote.qe-svn", CHECK_PASS, "ISVSVN 11", {{0}}, NULL},
    {"quote.qe-svn", CHECK_FAIL, "ISVSVN 10, the manifest 11", {{0}}, other_qe},
    {"quote.qe-svn", CHECK_SKIP, "no quote", {{0}}, probe},
    {"quote.pce-svn", CHECK_PASS, "ISVSVN 16", {{0}}, NULL},
    {"quote.pce-svn", CHECK_FAIL, "ISVSVN 15, the manifest 16", {{0}}, other_qe},
    {"quote.latency", CHECK_PASS, "6000000 us", {{0}}, NULL},
    {"quote.latency", CHECK_WARN, "6000 ms", {{0}}, hurried},
    {"quote.latency", CHECK_SKIP, "no time", {{0}}, nothing},
    {"quote.size", CHECK_PASS, "4734", {{0}}, NULL},
    {"quote.size", CHECK_WARN, "9000", {{0}}, other_qe},
    {"quote.size", CHECK_SKIP, "did not say", {{0}}, nothing},
};

static void a_bundle_is_judged_by_running_it(void **state) {
    (void)state;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], prepare);
    json_decref(trial);
    trial = NULL;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_bundle_is_judged_by_running_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
