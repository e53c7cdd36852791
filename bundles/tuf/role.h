/* SPDX-License-Identifier: Apache-2.0
 *
 * TufRole: who may sign a file (key ids and a threshold), and the check that enough of them did.
 *
 * The threshold counts distinct keys by fingerprint, never signatures or key ids.
 */
#ifndef BUNDLES_TUF_ROLE_H
#define BUNDLES_TUF_ROLE_H

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"
#include "bundles/tuf/key.h"

typedef struct TufSignature {
    const char *keyid; /* both borrowed from the metadata */
    const char *hex;
} TufSignature;

typedef struct TufRole {
    const char *name;    /* borrowed */
    const char **keyids; /* the texts are borrowed from the metadata */
    size_t keyids_count;
    int64_t threshold;
} TufRole;

/* The members `keyids` and `threshold` of an object. ERROR_INPUT also for a threshold below 1 and for a key
 * id that is listed twice. */
bool tuf_role_parse(const json_t *value, const char *name, const char *where, TufRole *ret_role, Error *err)
    __attribute__((warn_unused_result));
void tuf_role_done(TufRole *role);

/* ERROR_VERIFY: fewer than `threshold` distinct keys of the role signed the message. */
bool tuf_role_verify(const TufRole *role, const TufKeyring *keyring, Bytes message,
                     const TufSignature *signatures, size_t signatures_count, Error *err)
    __attribute__((warn_unused_result));

#endif
