/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/dcap/quote_verify.h"

#include <assert.h>
#include <string.h>

#include "bundles/base/text.h"
#include "bundles/dcap/certificates.h"
#include "bundles/sgx/ecdsa.h"

static void add_problem(QuoteVerdict *verdict, QuoteProblemKind kind, const char *what, int64_t at) {
    assert(verdict->problems_count < QUOTE_PROBLEMS_MAX);
    verdict->problems[verdict->problems_count++] = (QuoteProblem){kind, what, at};
}

/* Notes how long something is valid, and the problem if it is not now. */
static void add_span(QuoteVerdict *verdict, const char *what, int64_t from, int64_t until) {
    assert(verdict->spans_count < QUOTE_SPANS_MAX);
    verdict->spans[verdict->spans_count++] = (QuoteSpan){what, from, until};
    if (verdict->time < from) {
        add_problem(verdict, QUOTE_NOT_YET_VALID, what, from);
    } else if (verdict->time > until) {
        add_problem(verdict, QUOTE_EXPIRED, what, until);
    }
}

static bool add_times(QuoteVerdict *verdict, const char *what, const ASN1_TIME *from, const ASN1_TIME *until,
                      Error *err) {
    int64_t begin = 0, end = 0;
    if (!certificate_time(from, &begin) || !certificate_time(until, &end)) {
        return error_set(err, ERROR_INPUT, "%s: its dates cannot be read", what);
    }
    add_span(verdict, what, begin, end);
    return true;
}

static bool add_certificate(QuoteVerdict *verdict, const char *what, const X509 *certificate, Error *err) {
    return add_times(verdict, what, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate), err);
}

static bool add_crl(QuoteVerdict *verdict, const char *what, const X509_CRL *crl, Error *err) {
    if (crl == NULL) {
        add_problem(verdict, QUOTE_MISSING, what, 0);
        return true;
    }
    return add_times(verdict, what, X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl), err);
}

static void check_revocation(QuoteVerdict *verdict, CertificateRole role, X509 *certificate, X509_CRL *crl) {
    if (crl != NULL && certificate_is_revoked(certificate, crl)) {
        add_problem(verdict, QUOTE_REVOKED, certificate_role_name(role), 0);
    }
}

/* The certificate of the authority that issued `pck`; NULL with ERROR_VERIFY. The chain that came with the
 * leaf goes first, then what else the collateral has. */
static X509 *find_authority(X509 *pck, const Certificates *chain, const TrustedCollateral *trusted,
                            Error *err) {
    const Certificates *const lists[] = {chain, &trusted->collateral->pck_chain,
                                         &trusted->collateral->certificates};
    X509_NAME *issuer = X509_get_issuer_name(pck);
    Error reason = ERROR_INIT;
    for (size_t at = 0; at < sizeof lists / sizeof lists[0]; at++) {
        size_t index = 0;
        for (X509 *next = NULL; (next = certificates_find(lists[at], issuer, &index)) != NULL;) {
            if (certificate_check(next, trusted->root, CERTIFICATE_PCK_CA, &reason)) {
                return next;
            }
        }
    }
    if (reason.kind == ERROR_NONE) {
        error_set(err, ERROR_VERIFY,
                  "PCK certificate: the certificate of the authority that issued it is missing");
    } else {
        error_set(err, ERROR_VERIFY,
                  "the quote's certificates do not lead to the root: %s; quotes of a simulated platform need "
                  "its own root (--root)",
                  reason.text);
    }
    return NULL;
}

/* The PCK certificate in the list; of several the one whose key signed the QE report. NULL if none. */
static X509 *find_pck(const Quote *quote, const Certificates *list) {
    Bytes qe_report = {(const uint8_t *)quote->qe_report, SGX_REPORT_BODY_SIZE};
    X509 *found = NULL;
    for (size_t at = 0; at < list->count; at++) {
        X509 *next = list->items[at];
        if (pck_is_in(next) &&
            (found == NULL || ecdsa_verify(X509_get0_pubkey(next), qe_report, quote->qe_report_signature))) {
            found = next;
        }
    }
    return found;
}

/* Where the PCK certificate is: beside the quote for this very purpose, in the quote, or somewhere among the
 * collateral. `chain` is for what is read from the quote. NULL with an error. */
static X509 *locate_pck(const Quote *quote, const Collateral *collateral, Certificates *chain, Error *err) {
    bool carried = quote->certification_type == QUOTE_CERTIFICATION_PCK ||
                   quote->certification_type == QUOTE_CERTIFICATION_PCK_CHAIN;
    X509 *pck = find_pck(quote, &collateral->pck_chain);
    if (pck == NULL && carried) {
        if (!certificates_add_chain(chain, quote->certification_data, &collateral->certificates,
                                    "quote: certificate chain", err)) {
            return NULL;
        }
        pck = find_pck(quote, chain);
    } else if (pck == NULL) {
        pck = find_pck(quote, &collateral->certificates);
    }
    if (pck == NULL && carried) {
        error_set(err, ERROR_VERIFY, "quote: no certificate in its chain is a PCK certificate");
    } else if (pck == NULL) {
        error_set(
            err, ERROR_VERIFY,
            "quote: it carries no PCK certificate (certification data of type %u) and the collateral has "
            "none: configure a provider library where it was made, or put the certificate beside it",
            quote->certification_type);
    }
    return pck;
}

/* Every certificate that the quote brings along has to belong to its chain: one that was changed is a changed
 * quote, even where a good one is at hand. */
static bool check_chain(const Certificates *chain, const X509 *pck, const X509 *authority, X509 *root,
                        Error *err) {
    for (size_t at = 0; at < chain->count; at++) {
        X509 *next = chain->items[at];
        if (next != pck && next != authority && !certificate_is_root(next, root) &&
            !certificate_check(next, root, CERTIFICATE_PCK_CA, NULL)) {
            return error_set(err, ERROR_VERIFY,
                             "quote: certificate %zu of its chain is none of the chain: neither the PCK "
                             "certificate nor one that leads to the root: the chain was changed",
                             at + 1);
        }
    }
    return true;
}

/* The first steps: the PCK certificate, up to the root, and its revocation. */
static bool verify_pck(X509 *pck, const Certificates *chain, const TrustedCollateral *trusted,
                       QuoteVerdict *verdict, Error *err) {
    if (!pck_read(pck, &verdict->pck, err)) {
        return false;
    }
    X509 *authority = find_authority(pck, chain, trusted, err);
    if (authority == NULL || !certificate_check(pck, authority, CERTIFICATE_PCK, err) ||
        !check_chain(chain, pck, authority, trusted->root, err) ||
        !check_chain(&trusted->collateral->pck_chain, pck, authority, trusted->root, err)) {
        return false;
    }
    X509_CRL *crl = trusted_collateral_crl(trusted, authority);
    check_revocation(verdict, CERTIFICATE_PCK_CA, authority, trusted->root_crl);
    check_revocation(verdict, CERTIFICATE_PCK, pck, crl);
    return add_certificate(verdict, "root certificate", trusted->root, err) &&
           add_certificate(verdict, certificate_role_name(CERTIFICATE_PCK_CA), authority, err) &&
           add_certificate(verdict, certificate_role_name(CERTIFICATE_PCK), pck, err) &&
           add_crl(verdict, "root CRL", trusted->root_crl, err) && add_crl(verdict, "PCK CRL", crl, err);
}

static bool mismatch(const Pck *pck, const TrustedCollateral *trusted, Error *err) {
    char wanted[2 * PCK_FMSPC_SIZE + 1], there[2 * PCK_FMSPC_SIZE + 1];
    text_format_hex(pck->fmspc, sizeof pck->fmspc, wanted);
    text_format_hex(trusted->tcb_infos[0].info->fmspc, PCK_FMSPC_SIZE, there);
    return error_set(
        err, ERROR_VERIFY,
        "TCB info: it is for platforms of FMSPC %s, the quote is of FMSPC %s: fetch that TCB info", there,
        wanted);
}

static bool is_valid_at(const X509 *certificate, int64_t time) {
    int64_t from = 0, until = 0;
    return certificate_time(X509_get0_notBefore(certificate), &from) &&
           certificate_time(X509_get0_notAfter(certificate), &until) && time >= from && time <= until;
}

/* Intel has renewed the certificate of its TCB signing key: of those for the key that signed, one that is
 * valid at the time counts. */
static X509 *signer_at(const TrustedCollateral *trusted, X509 *signer, int64_t time) {
    const Certificates *list = &trusted->collateral->certificates;
    for (size_t at = 0; !is_valid_at(signer, time) && at < list->count; at++) {
        X509 *other = list->items[at];
        if (is_valid_at(other, time) && EVP_PKEY_eq(X509_get0_pubkey(other), X509_get0_pubkey(signer)) == 1 &&
            certificate_check(other, trusted->root, CERTIFICATE_TCB_SIGNER, NULL)) {
            return other;
        }
    }
    return signer;
}

static bool grade_platform(const TrustedCollateral *trusted, QuoteVerdict *verdict, Error *err) {
    const TrustedTcbInfo *found = trusted_collateral_tcb_info(trusted, verdict->pck.fmspc);
    if (found == NULL && trusted->tcb_infos_count > 0) {
        return mismatch(&verdict->pck, trusted, err);
    }
    if (found == NULL) {
        add_problem(verdict, QUOTE_MISSING, "TCB info", 0);
        return true;
    }
    if (memcmp(found->info->pce_id, verdict->pck.pce_id, PCK_PCE_ID_SIZE) != 0) {
        return error_set(err, ERROR_VERIFY, "TCB info: it is for another PCE-ID than the quote's");
    }
    verdict->tcb_info = found->info;
    verdict->platform_level = tcb_info_match(found->info, &verdict->pck.tcb);
    verdict->platform_status =
        verdict->platform_level == NULL ? TCB_NOT_SUPPORTED : verdict->platform_level->grade.status;
    X509 *signer = signer_at(trusted, found->signer, verdict->time);
    check_revocation(verdict, CERTIFICATE_TCB_SIGNER, signer, trusted->root_crl);
    add_span(verdict, "TCB info", found->info->issue_date, found->info->next_update);
    return add_certificate(verdict, "TCB signing certificate", signer, err);
}

static bool grade_qe(const Quote *quote, const TrustedCollateral *trusted, QuoteVerdict *verdict,
                     Error *err) {
    const TrustedQeIdentity *found = trusted_collateral_qe_identity(trusted);
    if (found == NULL) {
        add_problem(verdict, QUOTE_MISSING, "QE identity", 0);
        return true;
    }
    if (!qe_identity_check(found->identity, quote->qe_report, err)) {
        return false;
    }
    verdict->qe_identity = found->identity;
    verdict->qe_level = qe_identity_match(found->identity, quote->qe_report->isv_svn);
    verdict->qe_status = verdict->qe_level == NULL ? TCB_NOT_SUPPORTED : verdict->qe_level->grade.status;
    add_span(verdict, "QE identity", found->identity->issue_date, found->identity->next_update);
    if (verdict->tcb_info != NULL &&
        trusted_collateral_tcb_info(trusted, verdict->pck.fmspc)->signer == found->signer) {
        return true;
    }
    X509 *signer = signer_at(trusted, found->signer, verdict->time);
    check_revocation(verdict, CERTIFICATE_TCB_SIGNER, signer, trusted->root_crl);
    return add_certificate(verdict, "QE identity's signing certificate", signer, err);
}

bool quote_verify(const Quote *quote, const TrustedCollateral *trusted, int64_t time,
                  QuoteVerdict *ret_verdict, Error *err) {
    CLEANUP(certificates_done) Certificates chain = {0};
    QuoteVerdict verdict = {.time = time, .is_debug = (quote->body->attributes.flags & SGX_FLAGS_DEBUG) != 0};
    X509 *pck = locate_pck(quote, trusted->collateral, &chain, err);
    if (pck == NULL || !verify_pck(pck, &chain, trusted, &verdict, err) ||
        !grade_platform(trusted, &verdict, err) ||
        !quote_check_signatures_by(quote, X509_get0_pubkey(pck), err) ||
        !grade_qe(quote, trusted, &verdict, err)) {
        return false;
    }
    verdict.status = tcb_status_merge(verdict.platform_status, verdict.qe_status);
    *ret_verdict = verdict;
    return true;
}

const char *quote_problem_name(QuoteProblemKind kind) {
    static const char *const names[QUOTE_PROBLEM_KINDS_COUNT] = {"expired", "not yet valid", "missing",
                                                                 "revoked"};
    return names[kind];
}

const QuoteSpan *quote_verdict_first_to_expire(const QuoteVerdict *verdict) {
    const QuoteSpan *first = NULL;
    for (size_t at = 0; at < verdict->spans_count; at++) {
        if (first == NULL || verdict->spans[at].until < first->until) {
            first = &verdict->spans[at];
        }
    }
    return first;
}

bool quote_verdict_is_whole(const QuoteVerdict *verdict) {
    return verdict->problems_count == 0 && verdict->status != TCB_UNKNOWN;
}
