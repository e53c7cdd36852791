/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates: a bounded heap of certificates from outside, and the checks of Intel's provisioning PKI.
 *
 * Nothing in the heap is trusted because it is there: a certificate counts once certificate_check has said
 * that a trusted one issued it. Time is not judged here, so that what has expired can still be told apart
 * from what is forged. Source of the rules: Intel SGX PCK Certificate and CRL Profile Specification; RFC
 * 5280.
 */
#ifndef BUNDLES_DCAP_CERTIFICATES_H
#define BUNDLES_DCAP_CERTIFICATES_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"

enum { CERTIFICATES_MAX = 32, CERTIFICATE_SIZE_MAX = 16 * 1024 };

typedef struct Certificates {
    X509 *items[CERTIFICATES_MAX];
    Digest digests[CERTIFICATES_MAX]; /* of their DER: decoding one costs far more than comparing these */
    size_t count;
} Certificates;

void certificates_done(Certificates *list);

/* Every certificate of a PEM text (zeros behind it do not count), or the one in DER; at least one. What is
 * there already is not added again, and what is in `known` (may be NULL) is not decoded again. ERROR_INPUT,
 * ERROR_LIMIT. */
bool certificates_add(Certificates *list, Bytes bytes, const Certificates *known, const char *name,
                      Error *err) __attribute__((warn_unused_result));

/* The same, but there may be nothing else in the text: for chains that somebody vouches for as a whole. */
bool certificates_add_chain(Certificates *list, Bytes bytes, const Certificates *known, const char *name,
                            Error *err) __attribute__((warn_unused_result));

/* The first at or behind `*index` whose subject is that name; *index moves behind it. NULL if none. */
X509 *certificates_find(const Certificates *list, const X509_NAME *subject, size_t *index);

typedef enum CertificateRole {
    CERTIFICATE_PCK_CA,     /* signs PCK certificates and their CRL */
    CERTIFICATE_PCK,        /* signs QE reports */
    CERTIFICATE_TCB_SIGNER, /* signs TCB info, enclave identities, evaluation number lists */
    CERTIFICATE_ROLES_COUNT
} CertificateRole;

const char *certificate_role_name(CertificateRole role); /* "PCK certificate" */

/* Did `issuer` issue it, and may it do what the role does? ERROR_VERIFY. */
bool certificate_check(X509 *certificate, X509 *issuer, CertificateRole role, Error *err)
    __attribute__((warn_unused_result));

/* Is it the root, or a certificate that the root has issued itself anew, for the same name and key? */
bool certificate_is_root(X509 *certificate, X509 *root);

/* Did `issuer` sign this CRL, and does it list nothing but certificates of that issuer? ERROR_VERIFY. */
bool certificate_check_crl(X509_CRL *crl, X509 *issuer, Error *err) __attribute__((warn_unused_result));
bool certificate_is_revoked(X509 *certificate, X509_CRL *crl);

/* Seconds since 1970; false for a time that cannot be read. */
bool certificate_time(const ASN1_TIME *time, int64_t *ret_seconds);

#endif
