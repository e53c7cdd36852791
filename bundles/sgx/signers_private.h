/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of signers share: signers (questions to a policy), signers_load (reading one), and the
 * built-in policy, which the build makes from config/trust/intel.yaml.
 */
#ifndef BUNDLES_SGX_SIGNERS_PRIVATE_H
#define BUNDLES_SGX_SIGNERS_PRIVATE_H

#include "bundles/sgx/signers.h"

struct SignerPolicy {
    Signer signers[SIGNERS_MAX];
    size_t signers_count;
    Signer denied[SIGNERS_MAX];
    size_t denied_count;
    SignerRole roles[SIGNERS_ROLES_MAX];
    size_t roles_count;
};

extern const uint8_t signers_intel_yaml[];
extern const size_t signers_intel_yaml_size;

#endif
