/* SPDX-License-Identifier: Apache-2.0
 *
 * Every limit of docs/bundle-format.md below, at and above.
 */
#include "bundles/archive.h"
#include "bundles/bundle_rules.h"
#include "bundles/store.h"
#include "tests/unit/bundles/fixture.h"

CLEANUP_DEFINE(Store, store_close)

#define SHA "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
#define REST "    sha256: " SHA "\n    mode: \"0644\"\n"
#define MIB (UINT64_C(1024) * 1024)

/* What a test changes in a manifest of four enclave and library files of one byte each. */
typedef struct Shape {
    const char *name, *version, *text, *path; /* NULL: short ones; path: of the quoting enclave */
    size_t libraries, more_files;
    uint64_t size; /* of each of more_files */
    uint64_t last; /* of the quote library; 0: 1 */
} Shape;

static void add_file(Buffer *yaml, const char *path, const char *role, uint64_t size) {
    assert_true(buffer_append_format(yaml, "  - path: \"%s\"\n    role: %s\n    size: %llu\n" REST, path,
                                     role, (unsigned long long)size));
}

/* In the one form that there is. */
static Manifest *parse(const Shape *shape, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(2 * MIB);
    const char *text = shape->text != NULL ? shape->text : "x";
    *err = ERROR_INIT;
    assert_true(buffer_append_format(
        &yaml,
        "format: 1\nname: \"%s\"\nversion: \"%s\"\nvendor: \"%s\"\ndescription: \"%s\"\nsimulated: false\n"
        "requires:\n  epc_kib: 0\n  provision: false\n",
        shape->name != NULL ? shape->name : "x", shape->version != NULL ? shape->version : "1", text, text));
    assert_true(buffer_append_text(&yaml, shape->libraries > 0 ? "  libraries:\n" : ""));
    for (size_t i = 0; i < shape->libraries; i++) {
        assert_true(buffer_append_format(&yaml, "    - \"l%zu\"\n", i));
    }
    assert_true(buffer_append_text(&yaml, "files:\n"));
    for (size_t i = 0; i < shape->more_files; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "a/%03zu", i);
        add_file(&yaml, path, "data", shape->size);
    }
    add_file(&yaml, shape->path != NULL ? shape->path : "b", "qe3", 1);
    add_file(&yaml, "x/ide", "id_enclave", 1);
    add_file(&yaml, "x/pce", "pce", 1);
    add_file(&yaml, "x/ql", "quote_library", shape->last != 0 ? shape->last : 1);
    return manifest_parse(buffer_bytes(&yaml), "m", err);
}

static void assert_taken(const Shape *shape, bool expected) {
    Error err = ERROR_INIT;
    CLEANUP(manifest_freep) Manifest *manifest = parse(shape, &err);
    if ((manifest != NULL) != expected) {
        fail_msg("%s", manifest != NULL ? "taken" : err.text);
    }
}

/* So many times the same text; in a static buffer. */
static const char *times(const char *text, size_t count) {
    static char many[2048];
    many[0] = 0;
    for (size_t i = 0; i < count; i++) {
        (void)strcat(many, text);
    }
    return many;
}

static void names_texts_and_versions(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        const size_t beyond = (size_t)(over + 1);
        assert_taken(&(Shape){.name = times("n", 63 + beyond)}, over <= 0);
        assert_taken(&(Shape){.text = times("t", 1023 + beyond)}, over <= 0);
        assert_taken(&(Shape){.version = times("9", 8 + beyond)}, over <= 0);
        assert_taken(&(Shape){.version = times("1.", 6 + beyond)}, false); /* ends in a dot */
    }
    assert_taken(&(Shape){.version = "1.2.3.4.5.6.7"}, true);
    assert_taken(&(Shape){.version = "1.2.3.4.5.6.7.8"}, true);
    assert_taken(&(Shape){.version = "1.2.3.4.5.6.7.8.9"}, false);
}

static void paths(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        assert_taken(&(Shape){.path = times("b", (size_t)(MANIFEST_PATH_MAX + over))}, over <= 0);
    }
    assert_taken(&(Shape){.path = "b/2/3/4/5/6/7"}, true);
    assert_taken(&(Shape){.path = "b/2/3/4/5/6/7/8"}, true);
    assert_taken(&(Shape){.path = "b/2/3/4/5/6/7/8/9"}, false);
}

static void files_and_libraries(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        assert_taken(&(Shape){.more_files = (size_t)(MANIFEST_FILES_MAX - 4 + over), .size = 1}, over <= 0);
        assert_taken(&(Shape){.libraries = (size_t)(MANIFEST_REQUIREMENTS_MAX + over)}, over <= 0);
    }
}

static void sizes_of_files(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    for (int over = -1; over <= 1; over++) {
        const uint64_t most = MANIFEST_FILE_SIZE_MAX + (uint64_t)(int64_t)over;
        assert_taken(&(Shape){.more_files = 1, .size = most}, over <= 0);
        /* Three of 256 MiB, three of 1 byte, and the rest. */
        const Shape total = {.more_files = 3,
                             .size = MANIFEST_FILE_SIZE_MAX,
                             .last = MANIFEST_FILE_SIZE_MAX - 3 + (uint64_t)(int64_t)over};
        CLEANUP(manifest_freep) Manifest *manifest = parse(&total, &err);
        assert_true((manifest != NULL) == (over <= 0));
        assert_int_equal(err.kind, over <= 0 ? ERROR_NONE : ERROR_LIMIT);
    }
}

/* No manifest that keeps the other limits is as long as it may be, so these are none. */
static void bytes_of_a_manifest(void **state) {
    (void)state;
    AUTO_FREE uint8_t *bytes = calloc(1, MANIFEST_SIZE_MAX + 1);
    memset(bytes, ' ', MANIFEST_SIZE_MAX + 1);
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        const Bytes yaml = {.data = bytes, .size = (size_t)(MANIFEST_SIZE_MAX + over)};
        assert_null(manifest_parse(yaml, "m", &err));
        assert_int_equal(err.kind, over <= 0 ? ERROR_INPUT : ERROR_LIMIT);
    }
}

static bool keeps_rules(ManifestFile *file, uint64_t packed_size) {
    const Manifest manifest = {.files = file, .files_count = 1};
    Error err = ERROR_INIT;
    bool good = bundle_check_limits(&manifest, packed_size, &err);
    assert_true(good || err.kind == ERROR_LIMIT);
    return good;
}

static void enclaves_and_ratio(void **state) {
    (void)state;
    char path[] = "x";
    for (int over = -1; over <= 1; over++) {
        const uint64_t one = (uint64_t)(int64_t)over;
        ManifestFile enclave = {
            .path = path, .role = MANIFEST_ROLE_PCE, .size = BUNDLE_ENCLAVE_SIZE_MAX + one};
        assert_true(keeps_rules(&enclave, MIB) == (over <= 0));
        ManifestFile data = {.path = path, .role = MANIFEST_ROLE_DATA, .size = BUNDLE_RATIO_FREE_SIZE + one};
        assert_true(keeps_rules(&data, 1) == (over <= 0));
        data.size = BUNDLE_RATIO_MAX * (MIB + one);
        assert_true(keeps_rules(&data, MIB) == (over <= 0));
    }
}

static void bytes_of_a_bundle(void **state) {
    const Place *place = *state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        AUTO_CLOSE int fd = file_open(place->fd, "sparse", O_RDWR | O_CREAT, 0644, &err);
        assert_int_equal(ftruncate(fd, (off_t)ARCHIVE_SIZE_MAX + over), 0);
        assert_null(bundle_open(fd, "sparse", &err));
        assert_int_equal(err.kind, over <= 0 ? ERROR_INPUT : ERROR_LIMIT);
    }
}

static bool stage(Store *store, const Place *place, const char *name, Error *err) {
    Digest digest;
    bool is_new = false;
    AUTO_CLOSE int fd = file_open(place->fd, name, O_RDONLY, 0, err);
    return store_stage(store, fd, name, &(StoreStaging){0}, &digest, &is_new, err);
}

static void bundles_in_a_store(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    char path[192];
    fixture_make(place, FIXTURE_HEAD("1.3") FIXTURE_FILES, "y.pswb");
    fixture_make(place, FIXTURE_HEAD("1.4") FIXTURE_FILES, "z.pswb");
    (void)snprintf(path, sizeof path, "%s/store", place->path);
    CLEANUP(store_closep) Store *store = store_open(path, true, &err);
    for (unsigned i = 0; i < STORE_BUNDLES_MAX - 2; i++) { /* damaged ones count, too */
        (void)snprintf(path, sizeof path, "store/bundles/%064x", i);
        assert_int_equal(mkdirat(place->fd, path, 0755), 0);
    }
    assert_true(stage(store, place, "x.pswb", &err));
    assert_true(stage(store, place, "y.pswb", &err));
    assert_false(stage(store, place, "z.pswb", &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "pswctl remove"));
    err = ERROR_INIT;
    assert_true(stage(store, place, "y.pswb", &err)); /* is there already */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_texts_and_versions),
        cmocka_unit_test(paths),
        cmocka_unit_test(files_and_libraries),
        cmocka_unit_test(sizes_of_files),
        cmocka_unit_test(bytes_of_a_manifest),
        cmocka_unit_test(enclaves_and_ratio),
        cmocka_unit_test_setup_teardown(bytes_of_a_bundle, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(bundles_in_a_store, fixture_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
