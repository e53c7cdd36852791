/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/faults.h"
#include "tests/unit/bundles/fixture.h"

enum { BUNDLE_MAX = 64 * 1024 };

static void put_bytes(const Place *place, const char *name, const void *data, size_t size) {
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = file_open(place->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644, &err);
    assert_true(fd >= 0 && file_write_fd(fd, name, data, size, &err));
}

static void the_same_directory_gives_the_same_bytes(void **state) {
    const Place *place = *state;
    CLEANUP(buffer_done) Buffer one = BUFFER_INIT(BUNDLE_MAX);
    CLEANUP(buffer_done) Buffer other = BUFFER_INIT(BUNDLE_MAX);
    /* Neither the order of the recipe nor times nor the modes of the source files matter. */
    assert_int_equal(fchmodat(place->fd, "src/data/notes", 0600, 0), 0);
    fixture_make(
        place,
        FIXTURE_HEAD("1.2") "files:\n"
                            "  - {role: data, path: data/notes}\n"
                            "  - {path: lib/pce.signed.so, role: pce, mode: \"0644\"}\n"
                            "  - {path: lib/qe3.signed.so, role: qe3}\n"
                            "  - {path: lib/id_enclave.signed.so, role: id_enclave}\n"
                            "  - {path: lib/libsgx_dcap_ql.so.1, role: quote_library, mode: \"0755\"}\n",
        "y.pswb");
    fixture_read(place, "x.pswb", &one);
    fixture_read(place, "y.pswb", &other);
    assert_true(bytes_equal(buffer_bytes(&one), buffer_bytes(&other)));
}

static void what_is_unpacked_is_what_was_packed(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    struct stat facts;
    assert_int_equal(mkdirat(place->fd, "out", 0755), 0);
    mode_t before = umask(077);
    assert_true(fixture_try(place, "x.pswb", "out", &err));
    (void)umask(before);
    place_expect(place, "out/lib/qe3.signed.so", "a quoting enclave");
    place_expect(place, "out/data/notes", "");
    assert_int_equal(fstatat(place->fd, "out/lib/libsgx_dcap_ql.so.1", &facts, 0), 0);
    assert_int_equal(facts.st_mode & 07777, 0755);
    assert_int_equal(fstatat(place->fd, "out/data/notes", &facts, 0), 0);
    assert_int_equal(facts.st_mode & 07777, 0644);
    assert_int_equal(fstatat(place->fd, "out/lib", &facts, 0), 0);
    assert_int_equal(facts.st_mode & 07777, 0755);

    AUTO_CLOSE int out_fd = file_open_directory(place->fd, "out", &err);
    CLEANUP(manifest_freep) Manifest *manifest = manifest_load(out_fd, &err);
    assert_non_null(manifest);
    assert_true(bundle_check_directory(out_fd, manifest, NULL, NULL, &err));
}

static void a_changed_byte_is_refused_whichever_it_is(void **state) {
    const Place *place = *state;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(BUNDLE_MAX);
    fixture_read(place, "x.pswb", &bytes);
    for (size_t at = 0; at < bytes.size; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            Error err = ERROR_INIT;
            bytes.data[at] ^= (uint8_t)(1U << bit);
            put_bytes(place, "bad.pswb", bytes.data, bytes.size);
            bytes.data[at] ^= (uint8_t)(1U << bit);
            if (fixture_try(place, "bad.pswb", NULL, &err)) {
                fail_msg("bit %u of byte %zu of %zu may change", bit, at, bytes.size);
            }
            assert_true(err.kind == ERROR_INPUT || err.kind == ERROR_VERIFY || err.kind == ERROR_LIMIT);
        }
    }
}

static void a_bundle_cut_short_anywhere_is_refused(void **state) {
    const Place *place = *state;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(BUNDLE_MAX);
    fixture_read(place, "x.pswb", &bytes);
    for (size_t size = 0; size < bytes.size; size++) {
        Error err = ERROR_INIT;
        put_bytes(place, "bad.pswb", bytes.data, size);
        assert_false(fixture_try(place, "bad.pswb", NULL, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
}

static void bytes_behind_the_bundle_are_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(BUNDLE_MAX);
    fixture_read(place, "x.pswb", &bytes);
    assert_true(buffer_append_zeros(&bytes, 1));
    put_bytes(place, "bad.pswb", bytes.data, bytes.size);
    assert_false(fixture_try(place, "bad.pswb", NULL, &err));
}

static void two_bundles_in_one_file_are_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(BUNDLE_MAX);
    fixture_read(place, "x.pswb", &bytes);
    CLEANUP(buffer_done) Buffer twice = BUFFER_INIT(2 * BUNDLE_MAX);
    assert_true(buffer_append(&twice, bytes.data, bytes.size) &&
                buffer_append(&twice, bytes.data, bytes.size));
    put_bytes(place, "bad.pswb", twice.data, twice.size);
    assert_false(fixture_try(place, "bad.pswb", NULL, &err));
}

static void what_is_no_bundle_is_called_so(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    place_put(place, "bad.pswb", "This is a letter to a friend, and not a bundle at all.");
    assert_false(fixture_try(place, "bad.pswb", NULL, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, "bad.pswb: not a bundle"));
    AUTO_CLOSE int fd = file_open_directory(place->fd, "src", &err);
    err = ERROR_INIT;
    assert_null(bundle_open(fd, "src", &err));
    assert_non_null(strstr(err.text, "not a regular file"));
}

typedef struct Watch {
    uint64_t done;
    uint64_t total;
    unsigned enclaves;
    bool refuse;
} Watch;

static void on_progress(void *context, uint64_t done, uint64_t total) {
    Watch *watch = context;
    assert_true(done >= watch->done && done <= total);
    watch->done = done;
    watch->total = total;
}

static bool on_enclave(void *context, const ManifestFile *file, Bytes content, Error *err) {
    Watch *watch = context;
    static const char *const expected[MANIFEST_ROLES_COUNT] = {
        [MANIFEST_ROLE_QE3] = "a quoting enclave",
        [MANIFEST_ROLE_ID_ENCLAVE] = "an id enclave",
        [MANIFEST_ROLE_PCE] = "a provisioning enclave",
    };
    assert_non_null(expected[file->role]);
    assert_int_equal(content.size, strlen(expected[file->role]));
    assert_memory_equal(content.data, expected[file->role], content.size);
    watch->enclaves++;
    return !watch->refuse || error_set(err, ERROR_VERIFY, "not this one");
}

static void the_enclaves_are_shown_and_progress_is_told_while_reading(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = fixture_open(place, "x.pswb");
    CLEANUP(bundle_closep) Bundle *bundle = bundle_open(fd, "x.pswb", &err);
    assert_non_null(bundle);
    assert_string_equal(bundle_manifest(bundle)->version, "1.2");
    Watch watch = {0};
    BundleReading reading = {
        .into_fd = -1, .context = &watch, .progress = on_progress, .enclave = on_enclave};
    assert_true(bundle_read(bundle, &reading, &err));
    assert_int_equal(watch.enclaves, 3);
    struct stat facts;
    assert_int_equal(fstat(fd, &facts), 0);
    assert_int_equal(watch.total, facts.st_size);
    assert_true(watch.done > 0);
}

static void an_enclave_that_is_refused_ends_the_reading(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = fixture_open(place, "x.pswb");
    CLEANUP(bundle_closep) Bundle *bundle = bundle_open(fd, "x.pswb", &err);
    Watch watch = {.refuse = true};
    BundleReading reading = {.into_fd = -1, .context = &watch, .enclave = on_enclave};
    assert_false(bundle_read(bundle, &reading, &err));
    assert_int_equal(watch.enclaves, 1);
    assert_int_equal(err.kind, ERROR_VERIFY);
    assert_non_null(strstr(err.text, "x.pswb: psw 1.2: not this one"));
}

static void a_file_that_changes_while_it_is_packed_fails_the_making(void **state) {
    const Place *place = *state;
    static const char *const changes[] = {"a quoting enclavE", "a quoting", "a quoting enclave, longer"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        Error err = ERROR_INIT;
        place_put(place, "src/lib/qe3.signed.so", "a quoting enclave");
        AUTO_CLOSE int dir_fd = file_open_directory(place->fd, "src", &err);
        CLEANUP(manifest_freep) Manifest *manifest = recipe_load(dir_fd, &err);
        assert_non_null(manifest);
        place_put(place, "src/lib/qe3.signed.so", changes[i]);
        AUTO_CLOSE int fd = file_open(place->fd, "z.pswb", O_RDWR | O_CREAT | O_TRUNC, 0644, &err);
        assert_false(bundle_make(dir_fd, manifest, fd, "z.pswb", &err));
        assert_true(err.kind == ERROR_VERIFY || err.kind == ERROR_CONFLICT);
    }
}

static void zeros_without_end_are_neither_made_nor_unpacked(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int bomb = file_open(place->fd, "src/data/notes", O_WRONLY, 0, &err);
    assert_int_equal(ftruncate(bomb, (off_t)(BUNDLE_RATIO_FREE_SIZE + 4096)), 0);
    AUTO_CLOSE int dir_fd = file_open_directory(place->fd, "src", &err);
    CLEANUP(manifest_freep) Manifest *manifest = recipe_load(dir_fd, &err);
    AUTO_CLOSE int fd = file_open(place->fd, "z.pswb", O_RDWR | O_CREAT | O_TRUNC, 0644, &err);
    assert_false(bundle_make(dir_fd, manifest, fd, "z.pswb", &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    /* What was written by then is a whole bundle that only breaks this rule. */
    err = ERROR_INIT;
    assert_false(fixture_try(place, "z.pswb", NULL, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "times its size"));
}

static void an_enclave_beyond_the_limit_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int large = file_open(place->fd, "src/lib/pce.signed.so", O_WRONLY, 0, &err);
    assert_int_equal(ftruncate(large, BUNDLE_ENCLAVE_SIZE_MAX + 1), 0);
    AUTO_CLOSE int dir_fd = file_open_directory(place->fd, "src", &err);
    CLEANUP(manifest_freep) Manifest *manifest = recipe_load(dir_fd, &err);
    AUTO_CLOSE int fd = file_open(place->fd, "z.pswb", O_RDWR | O_CREAT | O_TRUNC, 0644, &err);
    assert_false(bundle_make(dir_fd, manifest, fd, "z.pswb", &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "lib/pce.signed.so"));
}

typedef struct Sweep {
    Place *place;
} Sweep;

static void prepare_out(void *context) {
    const Sweep *sweep = context;
    Error err = ERROR_INIT;
    assert_true(file_remove_tree(sweep->place->fd, "out", &err));
    assert_int_equal(mkdirat(sweep->place->fd, "out", 0755), 0);
}

static bool unpack_out(void *context, Error *err) {
    const Sweep *sweep = context;
    AUTO_CLOSE int fd = file_open(sweep->place->fd, "x.pswb", O_RDONLY, 0, err);
    AUTO_CLOSE int into_fd = fd < 0 ? -1 : file_open_directory(sweep->place->fd, "out", err);
    CLEANUP(bundle_closep) Bundle *bundle = into_fd < 0 ? NULL : bundle_open(fd, "x.pswb", err);
    BundleReading reading = {.into_fd = into_fd};
    return bundle != NULL && bundle_read(bundle, &reading, err);
}

static void check_out(void *context, FaultOutcome outcome) {
    const Sweep *sweep = context;
    if (outcome == FAULT_SUCCEEDED) {
        place_expect(sweep->place, "out/lib/qe3.signed.so", "a quoting enclave");
        place_expect(sweep->place, "out/data/notes", "");
    }
}

static void unpacking_fails_cleanly_at_every_call(void **state) {
    Sweep sweep = {.place = *state};
    const FaultSweep points = {
        .context = &sweep, .prepare = prepare_out, .run = unpack_out, .check = check_out};
    faults_sweep_failures(&points);
    faults_sweep_interrupts(&points);
}

static bool make_again(void *context, Error *err) {
    const Sweep *sweep = context;
    AUTO_CLOSE int dir_fd = file_open_directory(sweep->place->fd, "src", err);
    CLEANUP(manifest_freep) Manifest *manifest = dir_fd < 0 ? NULL : recipe_load(dir_fd, err);
    AUTO_CLOSE int fd =
        manifest == NULL ? -1 : file_open(sweep->place->fd, "y.pswb", O_RDWR | O_CREAT | O_TRUNC, 0644, err);
    return fd >= 0 && bundle_make(dir_fd, manifest, fd, "y.pswb", err);
}

static void check_made(void *context, FaultOutcome outcome) {
    const Sweep *sweep = context;
    if (outcome == FAULT_SUCCEEDED) {
        CLEANUP(buffer_done) Buffer one = BUFFER_INIT(BUNDLE_MAX);
        CLEANUP(buffer_done) Buffer other = BUFFER_INIT(BUNDLE_MAX);
        fixture_read(sweep->place, "x.pswb", &one);
        fixture_read(sweep->place, "y.pswb", &other);
        assert_true(bytes_equal(buffer_bytes(&one), buffer_bytes(&other)));
    }
}

static void making_fails_cleanly_at_every_call(void **state) {
    Sweep sweep = {.place = *state};
    const FaultSweep points = {.context = &sweep, .run = make_again, .check = check_made};
    faults_sweep_failures(&points);
    faults_sweep_interrupts(&points);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_same_directory_gives_the_same_bytes),
        TEST(what_is_unpacked_is_what_was_packed),
        TEST(a_changed_byte_is_refused_whichever_it_is),
        TEST(a_bundle_cut_short_anywhere_is_refused),
        TEST(bytes_behind_the_bundle_are_refused),
        TEST(two_bundles_in_one_file_are_refused),
        TEST(what_is_no_bundle_is_called_so),
        TEST(the_enclaves_are_shown_and_progress_is_told_while_reading),
        TEST(an_enclave_that_is_refused_ends_the_reading),
        TEST(a_file_that_changes_while_it_is_packed_fails_the_making),
        TEST(zeros_without_end_are_neither_made_nor_unpacked),
        TEST(an_enclave_beyond_the_limit_is_refused),
        TEST(unpacking_fails_cleanly_at_every_call),
        TEST(making_fails_cleanly_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
