/* SPDX-License-Identifier: Apache-2.0
 *
 * Ecdsa: P-256 signatures as attestation carries them: r and s, 32 bytes each, big endian, no DER.
 *
 * Source of the form: Intel SGX ECDSA QuoteLibReference, appendix A.4; PCS API, "signature" members.
 */
#ifndef BUNDLES_SGX_ECDSA_H
#define BUNDLES_SGX_ECDSA_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/bytes.h"

enum { ECDSA_KEY_SIZE = 64, ECDSA_SIGNATURE_SIZE = 64 };

/* A key from x and y, 32 bytes each, big endian; NULL if that is no point of the curve or out of memory. The
 * caller frees with EVP_PKEY_free. */
EVP_PKEY *ecdsa_key_new(const uint8_t public_key[ECDSA_KEY_SIZE]);

/* Is `signature` the key's over SHA-256 of the message? False also if the key is not on P-256. */
bool ecdsa_verify(EVP_PKEY *key, Bytes message, const uint8_t signature[ECDSA_SIGNATURE_SIZE]);

#endif
