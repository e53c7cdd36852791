/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/recipe.h"

#include "tests/unit/bundles/fixture.h"

static Manifest *load(const Place *place, Error *err) {
    AUTO_CLOSE int dir_fd = file_open_directory(place->fd, "src", err);
    return recipe_load(dir_fd, err);
}

static void sizes_and_digests_come_from_the_files(void **state) {
    Error err = ERROR_INIT;
    Digest digest;
    CLEANUP(manifest_freep) Manifest *manifest = load(*state, &err);
    assert_non_null(manifest);
    const ManifestFile *qe3 = manifest_find(manifest, MANIFEST_ROLE_QE3);
    assert_int_equal(qe3->size, 17);
    assert_int_equal(qe3->mode, 0644);
    assert_true(digest_of("a quoting enclave", 17, &digest));
    assert_true(digest_equal(&qe3->digest, &digest));
}

static void a_recipe_that_states_sizes_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    place_put(place, "src/" RECIPE_NAME,
              FIXTURE_HEAD("1.2") FIXTURE_FILES "  - {path: data/x, role: data, size: 1}\n");
    assert_null(load(place, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "data/x"));
}

static void a_file_that_is_missing_or_no_plain_file_is_named(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    assert_int_equal(unlinkat(place->fd, "src/lib/pce.signed.so", 0), 0);
    assert_null(load(place, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "lib/pce.signed.so"));
    err = ERROR_INIT;
    assert_int_equal(symlinkat("qe3.signed.so", place->fd, "src/lib/pce.signed.so"), 0);
    assert_null(load(place, &err));
    assert_non_null(strstr(err.text, "lib/pce.signed.so"));
    err = ERROR_INIT;
    assert_int_equal(unlinkat(place->fd, "src/lib/pce.signed.so", 0), 0);
    assert_int_equal(mkdirat(place->fd, "src/lib/pce.signed.so", 0755), 0);
    assert_null(load(place, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
    err = ERROR_INIT;
    assert_int_equal(unlinkat(place->fd, "src/lib/pce.signed.so", AT_REMOVEDIR), 0);
    assert_int_equal(mkfifoat(place->fd, "src/lib/pce.signed.so", 0644), 0);
    assert_null(load(place, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
}

static void a_file_beyond_the_limit_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = file_open(place->fd, "src/data/notes", O_WRONLY, 0, &err);
    assert_int_equal(ftruncate(fd, (off_t)MANIFEST_FILE_SIZE_MAX + 1), 0);
    assert_null(load(place, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(sizes_and_digests_come_from_the_files),
        TEST(a_recipe_that_states_sizes_is_refused),
        TEST(a_file_that_is_missing_or_no_plain_file_is_named),
        TEST(a_file_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
