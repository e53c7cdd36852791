/* SPDX-License-Identifier: Apache-2.0
 *
 * Collateral: what quotes are judged by, as it came: certificates, CRLs, TCB infos, QE identities.
 *
 * It is read in whatever form operators have it: the single JSON file of Phala's dcap-qvl, answers of Intel's
 * PCS or of a PCCS one by one (bodies, also with their header lines before them; issuer chains from headers,
 * percent-encoded or not), CRLs in DER, PEM or hex. What a piece is, is told from its content. Nothing is
 * trusted because it is here: bundles/dcap/trusted_collateral.h decides.
 */
#ifndef BUNDLES_DCAP_COLLATERAL_H
#define BUNDLES_DCAP_COLLATERAL_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "bundles/base/bytes.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/dcap/certificates.h"
#include "bundles/dcap/signed_json.h"

enum {
    COLLATERAL_PIECES_MAX = 8,            /* of each kind */
    COLLATERAL_FILES_MAX = 64,            /* in a directory */
    COLLATERAL_SIZE_MAX = 4 * 1024 * 1024 /* of a piece */
};

typedef struct Collateral {
    Certificates certificates;
    bool is_one_file;       /* somebody put its certificates together: each has to belong */
    Certificates pck_chain; /* PCK certificate and those above it, for quotes that carry none */
    X509_CRL *crls[COLLATERAL_PIECES_MAX];
    size_t crls_count;
    SignedJson *tcb_infos[COLLATERAL_PIECES_MAX]; /* of SGX platforms */
    size_t tcb_infos_count;
    SignedJson *qe_identities[COLLATERAL_PIECES_MAX]; /* of the SGX QE */
    size_t qe_identities_count;
} Collateral;

/* NULL only when out of memory. */
Collateral *collateral_new(Error *err) __attribute__((warn_unused_result));
void collateral_free(Collateral *collateral);
CLEANUP_DEFINE(Collateral, collateral_free)

/* Adds a piece of any kind. *ret_known (may be NULL) says whether it was of a kind that counts here: a file
 * of something else is no failure then, but ERROR_INPUT without ret_known. ERROR_INPUT for what is malformed.
 */
bool collateral_add(Collateral *collateral, Bytes bytes, const char *name, bool *ret_known, Error *err)
    __attribute__((warn_unused_result));

/* A file, or a directory: its collateral.json if there is one, else every file in it that is collateral. */
Collateral *collateral_load(const char *path, Error *err) __attribute__((warn_unused_result));

/* For the parts that make this up, in files of their own. */
bool collateral_add_crl(Collateral *collateral, Bytes bytes, const char *name, Error *err)
    __attribute__((warn_unused_result));
bool collateral_add_json(Collateral *collateral, Bytes bytes, const char *name, bool *ret_known, Error *err)
    __attribute__((warn_unused_result));

#endif
