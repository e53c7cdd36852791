/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"

/* SHA-256 and SHA-512 of "abc", FIPS 180-4 */
static const char sha256[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char sha512[] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                             "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

static TufTarget target_of(const char *path, const char *first, const char *second) {
    Error err = ERROR_INIT;
    CLEANUP(json_freep) json_t *hashes = json_object();
    assert_true(first == NULL || json_put(hashes, "sha256", json_string(first)));
    assert_true(second == NULL || json_put(hashes, "sha512", json_string(second)));
    TufTarget target = {.path = strdup(path), .role = strdup("targets"), .length = 3};
    assert_true(tuf_hashes_parse(hashes, "t", &target.hashes, &err));
    return target;
}

static bool stream(const TufTarget *target, const char *first, const char *second) {
    Error err = ERROR_INIT;
    TufTargetStream *check = tuf_target_stream_new(target, &err);
    bool good = tuf_target_stream_add(check, first, strlen(first), &err) &&
                tuf_target_stream_add(check, second, strlen(second), &err) &&
                tuf_target_stream_end(check, &err);
    assert_true(good == (err.kind == ERROR_NONE));
    tuf_target_stream_free(check);
    return good;
}

static void every_listed_hash_must_agree(void **state) {
    (void)state;
    char wrong[130];
    (void)snprintf(wrong, sizeof wrong, "%s", sha512);
    wrong[0] = '0';
    CLEANUP(tuf_target_done) TufTarget one = target_of("x", sha256, NULL);
    CLEANUP(tuf_target_done) TufTarget other = target_of("x", NULL, sha512);
    CLEANUP(tuf_target_done) TufTarget both = target_of("x", sha256, sha512);
    CLEANUP(tuf_target_done) TufTarget half = target_of("x", sha256, wrong);
    assert_true(stream(&one, "a", "bc"));
    assert_true(stream(&other, "ab", "c"));
    assert_true(stream(&both, "", "abc"));
    assert_false(stream(&half, "abc", ""));
    assert_false(stream(&both, "abd", ""));
}

static void every_other_length_is_refused_though_the_beginning_is_right(void **state) {
    (void)state;
    CLEANUP(tuf_target_done) TufTarget target = target_of("x", sha256, NULL);
    assert_false(stream(&target, "ab", ""));
    assert_false(stream(&target, "", ""));
    assert_false(stream(&target, "abc", "d"));
    assert_false(stream(&target, "abcd", ""));
}

static void the_request_puts_the_hash_before_the_name_and_encodes_it(void **state) {
    (void)state;
    CLEANUP(tuf_target_done) TufTarget target = target_of("a/b c/x?", sha256, sha512);
    AUTO_FREE char *plain = tuf_target_request_path(&target, false);
    AUTO_FREE char *consistent = tuf_target_request_path(&target, true);
    assert_string_equal(plain, "a/b%20c/x%3F");
    assert_string_equal(consistent,
                        "a/b%20c/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.x%3F");
    CLEANUP(tuf_target_done) TufTarget longer = target_of("x", NULL, sha512);
    AUTO_FREE char *by_sha512 = tuf_target_request_path(&longer, true);
    assert_memory_equal(by_sha512, sha512, 128);
    assert_string_equal(by_sha512 + 128, ".x");
}

static void a_kept_file_counts_only_if_it_still_hashes_right(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    CLEANUP(tuf_target_done) TufTarget target = target_of("x", sha256, NULL);
    AUTO_CLOSE int fd = memfd_create("kept", MFD_CLOEXEC);
    assert_int_equal(write(fd, "abc", 3), 3);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_true(tuf_target_is_file(&target, fd, &err));
    assert_int_equal(pwrite(fd, "B", 1, 1), 1);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_false(tuf_target_is_file(&target, fd, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_hash_must_agree),
        cmocka_unit_test(every_other_length_is_refused_though_the_beginning_is_right),
        cmocka_unit_test(the_request_puts_the_hash_before_the_name_and_encodes_it),
        cmocka_unit_test(a_kept_file_counts_only_if_it_still_hashes_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
