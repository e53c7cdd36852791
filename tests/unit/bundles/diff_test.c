/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"

CLEANUP_DEFINE(Manifest, manifest_free)

#define SHA(digit) "\"" digit "123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde" digit "\""
#define FILE_OF(path, role, digit)                                                                           \
    "  - path: \"" path "\"\n    role: " role                                                                \
    "\n    size: 12\n    sha256: " SHA(digit) "\n    mode: \"0644\"\n"
#define ENCLAVE_OF(path, role, digit, svn)                                                                   \
    FILE_OF(path, role, digit) "    isvsvn: " svn "\n    mrenclave: " SHA(digit) "\n"
#define HEAD(version)                                                                                        \
    "format: 1\nname: \"psw\"\nversion: \"" version "\"\nvendor: \"x\"\ndescription: \"\"\nsimulated: "      \
    "false\n"

static const char former[] =
    HEAD("1.0") "requires:\n  epc_kib: 2048\n  provision: true\n  drivers:\n    - flavour: \"in-kernel\"\n"
                "    - flavour: \"dcap\"\n      min_version: \"1.41\"\n  libraries:\n    - \"libold.so\"\n"
                "files:\n" FILE_OF("data/notes", "data", "1") ENCLAVE_OF("lib/ide", "id_enclave", "1", "3")
                    ENCLAVE_OF("lib/pce", "pce", "1", "13") ENCLAVE_OF("lib/qe3", "qe3", "1", "8")
                        FILE_OF("lib/ql", "quote_library", "1");
static const char latter[] =
    HEAD("2.0") "requires:\n  epc_kib: 4096\n  provision: true\n  drivers:\n    - flavour: \"in-kernel\"\n"
                "  libraries:\n    - \"libnew.so\"\n"
                "files:\n" ENCLAVE_OF("lib/ide", "id_enclave", "1", "3")
                    ENCLAVE_OF("lib/pce", "pce", "2", "12") ENCLAVE_OF("lib/qe3", "qe3", "2", "9")
                        FILE_OF("lib/ql", "quote_library", "2") FILE_OF("lib/urts", "runtime", "2");

static Manifest *parse(const char *yaml) {
    Error err = ERROR_INIT;
    Manifest *manifest =
        manifest_parse((Bytes){.data = (const uint8_t *)yaml, .size = strlen(yaml)}, "m", &err);
    if (manifest == NULL) {
        fail_msg("%s", err.text);
    }
    return manifest;
}

static json_t *diff_of(const char *from, const char *to) {
    CLEANUP(manifest_freep) Manifest *a = parse(from);
    CLEANUP(manifest_freep) Manifest *b = parse(to);
    json_t *diff = diff_json(&(DiffSide){.manifest = a, .epc_kib = {100, 50, 20}},
                             &(DiffSide){.manifest = b, .epc_kib = {300, 50, 20}});
    assert_non_null(diff);
    return diff;
}

static void what_changes_is_in_the_document(void **state) {
    (void)state;
    CLEANUP(json_freep) json_t *diff = diff_of(former, latter);
    const json_t *qe3 = json_array_get(json_object_get(diff, "enclaves"), 0);
    assert_string_equal(json_string_value(json_object_get(qe3, "role")), "qe3");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(qe3, "isvsvn"), 1)), 9);
    assert_false(json_is_true(json_object_get(qe3, "downgrade")));
    const json_t *ide = json_array_get(json_object_get(diff, "enclaves"), 1);
    assert_true(json_is_true(json_object_get(ide, "same")));
    const json_t *pce = json_array_get(json_object_get(diff, "enclaves"), 2);
    assert_true(json_is_true(json_object_get(pce, "downgrade")));
    const json_t *requires = json_object_get(diff, "requires");
    assert_null(json_object_get(requires, "provision"));
    assert_null(json_object_get(requires, "kernel"));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(requires, "epc_kib"), 1)), 4096);
    const json_t *files = json_object_get(diff, "files");
    assert_int_equal(json_array_size(files), 5);
    assert_string_equal(json_string_value(json_object_get(json_array_get(files, 0), "change")), "removed");
    assert_string_equal(json_string_value(json_object_get(json_array_get(files, 4), "change")), "added");
}

static void the_words_say_what_will_be_noticed(void **state) {
    (void)state;
    CLEANUP(json_freep) json_t *diff = diff_of(former, latter);
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(64 * 1024);
    assert_true(diff_format(diff, &text));
    static const char *const wanted[] = {
        "psw 1.0 (",
        ") -> psw 2.0 (",
        "  qe3          ISVSVN 8 -> 9, MRENCLAVE 1123456789ab -> 2123456789ab, EPC KiB 100 -> 300\n",
        "a new attestation key",
        "answered by a lame duck",
        "  id_enclave   the same, ISVSVN 3\n",
        "  pce          ISVSVN 13 -> 12, MRENCLAVE 1123456789ab -> 2123456789ab, EPC KiB 20\n",
        "goes DOWN: relying parties may refuse quotes",
        "a swap needs --allow-downgrade pce\n",
        "  needs        KiB of EPC: 2048 -> 4096\n",
        "  needs        one of the drivers: in-kernel, dcap 1.41 -> in-kernel\n",
        "  needs        now libnew.so on the host\n",
        "  needs        no longer libold.so on the host\n",
        "  removed      data/notes (data)\n",
        "  changed      lib/ql (quote_library)\n",
        "  added        lib/urts (runtime)\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (strstr(buffer_text(&text), wanted[i]) == NULL) {
            fail_msg("'%s' is not in:\n%s", wanted[i], buffer_text(&text));
        }
    }
}

static void between_a_bundle_and_itself_nothing_changes(void **state) {
    (void)state;
    CLEANUP(json_freep) json_t *diff = diff_of(former, former);
    assert_int_equal(json_array_size(json_object_get(diff, "files")), 0);
    assert_int_equal(json_object_size(json_object_get(diff, "requires")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_is_in_the_document),
        cmocka_unit_test(the_words_say_what_will_be_noticed),
        cmocka_unit_test(between_a_bundle_and_itself_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
