/* SPDX-License-Identifier: Apache-2.0
 *
 * Collateral in JSON: a single file with all of it, or an answer of Intel's service.
 */
#include <string.h>

#include "bundles/base/buffer.h"
#include "bundles/base/json.h"
#include "bundles/base/text.h"
#include "bundles/dcap/collateral.h"
#include "bundles/dcap/encoding.h"

enum { SIGNATURE_DIGITS = 2 * ECDSA_SIGNATURE_SIZE };

/* How a single file holds one signed document. */
typedef struct SingleDocument {
    const char *member;
    const char *signature; /* its member, unless the signature came with the document */
    const char *served_as; /* what the document is called in what Intel's service serves */
} SingleDocument;

static Bytes bytes_of(const char *text) {
    return (Bytes){(const uint8_t *)text, strlen(text)};
}

/* Takes the document, which may be NULL after a failure. */
static bool add_document(SignedJson *added, SignedJson **list, size_t *count, const char *name, Error *err) {
    CLEANUP(signed_json_freep) SignedJson *document = added;
    if (document == NULL) {
        return error_wrap(err, "%s", name);
    }
    if (*count == COLLATERAL_PIECES_MAX) {
        return error_set(err, ERROR_LIMIT, "%s: more than %d of a kind", name, COLLATERAL_PIECES_MAX);
    }
    document->source = strdup(name);
    list[(*count)++] = TAKE(document);
    return true;
}

/* TCB infos of version 2 have no id and are of SGX. */
static bool is_for_sgx(const json_t *inner, const char *sgx) {
    const char *id = json_string_value(json_object_get(inner, "id"));
    return id == NULL || strcmp(id, sgx) == 0;
}

/* Bytes as libraries write them that know no other form: a list of numbers. */
static bool octets_read(const json_t *list, Buffer *octets) {
    const json_t *octet = NULL;
    size_t at = 0;
    json_array_foreach(list, at, octet) {
        json_int_t value = json_integer_value(octet);
        uint8_t byte = (uint8_t)value;
        if (!json_is_integer(octet) || value < 0 || value > UINT8_MAX || !buffer_append(octets, &byte, 1)) {
            return false;
        }
    }
    return octets->size > 0;
}

/* The signature as 128 digits, whether it is written as hex or as a list. */
static bool signature_read(const json_t *file, const char *member, char digits[SIGNATURE_DIGITS + 1],
                           Error *err) {
    CLEANUP(buffer_done) Buffer octets = BUFFER_INIT(ECDSA_SIGNATURE_SIZE);
    const json_t *value = json_object_get(file, member);
    const char *text = NULL;
    if (json_is_array(value)) {
        if (!octets_read(value, &octets) || octets.size != ECDSA_SIGNATURE_SIZE) {
            return error_set(err, ERROR_INPUT, "member '%s' is no list of %d bytes", member,
                             ECDSA_SIGNATURE_SIZE);
        }
        text_format_hex(octets.data, octets.size, digits);
        return true;
    }
    if (!json_get_text(file, member, &text, err)) {
        return false;
    }
    Bytes hex = encoding_without_0x(bytes_of(text));
    return text_copy(digits, SIGNATURE_DIGITS + 1, (const char *)hex.data) ||
           error_set(err, ERROR_INPUT, "member '%s' is not %d hex digits", member, SIGNATURE_DIGITS);
}

/* What is signed: the text that the member holds, or the member itself as it is written. */
static bool document_text(Bytes bytes, const json_t *file, const char *member, Bytes *ret_text, Error *err) {
    const json_t *value = json_object_get(file, member);
    if (json_is_string(value)) {
        *ret_text = bytes_of(json_string_value(value));
        return true;
    }
    return (json_is_object(value) && signed_json_find(bytes, member, ret_text)) ||
           error_set(err, ERROR_INPUT, "member '%s' is neither text nor an object", member);
}

/* A document of a single file: bare with its signature beside it, or as it was served with the signature in
 * it. */
static SignedJson *read_document(Bytes bytes, const json_t *file, const SingleDocument *form, Error *err) {
    char signature[SIGNATURE_DIGITS + 1];
    Bytes text;
    if (!document_text(bytes, file, form->member, &text, err)) {
        return NULL;
    }
    CLEANUP(json_freep) json_t *value = json_parse(text, form->member, err);
    if (value == NULL) {
        return NULL;
    }
    if (json_object_get(value, form->served_as) != NULL) {
        return signed_json_cut(text, value, form->served_as, err);
    }
    return signature_read(file, form->signature, signature, err)
               ? signed_json_new(text, signature, form->member, err)
               : NULL;
}

static bool add_chain(const json_t *file, const char *member, Certificates *list, const char *name,
                      Error *err) {
    const char *pem = json_string_value(json_object_get(file, member));
    if (pem == NULL || *pem == '\0') {
        return true; /* the quote has a chain of its own, and TCB info and QE identity share theirs */
    }
    return certificates_add_chain(list, bytes_of(pem), NULL, member, err) || error_wrap(err, "%s", name);
}

static bool add_crl(Collateral *collateral, const json_t *file, const char *member, const char *name,
                    Error *err) {
    CLEANUP(buffer_done) Buffer octets = BUFFER_INIT(COLLATERAL_SIZE_MAX);
    const json_t *value = json_object_get(file, member);
    const char *text = json_string_value(value);
    if (json_array_size(value) > 0) {
        return octets_read(value, &octets)
                   ? collateral_add_crl(collateral, buffer_bytes(&octets), member, err) ||
                         error_wrap(err, "%s", name)
                   : error_set(err, ERROR_INPUT, "%s: member '%s' is no list of bytes", name, member);
    }
    if (text == NULL || *text == '\0') {
        return true; /* what cannot be checked without it is said when a quote is judged */
    }
    return collateral_add_crl(collateral, bytes_of(text), member, err) || error_wrap(err, "%s", name);
}

static bool add_single_file(Collateral *collateral, Bytes bytes, const json_t *file, const char *name,
                            Error *err) {
    static const SingleDocument tcb_info = {"tcb_info", "tcb_info_signature", "tcbInfo"},
                                identity = {"qe_identity", "qe_identity_signature", "enclaveIdentity"};
    collateral->is_one_file = true;
    return add_document(read_document(bytes, file, &tcb_info, err), collateral->tcb_infos,
                        &collateral->tcb_infos_count, name, err) &&
           add_document(read_document(bytes, file, &identity, err), collateral->qe_identities,
                        &collateral->qe_identities_count, name, err) &&
           add_chain(file, "tcb_info_issuer_chain", &collateral->certificates, name, err) &&
           add_chain(file, "qe_identity_issuer_chain", &collateral->certificates, name, err) &&
           add_chain(file, "pck_crl_issuer_chain", &collateral->certificates, name, err) &&
           add_chain(file, "pck_certificate_chain", &collateral->pck_chain, name, err) &&
           add_crl(collateral, file, "root_ca_crl", name, err) &&
           add_crl(collateral, file, "pck_crl", name, err);
}

bool collateral_add_json(Collateral *collateral, Bytes bytes, const char *name, bool *ret_known, Error *err) {
    CLEANUP(json_freep) json_t *file = json_parse(bytes, name, err);
    if (file == NULL) {
        return false;
    }
    const json_t *tcb_info = json_object_get(file, "tcbInfo");
    const json_t *identity = json_object_get(file, "enclaveIdentity");
    if (json_object_get(file, "tcb_info") != NULL) {
        return add_single_file(collateral, bytes, file, name, err);
    }
    if (tcb_info != NULL && is_for_sgx(tcb_info, "SGX")) {
        return add_document(signed_json_cut(bytes, file, "tcbInfo", err), collateral->tcb_infos,
                            &collateral->tcb_infos_count, name, err);
    }
    if (identity != NULL && is_for_sgx(identity, "QE")) {
        return add_document(signed_json_cut(bytes, file, "enclaveIdentity", err), collateral->qe_identities,
                            &collateral->qe_identities_count, name, err);
    }
    if (ret_known != NULL) {
        *ret_known = false;
        return true;
    }
    return error_set(
        err, ERROR_INPUT,
        "%s: this JSON has neither tcbInfo of SGX, enclaveIdentity of the QE nor tcb_info: it is "
        "no collateral for SGX quotes",
        name);
}
