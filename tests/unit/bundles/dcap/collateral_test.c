/* SPDX-License-Identifier: Apache-2.0
 *
 * How much collateral is taken: every limit below, at and above.
 */
#include "bundles/dcap/collateral.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bundles/base/buffer.h"
#include "bundles/base/text.h"
#include "tests/support/place.h"

static EVP_PKEY *key;

static int make_key(void **state) {
    (void)state;
    key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    return key == NULL;
}

static int free_key(void **state) {
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

/* Appends the PEM text of what `write` puts out. */
static void append_pem(Buffer *pem, int (*write)(BIO *out, const void *object), const void *object) {
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL;
    assert_int_equal(write(out, object), 1);
    long size = BIO_get_mem_data(out, &text);
    assert_true(buffer_append(pem, text, (size_t)size));
    BIO_free_all(out);
}

static int write_certificate(BIO *out, const void *certificate) {
    return PEM_write_bio_X509(out, certificate);
}

static int write_crl(BIO *out, const void *crl) {
    return PEM_write_bio_X509_CRL(out, crl);
}

static void append_certificates(Buffer *pem, int first, int count) {
    for (int serial = first; serial < first + count; serial++) {
        X509 *certificate = X509_new();
        assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
        X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
        assert_int_equal(X509_set_pubkey(certificate, key), 1);
        assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
        append_pem(pem, write_certificate, certificate);
        X509_free(certificate);
    }
}

static void append_crl(Buffer *pem) {
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, now), 1);
    assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    append_pem(pem, write_crl, crl);
    ASN1_TIME_free(now);
    X509_CRL_free(crl);
}

static void assert_taken(bool taken, int over, const Error *err) {
    if (taken != (over <= 0) || err->kind != (taken ? ERROR_NONE : ERROR_LIMIT)) {
        fail_msg("%+d: %s", over, taken ? "taken" : err->text);
    }
}

static void certificates_in_one_text(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(1 << 20);
        Certificates list = {0};
        Error err = ERROR_INIT;
        append_certificates(&pem, 1, CERTIFICATES_MAX + over);
        bool taken = certificates_add(&list, buffer_bytes(&pem), NULL, "chain", &err);
        assert_taken(taken, over, &err);
        if (taken) { /* what is there already is not counted again */
            assert_true(certificates_add(&list, buffer_bytes(&pem), NULL, "chain", &err));
            assert_int_equal(list.count, CERTIFICATES_MAX + over);
        }
        certificates_done(&list);
    }
}

static void bytes_of_certificates(void **state) {
    (void)state;
    for (int over = -1; over <= 1; over++) {
        CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(1 << 20);
        const size_t size = (size_t)CERTIFICATES_MAX * CERTIFICATE_SIZE_MAX;
        Certificates list = {0};
        Error err = ERROR_INIT;
        append_certificates(&pem, 1, 1);
        while (pem.size < size + (size_t)over) {
            assert_true(buffer_append(&pem, "\n", 1));
        }
        assert_taken(certificates_add(&list, buffer_bytes(&pem), NULL, "chain", &err), over, &err);
        certificates_done(&list);
    }
}

/* Adds so many pieces, of which only the last may be refused. */
static void assert_pieces(Bytes piece, int count, int over) {
    CLEANUP(collateral_freep) Collateral *collateral = collateral_new(NULL);
    Error err = ERROR_INIT;
    for (int i = 0; i < count + over - 1; i++) {
        assert_true(collateral_add(collateral, piece, "piece", NULL, NULL));
    }
    assert_taken(collateral_add(collateral, piece, "piece", NULL, &err), over, &err);
}

static void pieces_of_each_kind(void **state) {
    (void)state;
    CLEANUP(buffer_done) Buffer crl = BUFFER_INIT(1 << 16);
    char digits[2 * ECDSA_SIGNATURE_SIZE + 1];
    memset(digits, '0', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    AUTO_FREE char *tcb_info = text_format("{\"tcbInfo\":{\"id\":\"SGX\"},\"signature\":\"%s\"}", digits);
    AUTO_FREE char *identity =
        text_format("{\"enclaveIdentity\":{\"id\":\"QE\"},\"signature\":\"%s\"}", digits);
    append_crl(&crl);
    for (int over = -1; over <= 1; over++) {
        assert_pieces(buffer_bytes(&crl), COLLATERAL_PIECES_MAX, over);
        assert_pieces((Bytes){(const uint8_t *)tcb_info, strlen(tcb_info)}, COLLATERAL_PIECES_MAX, over);
        assert_pieces((Bytes){(const uint8_t *)identity, strlen(identity)}, COLLATERAL_PIECES_MAX, over);
    }
}

static void files_in_a_directory(void **state) {
    Place *place = *state;
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(1 << 16);
    append_certificates(&pem, 1, 1);
    for (int i = 0; i < COLLATERAL_FILES_MAX - 2; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "other-%d", i);
        place_put(place, name, "no collateral\n");
    }
    for (int over = -1; over <= 1; over++) {
        char name[24];
        Error err = ERROR_INIT;
        (void)snprintf(name, sizeof name, "chain-%d", over + 1);
        place_put(place, name, buffer_text(&pem));
        CLEANUP(collateral_freep) Collateral *collateral = collateral_load(place->path, &err);
        assert_taken(collateral != NULL, over, &err);
    }
}

static void bytes_of_a_file(void **state) {
    Place *place = *state;
    CLEANUP(buffer_done) Buffer content = BUFFER_INIT(COLLATERAL_SIZE_MAX + 2);
    AUTO_FREE char *path = text_format("%s/crl.pem", place->path);
    append_crl(&content);
    while (content.size < COLLATERAL_SIZE_MAX - 2) {
        assert_true(buffer_append(&content, "\n", 1));
    }
    for (int over = -1; over <= 1; over++) {
        Error err = ERROR_INIT;
        assert_true(buffer_append(&content, "\n", 1));
        place_put(place, "crl.pem", buffer_text(&content));
        CLEANUP(collateral_freep) Collateral *collateral = collateral_load(path, &err);
        assert_taken(collateral != NULL, over, &err);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_in_one_text),
        cmocka_unit_test(bytes_of_certificates),
        cmocka_unit_test(pieces_of_each_kind),
        cmocka_unit_test_setup_teardown(files_in_a_directory, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(bytes_of_a_file, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
