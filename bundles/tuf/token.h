/* SPDX-License-Identifier: Apache-2.0
 *
 * TufToken: keys on PKCS#11 tokens (smart cards, HSMs) where OpenSSL has no store loader for pkcs11: URIs, as
 * on Debian 12: through the engine `pkcs11` (libengine-pkcs11-openssl). The private key never leaves the
 * token.
 */
#ifndef BUNDLES_TUF_TOKEN_H
#define BUNDLES_TUF_TOKEN_H

#include <openssl/evp.h>
#include <openssl/ui.h>
#include <stdbool.h>

#include "bundles/base/error.h"

bool tuf_token_is_uri(const char *name);

/* The name of a key, file or URI, as it may be shown: without a PIN. */
void tuf_token_format(char *text, size_t size, const char *name);

/* The private key that a URI (RFC 7512) names, or only its public part if the token gives no more; the PIN is
 * in the URI or asked for by `method`. `shown` is for the error. The caller frees. */
EVP_PKEY *tuf_token_load(const char *uri, const char *shown, UI_METHOD *method, void *context,
                         bool *ret_private, Error *err) __attribute__((warn_unused_result));

#endif
