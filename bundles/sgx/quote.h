/* SPDX-License-Identifier: Apache-2.0
 *
 * Quote: reading a DCAP quote of an SGX enclave (ECDSA P-256) and checking what it says about itself.
 *
 * Layout: Intel SGX ECDSA QuoteLibReference, appendix A.4 (version 3, what Intel's QE3 makes), and Intel TDX
 * DCAP Quoting Library API, appendix A.3 (versions 4 and 5, which nest what certifies the attestation key).
 * TDX quotes are refused. A Quote is a view: it borrows the bytes it was parsed from, which may be followed
 * by zeros (an answer of the quote daemon is padded to the buffer size). Whether the platform is trustworthy
 * is not decided here but in bundles/dcap.
 */
#ifndef BUNDLES_SGX_QUOTE_H
#define BUNDLES_SGX_QUOTE_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/sgx/report.h"

enum {
    QUOTE_HEADER_SIZE = 48,
    QUOTE_SIGNED_SIZE = 432, /* header and report body: what the attestation key signs in version 3 */
    QUOTE_SIZE_MIN = 1020,
    QUOTE_PLAIN_SIZE = 1456, /* with the encrypted PPID in place of a certificate chain */
    QUOTE_SIZE_MAX = 13346,  /* with the longest certificate chain the quote library accepts */
    QUOTE_CERTIFICATION_PCK = 4,
    QUOTE_CERTIFICATION_PCK_CHAIN = 5
};

typedef struct Quote {
    uint16_t version;
    uint16_t qe_isv_svn; /* of the QE that signed; from version 4 on the header has neither: 0 */
    uint16_t pce_isv_svn;
    const uint8_t *qe_id;      /* 16 bytes */
    const SgxReportBody *body; /* the application's report body */
    Bytes signed_part;         /* what the attestation key signs: all up to the end of the body */
    const uint8_t *signature;  /* 64: r, s big endian */
    const uint8_t *public_key; /* 64: x, y big endian; the attestation key */
    const SgxReportBody *qe_report;
    const uint8_t *qe_report_signature; /* 64 */
    Bytes auth_data;
    uint16_t certification_type;
    Bytes certification_data; /* type 5: PEM chain, perhaps with a NUL behind it */
    size_t size;              /* without the zeros behind */
} Quote;

/* ERROR_INPUT if it is not a complete, well-formed SGX quote. */
bool quote_parse(Bytes bytes, Quote *ret_quote, Error *err) __attribute__((warn_unused_result));

/* Cheap checks without signatures: the application's report body is `report`'s and the QE report's report
 * data binds the attestation key. ERROR_VERIFY. */
bool quote_matches_report(const Quote *quote, const SgxReportBody *report, Error *err)
    __attribute__((warn_unused_result));

/* All signatures inside: `pck_key` over the QE report, report data of the QE report, attestation key over
 * header and body. ERROR_VERIFY names the one that is bad. */
bool quote_check_signatures_by(const Quote *quote, EVP_PKEY *pck_key, Error *err)
    __attribute__((warn_unused_result));

/* The same with the key of the first certificate of the chain (type 5), whoever issued it. */
bool quote_check_signatures(const Quote *quote, Error *err) __attribute__((warn_unused_result));

#endif
