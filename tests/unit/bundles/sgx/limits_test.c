/* SPDX-License-Identifier: Apache-2.0
 *
 * Every limit of enclave files and libraries below, at and above.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/sgx/elf_library.h"
#include "bundles/sgx/image.h"
#include "tests/support/enclave_case.h"
#include "tests/support/library_maker.h"

enum { SEGMENT_NOTE = 4, TAG_DEBUG = 21, TAG_HASH = 4, NAMES_AT = 0x9000, FILE_SIZE = 0xa000 };
enum { SEGMENTS_AT = ELF_HEADER_SIZE, SECTIONS_AT = 0x2000, DYNAMIC_AT = 0x7000 };
#define TAG_VERDEFNUM UINT64_C(0x6ffffffd)
#define TAG_VERNEEDNUM UINT64_C(0x6fffffff)

/* A file of nothing but headers. */
typedef struct Shape {
    size_t loads, others, sections, dynamic; /* how many; others: segments */
    size_t soname, needed;                   /* bytes of these names */
} Shape;

static const Shape usual = {.loads = 1, .sections = 1, .dynamic = 4, .soname = 1, .needed = 1};

static void put_segment(uint8_t *at, uint32_t type, uint64_t offset, uint64_t size) {
    bytes_put_le32(at, type);
    bytes_put_le32(at + 4, ELF_FLAG_R);
    bytes_put_le64(at + 8, offset);
    bytes_put_le64(at + 16, offset);
    bytes_put_le64(at + 32, size);
    bytes_put_le64(at + 40, size);
    bytes_put_le64(at + 48, 4096);
}

static void put_entry(uint8_t *file, size_t index, uint64_t tag, uint64_t value) {
    bytes_put_le64(file + DYNAMIC_AT + index * 16, tag);
    bytes_put_le64(file + DYNAMIC_AT + index * 16 + 8, value);
}

static void make(const Shape *shape, uint8_t *file) {
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    const size_t segments = shape->loads + shape->others + 1, names = shape->soname + shape->needed + 2;
    uint8_t *at = file + SEGMENTS_AT;
    memset(file, 0, FILE_SIZE);
    memcpy(file, ident, sizeof ident);
    file[16] = 3;
    file[18] = 62;
    bytes_put_le64(file + 32, SEGMENTS_AT);
    bytes_put_le64(file + 40, SECTIONS_AT);
    bytes_put_le16(file + 54, ELF_SEGMENT_HEADER_SIZE);
    bytes_put_le16(file + 56, (uint16_t)segments);
    bytes_put_le16(file + 58, ELF_SECTION_HEADER_SIZE);
    bytes_put_le16(file + 60, (uint16_t)shape->sections);
    for (size_t i = 0; i < segments; i++, at += ELF_SEGMENT_HEADER_SIZE) {
        if (i < shape->loads) {
            put_segment(at, ELF_SEGMENT_LOAD, 0, FILE_SIZE);
        } else if (i < shape->loads + shape->others) {
            put_segment(at, SEGMENT_NOTE, 0, 0);
        } else {
            put_segment(at, ELF_SEGMENT_DYNAMIC, DYNAMIC_AT, shape->dynamic * 16);
        }
    }
    bytes_put_le64(file + SECTIONS_AT + 24, NAMES_AT); /* the names are those of the first section, */
    bytes_put_le64(file + SECTIONS_AT + 32, 1);        /* which has none */
    memset(file + NAMES_AT + 1, 'x', names);
    file[NAMES_AT + 1 + shape->soname] = file[NAMES_AT + names] = 0;
    put_entry(file, 0, ELF_TAG_SONAME, 1);
    put_entry(file, 1, ELF_TAG_STRTAB, NAMES_AT);
    put_entry(file, 2, ELF_TAG_NEEDED, 2 + shape->soname);
    for (size_t i = 3; i < shape->dynamic; i++) {
        put_entry(file, i, TAG_DEBUG, 0);
    }
}

static bool count_needed(void *context, const char *soname, Error *err) {
    (void)err;
    *(size_t *)context = strlen(soname);
    return true;
}

static ErrorKind read_all(const Shape *shape) {
    static uint8_t file[FILE_SIZE];
    static Elf elf;
    Error err = ERROR_INIT;
    ElfSoname soname;
    size_t needed = 0;
    make(shape, file);
    bool good = elf_parse((Bytes){file, sizeof file}, &elf, &err) && elf_soname(&elf, &soname, &err) &&
                elf_each_needed(&elf, count_needed, &needed, &err);
    assert_true(good == (err.kind == ERROR_NONE));
    assert_true(!good || (strlen(soname.text) == shape->soname && needed == shape->needed));
    return err.kind;
}

static void tables_of_an_elf_file(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        const ErrorKind expected = over <= 0 ? ERROR_NONE : ERROR_LIMIT;
        Shape segments = usual, loads = usual, sections = usual, dynamic = usual;
        segments.others = (size_t)(ELF_SEGMENTS_MAX - 2 + over);
        assert_int_equal(read_all(&segments), expected);
        loads.loads = (size_t)(ELF_LOADS_MAX + over);
        assert_int_equal(read_all(&loads), expected);
        sections.sections = (size_t)(ELF_SECTIONS_MAX + over);
        assert_int_equal(read_all(&sections), expected);
        dynamic.dynamic = (size_t)(ELF_DYNAMIC_ENTRIES_MAX + over);
        assert_int_equal(read_all(&dynamic), expected);
    }
}

static void names_of_libraries(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        const ErrorKind expected = over <= 0 ? ERROR_NONE : ERROR_INPUT;
        Shape soname = usual, needed = usual;
        soname.soname = (size_t)(ELF_SONAME_MAX + over);
        assert_int_equal(read_all(&soname), expected);
        needed.needed = (size_t)(ELF_SONAME_MAX + over);
        assert_int_equal(read_all(&needed), expected);
    }
}

static ErrorKind parse(EnclaveCase *fixture) {
    Error err = ERROR_INIT;
    Bytes file = {fixture->maker.file, fixture->maker.file_size};
    return elf_parse(file, &fixture->elf, &err) && metadata_parse(&fixture->elf, &fixture->metadata, &err)
               ? ERROR_NONE
               : err.kind;
}

/* With another number in the file; what it is a number of is not there, so below the limit that is wrong. */
static void expect_limit(EnclaveCase *fixture, size_t at, uint32_t most, uint32_t unit) {
    const uint32_t former = bytes_le32(fixture->maker.file + at);
    for (int over = -1; over <= 1; over++) {
        bytes_put_le32(fixture->maker.file + at, (uint32_t)((int)most + over) * unit);
        ErrorKind kind = parse(fixture);
        if ((kind == ERROR_LIMIT) != (over > 0)) {
            fail_msg("%d times %u at 0x%zx: %s", (int)most + over, unit, at, error_kind_name(kind));
        }
    }
    bytes_put_le32(fixture->maker.file + at, former);
}

static void tables_of_metadata(void **state) {
    EnclaveCase *fixture = *state;
    enum { PATCHES_SIZE = 1876, LAYOUT_SIZE = 1884, EXTENDS_SIZE = 1900 };
    const size_t entry = fixture->maker.entries[0].at;
    assert_int_equal(parse(fixture), ERROR_NONE);
    expect_limit(fixture, MAKER_NOTE_AT + 4, METADATA_DESC_SIZE_MAX, 1);
    expect_limit(fixture, entry + PATCHES_SIZE, METADATA_PATCHES_MAX, METADATA_RECORD_SIZE);
    expect_limit(fixture, entry + LAYOUT_SIZE, METADATA_LAYOUT_MAX, METADATA_RECORD_SIZE);
    expect_limit(fixture, entry + EXTENDS_SIZE, METADATA_EXTENDS_MAX, METADATA_EXTEND_RECORD_SIZE);
}

static void pages_of_an_ssa_frame(void **state) {
    EnclaveCase *fixture = *state;
    enum { SSA_FRAME_SIZE = 24, PAGES = 4 };
    for (int over = -1; over <= 1; over++) {
        fixture->maker.file[fixture->maker.entries[0].at + SSA_FRAME_SIZE] = (uint8_t)(PAGES + over);
        assert_int_equal(parse(fixture), over <= 0 ? ERROR_NONE : ERROR_INPUT);
    }
}

static ErrorKind open_image(EnclaveCase *fixture, const ImageLimits *limits) {
    Error err = ERROR_INIT;
    Image image = {0};
    assert_int_equal(parse(fixture), ERROR_NONE);
    bool good = image_open(&fixture->elf, &fixture->metadata.entries[0], limits, &image, &err);
    image_close(&image);
    assert_int_equal(good, err.kind == ERROR_NONE);
    return err.kind;
}

static void what_an_image_may_cost(void **state) {
    EnclaveCase *fixture = *state;
    Image image;
    assert_int_equal(parse(fixture), ERROR_NONE);
    assert_true(image_open(&fixture->elf, &fixture->metadata.entries[0], &image_limits_bundle, &image, NULL));
    const ImageLimits costs = {.file_size = fixture->maker.file_size,
                               .enclave_size = image.secs_size,
                               .hashed_bytes = image_hashed_bytes(&image),
                               .regions = image.regions_count};
    image_close(&image);
    for (int over = -1; over <= 1; over++) { /* it costs so much more than it may */
        const uint64_t one = (uint64_t)(int64_t)over;
        const ErrorKind expected = over <= 0 ? ERROR_NONE : ERROR_LIMIT;
        ImageLimits limits[4] = {costs, costs, costs, costs};
        limits[0].file_size -= one;
        limits[1].enclave_size -= one;
        limits[2].hashed_bytes -= one;
        limits[3].regions -= (size_t)one;
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(open_image(fixture, &limits[i]), expected);
        }
    }
}

static void repetitions_of_a_group(void **state) {
    EnclaveCase *fixture = *state;
    enum { LOAD_TIMES = 4096 };
    uint8_t *group = fixture->maker.file + fixture->maker.entries[0].layout_at + 8 * METADATA_RECORD_SIZE;
    bytes_put_le64(group + 8, 0); /* in steps of nothing: the same pages again, once it is not too often */
    for (int over = -1; over <= 1; over++) {
        bytes_put_le32(group + 4, (uint32_t)(LOAD_TIMES + over));
        assert_int_equal(open_image(fixture, &image_limits_any), over <= 0 ? ERROR_INPUT : ERROR_LIMIT);
    }
}

/* Where the value of a tag is. */
static uint8_t *dynamic_value(uint8_t *file, uint64_t tag) {
    uint8_t *at = file;
    while (bytes_le64(at) != tag) {
        assert_int_not_equal(bytes_le64(at), ELF_TAG_NULL);
        at += 16;
    }
    return at + 8;
}

static void relocations_of_text(void **state) {
    EnclaveCase *fixture = *state;
    enum { RELOCATIONS = 1000 * 1000, RELOCATION_SIZE = 24 };
    fixture->maker.text_relocations = true;
    maker_make(&fixture->maker, fixture->key);
    assert_int_equal(open_image(fixture, &image_limits_bundle), ERROR_NONE);
    uint8_t *size = dynamic_value(fixture->maker.file + MAKER_DYNAMIC_AT, ELF_TAG_RELASZ);
    for (int over = -1; over <= 1; over++) {
        bytes_put_le64(size, (uint64_t)(RELOCATIONS + over) * RELOCATION_SIZE);
        assert_int_equal(open_image(fixture, &image_limits_bundle), over <= 0 ? ERROR_INPUT : ERROR_LIMIT);
    }
}

static ErrorKind open_library(uint8_t *bytes, size_t size) {
    Error err = ERROR_INIT;
    ElfLibrary library;
    return elf_library_open((Bytes){bytes, size}, &library, &err) ? ERROR_NONE : err.kind;
}

static void symbols_and_versions_of_a_library(void **state) {
    (void)state;
    static const LibrarySpec spec = {.soname = "libone.so.1",
                                     .needed = {"libtwo.so.2"},
                                     .defines = {"one"},
                                     .version = "ONE_1.0",
                                     .wants = {"two"},
                                     .wanted_version = "TWO_2.0"};
    uint8_t bytes[MAKER_SIZE_MAX];
    ElfLibrary library;
    size_t size = library_make(&spec, bytes);
    assert_true(elf_library_open((Bytes){bytes, size}, &library, NULL));
    uint8_t *dynamic = bytes + (library.dynamic.data - bytes);
    uint8_t *symbols = bytes + bytes_le64(dynamic_value(dynamic, TAG_HASH)) + 4;
    uint8_t *counts[] = {dynamic_value(dynamic, TAG_VERNEEDNUM), dynamic_value(dynamic, TAG_VERDEFNUM)};
    for (int over = -1; over <= 1; over++) {
        for (size_t i = 0; i < 2; i++) {
            bytes_put_le64(counts[i], (uint64_t)(ELF_LIBRARY_VERSIONS_MAX + over));
            assert_int_equal(open_library(bytes, size), over <= 0 ? ERROR_NONE : ERROR_LIMIT);
            bytes_put_le64(counts[i], 1);
        }
        bytes_put_le32(symbols, (uint32_t)(ELF_LIBRARY_SYMBOLS_MAX + over)); /* that are not there */
        assert_int_equal(open_library(bytes, size), over <= 0 ? ERROR_INPUT : ERROR_LIMIT);
        bytes_put_le32(symbols, 3);
    }
}

static bool count_versions(void *context, const char *soname, const char *version, Error *err) {
    (void)soname, (void)version, (void)err;
    ++*(size_t *)context;
    return true;
}

static void versions_that_one_library_is_wanted_to_give(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        size_t count = 0;
        uint8_t needs[32] = {1, 0};
        bytes_put_le16(needs + 2, (uint16_t)(ELF_LIBRARY_VERSIONS_MAX + over));
        bytes_put_le32(needs + 8, 16); /* there is one, whose next is itself */
        const ElfLibrary library = {
            .needs = {needs, sizeof needs}, .needs_count = 1, .strings = {(const uint8_t *)"", 1}};
        assert_int_equal(elf_library_each_need(&library, count_versions, &count, &err), over <= 0);
        assert_int_equal(count, ELF_LIBRARY_VERSIONS_MAX + (over < 0 ? over : 0));
    }
}

static bool measure_name(void *context, const ElfSymbol *symbol, Error *err) {
    (void)err;
    *(size_t *)context = strlen(symbol->name);
    return true;
}

static void the_name_of_a_symbol(void **state) {
    (void)state;
    uint8_t symbols[2 * 24] = {0}, names[ELF_LIBRARY_NAME_MAX + 2];
    symbols[24 + 4] = 1 << 4; /* global */
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        size_t length = 0;
        memset(names, 'x', sizeof names);
        names[ELF_LIBRARY_NAME_MAX + over] = 0;
        const ElfLibrary library = {.symbols = {symbols, sizeof symbols}, .strings = {names, sizeof names}};
        assert_int_equal(elf_library_each_symbol(&library, measure_name, &length, &err), over <= 0);
        assert_int_equal(length, over <= 0 ? ELF_LIBRARY_NAME_MAX + over : 0);
    }
}

static void version_tables_that_are_cut_off_give_no_version(void **state) {
    (void)state;
    uint8_t gives[4] = {0};
    const ElfLibrary library = {.gives = {gives, sizeof gives}, .gives_count = 1};
    assert_false(elf_library_gives_version(&library, "ONE_1.0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_of_an_elf_file),
        cmocka_unit_test(names_of_libraries),
        cmocka_unit_test_setup(tables_of_metadata, enclave_case_make),
        cmocka_unit_test_setup(pages_of_an_ssa_frame, enclave_case_make),
        cmocka_unit_test_setup(what_an_image_may_cost, enclave_case_make),
        cmocka_unit_test_setup(repetitions_of_a_group, enclave_case_make),
        cmocka_unit_test_setup(relocations_of_text, enclave_case_make),
        cmocka_unit_test(symbols_and_versions_of_a_library),
        cmocka_unit_test(versions_that_one_library_is_wanted_to_give),
        cmocka_unit_test(the_name_of_a_symbol),
        cmocka_unit_test(version_tables_that_are_cut_off_give_no_version),
    };
    return cmocka_run_group_tests(tests, enclave_case_open, enclave_case_close);
}
