/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/elf_library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "tests/support/library_maker.h"

typedef struct Seen {
    char text[1024];
} Seen;

static bool note_symbol(void *context, const ElfSymbol *symbol, Error *err) {
    Seen *seen = context;
    size_t used = strlen(seen->text);
    (void)err;
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%s%s%s%s%s ", symbol->defined ? "+" : "-",
                   symbol->name, symbol->version[0] != '\0' ? "@" : "", symbol->version,
                   symbol->weak ? "?" : "");
    return true;
}

static bool note_need(void *context, const char *soname, const char *version, Error *err) {
    Seen *seen = context;
    size_t used = strlen(seen->text);
    (void)err;
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%s:%s ", soname, version);
    return true;
}

static bool note_needed(void *context, const char *soname, Error *err) {
    return note_need(context, soname, "", err);
}

static const LibrarySpec spec = {.soname = "libone.so.1",
                                 .needed = {"libtwo.so.2", "libthree.so"},
                                 .defines = {"one", "uno"},
                                 .version = "ONE_1.0",
                                 .wants = {"two"},
                                 .wanted_version = "TWO_2.0"};

static void read_library(const LibrarySpec *wanted) {
    uint8_t bytes[MAKER_SIZE_MAX];
    Error err = ERROR_INIT;
    ElfLibrary library;
    Seen symbols = {""}, needs = {""}, needed = {""};
    size_t size = library_make(wanted, bytes);
    if (!elf_library_open((Bytes){bytes, size}, &library, &err)) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(library.soname.text, "libone.so.1");
    assert_true(elf_library_each_symbol(&library, note_symbol, &symbols, &err));
    assert_string_equal(symbols.text, "-two@TWO_2.0 +one@ONE_1.0 +uno@ONE_1.0 ");
    assert_true(elf_library_each_need(&library, note_need, &needs, &err));
    assert_string_equal(needs.text, "libtwo.so.2:TWO_2.0 ");
    assert_true(elf_each_needed(&library.elf, note_needed, &needed, &err));
    assert_string_equal(needed.text, "libtwo.so.2: libthree.so: ");
    assert_true(elf_library_gives_version(&library, "ONE_1.0"));
    assert_false(elf_library_gives_version(&library, "ONE_2.0"));
    assert_null(elf_library_run_path(&library));
    assert_false(elf_library_has_executable_stack(&library));
}

static void a_library_says_what_it_gives_and_takes(void **state) {
    (void)state;
    LibrarySpec gnu = spec;
    read_library(&spec);
    gnu.gnu_hash = true;
    read_library(&gnu);
}

static void a_library_without_versions_has_plain_names(void **state) {
    (void)state;
    uint8_t bytes[MAKER_SIZE_MAX];
    Error err = ERROR_INIT;
    ElfLibrary library;
    Seen symbols = {""};
    const LibrarySpec plain = {.run_path = "/opt/lib",
                               .defines = {"one"},
                               .wants = {"two"},
                               .weak = true,
                               .executable_stack = true,
                               .gnu_hash = true};
    size_t size = library_make(&plain, bytes);
    assert_true(elf_library_open((Bytes){bytes, size}, &library, &err));
    assert_true(elf_library_each_symbol(&library, note_symbol, &symbols, &err));
    assert_string_equal(symbols.text, "-two? +one ");
    assert_string_equal(elf_library_run_path(&library), "/opt/lib");
    assert_true(elf_library_has_executable_stack(&library));
}

static void the_hosts_own_library_can_be_read(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer bytes = BUFFER_INIT(64 * 1024 * 1024);
    Error err = ERROR_INIT;
    ElfLibrary library;
    if (!file_read(AT_FDCWD, "/lib/x86_64-linux-gnu/libc.so.6", &bytes, &err)) {
        skip();
    }
    if (!elf_library_open(buffer_bytes(&bytes), &library, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(elf_library_gives_version(&library, "GLIBC_2.2.5"));
    assert_true(library.symbols.size / 24 > 1000);
}

static bool ignore_symbol(void *context, const ElfSymbol *symbol, Error *err) {
    (void)context, (void)symbol, (void)err;
    return true;
}

/* Whatever byte is wrong: an error or an answer, and never a byte outside (the sanitizer builds look). */
static void no_damage_leads_out_of_the_file(void **state) {
    (void)state;
    uint8_t bytes[MAKER_SIZE_MAX];
    static const uint8_t values[] = {0, 1, 0x7f, 0xff};
    size_t size = library_make(&spec, bytes);
    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i < sizeof values; i++) {
            Error err = ERROR_INIT;
            ElfLibrary library;
            const uint8_t former = bytes[at];
            bytes[at] = values[i];
            if (elf_library_open((Bytes){bytes, size}, &library, &err)) {
                assert_true(elf_library_each_symbol(&library, ignore_symbol, NULL, &err) ||
                            err.kind == ERROR_INPUT);
                (void)elf_library_gives_version(&library, "X");
                (void)elf_library_run_path(&library);
            }
            bytes[at] = former;
        }
    }
}

static void a_library_that_is_cut_off_is_refused(void **state) {
    (void)state;
    uint8_t bytes[MAKER_SIZE_MAX];
    size_t size = library_make(&spec, bytes);
    for (size_t length = 0; length < size; length++) {
        Error err = ERROR_INIT;
        ElfLibrary library;
        assert_false(elf_library_open((Bytes){bytes, length}, &library, &err));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_says_what_it_gives_and_takes),
        cmocka_unit_test(a_library_without_versions_has_plain_names),
        cmocka_unit_test(the_hosts_own_library_can_be_read),
        cmocka_unit_test(no_damage_leads_out_of_the_file),
        cmocka_unit_test(a_library_that_is_cut_off_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
