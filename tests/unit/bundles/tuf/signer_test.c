/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/signer.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/text.h"

static char directory[64];

static int make_directory(void **state) {
    (void)state;
    (void)snprintf(directory, sizeof directory, "/dev/shm/tuf-signer-test-XXXXXX");
    return mkdtemp(directory) == NULL;
}

static int remove_directory(void **state) {
    (void)state;
    return !file_remove_tree(AT_FDCWD, directory, NULL);
}

static bool say(void *context, const char *name, char *buffer, size_t size, Error *err) {
    (void)err;
    assert_non_null(name);
    return text_copy(buffer, size, context);
}

static void saved_keys_of_every_kind_load_and_sign_again(void **state) {
    (void)state;
    static const char *const types[] = {"ed25519", "ecdsa", "rsa"};
    Error err = ERROR_INIT;
    for (size_t i = 0; i < 3; i++) {
        AUTO_FREE char *path = text_format("%s/%s.pem", directory, types[i]);
        CLEANUP(tuf_signer_freep) TufSigner *made = tuf_signer_generate(types[i], &err);
        assert_true(tuf_signer_save(made, path, NULL, &err));
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
        CLEANUP(tuf_signer_freep) TufSigner *loaded = tuf_signer_load(path, NULL, &err);
        assert_non_null(loaded);
        assert_string_equal(tuf_signer_keyid(loaded), tuf_signer_keyid(made));
        AUTO_FREE char *hex = tuf_signer_sign(loaded, (Bytes){(const uint8_t *)"m", 1}, &err);
        assert_non_null(hex);
        assert_false(tuf_signer_save(made, path, NULL, &err));
        assert_int_equal(err.kind, ERROR_CONFLICT);
    }
}

static void an_encrypted_key_needs_its_passphrase(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_FREE char *path = text_format("%s/secret.pem", directory);
    char right[] = "correct horse", wrong[] = "battery staple";
    TufPassphrase passphrase = {say, right};
    CLEANUP(tuf_signer_freep) TufSigner *made = tuf_signer_generate("ed25519", &err);
    assert_true(tuf_signer_save(made, path, &passphrase, &err));
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(10000);
    assert_true(file_read(AT_FDCWD, path, &text, &err));
    assert_non_null(strstr(buffer_text(&text), "BEGIN ENCRYPTED PRIVATE KEY"));
    CLEANUP(tuf_signer_freep) TufSigner *loaded = tuf_signer_load(path, &passphrase, &err);
    assert_non_null(loaded);
    assert_null(tuf_signer_load(path, NULL, &err));
    assert_null(tuf_signer_load(path, &(TufPassphrase){say, wrong}, &err));
    assert_non_null(strstr(err.text, "the passphrase is wrong"));
    assert_null(tuf_signer_load(path, NULL, &err));
    assert_non_null(strstr(err.text, "is encrypted: no passphrase was given"));
    assert_int_equal(ERR_peek_error(), 0);
}

static void a_passphrase_has_1023_bytes_at_most(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        char letters[TUF_PASSPHRASE_MAX + 1] = {0};
        memset(letters, 'p', (size_t)(TUF_PASSPHRASE_MAX - 1 + over));
        const TufPassphrase passphrase = {say, letters};
        AUTO_FREE char *path = text_format("%s/long%d.pem", directory, over);
        CLEANUP(tuf_signer_freep) TufSigner *made = tuf_signer_generate("ed25519", &err);
        assert_int_equal(tuf_signer_save(made, path, &passphrase, &err), over <= 0);
        CLEANUP(tuf_signer_freep) TufSigner *loaded = tuf_signer_load(path, &passphrase, &err);
        assert_int_equal(loaded != NULL, over <= 0);
        letters[TUF_PASSPHRASE_MAX - 2 + over] = 'q'; /* the last byte counts */
        assert_null(tuf_signer_load(path, &passphrase, &err));
    }
}

static void a_public_key_can_be_listed_and_cannot_sign(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_FREE char *path = text_format("%s/public.pem", directory);
    CLEANUP(tuf_signer_freep) TufSigner *made = tuf_signer_generate("ecdsa", &err);
    const char *pem =
        json_string_value(json_object_get(json_object_get(tuf_signer_public(made), "keyval"), "public"));
    assert_true(file_replace(AT_FDCWD, path, pem, strlen(pem), 0644, &err));
    CLEANUP(tuf_signer_freep) TufSigner *loaded = tuf_signer_load(path, NULL, &err);
    assert_non_null(loaded);
    assert_string_equal(tuf_signer_keyid(loaded), tuf_signer_keyid(made));
    assert_null(tuf_signer_sign(loaded, (Bytes){(const uint8_t *)"m", 1}, &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

static void what_is_no_fit_key_is_refused_in_words(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_FREE char *path = text_format("%s/no-key", directory);
    assert_null(tuf_signer_load(path, NULL, &err));
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_true(file_replace(AT_FDCWD, path, "hello", 5, 0644, &err));
    assert_null(tuf_signer_load(path, NULL, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_null(tuf_signer_generate("dsa", &err));
    assert_int_equal(err.kind, ERROR_USAGE);
}

static void a_pipe_in_a_key_s_place_is_refused_without_waiting(void **state) {
    (void)state;
    static const char *const schemes[] = {"", "file:", "file://", "file://localhost", "FILE:"};
    AUTO_FREE char *pipe = text_format("%s/pipe", directory);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        Error err = ERROR_INIT;
        AUTO_FREE char *name = text_format("%s%s", schemes[i], pipe);
        assert_null(tuf_signer_load(name, NULL, &err));
        assert_int_equal(err.kind, ERROR_INPUT);
        assert_non_null(strstr(err.text, "is not a regular file"));
    }
}

static void a_key_is_read_from_what_is_open_already(void **state) {
    (void)state;
    Error err = ERROR_INIT;
    AUTO_FREE char *path = text_format("%s/open.pem", directory);
    CLEANUP(tuf_signer_freep) TufSigner *made = tuf_signer_generate("ed25519", &err);
    assert_true(tuf_signer_save(made, path, NULL, &err));
    AUTO_CLOSE int fd = file_open(AT_FDCWD, path, O_RDONLY, 0, &err);
    AUTO_FREE char *name = text_format("/dev/fd/%d", fd);
    AUTO_FREE char *uri = text_format("file://%s", path);
    CLEANUP(tuf_signer_freep) TufSigner *loaded = tuf_signer_load(name, NULL, &err);
    CLEANUP(tuf_signer_freep) TufSigner *by_uri = tuf_signer_load(uri, NULL, &err);
    assert_string_equal(tuf_signer_keyid(loaded), tuf_signer_keyid(made));
    assert_string_equal(tuf_signer_keyid(by_uri), tuf_signer_keyid(made));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saved_keys_of_every_kind_load_and_sign_again),
        cmocka_unit_test(an_encrypted_key_needs_its_passphrase),
        cmocka_unit_test(a_passphrase_has_1023_bytes_at_most),
        cmocka_unit_test(a_public_key_can_be_listed_and_cannot_sign),
        cmocka_unit_test(what_is_no_fit_key_is_refused_in_words),
        cmocka_unit_test(a_pipe_in_a_key_s_place_is_refused_without_waiting),
        cmocka_unit_test(a_key_is_read_from_what_is_open_already),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
