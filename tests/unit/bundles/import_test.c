/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/bytes.h"
#include "tests/support/library_maker.h"
#include "tests/support/place.h"
#include "tests/support/tar_header.h"

enum { ELF_SECTION_SIZE = 64 };

static Import *begin(const Place *place) {
    Error err = ERROR_INIT;
    Import *import = import_new(&(ImportOptions){.name = "x"}, place->fd, &err);
    assert_non_null(import);
    return import;
}

/* Closes the descriptor. */
static ErrorKind add(Import *import, int fd, const char *name) {
    Error err = ERROR_INIT;
    bool good = import_add(import, fd, name, &err);
    assert_int_equal(good, err.kind == ERROR_NONE);
    (void)close(fd);
    return err.kind;
}

static void files_of_which_account_is_given(void **state) {
    const Place *place = *state;
    for (int over = -1; over <= 1; over++) {
        place_reset(*state);
        CLEANUP(import_freep) Import *import = begin(place);
        int fd = tar_header_many("copyright", (size_t)(IMPORT_ITEMS_MAX + over));
        assert_int_equal(add(import, fd, "p"), over <= 0 ? ERROR_NONE : ERROR_LIMIT);
        assert_int_equal(import_items_count(import), IMPORT_ITEMS_MAX + (over < 0 ? over : 0));
    }
}

static void files_that_are_taken(void **state) {
    CLEANUP(import_freep) Import *import = begin(*state);
    for (int i = 0; i <= MANIFEST_FILES_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(add(import, tar_header_many("copyright", 1), name),
                         i < MANIFEST_FILES_MAX ? ERROR_NONE : ERROR_LIMIT);
    }
}

static void bytes_of_a_licence(void **state) {
    enum { LICENCE = 1024 * 1024 };
    for (int over = -1; over <= 1; over++) {
        place_reset(*state);
        CLEANUP(import_freep) Import *import = begin(*state);
        int fd = tar_header_sparse("copyright", (uint64_t)(LICENCE + over), 2 * LICENCE);
        assert_int_equal(add(import, fd, "p"), ERROR_NONE);
        assert_int_equal(import_items_count(import), over <= 0);
        assert_int_equal(import_others_count(import), over > 0);
    }
}

static void the_path_of_a_licence(void **state) {
    enum { NAME = MANIFEST_PATH_MAX - (sizeof "data/licenses//copyright" - 1) };
    for (int over = -1; over <= 1; over++) {
        char name[NAME + 2] = "";
        place_reset(*state);
        CLEANUP(import_freep) Import *import = begin(*state);
        memset(name, 'p', (size_t)(NAME + over));
        assert_int_equal(add(import, tar_header_many("copyright", 1), name), ERROR_NONE);
        const char *as = import_item(import, 0)->as;
        assert_int_equal(as != NULL, over <= 0);
        assert_true(as == NULL || strlen(as) == (size_t)(MANIFEST_PATH_MAX + over));
    }
}

/* A library of the loader's that needs so many others, which nobody named before; in an archive. */
static int library_archive(int number, size_t needed) {
    uint8_t file[TAR_HEADER_SIZE + MAKER_SIZE_MAX + ELF_SECTION_SIZE], *library = file + TAR_HEADER_SIZE;
    char soname[32], names[MAKER_NAMES_MAX][32];
    (void)snprintf(soname, sizeof soname, "libsgx_urts.so.%d", number);
    LibrarySpec spec = {.soname = soname};
    for (size_t i = 0; i < needed; i++) {
        (void)snprintf(names[i], sizeof names[i], "lib%d.so.%zu", number, i);
        spec.needed[i] = names[i];
    }
    memset(file, 0, sizeof file);
    size_t size = library_make(&spec, library);
    bytes_put_le64(library + 40, size); /* one section, whose name is none, in a byte of zero */
    bytes_put_le16(library + 58, ELF_SECTION_SIZE);
    bytes_put_le16(library + 60, 1);
    bytes_put_le64(library + size + 24, size);
    bytes_put_le64(library + size + 32, 1);
    tar_header_make(file, soname, size + ELF_SECTION_SIZE);
    int fd = memfd_create("package", MFD_CLOEXEC);
    assert_int_equal(write(fd, file, sizeof file), sizeof file);
    assert_int_equal(ftruncate(fd, 2 * sizeof file), 0);
    return fd;
}

static void libraries_that_are_needed(void **state) {
    enum { NEEDED = 64, EACH = MAKER_NAMES_MAX };
    for (int over = -1; over <= 1; over++) {
        place_reset(*state);
        CLEANUP(import_freep) Import *import = begin(*state);
        for (int i = 1; i < NEEDED / EACH; i++) {
            assert_int_equal(add(import, library_archive(i, EACH), "p"), ERROR_NONE);
        }
        assert_int_equal(add(import, library_archive(100, EACH - 1), "p"), ERROR_NONE);
        assert_int_equal(add(import, library_archive(101, (size_t)(1 + over)), "p"),
                         over <= 0 ? ERROR_NONE : ERROR_LIMIT);
        const ImportItem *last = import_item(import, import_items_count(import) - 1);
        assert_string_equal(last->as, "lib/libsgx_urts.so.101");
    }
}

#define PLACE_TEST(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLACE_TEST(files_of_which_account_is_given),
        PLACE_TEST(files_that_are_taken),
        PLACE_TEST(bytes_of_a_licence),
        PLACE_TEST(the_path_of_a_licence),
        PLACE_TEST(libraries_that_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
