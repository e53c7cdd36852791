/* SPDX-License-Identifier: Apache-2.0
 *
 * TrustedCollateral: what of some collateral the root vouches for.
 *
 * Invariant: every TCB info and QE identity in it is signed by a TCB signing certificate that the root
 * issued, and the root CRL, if there is one, is signed by the root. Neither time nor revocation is judged
 * yet, so that the same collateral can be asked about any day (bundles/dcap/quote_verify.h). It borrows the
 * Collateral.
 */
#ifndef BUNDLES_DCAP_TRUSTED_COLLATERAL_H
#define BUNDLES_DCAP_TRUSTED_COLLATERAL_H

#include <openssl/x509.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/dcap/collateral.h"
#include "bundles/dcap/qe_identity.h"
#include "bundles/dcap/tcb_info.h"

typedef struct TrustedTcbInfo {
    TcbInfo *info;
    X509 *signer; /* borrowed */
} TrustedTcbInfo;

typedef struct TrustedQeIdentity {
    QeIdentity *identity;
    X509 *signer; /* borrowed */
} TrustedQeIdentity;

typedef struct TrustedCollateral {
    const Collateral *collateral;
    X509 *root;
    X509_CRL *root_crl; /* borrowed; the newest, NULL if none */
    TrustedTcbInfo tcb_infos[COLLATERAL_PIECES_MAX];
    size_t tcb_infos_count;
    TrustedQeIdentity qe_identities[COLLATERAL_PIECES_MAX];
    size_t qe_identities_count;
} TrustedCollateral;

/* NULL: ERROR_VERIFY if a signature is not good or leads to another root, ERROR_INPUT for what is malformed.
 */
TrustedCollateral *trusted_collateral_new(const Collateral *collateral, X509 *root, Error *err)
    __attribute__((warn_unused_result));
void trusted_collateral_free(TrustedCollateral *trusted);
CLEANUP_DEFINE(TrustedCollateral, trusted_collateral_free)

/* The one for this kind of platform; of several that with the highest evaluation number, then the latest.
 * NULL if none. */
const TrustedTcbInfo *trusted_collateral_tcb_info(const TrustedCollateral *trusted,
                                                  const uint8_t fmspc[PCK_FMSPC_SIZE]);
const TrustedQeIdentity *trusted_collateral_qe_identity(const TrustedCollateral *trusted);

/* The newest CRL that `issuer` signed; NULL if none. */
X509_CRL *trusted_collateral_crl(const TrustedCollateral *trusted, X509 *issuer);

#endif
