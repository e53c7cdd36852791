/* SPDX-License-Identifier: Apache-2.0
 *
 * AdviceFetch: getting collateral for one policy of Intel's service (standard or early) into the cache.
 *
 * Only in the advice task's child; the courier is on HELPER_DATA. Invariant: the cache is changed only by a
 * whole set whose signatures lead to the root, whose time has come and not passed, and which is not older
 * than what is there. Each file is an answer with its issuer chain, as bundles/dcap/collateral.h reads it.
 */
#ifndef MANAGER_ADVICE_FETCH_H
#define MANAGER_ADVICE_FETCH_H

#include <openssl/x509.h>

#include "bundles/base/buffer.h"
#include "bundles/dcap/certificates.h"
#include "bundles/dcap/pck.h"

typedef struct AdviceFetch {
    int directory_fd; /* of the cache, above the policies' */
    X509 *root;
    const Pck *pck;
    const Certificates *chain; /* the node's PCK certificate and those above it */
    int64_t time;
    Buffer crls[2]; /* of PCK CA and root: the same for every policy */
    bool has_crls;
} AdviceFetch;

/* `path` is the policy's directory, made if missing. On failure the cache is as it was. */
bool advice_fetch_policy(AdviceFetch *fetch, const char *policy, const char *path, Error *err)
    __attribute__((warn_unused_result));
void advice_fetch_done(AdviceFetch **fetch); /* for CLEANUP; frees what it holds */

#endif
