/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <zstd.h>

#include "bundles/archive_header.h"
#include "bundles/archive_seal.h"
#include "tests/unit/bundles/fixture.h"

/* What a hostile author can do who knows the format: any tar stream in any frames, with a seal that fits. */

enum { STREAM_MAX = 4 * 1024 * 1024 };

typedef struct Piece {
    const char *path;
    const char *text;
} Piece;

static const Piece manifest_piece = {MANIFEST_NAME, "format: 1\n"};
static const Piece data_piece = {"data/notes", "some notes"};

static void add_header(Buffer *stream, const char *path, uint64_t size, unsigned mode) {
    Error err = ERROR_INIT;
    ArchiveHeader header;
    assert_true(archive_header_make(path, size, mode, &header, &err));
    assert_true(buffer_append(stream, header.bytes, sizeof header.bytes));
}

static void add_piece(Buffer *stream, Piece piece) {
    size_t size = strlen(piece.text);
    add_header(stream, piece.path, size, 0644);
    assert_true(buffer_append(stream, piece.text, size));
    assert_true(buffer_append_zeros(stream, archive_padding(size)));
}

static void good_stream(Buffer *stream) {
    buffer_clear(stream);
    add_piece(stream, manifest_piece);
    add_piece(stream, data_piece);
    assert_true(buffer_append_zeros(stream, ARCHIVE_END_SIZE));
}

static size_t compress(const Buffer *stream, int window_log, uint8_t *frame, size_t size) {
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
    (void)ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    ZSTD_inBuffer in = {.src = stream->data, .size = stream->size};
    ZSTD_outBuffer out = {.dst = frame, .size = size};
    /* In two steps: zstd would make the window smaller for a size that it knew beforehand. */
    assert_false(ZSTD_isError(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_continue)));
    assert_int_equal(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end), 0);
    ZSTD_freeCCtx(zstd);
    return out.pos;
}

static void put_sealed(const Place *place, const void *frames, size_t size) {
    Error err = ERROR_INIT;
    Digest digest;
    uint8_t seal[ARCHIVE_SEAL_SIZE];
    assert_true(digest_of(frames, size, &digest));
    archive_seal_format(&digest, seal);
    AUTO_CLOSE int fd = file_open(place->fd, "crafted", O_WRONLY | O_CREAT | O_TRUNC, 0644, &err);
    assert_true(file_write_fd(fd, "crafted", frames, size, &err));
    assert_true(file_write_fd(fd, "crafted", seal, sizeof seal, &err));
}

static void put_stream(const Place *place, const Buffer *stream) {
    size_t room = ZSTD_compressBound(stream->size) + 64;
    AUTO_FREE uint8_t *frame = malloc(room);
    put_sealed(place, frame, compress(stream, ARCHIVE_WINDOW_LOG, frame, room));
}

CLEANUP_DEFINE(ArchiveReader, archive_reader_close)
CLEANUP_DEFINE(ArchiveWriter, archive_writer_close)

static bool read_piece(ArchiveReader *reader, const char *text, Error *err) {
    char content[256];
    size_t at = 0;
    for (size_t size = 1; size > 0; at += size) {
        if (!archive_reader_read(reader, content + at, 3, &size, err)) {
            return false;
        }
    }
    assert_int_equal(at, strlen(text));
    assert_memory_equal(content, text, at);
    return true;
}

/* Reads it as the two files that it should have. */
static bool read_crafted(const Place *place, Error *err) {
    AUTO_CLOSE int fd = fixture_open(place, "crafted");
    CLEANUP(archive_reader_closep) ArchiveReader *reader = archive_reader_open(fd, err);
    return reader != NULL && archive_reader_begin_first(reader, MANIFEST_NAME, 64, err) &&
           read_piece(reader, manifest_piece.text, err) &&
           archive_reader_begin(reader, data_piece.path, strlen(data_piece.text), 0644, err) &&
           read_piece(reader, data_piece.text, err) && archive_reader_finish(reader, err);
}

static void refused(const Place *place, const Buffer *stream, ErrorKind kind, const char *why) {
    Error err = ERROR_INIT;
    put_stream(place, stream);
    if (read_crafted(place, &err)) {
        fail_msg("accepted, not refused: %s", why);
    }
    if (err.kind != kind || strstr(err.text, why) == NULL) {
        fail_msg("expected '%s', got '%s'", why, err.text);
    }
}

static void a_stream_as_it_has_to_be_is_read(void **state) {
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    good_stream(&stream);
    put_stream(*state, &stream);
    if (!read_crafted(*state, &err)) {
        fail_msg("%s", err.text);
    }
}

static void any_changed_byte_of_the_stream_is_refused_with_a_seal_that_fits(void **state) {
    const Place *place = *state;
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    good_stream(&stream);
    for (size_t at = 0; at < stream.size; at++) {
        Error err = ERROR_INIT;
        /* The contents are for the manifest's digests to judge, not for the archive. */
        bool is_content = (at >= 512 && at < 512 + strlen(manifest_piece.text)) ||
                          (at >= 1536 && at < 1536 + strlen(data_piece.text));
        if (is_content) {
            continue;
        }
        stream.data[at] ^= 1;
        put_stream(place, &stream);
        stream.data[at] ^= 1;
        if (read_crafted(place, &err)) {
            fail_msg("byte %zu may change", at);
        }
    }
}

static void a_link_or_a_device_is_no_plain_file(void **state) {
    static const char types[] = {'1', '2', '3', '4', '5', '6', 'x', 'g', 'L', 'S', 0};
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    for (size_t i = 0; i < sizeof types; i++) {
        good_stream(&stream);
        stream.data[1024 + 156] = (uint8_t)types[i];
        refused(*state, &stream, ERROR_INPUT, "'data/notes' is not a plain file");
    }
}

static void another_file_in_a_files_place_is_named(void **state) {
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    add_piece(&stream, manifest_piece);
    add_piece(&stream, (Piece){"../../etc/cron.d/x", "some notes"});
    assert_true(buffer_append_zeros(&stream, ARCHIVE_END_SIZE));
    refused(*state, &stream, ERROR_INPUT, "'../../etc/cron.d/x' stands where 'data/notes' has to be");
    buffer_clear(&stream);
    add_piece(&stream, data_piece);
    refused(*state, &stream, ERROR_INPUT, "'data/notes' stands where 'manifest.yaml' has to be");
    good_stream(&stream);
    memcpy(stream.data + 1024, "\x1b[2J\xff", 5);
    refused(*state, &stream, ERROR_INPUT, "'?[2J?notes' stands where");
}

static void a_missing_file_is_named(void **state) {
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    add_piece(&stream, manifest_piece);
    assert_true(buffer_append_zeros(&stream, ARCHIVE_END_SIZE));
    refused(*state, &stream, ERROR_INPUT, "'data/notes' is missing");
}

static void a_file_too_many_is_refused(void **state) {
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    add_piece(&stream, manifest_piece);
    add_piece(&stream, data_piece);
    add_piece(&stream, data_piece);
    assert_true(buffer_append_zeros(&stream, ARCHIVE_END_SIZE));
    refused(*state, &stream, ERROR_INPUT, "only zeros");
}

static void another_size_mode_owner_or_time_is_refused(void **state) {
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    add_piece(&stream, manifest_piece);
    add_header(&stream, data_piece.path, 10, 0755);
    refused(*state, &stream, ERROR_INPUT, "another size or mode");
    buffer_clear(&stream);
    add_piece(&stream, manifest_piece);
    add_header(&stream, data_piece.path, 11, 0644);
    refused(*state, &stream, ERROR_INPUT, "another size or mode");
}

static void a_manifest_beyond_its_limit_is_refused_before_it_is_read(void **state) {
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    add_header(&stream, MANIFEST_NAME, 65, 0644);
    refused(*state, &stream, ERROR_LIMIT, "has 65 bytes, at most 64");
}

static void an_archive_that_ends_early_or_late_is_refused(void **state) {
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    good_stream(&stream);
    stream.size -= 512;
    refused(*state, &stream, ERROR_INPUT, "ends too early");
    good_stream(&stream);
    assert_true(buffer_append_zeros(&stream, 512));
    refused(*state, &stream, ERROR_INPUT, "behind the archive's end");
    good_stream(&stream);
    assert_true(buffer_append_text(&stream, "x"));
    refused(*state, &stream, ERROR_INPUT, "behind the archive's end");
}

static void more_than_one_frame_is_refused(void **state) {
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'j', 'u', 'n', 'k'};
    const Place *place = *state;
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    CLEANUP(buffer_done) Buffer nothing = BUFFER_INIT(STREAM_MAX);
    uint8_t frames[8192];
    good_stream(&stream);
    size_t size = compress(&stream, ARCHIVE_WINDOW_LOG, frames, sizeof frames);

    Error err = ERROR_INIT;
    memcpy(frames + size, skippable, sizeof skippable);
    put_sealed(place, frames, size + sizeof skippable);
    assert_false(read_crafted(place, &err));
    assert_non_null(strstr(err.text, "behind the compressed frame"));

    err = ERROR_INIT;
    assert_true(buffer_append_zeros(&nothing, 0));
    size_t more = compress(&nothing, ARCHIVE_WINDOW_LOG, frames + size, sizeof frames - size);
    put_sealed(place, frames, size + more);
    assert_false(read_crafted(place, &err));
    assert_non_null(strstr(err.text, "behind the compressed frame"));

    err = ERROR_INIT;
    memmove(frames + sizeof skippable, frames, size);
    memcpy(frames, skippable, sizeof skippable);
    put_sealed(place, frames, size + sizeof skippable);
    assert_false(read_crafted(place, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
}

static void a_frame_that_wants_more_memory_is_refused(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    CLEANUP(buffer_done) Buffer stream = BUFFER_INIT(STREAM_MAX);
    uint8_t frame[8192];
    good_stream(&stream);
    put_sealed(place, frame, compress(&stream, ARCHIVE_WINDOW_LOG + 1, frame, sizeof frame));
    assert_false(read_crafted(place, &err));
    assert_non_null(strstr(err.text, "memory"));
}

/* Writes files of these sizes (contents by a simple rule) and lets libarchive read them. */
static void other_readers_see_the_same_files(void **state) {
    static const uint64_t sizes[] = {0, 1, 511, 512, 513, 131072, 300001};
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_FREE uint8_t *content = malloc(300001);
    AUTO_FREE uint8_t *seen = malloc(300001);
    for (size_t i = 0; i < 300001; i++) {
        content[i] = (uint8_t)(i * i >> 7);
    }
    AUTO_CLOSE int fd = file_open(place->fd, "made", O_RDWR | O_CREAT, 0644, &err);
    CLEANUP(archive_writer_closep) ArchiveWriter *writer = archive_writer_open(fd, "made", &err);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "d/%zu", i);
        assert_true(archive_writer_begin(writer, path, sizes[i], i % 2 ? 0755 : 0644, &err));
        assert_true(archive_writer_add(writer, content, sizes[i], &err));
    }
    assert_true(archive_writer_finish(writer, &err));
    assert_int_equal(archive_writer_size(writer), lseek(fd, 0, SEEK_CUR));

    struct archive *tar = archive_read_new();
    struct archive_entry *entry = NULL;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(archive_read_support_format_tar(tar), ARCHIVE_OK);
    assert_int_equal(archive_read_support_filter_zstd(tar), ARCHIVE_OK);
    assert_int_equal(archive_read_open_fd(tar, fd, 65536), ARCHIVE_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(archive_read_next_header(tar, &entry), ARCHIVE_OK);
        assert_int_equal(archive_entry_size(entry), sizes[i]);
        assert_int_equal(archive_entry_filetype(entry), AE_IFREG);
        assert_int_equal(archive_entry_perm(entry), i % 2 ? 0755 : 0644);
        assert_int_equal(archive_entry_mtime(entry), 0);
        assert_int_equal(archive_entry_uid(entry), 0);
        assert_int_equal(archive_read_data(tar, seen, 300001), sizes[i]);
        assert_memory_equal(seen, content, sizes[i]);
    }
    assert_int_equal(archive_read_next_header(tar, &entry), ARCHIVE_EOF);
    assert_int_equal(archive_read_free(tar), ARCHIVE_OK);
}

static void a_writer_that_is_given_too_much_or_too_little_fails(void **state) {
    const Place *place = *state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = file_open(place->fd, "made", O_RDWR | O_CREAT, 0644, &err);
    CLEANUP(archive_writer_closep) ArchiveWriter *writer = archive_writer_open(fd, "made", &err);
    assert_true(archive_writer_begin(writer, "a", 2, 0644, &err));
    assert_false(archive_writer_add(writer, "abc", 3, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_true(archive_writer_add(writer, "a", 1, &err));
    err = ERROR_INIT;
    assert_false(archive_writer_begin(writer, "b", 0, 0644, &err));
    assert_int_equal(err.kind, ERROR_CONFLICT);
}

static void the_header_is_fixed_to_the_byte(void **state) {
    Error err = ERROR_INIT;
    ArchiveHeader header;
    Digest digest;
    char hex[DIGEST_HEX_SIZE];
    (void)state;
    assert_true(archive_header_make("lib/libsgx_dcap_ql.so.1", 123456, 0755, &header, &err));
    assert_true(digest_of(header.bytes, sizeof header.bytes, &digest));
    digest_format(&digest, hex);
    /* A bundle that one libarchive wrote has to be one to every other. */
    assert_string_equal(hex, "15ee0d27ef344efb8a6f0c55f9f8ef73cfe1b1add4dd31547ac8de6a41c06ef6");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, place_setup, place_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_stream_as_it_has_to_be_is_read),
        TEST(any_changed_byte_of_the_stream_is_refused_with_a_seal_that_fits),
        TEST(a_link_or_a_device_is_no_plain_file),
        TEST(another_file_in_a_files_place_is_named),
        TEST(a_missing_file_is_named),
        TEST(a_file_too_many_is_refused),
        TEST(another_size_mode_owner_or_time_is_refused),
        TEST(a_manifest_beyond_its_limit_is_refused_before_it_is_read),
        TEST(an_archive_that_ends_early_or_late_is_refused),
        TEST(more_than_one_frame_is_refused),
        TEST(a_frame_that_wants_more_memory_is_refused),
        TEST(other_readers_see_the_same_files),
        TEST(a_writer_that_is_given_too_much_or_too_little_fails),
        TEST(the_header_is_fixed_to_the_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
