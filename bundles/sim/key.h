/* SPDX-License-Identifier: Apache-2.0
 *
 * Key: P-256 private keys of the simulated platform and signatures in the raw form that attestation uses
 * (r and s, 32 bytes each, big endian; Intel SGX ECDSA QuoteLibReference, appendix A.4).
 */
#ifndef BUNDLES_SIM_KEY_H
#define BUNDLES_SIM_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIM_KEY_SECRET_SIZE = 40,
    SIM_KEY_PUBLIC_SIZE = 64,
    SIM_KEY_SIGNATURE_SIZE = 64,
    SIM_KEY_HASH_SIZE = 32
};

/* The key that 320 secret bits stand for: scalar = secret mod (n - 1) + 1, as Intel's QE derives its own.
 * NULL when out of memory; the caller frees with EVP_PKEY_free. */
EVP_PKEY *sim_key_from_secret(const uint8_t secret[SIM_KEY_SECRET_SIZE]);

/* x and y. */
bool sim_key_public(const EVP_PKEY *key, uint8_t ret_public[SIM_KEY_PUBLIC_SIZE])
    __attribute__((warn_unused_result));

/* A context that can sign again and again, by one thread at a time; free with EVP_PKEY_CTX_free. */
EVP_PKEY_CTX *sim_key_signer_new(EVP_PKEY *key);
bool sim_key_sign(EVP_PKEY_CTX *signer, const uint8_t hash[SIM_KEY_HASH_SIZE],
                  uint8_t ret_signature[SIM_KEY_SIGNATURE_SIZE]) __attribute__((warn_unused_result));

/* Once, over SHA-256 of the message. */
bool sim_key_sign_message(EVP_PKEY *key, const void *message, size_t size,
                          uint8_t ret_signature[SIM_KEY_SIGNATURE_SIZE]) __attribute__((warn_unused_result));

#endif
