/* SPDX-License-Identifier: Apache-2.0
 *
 * Trust: the trust policies that a command is given with --trust, besides Intel's.
 */
#ifndef BUNDLES_TOOL_TRUST_H
#define BUNDLES_TOOL_TRUST_H

#include "bundles/base/cleanup.h"
#include "bundles/sgx/signers.h"

enum { TRUST_MAX = 16 };

typedef struct Trust {
    const char *paths[TRUST_MAX]; /* borrowed from the command line */
    size_t count;
} Trust;

bool trust_add(Trust *trust, const char *path); /* false: too many */
SignerPolicy *trust_load(const Trust *trust, Error *err) __attribute__((warn_unused_result));
CLEANUP_DEFINE(SignerPolicy, signers_free)

#endif
