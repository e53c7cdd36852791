/* SPDX-License-Identifier: Apache-2.0
 *
 * Signers: which signer may vouch for which enclave, as data.
 *
 * A policy is read from YAML. Intel's production policy (config/trust/intel.yaml) is built in and always
 * there, so that its deny list holds whatever else is configured; the simulated platform and operators add
 * files in the same format:
 *
 *     format: 1
 *     name: simulated-platform
 *     simulated: true              # optional; marks all roles of the file as simulated
 *     signers:
 *       - name: sim-qe             # [a-z0-9-], at most 64
 *         mrsigner: <64 hex digits>
 *     roles:
 *       - role: qe3                # names as in a bundle's manifest
 *         soname: libsgx_qe3.signed.so.1
 *         signers: [sim-qe]        # names from above
 *         isvprodid: 1
 *         min_isvsvn: 1            # optional, 0
 *         attributes: "0x14"       # flags of the SIGSTRUCT, exactly
 *         fixed_attributes: "0x12" # optional; bits that ATTRIBUTEMASK has to cover; DEBUG (0x2) always is
 * one vendor: "0x8086"         # optional; else any appended_library: false  # optional; may carry an
 * appended FIPS library denied:                      # optional
 *       - name: old-test-key
 *         mrsigner: <64 hex digits>
 *         reason: its private half is public
 *
 * What the policy does not say is fixed for every role: no DEBUG, MISCSELECT 0 with a full mask, family and
 * extended product id 0, no CET, SWDEFINED 0. Invariant: a denied signer is never one of a role's, in
 * whatever file it stands.
 */
#ifndef BUNDLES_SGX_SIGNERS_H
#define BUNDLES_SGX_SIGNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"
#include "bundles/sgx/sigstruct.h"

enum {
    SIGNERS_NAME_MAX = 64,
    SIGNERS_REASON_MAX = 200,
    SIGNERS_MAX = 64,
    SIGNERS_ROLES_MAX = 64,
    SIGNERS_PER_ROLE_MAX = 8
};

typedef struct Signer {
    char name[SIGNERS_NAME_MAX + 1];
    Digest mr_signer;
    char reason[SIGNERS_REASON_MAX + 1]; /* of a denied one */
} Signer;

typedef struct SignerRole {
    char role[SIGNERS_NAME_MAX + 1];
    char soname[SIGNERS_NAME_MAX + 1];
    Digest signers[SIGNERS_PER_ROLE_MAX];
    size_t signers_count;
    uint16_t prod_id;
    uint16_t min_svn;
    uint64_t flags;
    uint64_t fixed_flags;
    bool any_vendor;
    uint32_t vendor;
    bool appended_library;
    bool simulated;
} SignerRole;

typedef struct SignerPolicy SignerPolicy;

/* Intel's production policy; NULL only when out of memory. */
SignerPolicy *signers_new(Error *err) __attribute__((warn_unused_result));
void signers_free(SignerPolicy *policy);

/* Adds a file's signers, roles and denials. ERROR_CONFIG with line and column, ERROR_LIMIT. On failure the
 * policy is as before. `name` is for error texts. */
bool signers_add(SignerPolicy *policy, Bytes yaml, const char *name, Error *err)
    __attribute__((warn_unused_result));
bool signers_add_file(SignerPolicy *policy, int dir_fd, const char *path, Error *err)
    __attribute__((warn_unused_result));

/* By MRSIGNER; NULL if not known. Borrowed from the policy. */
const Signer *signers_find(const SignerPolicy *policy, const Digest *mr_signer);
const Signer *signers_find_denied(const SignerPolicy *policy, const Digest *mr_signer);

/* The role with that soname that the signer may sign for; failing that, the first with that soname (so that a
 * look-alike is named for what it claims to be); NULL if no role has it. */
const SignerRole *signers_find_role(const SignerPolicy *policy, const char *soname, const Digest *mr_signer);
bool signers_may_sign(const SignerRole *role, const Digest *mr_signer);

/* Product id, attributes and masks, vendor and the fixed fields. ERROR_VERIFY. */
bool signers_check_identity(const SignerRole *role, const Sigstruct *sigstruct, Error *err)
    __attribute__((warn_unused_result));

#endif
