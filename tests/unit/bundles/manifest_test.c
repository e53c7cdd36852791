/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/faults.h"

CLEANUP_DEFINE(Manifest, manifest_free)

#define SHA "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
#define HEAD                                                                                                 \
    "format: 1\nname: \"psw-dcap\"\nversion: \"1.10\"\nvendor: \"Example \\\"Inc.\\\"\"\n"                   \
    "description: \"\"\nsimulated: false\n"
#define REQUIRES                                                                                             \
    "requires:\n  epc_kib: 2048\n  provision: true\n  kernel: \"5.11\"\n  drivers:\n"                        \
    "    - flavour: \"in-kernel\"\n    - flavour: \"dcap\"\n      min_version: \"1.41\"\n"                   \
    "  libraries:\n    - \"libc.so.6\"\n"
#define FILE_OF(path, role)                                                                                  \
    "  - path: \"" path "\"\n    role: " role "\n    size: 12\n    sha256: " SHA "\n    mode: \"0644\"\n"
#define FILES                                                                                                \
    "files:\n" FILE_OF("lib/ide", "id_enclave") FILE_OF("lib/pce", "pce") FILE_OF("lib/qe3", "qe3")          \
        FILE_OF("lib/ql", "quote_library")

static const char whole[] = HEAD REQUIRES FILES;

static Manifest *parse(const char *yaml, Error *err) {
    return manifest_parse((Bytes){.data = (const uint8_t *)yaml, .size = strlen(yaml)}, "m", err);
}

static void a_manifest_is_read_whole(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(manifest_freep) Manifest *manifest = parse(whole, &err);
    if (manifest == NULL) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(manifest->name, "psw-dcap");
    assert_string_equal(manifest->version, "1.10");
    assert_string_equal(manifest->vendor, "Example \"Inc.\"");
    assert_string_equal(manifest->description, "");
    assert_false(manifest->simulated);
    assert_int_equal(manifest->epc_kib, 2048);
    assert_true(manifest->provision);
    assert_string_equal(manifest->kernel, "5.11");
    assert_int_equal(manifest->drivers_count, 2);
    assert_null(manifest->drivers[0].min_version);
    assert_string_equal(manifest->drivers[1].flavour, "dcap");
    assert_string_equal(manifest->drivers[1].min_version, "1.41");
    assert_int_equal(manifest->libraries_count, 1);
    assert_int_equal(manifest->files_count, 4);
    const ManifestFile *file = manifest_find(manifest, MANIFEST_ROLE_PCE);
    assert_string_equal(file->path, "lib/pce");
    assert_int_equal(file->size, 12);
    assert_int_equal(file->mode, 0644);
    assert_int_equal(file->digest.bytes[1], 0x23);
    assert_null(manifest_find(manifest, MANIFEST_ROLE_PROVIDER));
}

static void what_is_formatted_is_what_was_read_and_has_its_digest(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Digest digest;
    CLEANUP(manifest_freep) Manifest *manifest = parse(whole, &err);
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    assert_true(manifest_format(manifest, &yaml, &err));
    assert_string_equal(buffer_text(&yaml), whole);
    assert_true(digest_of(whole, strlen(whole), &digest));
    assert_true(digest_equal(&manifest->digest, &digest));
}

#define IDENTITY "    isvsvn: 11\n    mrenclave: " SHA "\n"

static void an_enclave_may_say_who_it_is(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    static const char yaml[] = HEAD REQUIRES "files:\n" FILE_OF("lib/ide", "id_enclave") FILE_OF("lib/pce",
                                                                                                 "pce")
        FILE_OF("lib/qe3", "qe3") "    version: \"1.22.100.1\"\n" IDENTITY FILE_OF("lib/ql", "quote_library");
    CLEANUP(manifest_freep) Manifest *manifest = parse(yaml, &err);
    if (manifest == NULL) {
        fail_msg("%s", err.text);
    }
    const ManifestFile *qe3 = manifest_find(manifest, MANIFEST_ROLE_QE3);
    assert_true(qe3->has_identity);
    assert_int_equal(qe3->isv_svn, 11);
    assert_int_equal(qe3->mr_enclave.bytes[1], 0x23);
    assert_string_equal(qe3->version, "1.22.100.1");
    assert_false(manifest_find(manifest, MANIFEST_ROLE_PCE)->has_identity);
}

static void half_an_identity_or_one_of_no_enclave_is_refused(void **state) {
    (void)state;
    static const char *const tails[] = {"    isvsvn: 11\n", "    mrenclave: " SHA "\n",
                                        "    isvsvn: 65536\n    mrenclave: " SHA "\n"};
    for (size_t i = 0; i < 3; i++) {
        Error err = ERROR_INIT;
        char yaml[4096];
        (void)snprintf(
            yaml, sizeof yaml, "%s%s%s", HEAD REQUIRES "files:\n" FILE_OF("lib/ide", "id_enclave"), tails[i],
            FILE_OF("lib/pce", "pce") FILE_OF("lib/qe3", "qe3") FILE_OF("lib/ql", "quote_library"));
        assert_null(parse(yaml, &err));
        assert_non_null(strstr(err.text, "isvsvn"));
    }
    Error err = ERROR_INIT;
    assert_null(parse(HEAD REQUIRES FILES IDENTITY, &err));
    assert_non_null(strstr(err.text, "at an enclave only"));
}

typedef struct Refusal {
    const char *what;
    const char *instead;
    const char *words;
} Refusal;

/* `whole` with the first `what` replaced. The caller frees. */
static char *replace(const char *what, const char *instead) {
    const char *at = strstr(whole, what);
    assert_non_null(at);
    size_t size = strlen(whole) + strlen(instead) + 1;
    char *text = malloc(size);
    (void)snprintf(text, size, "%.*s%s%s", (int)(at - whole), whole, instead, at + strlen(what));
    return text;
}

static void what_breaks_a_rule_is_refused_with_a_reason(void **state) {
    static const Refusal refusals[] = {
        {"format: 1", "format: 2", "format '2' is not known"},
        {"format: 1\n", "", "key 'format' is missing"},
        {"vendor", "vendro", "line 4"},
        {"name: \"psw-dcap\"", "name: \"Psw\"", "name: 'Psw' is not allowed"},
        {"name: \"psw-dcap\"", "name: \"-psw\"", "name: '-psw' is not allowed"},
        {"name: \"psw-dcap\"", "name: \"../psw\"", "is not allowed"},
        {"name: \"psw-dcap\"", "name: \"\"", "line 2"},
        {"\"1.10\"", "\"1.10-rc1\"", "version: '1.10-rc1' is not a version"},
        {"Example", "Ex\\u00e4mple", "vendor: only printable ASCII"},
        {"simulated: false", "simulated: no", "neither true nor false"},
        {"epc_kib: 2048", "epc_kib: 2048k", "epc_kib: '2048k' is not a number"},
        {"epc_kib: 2048", "epc_kib: 99999999999", "epc_kib"},
        {"\"5.11\"", "\"5.11.0-rt\"", "kernel: '5.11.0-rt' is not a version"},
        {"\"in-kernel\"", "\"inkernel\"", "'inkernel' is no flavour"},
        {"\"dcap\"", "\"in-kernel\"", "requires: drivers: 'in-kernel' stands there twice"},
        {"\"libc.so.6\"", "\"x\"\n    - \"x\"", "requires: libraries: 'x' stands there twice"},
        {"\"libc.so.6\"", "\"/lib/libc.so.6\"", "is not the name of a library"},
        {"\"lib/ide\"", "\"../ide\"", "files: '../ide': the path is not allowed"},
        {"\"lib/ide\"", "\"/lib/ide\"", "the path is not allowed"},
        {"\"lib/ide\"", "\"lib//ide\"", "the path is not allowed"},
        {"\"lib/ide\"", "\"lib/./ide\"", "the path is not allowed"},
        {"\"lib/ide\"", "\"lib/i de\"", "the path is not allowed"},
        {"\"lib/ide\"", "\"manifest.yaml\"", "the path is not allowed"},
        {"\"lib/ide\"", "\"lib/pce\"", "'lib/pce' and 'lib/pce' exclude each other"},
        {"\"lib/ide\"", "\"lib/pce/ide\"", "'lib/pce' and 'lib/pce/ide' exclude each other"},
        {"role: pce", "role: pca", "there is no role 'pca'"},
        {"role: pce", "role: data", "none of role pce"},
        {"role: pce", "role: qe3", "more than one of role qe3"},
        {"size: 12", "size: -1", "size '-1' is not a number"},
        {"size: 12", "size: 268435457", "size '268435457' is not a number"},
        {"    size: 12\n", "", "size, sha256 and mode have to be there"},
        {"sha256: \"0123", "sha256: \"012", "sha256 is not 64 hex digits"},
        {"mode: \"0644\"", "mode: \"4755\"", "neither 0644 nor 0755"},
        {"mode: \"0644\"", "mode: \"0777\"", "neither 0644 nor 0755"},
        {"mode: \"0644\"", "mode: \"644\"", "neither 0644 nor 0755"},
        {"files:\n", "files: []\nrest:\n", "line 17, column 8"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        Error err = ERROR_INIT;
        AUTO_FREE char *yaml = replace(refusals[i].what, refusals[i].instead);
        assert_null(parse(yaml, &err));
        if (strstr(err.text, refusals[i].words) == NULL || strncmp(err.text, "m: ", 3) != 0) {
            fail_msg("%zu: '%s' is not in '%s'", i, refusals[i].words, err.text);
        }
        assert_int_equal(err.kind, ERROR_INPUT);
    }
}

static void another_spelling_of_the_same_content_is_refused(void **state) {
    static const Refusal spellings[] = {
        {"format: 1\n", "format: 1\n# a comment\n", ""},
        {"format: 1\n", "---\nformat: 1\n", ""},
        {"\"psw-dcap\"", "psw-dcap", ""},
        {"\"psw-dcap\"", "'psw-dcap'", ""},
        {"format: 1", "format:  1", ""},
        {"simulated: false\n", "", ""},
        {"\"0644\"", "0644", ""},
        {"0123456789abcdef", "0123456789ABCDEF", ""},
        {"epc_kib: 2048\n  provision: true", "provision: true\n  epc_kib: 2048", ""},
        {FILE_OF("lib/ide", "id_enclave") FILE_OF("lib/pce", "pce"),
         FILE_OF("lib/pce", "pce") FILE_OF("lib/ide", "id_enclave"), ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        Error err = ERROR_INIT;
        AUTO_FREE char *yaml = replace(spellings[i].what, spellings[i].instead);
        assert_null(parse(yaml, &err));
        if (strstr(err.text, "not in the form that psw-bundle writes") == NULL) {
            fail_msg("%zu: %s", i, err.text);
        }
    }
}

/* A manifest of that many data files beside the four that it needs. */
static char *with_files(size_t count, uint64_t size) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    assert_true(buffer_append_text(&yaml, HEAD REQUIRES "files:\n"));
    for (size_t i = 0; i < count; i++) {
        assert_true(
            buffer_append_format(&yaml,
                                 "  - path: \"data/%03zu\"\n    role: data\n    size: %llu\n    sha256: " SHA
                                 "\n    mode: \"0644\"\n",
                                 i, (unsigned long long)size));
    }
    assert_true(buffer_append_text(&yaml, FILES + strlen("files:\n")));
    return buffer_take_text(&yaml);
}

static void the_limits_hold_exactly(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_FREE char *most = with_files(MANIFEST_FILES_MAX - 4, 1);
    CLEANUP(manifest_freep) Manifest *manifest = parse(most, &err);
    assert_non_null(manifest);
    AUTO_FREE char *more = with_files(MANIFEST_FILES_MAX - 3, 1);
    assert_null(parse(more, &err));
    assert_int_equal(err.kind, ERROR_INPUT);

    err = ERROR_INIT;
    AUTO_FREE char *large = with_files(4, MANIFEST_FILE_SIZE_MAX);
    assert_null(parse(large, &err));
    assert_int_equal(err.kind, ERROR_LIMIT);

    char path[MANIFEST_PATH_MAX + 2];
    for (size_t length = MANIFEST_PATH_MAX; length <= MANIFEST_PATH_MAX + 1; length++) {
        err = ERROR_INIT;
        (void)snprintf(path, sizeof path, "%0*d", (int)length, 0);
        AUTO_FREE char *yaml = replace("lib/ide", path);
        CLEANUP(manifest_freep) Manifest *one = parse(yaml, &err);
        assert_true((one != NULL) == (length <= MANIFEST_PATH_MAX));
    }

    err = ERROR_INIT;
    AUTO_FREE uint8_t *bytes = calloc(1, MANIFEST_SIZE_MAX + 1);
    assert_null(manifest_parse((Bytes){.data = bytes, .size = MANIFEST_SIZE_MAX + 1}, "m", &err));
    assert_int_equal(err.kind, ERROR_LIMIT);
}

static bool parse_and_format(void *context, Error *err) {
    (void)context;
    CLEANUP(manifest_freep) Manifest *manifest = parse(whole, err);
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(MANIFEST_SIZE_MAX);
    return manifest != NULL && manifest_format(manifest, &yaml, err);
}

static void check_nothing(void *context, FaultOutcome outcome) {
    (void)context;
    (void)outcome;
}

static void a_lack_of_memory_is_an_error_at_every_allocation(void **state) {
    (void)state;
    faults_sweep_failures(&(FaultSweep){.run = parse_and_format, .check = check_nothing});
}

static void roles_have_names_both_ways(void **state) {
    (void)state;
    for (int role = 0; role < MANIFEST_ROLES_COUNT; role++) {
        ManifestRole parsed = MANIFEST_ROLES_COUNT;
        assert_true(manifest_role_parse(manifest_role_name((ManifestRole)role), &parsed));
        assert_int_equal(parsed, role);
    }
    ManifestRole parsed;
    assert_false(manifest_role_parse("", &parsed));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_is_read_whole),
        cmocka_unit_test(an_enclave_may_say_who_it_is),
        cmocka_unit_test(half_an_identity_or_one_of_no_enclave_is_refused),
        cmocka_unit_test(what_is_formatted_is_what_was_read_and_has_its_digest),
        cmocka_unit_test(what_breaks_a_rule_is_refused_with_a_reason),
        cmocka_unit_test(another_spelling_of_the_same_content_is_refused),
        cmocka_unit_test(the_limits_hold_exactly),
        cmocka_unit_test(a_lack_of_memory_is_an_error_at_every_allocation),
        cmocka_unit_test(roles_have_names_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
