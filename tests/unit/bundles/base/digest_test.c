/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "tests/support/faults.h"

/* FIPS 180-2, appendix B */
static const char abc_hex[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char empty_hex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char million_hex[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void expect_hex(const Digest *digest, const char *expected) {
    char hex[DIGEST_HEX_SIZE];
    digest_format(digest, hex);
    assert_string_equal(hex, expected);
}

static void known_digests_come_out(void **state) {
    (void)state;
    Digest digest;
    assert_true(digest_of("abc", 3, &digest));
    expect_hex(&digest, abc_hex);
    assert_true(digest_of("", 0, &digest));
    expect_hex(&digest, empty_hex);
}

static void a_stream_gives_the_same_and_starts_anew(void **state) {
    (void)state;
    DigestStream *stream = digest_stream_new();
    assert_non_null(stream);
    Digest digest;
    assert_true(digest_stream_add(stream, "a", 1));
    assert_true(digest_stream_add(stream, "bc", 2));
    assert_true(digest_stream_end(stream, &digest));
    expect_hex(&digest, abc_hex);
    assert_true(digest_stream_end(stream, &digest));
    expect_hex(&digest, empty_hex);
    char block[1000];
    memset(block, 'a', sizeof block);
    for (int at = 0; at < 1000; at++) {
        assert_true(digest_stream_add(stream, block, sizeof block));
    }
    assert_true(digest_stream_end(stream, &digest));
    expect_hex(&digest, million_hex);
    digest_stream_free(stream);
    digest_stream_free(NULL);
}

static void a_descriptor_is_read_from_where_it_stands(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_CLOSE int fd = memfd_create("digest-test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "xxabc", 5), 5);
    assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
    Digest digest;
    assert_true(digest_of_fd(fd, &digest, &err));
    expect_hex(&digest, abc_hex);
}

static void an_unreadable_descriptor_is_an_error(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    Digest digest;
    assert_false(digest_of_fd(-1, &digest, &err));
    assert_int_equal(err.kind, ERROR_SYSTEM);
}

static void only_64_hex_digits_are_a_digest(void **state) {
    (void)state;
    Digest digest;
    Digest same;
    assert_true(digest_parse(abc_hex, &digest));
    assert_true(digest_of("abc", 3, &same));
    assert_true(digest_equal(&digest, &same));
    same.bytes[31] ^= 1;
    assert_false(digest_equal(&digest, &same));
    assert_false(digest_parse("", &digest));
    assert_false(digest_parse(abc_hex + 1, &digest));
    char wrong[DIGEST_HEX_SIZE];
    memcpy(wrong, abc_hex, sizeof wrong);
    wrong[63] = 'g';
    assert_false(digest_parse(wrong, &digest));
}

static bool digest_it(void *context, Error *err) {
    int fd = *(int *)context;
    Digest digest;
    return digest_of_fd(fd, &digest, err) &&
           (digest.bytes[0] == 0xba || error_set(err, ERROR_INPUT, "wrong digest"));
}

static void rewind_it(void *context) {
    assert_int_equal(lseek(*(int *)context, 0, SEEK_SET), 0);
}

static void check_nothing(void *context, FaultOutcome outcome) {
    (void)context;
    (void)outcome;
}

static void a_read_that_fails_or_stops_short_never_gives_a_wrong_digest(void **state) {
    (void)state;
    AUTO_CLOSE int fd = memfd_create("digest-test", MFD_CLOEXEC);
    assert_int_equal(write(fd, "abc", 3), 3);
    faults_sweep(
        &(FaultSweep){.context = &fd, .prepare = rewind_it, .run = digest_it, .check = check_nothing});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests_come_out),
        cmocka_unit_test(a_stream_gives_the_same_and_starts_anew),
        cmocka_unit_test(a_descriptor_is_read_from_where_it_stands),
        cmocka_unit_test(an_unreadable_descriptor_is_an_error),
        cmocka_unit_test(only_64_hex_digits_are_a_digest),
        cmocka_unit_test(a_read_that_fails_or_stops_short_never_gives_a_wrong_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
