/* SPDX-License-Identifier: Apache-2.0
 *
 * TufKey: a public key as metadata lists it (TUF specification 1.0.34, section 4.2), and keyrings.
 *
 * A key of an unknown type, or one whose parts do not fit together, is kept without being usable: it never
 * verifies anything, and the file that lists it stands or falls by the thresholds of the others. The
 * fingerprint is over the key's numbers, so that one key written in two ways, or listed under two ids,
 * counts once.
 */
#ifndef BUNDLES_TUF_KEY_H
#define BUNDLES_TUF_KEY_H

#include <jansson.h>
#include <openssl/types.h>

#include "bundles/base/bytes.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"

typedef enum TufScheme {
    TUF_SCHEME_UNKNOWN,
    TUF_SCHEME_ED25519, /* "ed25519" */
    TUF_SCHEME_ECDSA,   /* "ecdsa-sha2-nistp256" */
    TUF_SCHEME_RSA_PSS  /* "rsassa-pss-sha256" */
} TufScheme;

typedef struct TufKey {
    const char *keyid; /* borrowed from the metadata */
    TufScheme scheme;  /* UNKNOWN: not usable, `unusable` says why */
    const char *unusable;
    EVP_PKEY *pkey;
    Digest fingerprint;
} TufKey;

typedef struct TufKeyring {
    TufKey *keys;
    size_t count;
} TufKeyring;

/* The `keys` object of root or of delegations: ERROR_INPUT for a wrong shape, ERROR_LIMIT for too many. The
 * keyring borrows from the value. */
bool tuf_keyring_parse(const json_t *value, const char *where, TufKeyring *ret_keyring, Error *err)
    __attribute__((warn_unused_result));
void tuf_keyring_done(TufKeyring *keyring);
const TufKey *tuf_keyring_find(const TufKeyring *keyring, const char *keyid); /* NULL: none */

/* Whether the signature (raw bytes) is this key's over the message. Leaves no entry in OpenSSL's queue. */
bool tuf_key_verify(const TufKey *key, Bytes message, Bytes signature);

#endif
