/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/collateral.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "bundles/base/buffer.h"
#include "bundles/dcap/der.h"
#include "bundles/dcap/encoding.h"

CLEANUP_DEFINE(X509_CRL, X509_CRL_free)
CLEANUP_DEFINE(BIO, BIO_free_all)

#define CERTIFICATE_MARK "BEGIN CERTIFICATE-----"
#define CERTIFICATE_MARK_ENCODED "BEGIN%20CERTIFICATE-----"
#define CERTIFICATE_MARK_PLUS "BEGIN+CERTIFICATE-----"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define BASE64_OF_DER "MI" /* of a SEQUENCE with a long length */
#define CRL_MARK "-----BEGIN X509 CRL-----"

Collateral *collateral_new(Error *err) {
    Collateral *collateral = calloc(1, sizeof *collateral);
    if (collateral == NULL) {
        error_set(err, ERROR_MEMORY, "collateral: out of memory");
    }
    return collateral;
}

void collateral_free(Collateral *collateral) {
    if (collateral == NULL) {
        return;
    }
    certificates_done(&collateral->certificates);
    certificates_done(&collateral->pck_chain);
    for (size_t at = 0; at < collateral->crls_count; at++) {
        X509_CRL_free(collateral->crls[at]);
    }
    for (size_t at = 0; at < collateral->tcb_infos_count; at++) {
        signed_json_free(collateral->tcb_infos[at]);
    }
    for (size_t at = 0; at < collateral->qe_identities_count; at++) {
        signed_json_free(collateral->qe_identities[at]);
    }
    free(collateral);
}

static bool has(Bytes bytes, const char *mark) {
    return memmem(bytes.data, bytes.size, mark, strlen(mark)) != NULL;
}

static bool begins(Bytes bytes, const char *mark) {
    return bytes.size >= strlen(mark) && memcmp(bytes.data, mark, strlen(mark)) == 0;
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Without what does not count at either end: a byte order mark, blanks, zeros. */
static Bytes trimmed(Bytes bytes) {
    if (begins(bytes, BYTE_ORDER_MARK)) {
        bytes.data += strlen(BYTE_ORDER_MARK);
        bytes.size -= strlen(BYTE_ORDER_MARK);
    }
    while (bytes.size > 0 && (is_blank(bytes.data[bytes.size - 1]) || bytes.data[bytes.size - 1] == 0)) {
        bytes.size--;
    }
    while (bytes.size > 0 && is_blank(bytes.data[0])) {
        bytes.data++;
        bytes.size--;
    }
    return bytes;
}

static X509_CRL *crl_read(Bytes bytes) {
    if (bytes.size > 0 && bytes.data[0] == DER_SEQUENCE) {
        const unsigned char *at = bytes.data;
        CLEANUP(X509_CRL_freep) X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)bytes.size);
        return at == bytes.data + bytes.size ? TAKE(crl) : NULL;
    }
    CLEANUP(BIO_free_allp) BIO *bio = BIO_new_mem_buf(bytes.data, (int)bytes.size);
    return bio == NULL ? NULL : PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
}

bool collateral_add_crl(Collateral *collateral, Bytes bytes, const char *name, Error *err) {
    CLEANUP(buffer_done) Buffer decoded = BUFFER_INIT(COLLATERAL_SIZE_MAX);
    bytes = bytes.size > 0 && bytes.data[0] == DER_SEQUENCE && bytes.size > 1 && bytes.data[1] >= 0x80
                ? bytes
                : trimmed(bytes);
    bytes = encoding_without_0x(bytes);
    if (encoding_is_hex(bytes)) {
        if (!encoding_decode_hex(bytes, &decoded)) {
            return error_set(err, ERROR_LIMIT, "%s: more than %d bytes, or out of memory", name,
                             COLLATERAL_SIZE_MAX);
        }
        bytes = buffer_bytes(&decoded);
    } else if (begins(bytes, BASE64_OF_DER)) {
        if (!encoding_decode_base64(bytes, &decoded)) {
            return error_set(err, ERROR_INPUT, "%s: not a CRL in base64", name);
        }
        bytes = buffer_bytes(&decoded);
    }
    CLEANUP(X509_CRL_freep) X509_CRL *crl = crl_read(bytes);
    ERR_clear_error();
    if (crl == NULL) {
        return error_set(err, ERROR_INPUT, "%s: not a CRL in DER, PEM, hex or base64: fetch it anew", name);
    }
    if (collateral->crls_count == COLLATERAL_PIECES_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: more than %d CRLs", name, COLLATERAL_PIECES_MAX);
    }
    collateral->crls[collateral->crls_count++] = TAKE(crl);
    return true;
}

/* An issuer chain as it travels in a header: %2D, %0A; '+' only where it cannot be base64. */
static bool add_encoded_chain(Collateral *collateral, Bytes line, const char *name, Error *err) {
    CLEANUP(buffer_done) Buffer pem = BUFFER_INIT(COLLATERAL_SIZE_MAX);
    bool plus_is_blank = has(line, CERTIFICATE_MARK_PLUS);
    const uint8_t *begin = memmem(line.data, line.size, "-----BEGIN", strlen("-----BEGIN"));
    if (begin != NULL) { /* behind the header's name */
        line.size -= (size_t)(begin - line.data);
        line.data = begin;
    }
    if (!encoding_decode_percent(line, plus_is_blank, &pem)) {
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    }
    return certificates_add(&collateral->certificates, buffer_bytes(&pem), NULL, name, err);
}

/* Header lines of an answer: only issuer chains count. */
static bool add_header_lines(Collateral *collateral, Bytes lines, const char *name, Error *err) {
    while (lines.size > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size);
        Bytes line = {lines.data, end == NULL ? lines.size : (size_t)(end - lines.data) + 1};
        lines.data += line.size;
        lines.size -= line.size;
        if ((has(line, CERTIFICATE_MARK_ENCODED) || has(line, CERTIFICATE_MARK_PLUS)) &&
            !add_encoded_chain(collateral, line, name, err)) {
            return false;
        }
    }
    return true;
}

/* "HTTP/1.1 200 OK", header lines, an empty line, the body, as curl -i writes them. */
static bool add_answer(Collateral *collateral, Bytes bytes, const char *name, bool *ret_known, Error *err) {
    static const char *const ends[] = {"\r\n\r\n", "\n\n"};
    for (size_t at = 0; at < sizeof ends / sizeof *ends; at++) {
        const uint8_t *end = memmem(bytes.data, bytes.size, ends[at], strlen(ends[at]));
        if (end != NULL) {
            size_t head = (size_t)(end - bytes.data) + strlen(ends[at]);
            Bytes body = {bytes.data + head, bytes.size - head};
            return add_header_lines(collateral, (Bytes){bytes.data, head}, name, err) &&
                   (trimmed(body).size == 0 || collateral_add(collateral, body, name, ret_known, err));
        }
    }
    return add_header_lines(collateral, bytes, name, err);
}

static bool add_der(Collateral *collateral, Bytes bytes, const char *name, Error *err) {
    return certificates_add(&collateral->certificates, bytes, NULL, name, NULL) ||
           collateral_add_crl(collateral, bytes, name, NULL) ||
           error_set(err, ERROR_INPUT, "%s: neither a certificate nor a CRL in DER", name);
}

bool collateral_add(Collateral *collateral, Bytes bytes, const char *name, bool *ret_known, Error *err) {
    Bytes text = trimmed(bytes);
    if (ret_known != NULL) {
        *ret_known = true;
    }
    if (begins(text, "HTTP/")) {
        return add_answer(collateral, bytes, name, ret_known, err);
    }
    if (has(text, CRL_MARK)) {
        return collateral_add_crl(collateral, text, name, err);
    }
    if (text.size > 0 && text.data[0] == '{') {
        return collateral_add_json(collateral, text, name, ret_known, err);
    }
    if (has(text, CERTIFICATE_MARK)) {
        return certificates_add(&collateral->certificates, text, NULL, name, err);
    }
    if (has(text, CERTIFICATE_MARK_ENCODED) || has(text, CERTIFICATE_MARK_PLUS)) {
        return add_header_lines(collateral, text, name, err);
    }
    Bytes digits = encoding_without_0x(text);
    if (encoding_is_hex(digits) && digits.data[0] == '3' && digits.data[1] == '0') {
        return collateral_add_crl(collateral, digits, name, err);
    }
    if (bytes.size > 0 && bytes.data[0] == DER_SEQUENCE) {
        return add_der(collateral, bytes, name, err);
    }
    if (ret_known != NULL) {
        *ret_known = false;
        return true;
    }
    return error_set(err, ERROR_INPUT, "%s: not collateral: neither JSON, PEM, DER nor hex", name);
}
