/* SPDX-License-Identifier: Apache-2.0
 *
 * Pki: certificates and CRLs in the profile of Intel's provisioning PKI (Intel SGX PCK Certificate and CRL
 * Profile Specification), with names that begin with "Simulated".
 */
#ifndef BUNDLES_SIM_PKI_H
#define BUNDLES_SIM_PKI_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/buffer.h"
#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

typedef enum SimPkiKind { SIM_PKI_ROOT, SIM_PKI_INTERMEDIATE, SIM_PKI_LEAF } SimPkiKind;

typedef struct SimPkiSpec {
    SimPkiKind kind;
    const char *common_name;
    const char *crl_url;
    EVP_PKEY *key;
    const X509 *issuer; /* NULL: self-signed */
    EVP_PKEY *issuer_key;
    int64_t not_before; /* seconds since 1970 */
    int64_t not_after;
    Bytes sgx_extension; /* of a PCK certificate: the extension's value; else empty */
} SimPkiSpec;

/* NULL only when out of memory; the caller frees with X509_free. */
X509 *sim_pki_certificate(const SimPkiSpec *spec, Error *err) __attribute__((warn_unused_result));

/* An empty CRL in DER, appended to the buffer. */
bool sim_pki_crl(const X509 *issuer, EVP_PKEY *issuer_key, int64_t this_update, int64_t next_update,
                 Buffer *crl, Error *err) __attribute__((warn_unused_result));

/* PEM, appended to the buffer. */
bool sim_pki_pem(const X509 *certificate, Buffer *pem, Error *err) __attribute__((warn_unused_result));
bool sim_pki_key_pem(const EVP_PKEY *key, bool private_half, Buffer *pem, Error *err)
    __attribute__((warn_unused_result));

#endif
