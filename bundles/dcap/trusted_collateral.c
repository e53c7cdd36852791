/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/trusted_collateral.h"

#include <string.h>

enum { NAME_MAX_SHOWN = 80 };

/* The subject's common name with nothing in it that could hurt a terminal. */
static void name_of(const X509 *certificate, char name[NAME_MAX_SHOWN]) {
    int size =
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, NAME_MAX_SHOWN);
    if (size < 0) {
        name[0] = '\0';
    }
    for (char *at = name; *at != '\0'; at++) {
        *at = *at < 0x20 || *at > 0x7e ? '?' : *at;
    }
}

/* Who signed the document; NULL with ERROR_VERIFY. */
static X509 *find_signer(const TrustedCollateral *trusted, const SignedJson *document, const char *what,
                         Error *err) {
    const Certificates *list = &trusted->collateral->certificates;
    char root_name[NAME_MAX_SHOWN];
    bool found = false;
    for (size_t at = 0; at < list->count; at++) {
        X509 *signer = list->items[at];
        if (certificate_check(signer, trusted->root, CERTIFICATE_TCB_SIGNER, NULL)) {
            found = true;
            if (signed_json_is_signed_by(document, X509_get0_pubkey(signer))) {
                return signer;
            }
        }
    }
    name_of(trusted->root, root_name);
    if (found) {
        error_set(err, ERROR_VERIFY,
                  "%s: the signature is not good: its bytes are not those that were signed: fetch it anew",
                  what);
    } else {
        error_set(
            err, ERROR_VERIFY,
            "%s: no TCB signing certificate that '%s' issued is beside it: the issuer chain is missing, or "
            "the collateral is of another root, which has to be named (--root)",
            what, root_name);
    }
    return NULL;
}

/* Which file, and what to do about it. */
static bool blame(const SignedJson *document, Error *err) {
    if (err != NULL && err->kind == ERROR_INPUT) {
        Error cause = *err;
        error_set(err, cause.kind, "%s: fetch it anew from Intel's service or a PCCS", cause.text);
    }
    return document->source == NULL ? false : error_wrap(err, "%s", document->source);
}

static bool add_tcb_info(TrustedCollateral *trusted, const SignedJson *document, Error *err) {
    X509 *signer = find_signer(trusted, document, "TCB info", err);
    TcbInfo *info = signer == NULL ? NULL : tcb_info_new(document->value, err);
    if (info == NULL) {
        return blame(document, err);
    }
    trusted->tcb_infos[trusted->tcb_infos_count++] = (TrustedTcbInfo){info, signer};
    return true;
}

static bool add_qe_identity(TrustedCollateral *trusted, const SignedJson *document, Error *err) {
    X509 *signer = find_signer(trusted, document, "QE identity", err);
    QeIdentity *identity = signer == NULL ? NULL : qe_identity_new(document->value, err);
    if (identity == NULL) {
        return blame(document, err);
    }
    trusted->qe_identities[trusted->qe_identities_count++] = (TrustedQeIdentity){identity, signer};
    return true;
}

static bool belongs(const TrustedCollateral *trusted, X509 *certificate) {
    return certificate_is_root(certificate, trusted->root) ||
           certificate_check(certificate, trusted->root, CERTIFICATE_TCB_SIGNER, NULL) ||
           certificate_check(certificate, trusted->root, CERTIFICATE_PCK_CA, NULL);
}

/* A chain with a changed certificate is refused, also where another chain has the good one. */
static bool check_certificates(const TrustedCollateral *trusted, Error *err) {
    const Certificates *list = &trusted->collateral->certificates;
    for (size_t at = 0; trusted->collateral->is_one_file && at < list->count; at++) {
        if (!belongs(trusted, list->items[at])) {
            char name[NAME_MAX_SHOWN];
            name_of(list->items[at], name);
            return error_set(err, ERROR_VERIFY,
                             "collateral: the certificate of '%s' in one of its chains is not the root's and "
                             "was not issued by it: fetch the collateral anew",
                             name);
        }
    }
    return true;
}

TrustedCollateral *trusted_collateral_new(const Collateral *collateral, X509 *root, Error *err) {
    CLEANUP(trusted_collateral_freep) TrustedCollateral *trusted = calloc(1, sizeof *trusted);
    if (trusted == NULL) {
        error_set(err, ERROR_MEMORY, "collateral: out of memory");
        return NULL;
    }
    trusted->collateral = collateral;
    X509_up_ref(root);
    trusted->root = root;
    trusted->root_crl = trusted_collateral_crl(trusted, root);
    for (size_t at = 0; at < collateral->tcb_infos_count; at++) {
        if (!add_tcb_info(trusted, collateral->tcb_infos[at], err)) {
            return NULL;
        }
    }
    for (size_t at = 0; at < collateral->qe_identities_count; at++) {
        if (!add_qe_identity(trusted, collateral->qe_identities[at], err)) {
            return NULL;
        }
    }
    return check_certificates(trusted, err) ? TAKE(trusted) : NULL;
}

void trusted_collateral_free(TrustedCollateral *trusted) {
    if (trusted == NULL) {
        return;
    }
    for (size_t at = 0; at < trusted->tcb_infos_count; at++) {
        tcb_info_free(trusted->tcb_infos[at].info);
    }
    for (size_t at = 0; at < trusted->qe_identities_count; at++) {
        qe_identity_free(trusted->qe_identities[at].identity);
    }
    X509_free(trusted->root);
    free(trusted);
}

static bool is_newer(uint32_t number, int64_t issued, uint32_t than_number, int64_t than_issued) {
    return number != than_number ? number > than_number : issued > than_issued;
}

const TrustedTcbInfo *trusted_collateral_tcb_info(const TrustedCollateral *trusted,
                                                  const uint8_t fmspc[PCK_FMSPC_SIZE]) {
    const TrustedTcbInfo *best = NULL;
    for (size_t at = 0; at < trusted->tcb_infos_count; at++) {
        const TrustedTcbInfo *next = &trusted->tcb_infos[at];
        if (memcmp(next->info->fmspc, fmspc, PCK_FMSPC_SIZE) == 0 &&
            (best == NULL || is_newer(next->info->evaluation_number, next->info->issue_date,
                                      best->info->evaluation_number, best->info->issue_date))) {
            best = next;
        }
    }
    return best;
}

const TrustedQeIdentity *trusted_collateral_qe_identity(const TrustedCollateral *trusted) {
    const TrustedQeIdentity *best = NULL;
    for (size_t at = 0; at < trusted->qe_identities_count; at++) {
        const TrustedQeIdentity *next = &trusted->qe_identities[at];
        if (best == NULL || is_newer(next->identity->evaluation_number, next->identity->issue_date,
                                     best->identity->evaluation_number, best->identity->issue_date)) {
            best = next;
        }
    }
    return best;
}

X509_CRL *trusted_collateral_crl(const TrustedCollateral *trusted, X509 *issuer) {
    X509_CRL *best = NULL;
    int64_t best_time = 0;
    for (size_t at = 0; at < trusted->collateral->crls_count; at++) {
        X509_CRL *crl = trusted->collateral->crls[at];
        int64_t time = 0;
        /* By thisUpdate: Intel's CRL number never changes. */
        if (certificate_check_crl(crl, issuer, NULL) &&
            certificate_time(X509_CRL_get0_lastUpdate(crl), &time) && (best == NULL || time > best_time)) {
            best = crl;
            best_time = time;
        }
    }
    return best;
}
