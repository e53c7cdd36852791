/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/release.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
static Releases *builtin(void) {
    Error err = ERROR_INIT;
    Releases *releases = releases_new(&err);
    if (releases == NULL) {
        fail_msg("%s", err.text);
    }
    return releases;
}

static ReleaseVerdict judge(uint16_t qe3, uint16_t id_enclave, uint16_t pce, const char *packages,
                            char version[RELEASE_VERSION_MAX + 1]) {
    CLEANUP(releases_freep) Releases *releases = builtin();
    const ReleaseSet set = {.svn = {qe3, id_enclave, pce}, .packages = packages};
    const Release *release = NULL;
    ReleaseVerdict verdict = releases_judge(releases, &set, &release);
    version[0] = 0;
    if (verdict == RELEASE_FITS) {
        (void)strcpy(version, release->version);
    }
    return verdict;
}

static void the_table_in_the_tree_is_the_one_built_in(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/config/trust/releases.yaml", getenv("PSW_SOURCE"));
    CLEANUP(releases_freep) Releases *file = releases_load(AT_FDCWD, path, &err);
    CLEANUP(releases_freep) Releases *built = builtin();
    assert_non_null(file);
    assert_int_equal(file->count, built->count);
    assert_memory_equal(file->list, built->list, file->count * sizeof file->list[0]);
}

static void a_set_of_one_release_fits(void **state) {
    (void)state;
    char version[RELEASE_VERSION_MAX + 1];
    assert_int_equal(judge(8, 3, 13, NULL, version), RELEASE_FITS);
    assert_string_equal(version, "1.14.100.3");
    assert_int_equal(judge(11, 5, 16, "1.22.100.3", version), RELEASE_FITS);
    assert_string_equal(version, "1.22.100.3");
    assert_int_equal(judge(11, 5, 16, NULL, version), RELEASE_FITS);
    assert_string_equal(version, "1.25.100.1");
}

static void parts_of_different_releases_are_mixed(void **state) {
    (void)state;
    char version[RELEASE_VERSION_MAX + 1];
    assert_int_equal(judge(11, 5, 13, NULL, version), RELEASE_MIXED);
    assert_int_equal(judge(8, 4, 13, NULL, version), RELEASE_MIXED);
    /* The enclaves fit, the packages around them do not. */
    assert_int_equal(judge(8, 3, 13, "1.22.100.3", version), RELEASE_MIXED);
}

static void what_the_table_does_not_reach_is_newer_not_mixed(void **state) {
    (void)state;
    char version[RELEASE_VERSION_MAX + 1];
    assert_int_equal(judge(11, 5, 17, NULL, version), RELEASE_NEWER);
    assert_int_equal(judge(12, 5, 16, NULL, version), RELEASE_NEWER);
}

static void one_isvsvn_of_two_builds_is_told_apart_by_the_files_version(void **state) {
    (void)state;
    CLEANUP(releases_freep) Releases *releases = builtin();
    const Release *release = NULL;
    ReleaseSet set = {.svn = {9, 3, 13}, .version = {"1.15.100.1", "1.14.100.2", "1.17.100.2"}};
    assert_int_equal(releases_judge(releases, &set, &release), RELEASE_FITS);
    set.version[0] = "1.16.100.1";
    assert_int_equal(releases_judge(releases, &set, &release), RELEASE_MIXED);
}

static void a_table_with_a_mistake_is_refused(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "format: 2\nreleases: [{dcap: \"1\", date: \"x\", psw: [\"2\"], qe3: {isvsvn: 1}, id_enclave: "
        "{isvsvn: 1}, "
        "pce: {isvsvn: 1}}]\n",
        "format: 1\nreleases: []\n",
        "format: 1\nreleases: [{dcap: \"1\", date: \"x\", psw: [\"2\"], qe3: {isvsvn: 0}, id_enclave: "
        "{isvsvn: 1}, "
        "pce: {isvsvn: 1}}]\n",
        "format: 1\nreleases: [{dcap: \"1.x\", date: \"x\", psw: [\"2\"], qe3: {isvsvn: 1}, id_enclave: "
        "{isvsvn: 1}, "
        "pce: {isvsvn: 1}}]\n",
        "format: 1\nreleases: [{dcap: \"1\", date: \"x\", psw: [\"2\"], qe3: {isvsvn: 1}, pce: {isvsvn: "
        "1}}]\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Error err = ERROR_INIT;
        Bytes yaml = {.data = (const uint8_t *)wrong[i], .size = strlen(wrong[i])};
        assert_null(releases_parse(yaml, "t", &err));
        assert_int_equal(err.kind, ERROR_CONFIG);
    }
}

/* A table of so many releases, each with so many drivers and PSW versions; the first one's date has so many
 * bytes. */
static bool parse_lengths(int count, int drivers, int psw, int date) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(1 << 20);
    assert_true(buffer_append_text(&yaml, "format: 1\nreleases:\n"));
    for (int i = 0; i < count; i++) {
        assert_true(
            buffer_append_format(&yaml, "  - dcap: \"1.%d\"\n    date: \"%0*d\"\n    psw:\n", i, date, 1));
        for (int v = 0; v < psw; v++) {
            assert_true(buffer_append_format(&yaml, "      - \"2.%d\"\n", v));
        }
        assert_true(buffer_append_text(
            &yaml, "    qe3:\n      isvsvn: 1\n    id_enclave:\n      isvsvn: 1\n    pce:\n"
                   "      isvsvn: 1\n    drivers:\n"));
        for (int d = 0; d < drivers; d++) {
            assert_true(buffer_append_text(&yaml, "      - flavour: in-kernel\n"));
        }
    }
    Error err = ERROR_INIT;
    CLEANUP(releases_freep) Releases *releases = releases_parse(buffer_bytes(&yaml), "t", &err);
    return releases != NULL;
}

static void the_limits_of_a_table_hold_exactly(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        assert_int_equal(parse_lengths(RELEASES_MAX + over, 1, 1, 1), over <= 0);
        assert_int_equal(parse_lengths(1, RELEASE_DRIVERS_MAX + over, 1, 1), over <= 0);
        assert_int_equal(parse_lengths(1, 1, RELEASE_PSW_MAX + over, 1), over <= 0);
        assert_int_equal(parse_lengths(1, 1, 1, RELEASE_VERSION_MAX + over), over <= 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_in_the_tree_is_the_one_built_in),
        cmocka_unit_test(a_set_of_one_release_fits),
        cmocka_unit_test(parts_of_different_releases_are_mixed),
        cmocka_unit_test(what_the_table_does_not_reach_is_newer_not_mixed),
        cmocka_unit_test(one_isvsvn_of_two_builds_is_told_apart_by_the_files_version),
        cmocka_unit_test(a_table_with_a_mistake_is_refused),
        cmocka_unit_test(the_limits_of_a_table_hold_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
