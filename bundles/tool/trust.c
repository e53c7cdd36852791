/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/tool/trust.h"

#include <fcntl.h>

bool trust_add(Trust *trust, const char *path) {
    if (trust->count == TRUST_MAX) {
        return false;
    }
    trust->paths[trust->count++] = path;
    return true;
}

SignerPolicy *trust_load(const Trust *trust, Error *err) {
    CLEANUP(signers_freep) SignerPolicy *policy = signers_new(err);
    for (size_t i = 0; policy != NULL && i < trust->count; i++) {
        if (!signers_add_file(policy, AT_FDCWD, trust->paths[i], err)) {
            return NULL;
        }
    }
    return TAKE(policy);
}
