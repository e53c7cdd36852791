/* SPDX-License-Identifier: Apache-2.0
 *
 * Collateral in JSON: a single file with all of it, or an answer of Intel's service.
 */
#include <string.h>

#include "bundles/base/json.h"
#include "bundles/dcap/collateral.h"

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
    list[(*count)++] = TAKE(document);
    return true;
}

/* TCB infos of version 2 have no id and are of SGX. */
static bool is_for_sgx(const json_t *inner, const char *sgx) {
    const char *id = json_string_value(json_object_get(inner, "id"));
    return id == NULL || strcmp(id, sgx) == 0;
}

static bool add_text_document(const json_t *file, const char *member, const char *signature_member,
                              SignedJson **list, size_t *count, const char *name, Error *err) {
    const char *text = NULL, *signature = NULL;
    if (!json_get_text(file, member, &text, err) || !json_get_text(file, signature_member, &signature, err)) {
        return error_wrap(err, "%s", name);
    }
    return add_document(signed_json_new(bytes_of(text), signature, member, err), list, count, name, err);
}

static bool add_chain(const json_t *file, const char *member, Certificates *list, const char *name,
                      Error *err) {
    const char *pem = json_string_value(json_object_get(file, member));
    if (pem == NULL || *pem == '\0') {
        return true; /* the quote has a chain of its own, and TCB info and QE identity share theirs */
    }
    return certificates_add(list, bytes_of(pem), NULL, member, err) || error_wrap(err, "%s", name);
}

static bool add_crl(Collateral *collateral, const json_t *file, const char *member, const char *name,
                    Error *err) {
    const char *text = json_string_value(json_object_get(file, member));
    if (text == NULL || *text == '\0') {
        return true; /* what cannot be checked without it is said when a quote is judged */
    }
    return collateral_add_crl(collateral, bytes_of(text), member, err) || error_wrap(err, "%s", name);
}

static bool add_single_file(Collateral *collateral, const json_t *file, const char *name, Error *err) {
    return add_text_document(file, "tcb_info", "tcb_info_signature", collateral->tcb_infos,
                             &collateral->tcb_infos_count, name, err) &&
           add_text_document(file, "qe_identity", "qe_identity_signature", collateral->qe_identities,
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
        return add_single_file(collateral, file, name, err);
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
