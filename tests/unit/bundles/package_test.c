/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/package.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/package_parts.h"
#include "tests/support/tar_header.h"

static void freep_archive(struct archive **archive) {
    (void)archive_write_free(*archive);
}

static void put(struct archive *archive, const char *path, unsigned type, const void *data, size_t size) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    if (type == AE_IFREG) {
        archive_entry_set_size(entry, (la_int64_t)size);
    } else {
        archive_entry_set_symlink(entry, data);
    }
    assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
    if (type == AE_IFREG) {
        assert_int_equal(archive_write_data(archive, data, size), size);
    }
    archive_entry_free(entry);
}

/* A tar archive that is written into a descriptor. */
static struct archive *tar_begin(int *ret_fd, bool gzip) {
    struct archive *archive = archive_write_new();
    *ret_fd = memfd_create("package", MFD_CLOEXEC);
    assert_int_equal(archive_write_set_format_pax_restricted(archive), ARCHIVE_OK);
    assert_int_equal(gzip ? archive_write_add_filter_gzip(archive) : archive_write_add_filter_none(archive),
                     ARCHIVE_OK);
    assert_int_equal(archive_write_open_fd(archive, *ret_fd), ARCHIVE_OK);
    return archive;
}

/* With two files, a link, and a name that climbs. */
static int tar_file(bool gzip) {
    int fd = -1;
    CLEANUP(freep_archive) struct archive *archive = tar_begin(&fd, gzip);
    put(archive, "./usr/lib/a.so", AE_IFREG, "first", 5);
    put(archive, "link", AE_IFLNK, "usr/lib/a.so", 0);
    put(archive, "/../b", AE_IFREG, "second", 6);
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    return fd;
}

static int memory_file(const void *data, size_t size) {
    int fd = memfd_create("package", MFD_CLOEXEC);
    assert_int_equal(write(fd, data, size), size);
    return fd;
}

typedef struct Seen {
    char text[256];
    const char *wanted; /* NULL: all */
    uint64_t asked;
    size_t longest; /* path */
} Seen;

static bool wants(void *context, const char *path, uint64_t size, Bytes head) {
    Seen *seen = context;
    seen->asked++;
    seen->longest = strlen(path) > seen->longest ? strlen(path) : seen->longest;
    assert_int_equal(head.size, size < PACKAGE_HEAD_SIZE ? size : PACKAGE_HEAD_SIZE);
    return seen->wanted == NULL || strcmp(path, seen->wanted) == 0;
}

static bool on_file(void *context, const PackageInfo *info, const char *path, Bytes content, Error *err) {
    Seen *seen = context;
    (void)info, (void)err;
    size_t at = strlen(seen->text);
    (void)snprintf(seen->text + at, sizeof seen->text - at, "%s=%.*s;", path, (int)content.size,
                   content.data);
    return true;
}

static bool read_package(int fd, Seen *seen, PackageInfo *ret_info, Error *err) {
    const PackageVisitor visitor = {.context = seen, .wants = wants, .file = on_file};
    bool good = package_read(fd, "p", &visitor, ret_info, err);
    (void)close(fd);
    return good;
}

static void plain_files_are_handed_over_and_links_passed_over(void **state) {
    (void)state;
    for (int gzip = 0; gzip < 2; gzip++) {
        Error err = ERROR_INIT;
        Seen seen = {0};
        PackageInfo info;
        assert_true(read_package(tar_file(gzip), &seen, &info, &err));
        assert_int_equal(info.kind, PACKAGE_TAR);
        assert_string_equal(info.name, "");
        assert_string_equal(seen.text, "usr/lib/a.so=first;../b=second;");
        assert_int_equal(seen.asked, 2);
    }
}

static void only_what_is_wanted_is_read(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Seen seen = {.wanted = "usr/lib/a.so"};
    PackageInfo info;
    assert_true(read_package(tar_file(false), &seen, &info, &err));
    assert_string_equal(seen.text, "usr/lib/a.so=first;");
}

static void a_kind_is_told_by_its_bytes(void **state) {
    (void)state;
    static const struct {
        const char *head;
        size_t size;
        PackageKind kind;
    } cases[] = {{"!<arch>\ndebian-binary   ", 24, PACKAGE_DEB},
                 {"!<arch>\nx.o             ", 24, PACKAGE_NONE},
                 {"\xed\xab\xee\xdb", 4, PACKAGE_RPM},
                 {"\x1f\x8b\x08", 3, PACKAGE_TAR},
                 {"\177ELF", 4, PACKAGE_NONE},
                 {"", 0, PACKAGE_NONE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(package_kind((Bytes){.data = (const uint8_t *)cases[i].head, .size = cases[i].size}),
                         cases[i].kind);
    }
}

static void assert_refused(int fd, ErrorKind kind, const char *words) {
    Error err = ERROR_INIT;
    Seen seen = {0};
    PackageInfo info;
    assert_false(read_package(fd, &seen, &info, &err));
    assert_int_equal(err.kind, kind);
    if (strstr(err.text, words) == NULL) {
        fail_msg("'%s' is not in: %s", words, err.text);
    }
}

static void headers_of_rpm_that_lie_are_refused(void **state) {
    (void)state;
    uint8_t file[512] = {0xed, 0xab, 0xee, 0xdb};
    static const uint8_t intro[] = {0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0};
    assert_refused(memory_file(file, 50), ERROR_INPUT, "cut short");
    assert_refused(memory_file(file, sizeof file), ERROR_INPUT, "a header of the RPM package is missing");
    memcpy(file + 96, intro, sizeof intro);
    memset(file + 96 + 8, 0xff, 8); /* 2^32 - 1 entries and bytes */
    assert_refused(memory_file(file, sizeof file), ERROR_LIMIT, "larger than any should be");
    memset(file + 96 + 8, 0, 8);
    memcpy(file + 112, intro, sizeof intro);
    file[112 + 11] = 1; /* one entry, no store */
    memcpy(file + 128, "\0\0\x03\xe8\0\0\0\x06\xff\xff\xff\xff\0\0\0\1", 16);
    assert_refused(memory_file(file, sizeof file), ERROR_INPUT, "name lies outside its header");
}

static void what_is_no_package_is_refused(void **state) {
    (void)state;
    assert_refused(memory_file("x", 1), ERROR_INPUT, "neither a .deb");
    assert_refused(memory_file("\x1f\x8b\x08 not gzip", 12), ERROR_INPUT, "cannot be read");
    assert_refused(
        memory_file("!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n", 72),
        ERROR_INPUT, "no data.tar");
}

static void the_limits_of_texts_and_paths_hold_exactly(void **state) {
    (void)state;
    char letters[PACKAGE_PATH_MAX + 2], text[PACKAGE_TEXT_MAX + 1];
    memset(letters, 'a', sizeof letters);
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        Seen seen = {.wanted = ""};
        PackageInfo info;
        int fd = -1;
        CLEANUP(freep_archive) struct archive *archive = tar_begin(&fd, false);
        assert_int_equal(package_take_text("name", letters, (size_t)(PACKAGE_TEXT_MAX + over), text, &err),
                         over <= 0);
        letters[PACKAGE_PATH_MAX + over] = 0;
        put(archive, letters, AE_IFREG, "", 0);
        letters[PACKAGE_PATH_MAX + over] = 'a';
        assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
        err = ERROR_INIT;
        assert_true(read_package(fd, &seen, &info, &err));
        assert_int_equal(seen.asked, 1);
        assert_int_equal(seen.longest, PACKAGE_PATH_MAX + (over <= 0 ? over : 0)); /* a longer one is cut */
    }
}

static void the_limit_of_files_holds_exactly(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        Seen seen = {.wanted = ""};
        PackageInfo info;
        int fd = tar_header_many("f", (size_t)(PACKAGE_FILES_MAX + over));
        assert_int_equal(read_package(fd, &seen, &info, &err), over <= 0);
        assert_int_equal(err.kind, over <= 0 ? ERROR_NONE : ERROR_LIMIT);
    }
}

/* An .rpm of empty files with two names each, of which only the first is there. */
static int rpm_of_linked_files(int count) {
    static const char intro[16] = "\x8e\xad\xe8\x01";
    char entry[128];
    CLEANUP(buffer_done) Buffer rpm = BUFFER_INIT(1024 * 1024);
    assert_true(buffer_append(&rpm, "\xed\xab\xee\xdb\x03", 5) && buffer_append_zeros(&rpm, 91) &&
                buffer_append(&rpm, intro, sizeof intro) && buffer_append(&rpm, intro, sizeof intro));
    for (int i = 0; i <= count; i++) {
        const bool last = i == count;
        int length =
            snprintf(entry, sizeof entry, "070701%08X%08X%08X%08X%08X%048X%08X%08X%s", i + 1,
                     last ? 0 : 0100644, 0, 0, last ? 1 : 2, 0, last ? 11 : 2, 0, last ? "TRAILER!!!" : "f");
        assert_true(buffer_append(&rpm, entry, (size_t)length) &&
                    buffer_append_zeros(&rpm, 4 - (size_t)length % 4)); /* at least the NUL */
    }
    return memory_file(rpm.data, rpm.size);
}

static void the_limit_of_linked_files_holds_exactly(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        Seen seen = {.wanted = ""};
        PackageInfo info;
        bool good = read_package(rpm_of_linked_files(PACKAGE_LINKED_MAX + over), &seen, &info, &err);
        if (good != (over <= 0)) {
            fail_msg("%d too many: %s", over, err.text);
        }
        assert_int_equal(seen.asked, PACKAGE_LINKED_MAX + (over < 0 ? over : 0));
        assert_true(over <= 0 || (err.kind == ERROR_LIMIT && strstr(err.text, "several names") != NULL));
    }
}

/* An archive that is cut off behind a header: as large as the header says it may be, or too large? */
static void expect_cut_off_or_too_large(uint64_t size, uint64_t file_size, const char *wanted,
                                        const char *limit) {
    Error err = ERROR_INIT;
    Seen seen = {.wanted = wanted};
    PackageInfo info;
    assert_false(read_package(tar_header_sparse("f", size, file_size), &seen, &info, &err));
    if (err.kind != (limit == NULL ? ERROR_INPUT : ERROR_LIMIT) ||
        strstr(err.text, limit == NULL ? "" : limit) == NULL) {
        fail_msg("%llu bytes: %s", (unsigned long long)size, err.text);
    }
}

static void the_limits_of_sizes_hold_exactly(void **state) {
    (void)state;
    enum { TINY = 4096, SMALL = 512 * 1024, LARGE = 11 * 1024 * 1024 };
    for (int over = -1; over <= 1; over++) {
        const uint64_t one = (uint64_t)(int64_t)over;
        expect_cut_off_or_too_large(PACKAGE_TOTAL_SIZE_MAX + one, LARGE, "",
                                    over <= 0 ? NULL : "unpacks to more than 2048 MiB");
        expect_cut_off_or_too_large(PACKAGE_RATIO_MAX * (uint64_t)SMALL + one, SMALL, "",
                                    over <= 0 ? NULL : "unpacks to more than 200 times its size");
        expect_cut_off_or_too_large(PACKAGE_RATIO_FREE_SIZE + one, TINY, "",
                                    over <= 0 ? NULL : "unpacks to more than 200 times its size");
        expect_cut_off_or_too_large(PACKAGE_FILE_SIZE_MAX + one, SMALL, NULL,
                                    over <= 0 ? NULL : "at most 67108864 are possible");
    }
}

/* So many bytes, then those, and zeros up to a size. */
static int part_file(size_t skip, const void *data, size_t size, off_t file_size) {
    int fd = memfd_create("package", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, file_size), 0);
    assert_int_equal(pwrite(fd, data, size, (off_t)skip), size);
    return fd;
}

static void the_limits_of_rpm_headers_hold_exactly(void **state) {
    (void)state;
    enum { ENTRIES = 4096, STORE = 16 * 1024 * 1024 };
    for (int over = -1; over <= 1; over++) {
        for (int store = 0; store < 2; store++) {
            uint8_t intro[16] = {0x8e, 0xad, 0xe8, 0x01};
            const uint32_t value = htobe32((uint32_t)((store ? STORE : ENTRIES) + over));
            memcpy(intro + (store ? 12 : 8), &value, sizeof value);
            int fd = part_file(96, intro, sizeof intro, 2 * STORE);
            assert_int_equal(pwrite(fd, "\xed\xab\xee\xdb", 4, 0), 4);
            assert_refused(fd, over <= 0 ? ERROR_INPUT : ERROR_LIMIT,
                           over <= 0 ? "a header of the RPM package is missing"
                                     : "larger than any should be");
        }
    }
}

static void the_limit_of_a_control_file_holds_exactly(void **state) {
    (void)state;
    enum { CONTROL = 1024 * 1024 };
    for (int over = -1; over <= 1; over++) {
        char text[256];
        uint8_t head[sizeof text + TAR_HEADER_SIZE];
        int length = snprintf(text, sizeof text, "!<arch>\n%-48s%-10d`\n2.0\n%-48s%-10d`\n",
                              "debian-binary   0           0     0     100644", 4,
                              "control.tar     0           0     0     100644", 2 * CONTROL);
        memcpy(head, text, (size_t)length);
        tar_header_make(head + length, "control", (uint64_t)(CONTROL + over));
        assert_refused(part_file(0, head, (size_t)length + TAR_HEADER_SIZE, length + 2 * CONTROL),
                       over <= 0 ? ERROR_INPUT : ERROR_LIMIT,
                       over <= 0 ? "no data.tar in it" : "control file is larger than 1048576 bytes");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_files_are_handed_over_and_links_passed_over),
        cmocka_unit_test(only_what_is_wanted_is_read),
        cmocka_unit_test(a_kind_is_told_by_its_bytes),
        cmocka_unit_test(headers_of_rpm_that_lie_are_refused),
        cmocka_unit_test(what_is_no_package_is_refused),
        cmocka_unit_test(the_limits_of_texts_and_paths_hold_exactly),
        cmocka_unit_test(the_limit_of_files_holds_exactly),
        cmocka_unit_test(the_limit_of_linked_files_holds_exactly),
        cmocka_unit_test(the_limits_of_sizes_hold_exactly),
        cmocka_unit_test(the_limits_of_rpm_headers_hold_exactly),
        cmocka_unit_test(the_limit_of_a_control_file_holds_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
