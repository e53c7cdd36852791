/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tuf/role.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/json.h"
#include "bundles/tuf/signer.h"

enum { KEYS = 4 };
static const Bytes message = {(const uint8_t *)"message", 7};

typedef struct Signed {
    TufSigner *signers[KEYS];
    json_t *keys;
    TufKeyring keyring;
    TufRole role;
    const char *keyids[KEYS + 2];
    char *hex[KEYS];
    TufSignature signatures[KEYS + 2];
    size_t count;
} Signed;

/* Two Ed25519 keys, a P-256 and an RSA key, all of which sign. */
static int set_up(void **state) {
    static const char *const types[KEYS] = {"ed25519", "ed25519", "ecdsa", "rsa"};
    static Signed given;
    Error err = ERROR_INIT;
    given = (Signed){.keys = json_object()};
    for (size_t i = 0; i < KEYS; i++) {
        given.signers[i] = tuf_signer_generate(types[i], &err);
        given.keyids[i] = tuf_signer_keyid(given.signers[i]);
        assert_int_equal(json_object_set(given.keys, given.keyids[i], tuf_signer_public(given.signers[i])),
                         0);
        given.hex[i] = tuf_signer_sign(given.signers[i], message, &err);
        given.signatures[i] = (TufSignature){given.keyids[i], given.hex[i]};
    }
    given.count = KEYS;
    given.role = (TufRole){.name = "r", .keyids = given.keyids, .keyids_count = KEYS, .threshold = KEYS};
    *state = &given;
    return 0;
}

static int tear_down(void **state) {
    Signed *given = *state;
    for (size_t i = 0; i < KEYS; i++) {
        tuf_signer_free(given->signers[i]);
        free(given->hex[i]);
    }
    tuf_keyring_done(&given->keyring);
    json_decref(given->keys);
    return 0;
}

static bool verify(Signed *given) {
    Error err = ERROR_INIT;
    tuf_keyring_done(&given->keyring);
    assert_true(tuf_keyring_parse(given->keys, "keys", &given->keyring, &err));
    return tuf_role_verify(&given->role, &given->keyring, message, given->signatures, given->count, &err);
}

static void every_kind_of_key_counts_towards_the_threshold(void **state) {
    Signed *given = *state;
    assert_true(verify(given));
    given->count = KEYS - 1;
    assert_false(verify(given));
    given->role.threshold = KEYS - 1;
    assert_true(verify(given));
}

static void a_repeated_signature_counts_once(void **state) {
    Signed *given = *state;
    given->role.threshold = 2;
    given->signatures[1] = given->signatures[0];
    given->count = 2;
    assert_false(verify(given));
}

static void one_key_under_two_ids_counts_once_however_it_is_written(void **state) {
    Signed *given = *state;
    CLEANUP(json_freep) json_t *copy = json_deep_copy(tuf_signer_public(given->signers[2]));
    json_t *keyval = json_object_get(copy, "keyval");
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(4096);
    for (const char *at = json_string_value(json_object_get(keyval, "public")); *at != '\0'; at++) {
        assert_true(buffer_append(&pem, *at == '\n' ? "\r\n" : at, *at == '\n' ? 2 : 1));
    }
    assert_true(json_put(keyval, "public", json_string(buffer_text(&pem))));
    assert_true(json_put(copy, "x-note", json_true()));
    assert_int_equal(json_object_set(given->keys, "alias", copy), 0);
    given->keyids[0] = given->keyids[2];
    given->keyids[1] = "alias";
    given->role.keyids_count = 2;
    given->role.threshold = 2;
    given->signatures[0] = (TufSignature){given->keyids[0], given->hex[2]};
    given->signatures[1] = (TufSignature){"alias", given->hex[2]};
    given->count = 2;
    assert_false(verify(given));
    given->role.threshold = 1;
    assert_true(verify(given));
}

static void signatures_of_keys_that_the_role_does_not_name_do_not_count(void **state) {
    Signed *given = *state;
    given->role.keyids_count = 3;
    given->role.threshold = 4;
    assert_false(verify(given));
    given->role.threshold = 3;
    assert_true(verify(given));
}

static void a_malformed_signature_is_a_bad_one_and_spoils_nothing(void **state) {
    Signed *given = *state;
    static const char *const bad[] = {"", "0", "zz", "00", "not hex at all"};
    given->role.threshold = 3;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        given->signatures[0].hex = bad[i];
        assert_true(verify(given));
    }
    given->signatures[1].hex = "00";
    assert_false(verify(given));
}

static void a_key_whose_parts_do_not_fit_is_skipped_and_named_when_it_is_missed(void **state) {
    Signed *given = *state;
    Error err = ERROR_INIT;
    static const char *const members[] = {"keytype", "scheme"};
    for (size_t i = 0; i < 2; i++) {
        CLEANUP(json_freep) json_t *copy = json_deep_copy(tuf_signer_public(given->signers[0]));
        assert_true(json_put(copy, members[i], json_string("ecdsa-sha2-nistp384")));
        assert_int_equal(json_object_set(given->keys, given->keyids[0], copy), 0);
        given->role.threshold = 3;
        assert_true(verify(given));
        given->role.threshold = 4;
        assert_false(verify(given));
        assert_false(tuf_role_verify(&given->role, &given->keyring, message, given->signatures, 4, &err));
        assert_non_null(strstr(err.text, "its key type or scheme is unknown"));
    }
}

static void signatures_of_other_bytes_do_not_count(void **state) {
    Signed *given = *state;
    Error err = ERROR_INIT;
    assert_true(verify(given));
    given->role.threshold = 1;
    assert_false(tuf_role_verify(&given->role, &given->keyring, (Bytes){(const uint8_t *)"Message", 7},
                                 given->signatures, given->count, &err));
    assert_int_equal(err.kind, ERROR_VERIFY);
    assert_string_equal(err.text, "signed by 0 of its keys, 1 must sign");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_key_counts_towards_the_threshold),
        TEST(a_repeated_signature_counts_once),
        TEST(one_key_under_two_ids_counts_once_however_it_is_written),
        TEST(signatures_of_keys_that_the_role_does_not_name_do_not_count),
        TEST(a_malformed_signature_is_a_bad_one_and_spoils_nothing),
        TEST(a_key_whose_parts_do_not_fit_is_skipped_and_named_when_it_is_missed),
        TEST(signatures_of_other_bytes_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
