/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/quote.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/digest.h"
#include "bundles/sgx/ecdsa.h"

CLEANUP_DEFINE(EVP_PKEY, EVP_PKEY_free)
CLEANUP_DEFINE(X509, X509_free)
CLEANUP_DEFINE(BIO, BIO_free_all)

enum {
    VERSION_FLAT = 3,   /* QE report and its certification lie beside the quote's signature */
    VERSION_NESTED = 4, /* ... within certification data of type 6 */
    VERSION_TYPED = 5,  /* ... and the body says its type and size */
    KEY_TYPE_ECDSA_P256 = 2,
    TEE_SGX = 0,
    TEE_TDX = 0x81,
    BODY_TYPE_SGX = 1,
    CERTIFICATION_QE_REPORT = 6,
    /* two signatures, a key and a report body, and the sizes of the two variable parts */
    SIGNATURE_DATA_FIXED = 64 + 64 + SGX_REPORT_BODY_SIZE + 64 + 2 + 2 + 4
};

static const uint8_t intel_vendor_id[16] = {0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                            0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};

static bool header_parse(Bytes header, Quote *quote, Error *err) {
    uint16_t version = bytes_le16(header.data);
    uint16_t key_type = bytes_le16(header.data + 2);
    uint32_t tee = bytes_le32(header.data + 4);
    if (version >= VERSION_NESTED && version <= VERSION_TYPED && tee == TEE_TDX) {
        return error_set(err, ERROR_INPUT, "quote: a TDX quote (version %u): only SGX quotes are supported",
                         version);
    }
    if (version < VERSION_FLAT || version > VERSION_TYPED || key_type != KEY_TYPE_ECDSA_P256 ||
        tee != TEE_SGX) {
        return error_set(err, ERROR_INPUT,
                         "quote: version %u, key type %u, TEE type 0x%x: only SGX quotes of version 3 to 5 "
                         "with an ECDSA P-256 key (3, 2, 0x0) are supported",
                         version, key_type, tee);
    }
    if (memcmp(header.data + 12, intel_vendor_id, sizeof intel_vendor_id) != 0) {
        return error_set(err, ERROR_INPUT, "quote: the QE vendor id in the header is not Intel's");
    }
    quote->version = version;
    if (version == VERSION_FLAT) {
        quote->qe_isv_svn = bytes_le16(header.data + 8);
        quote->pce_isv_svn = bytes_le16(header.data + 10);
    }
    quote->qe_id = header.data + 28;
    return true;
}

/* The report body behind the header, and before it in version 5 its type and size. */
static bool body_parse(Bytes *rest, Quote *quote, Error *err) {
    Bytes body = {0};
    uint16_t type = BODY_TYPE_SGX;
    uint32_t size = SGX_REPORT_BODY_SIZE;
    if (quote->version == VERSION_TYPED && (!bytes_take_le16(rest, &type) || !bytes_take_le32(rest, &size) ||
                                            type != BODY_TYPE_SGX || size != SGX_REPORT_BODY_SIZE)) {
        return error_set(err, ERROR_INPUT,
                         "quote: a body of type %u with %u bytes: only the SGX report body (%d, %d) is "
                         "supported",
                         type, size, BODY_TYPE_SGX, SGX_REPORT_BODY_SIZE);
    }
    if (!bytes_take(rest, size, &body)) {
        return error_set(err, ERROR_INPUT, "quote: cut off within the report body");
    }
    quote->body = (const SgxReportBody *)body.data;
    return true;
}

/* Steps into the certification data of type 6 that holds the rest from version 4 on. */
static bool enter_nested(Bytes *data) {
    uint16_t type = 0;
    uint32_t size = 0;
    Bytes inner;
    if (!bytes_take_le16(data, &type) || !bytes_take_le32(data, &size) || type != CERTIFICATION_QE_REPORT ||
        !bytes_take(data, size, &inner) || data->size != 0) {
        return false;
    }
    *data = inner;
    return true;
}

/* Cuts the signature data up; its inner sizes have to fill it exactly. */
static bool signature_data_parse(Bytes data, Quote *quote, Error *err) {
    Bytes signature, public_key, qe_report, qe_report_signature;
    uint16_t auth_size = 0;
    uint32_t certification_size = 0;
    bool complete = bytes_take(&data, ECDSA_SIGNATURE_SIZE, &signature) &&
                    bytes_take(&data, ECDSA_KEY_SIZE, &public_key) &&
                    (quote->version == VERSION_FLAT || enter_nested(&data)) &&
                    bytes_take(&data, SGX_REPORT_BODY_SIZE, &qe_report) &&
                    bytes_take(&data, ECDSA_SIGNATURE_SIZE, &qe_report_signature) &&
                    bytes_take_le16(&data, &auth_size) && bytes_take(&data, auth_size, &quote->auth_data) &&
                    bytes_take_le16(&data, &quote->certification_type) &&
                    bytes_take_le32(&data, &certification_size) &&
                    bytes_take(&data, certification_size, &quote->certification_data);
    if (!complete || data.size != 0) {
        return error_set(
            err, ERROR_INPUT,
            "quote: the sizes of authentication data (%u) and certification data (%u) do not fill the "
            "signature data: the quote is damaged",
            auth_size, certification_size);
    }
    if (quote->certification_type < 1 || quote->certification_type > QUOTE_CERTIFICATION_PCK_CHAIN) {
        return error_set(err, ERROR_INPUT,
                         "quote: certification data of type %u in place of the PCK certificate's (1 to 5)",
                         quote->certification_type);
    }
    quote->signature = signature.data;
    quote->public_key = public_key.data;
    quote->qe_report = (const SgxReportBody *)qe_report.data;
    quote->qe_report_signature = qe_report_signature.data;
    return true;
}

bool quote_parse(Bytes bytes, Quote *ret_quote, Error *err) {
    if (bytes.size < QUOTE_SIZE_MIN) {
        return error_set(err, ERROR_INPUT,
                         "quote: %zu bytes are too few: the smallest quote has %d: copy all of it",
                         bytes.size, QUOTE_SIZE_MIN);
    }
    Bytes rest = bytes;
    Bytes header, signature_data;
    uint32_t signature_data_size = 0;
    Quote quote = {0};
    if (!bytes_take(&rest, QUOTE_HEADER_SIZE, &header) || !header_parse(header, &quote, err) ||
        !body_parse(&rest, &quote, err)) {
        return false;
    }
    quote.signed_part = (Bytes){bytes.data, bytes.size - rest.size};
    if (!bytes_take_le32(&rest, &signature_data_size) ||
        !bytes_take(&rest, signature_data_size, &signature_data)) {
        return error_set(err, ERROR_INPUT,
                         "quote: cut off: %zu bytes with signature data of %u: copy all of it", bytes.size,
                         signature_data_size);
    }
    if (signature_data_size < SIGNATURE_DATA_FIXED ||
        signature_data_size > QUOTE_SIZE_MAX - QUOTE_SIGNED_SIZE - 4) {
        return error_set(err, ERROR_INPUT, "quote: signature data of %u bytes: %d to %d are possible",
                         signature_data_size, SIGNATURE_DATA_FIXED, QUOTE_SIZE_MAX - QUOTE_SIGNED_SIZE - 4);
    }
    if (!signature_data_parse(signature_data, &quote, err)) {
        return false;
    }
    if (!bytes_are_zero(rest)) {
        return error_set(err, ERROR_INPUT, "quote: %zu bytes behind its end at %zu are not zero", rest.size,
                         bytes.size - rest.size);
    }
    quote.size = bytes.size - rest.size;
    *ret_quote = quote;
    return true;
}

/* REPORTDATA of the QE report: SHA-256(attestation key, authentication data), then zeros. */
static bool attestation_key_is_bound(const Quote *quote, Error *err) {
    uint8_t hashed[ECDSA_KEY_SIZE + QUOTE_SIZE_MAX];
    memcpy(hashed, quote->public_key, ECDSA_KEY_SIZE);
    memcpy(hashed + ECDSA_KEY_SIZE, quote->auth_data.data, quote->auth_data.size);
    Digest digest;
    if (!digest_of(hashed, ECDSA_KEY_SIZE + quote->auth_data.size, &digest)) {
        return error_set(err, ERROR_MEMORY, "quote: out of memory while hashing the attestation key");
    }
    const uint8_t *report_data = quote->qe_report->report_data;
    Bytes tail = {report_data + DIGEST_SIZE, SGX_REPORT_DATA_SIZE - DIGEST_SIZE};
    if (memcmp(report_data, digest.bytes, DIGEST_SIZE) != 0 || !bytes_are_zero(tail)) {
        return error_set(err, ERROR_VERIFY, "quote: the QE report does not bind the attestation key");
    }
    return true;
}

bool quote_matches_report(const Quote *quote, const SgxReportBody *report, Error *err) {
    if (memcmp(quote->body, report, sizeof *report) != 0) {
        return error_set(err, ERROR_VERIFY, "quote: its report body is not the one that was to be quoted");
    }
    return attestation_key_is_bound(quote, err);
}

/* Key of the first certificate of the PEM chain; NULL with ERROR_VERIFY. */
static EVP_PKEY *pck_key_read(const Quote *quote, Error *err) {
    if (quote->certification_type != QUOTE_CERTIFICATION_PCK_CHAIN) {
        error_set(err, ERROR_VERIFY,
                  "quote: certification data of type %u carries no PCK certificate: configure a provider "
                  "library on the node that made it",
                  quote->certification_type);
        return NULL;
    }
    CLEANUP(BIO_free_allp)
    BIO *bio = BIO_new_mem_buf(quote->certification_data.data, (int)quote->certification_data.size);
    CLEANUP(X509_freep) X509 *leaf = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = leaf ? X509_get_pubkey(leaf) : NULL;
    if (key == NULL) {
        ERR_clear_error();
        error_set(err, ERROR_VERIFY, "quote: the certification data does not begin with a PEM certificate");
    }
    return key;
}

bool quote_check_signatures_by(const Quote *quote, EVP_PKEY *pck_key, Error *err) {
    Bytes qe_report = {(const uint8_t *)quote->qe_report, SGX_REPORT_BODY_SIZE};
    if (!ecdsa_verify(pck_key, qe_report, quote->qe_report_signature)) {
        return error_set(err, ERROR_VERIFY,
                         "quote: the QE report is not signed by the key of the PCK certificate");
    }
    if (!attestation_key_is_bound(quote, err)) {
        return false;
    }
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *attestation_key = ecdsa_key_new(quote->public_key);
    if (attestation_key == NULL) {
        return error_set(err, ERROR_VERIFY, "quote: the attestation key is not a point on P-256");
    }
    if (!ecdsa_verify(attestation_key, quote->signed_part, quote->signature)) {
        return error_set(err, ERROR_VERIFY,
                         "quote: header and report body are not signed by the attestation key");
    }
    return true;
}

bool quote_check_signatures(const Quote *quote, Error *err) {
    CLEANUP(EVP_PKEY_freep) EVP_PKEY *pck_key = pck_key_read(quote, err);
    return pck_key != NULL && quote_check_signatures_by(quote, pck_key, err);
}
