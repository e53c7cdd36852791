/* SPDX-License-Identifier: Apache-2.0
 *
 * TufSigner: a private key that signs metadata, or a public one that is only listed.
 *
 * A key is named by a file (PKCS#8 or public PEM) or by any URI that OpenSSL's store loaders know, such as a
 * PKCS#11 token's. Private parts are held by OpenSSL alone and are wiped when freed.
 */
#ifndef BUNDLES_TUF_SIGNER_H
#define BUNDLES_TUF_SIGNER_H

#include <jansson.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/tuf/key.h"

enum { TUF_KEYID_SIZE = 65, TUF_PASSPHRASE_MAX = 1024 };

typedef struct TufSigner TufSigner;

/* Writes a passphrase with a NUL into the buffer; false with the error: there is none. `name` is the key's.
 * It is called at most once for a key. */
typedef struct TufPassphrase {
    bool (*ask)(void *context, const char *name, char *buffer, size_t size, Error *err);
    void *context;
} TufPassphrase;

/* `type` is "ed25519", "ecdsa" (P-256) or "rsa" (3072 bits). */
TufSigner *tuf_signer_generate(const char *type, Error *err) __attribute__((warn_unused_result));

/* A private key where there is one, else a public one. `passphrase` may be NULL. */
TufSigner *tuf_signer_load(const char *name, const TufPassphrase *passphrase, Error *err)
    __attribute__((warn_unused_result));

/* A new file with mode 0600, PKCS#8 in PEM, encrypted (AES-256) unless `passphrase` is NULL or has none.
 * ERROR_CONFLICT when the file is there already. */
bool tuf_signer_save(const TufSigner *signer, const char *path, const TufPassphrase *passphrase, Error *err)
    __attribute__((warn_unused_result));
void tuf_signer_free(TufSigner *signer);

static inline void tuf_signer_freep(TufSigner **signer) {
    tuf_signer_free(*signer);
}

/* SHA-256 of the canonical key object. Borrowed. */
const char *tuf_signer_keyid(const TufSigner *signer);
/* The key object as metadata lists it. Borrowed. */
json_t *tuf_signer_public(const TufSigner *signer);

/* Lower-case hex; the caller frees. ERROR_USAGE when only the public part is there. */
char *tuf_signer_sign(const TufSigner *signer, Bytes message, Error *err) __attribute__((warn_unused_result));

#endif
