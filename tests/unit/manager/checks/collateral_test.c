/* SPDX-License-Identifier: Apache-2.0
 *
 * With a genuine quote and the collateral of its time, under Intel's root. What needs collateral that is
 * signed anew is in tests/integration/test_tcb.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bundles/base/clock.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"
#include "bundles/sgx/quote.h"
#include "tests/support/scene.h"

static char qe_path[] = "libsgx_qe3.signed.so.1", directory[512], state[512], root[600];
static char hex[2 * QUOTE_SIZE_MAX + 1];
static ManifestFile files[1];
static Buffer bytes;
static json_t *trial;

static void set_trial(Scene *scene, const char *kind, const char *quote) {
    json_decref(trial);
    trial = json_pack("{s:{s:s, s:s?}}", "trial", "kind", kind, "quote", quote);
    assert_non_null(trial);
    scene->subject.trial = trial;
}

static void set_time(Scene *scene, const char *text) {
    assert_true(clock_parse(text, &scene->host.now));
}

/* This QE and platform are ConfigurationAndSWHardeningNeeded on that day, as other verifiers say, too. */
static void prepare(Scene *scene) {
    Error err = ERROR_INIT;
    char path[600];
    const char *source = getenv("PSW_SOURCE"); /* NOLINT(concurrency-mt-unsafe) */
    (void)snprintf(directory, sizeof directory, "%s/tests/data/dcap/phala-00A067110000-qe10", source);
    (void)snprintf(path, sizeof path, "%s/quote.bin", directory);
    (void)snprintf(state, sizeof state, "%.500s", scene->place->path);
    buffer_done(&bytes);
    buffer_init(&bytes, QUOTE_SIZE_MAX);
    assert_true(file_read(AT_FDCWD, path, &bytes, &err));
    text_format_hex(bytes.data, bytes.size, hex);
    files[0] =
        (ManifestFile){.path = qe_path, .role = MANIFEST_ROLE_QE3, .has_identity = true, .isv_svn = 10};
    scene->bundle = (Manifest){.files = files, .files_count = 1};
    scene->subject.bundle = &scene->bundle;
    scene->settings.state = state;
    scene->settings.collateral = directory;
    set_time(scene, "2025-07-01T00:00:00Z");
    set_trial(scene, "quote", hex);
}

static void nothing_cached(Scene *scene) {
    scene->settings.collateral = "";
}

static void only_certificates(Scene *scene) {
    scene->settings.collateral = NULL;
    scene_put(scene, &(Prop){.path = "collateral/certificates.pem", .kind = PROP_FILE, .text = "none"});
}

static void broken_cache(Scene *scene) {
    scene->settings.collateral = NULL;
    scene_put(scene, &(Prop){.path = "collateral/standard/tcb", .kind = PROP_FILE, .text = "{\"tcbInfo\":"});
}

static void late(Scene *scene) {
    set_time(scene, "2025-09-01T00:00:00Z");
}

static void forged(Scene *scene) {
    bytes.data[100] ^= 1; /* in the application's report */
    text_format_hex(bytes.data, bytes.size, hex);
    set_trial(scene, "quote", hex);
}

static void other_root(Scene *scene) {
    const char *source = getenv("PSW_SOURCE"); /* NOLINT(concurrency-mt-unsafe) */
    (void)snprintf(root, sizeof root, "%s/README.md", source);
    scene->settings.collateral_root = root;
}

static void not_hex(Scene *scene) {
    set_trial(scene, "quote", "zz");
}

static void no_quote(Scene *scene) {
    set_trial(scene, "probe", NULL);
}

/* As on hardware: the certificate was seen in a client's quote. */
static void by_certificate(Scene *scene, uint16_t qe_isv_svn) {
    Error err = ERROR_INIT;
    Quote quote;
    char text[QUOTE_SIZE_MAX];
    assert_true(quote_parse(buffer_bytes(&bytes), &quote, &err));
    (void)snprintf(text, sizeof text, "%.*s", (int)quote.certification_data.size,
                   (const char *)quote.certification_data.data);
    scene_put(scene, &(Prop){.path = "collateral/certificates.pem", .kind = PROP_FILE, .text = text});
    files[0].isv_svn = qe_isv_svn;
    no_quote(scene);
}

static void new_qe(Scene *scene) {
    by_certificate(scene, 10);
}

static void old_qe(Scene *scene) {
    by_certificate(scene, 5);
}

static void no_identity(Scene *scene) {
    by_certificate(scene, 10);
    files[0].has_identity = false;
}

static void older_than_any(Scene *scene) {
    by_certificate(scene, 0);
}

static const SceneCase cases[] = {
    {"quote.verified", CHECK_PASS, "lead to the root", {{0}}, NULL},
    {"quote.verified", CHECK_PASS, "lead to the root", {{0}}, late},
    {"quote.verified", CHECK_FAIL, "refuses it: ", {{0}}, forged},
    {"quote.verified", CHECK_FAIL, "malformed", {{0}}, not_hex},
    {"quote.verified", CHECK_SKIP, "made no quote", {{0}}, no_quote},
    {"quote.verified", CHECK_SKIP, "there is no collateral", {{0}}, nothing_cached},
    {"quote.verified", CHECK_SKIP, "there is no collateral", {{0}}, only_certificates},
    {"quote.verified", CHECK_SKIP, "cannot be judged", {{0}}, broken_cache},
    {"quote.verified", CHECK_SKIP, "cannot be judged", {{0}}, other_root},
    {"collateral.status", CHECK_INFO, "quote is ConfigurationAndSWHardeningNeeded", {{0}}, NULL},
    {"collateral.status", CHECK_SKIP, "see quote.verified", {{0}}, forged},
    {"collateral.status", CHECK_SKIP, "there is no collateral", {{0}}, nothing_cached},
    {"collateral.status", CHECK_SKIP, "no quote with a PCK certificate", {{0}}, no_quote},
    {"collateral.status", CHECK_INFO, "certificate it is ConfigurationAndSWHardeningNeeded", {{0}}, new_qe},
    {"collateral.status", CHECK_WARN, "QE OutOfDate; many", {{0}}, old_qe},
    {"collateral.status", CHECK_FAIL, "NotSupported", {{0}}, older_than_any},
    {"collateral.status", CHECK_SKIP, "does not say which QE", {{0}}, no_identity},
    {"collateral.early", CHECK_SKIP, "has no early edition", {{0}}, NULL},
    {"collateral.current", CHECK_PASS, "2025-07-19T10:01:18Z", {{0}}, NULL},
    {"collateral.current", CHECK_PASS, "2025-07-19T10:01:18Z", {{0}}, new_qe},
    {"collateral.current", CHECK_WARN, "expired, 2025-0", {{0}}, late},
};

static void the_trial_quote_is_judged_as_relying_parties_do(void **unused) {
    (void)unused;
    scene_run(NULL, cases, sizeof cases / sizeof cases[0], prepare);
    json_decref(trial);
    buffer_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_trial_quote_is_judged_as_relying_parties_do)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
