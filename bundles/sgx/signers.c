/* SPDX-License-Identifier: Apache-2.0 */
#include "bundles/sgx/signers.h"

#include <stdlib.h>

#include "bundles/base/buffer.h"
#include "bundles/base/cleanup.h"
#include "bundles/base/file.h"
#include "bundles/base/settings.h"
#include "bundles/sgx/signers_private.h"

CLEANUP_DEFINE(SignerPolicy, signers_free)

SignerPolicy *signers_new(Error *err) {
    CLEANUP(signers_freep) SignerPolicy *policy = calloc(1, sizeof *policy);
    if (policy == NULL) {
        error_set(err, ERROR_MEMORY, "out of memory for the trust policy");
        return NULL;
    }
    Bytes intel = {signers_intel_yaml, signers_intel_yaml_size};
    return signers_add(policy, intel, "built-in trust policy", err) ? TAKE(policy) : NULL;
}

void signers_free(SignerPolicy *policy) {
    free(policy);
}

bool signers_add_file(SignerPolicy *policy, int dir_fd, const char *path, Error *err) {
    CLEANUP(buffer_done) Buffer yaml = BUFFER_INIT(SETTINGS_SIZE_MAX);
    return file_read(dir_fd, path, &yaml, err) && signers_add(policy, buffer_bytes(&yaml), path, err);
}

static const Signer *find(const Signer *signers, size_t count, const Digest *mr_signer) {
    for (size_t i = 0; i < count; i++) {
        if (digest_equal(&signers[i].mr_signer, mr_signer)) {
            return &signers[i];
        }
    }
    return NULL;
}

const Signer *signers_find(const SignerPolicy *policy, const Digest *mr_signer) {
    return find(policy->signers, policy->signers_count, mr_signer);
}

const Signer *signers_find_denied(const SignerPolicy *policy, const Digest *mr_signer) {
    return find(policy->denied, policy->denied_count, mr_signer);
}

bool signers_may_sign(const SignerRole *role, const Digest *mr_signer) {
    for (size_t i = 0; i < role->signers_count; i++) {
        if (digest_equal(&role->signers[i], mr_signer)) {
            return true;
        }
    }
    return false;
}

const SignerRole *signers_find_role(const SignerPolicy *policy, const char *soname, const Digest *mr_signer) {
    const SignerRole *found = NULL;
    for (size_t i = 0; i < policy->roles_count; i++) {
        const SignerRole *role = &policy->roles[i];
        if (strcmp(role->soname, soname) != 0) {
            continue;
        }
        if (signers_may_sign(role, mr_signer)) {
            return role;
        }
        found = found != NULL ? found : role;
    }
    return found;
}

static bool fixed_fields_check(const Sigstruct *sigstruct, Error *err) {
    if ((sigstruct->type & 0x80000000U) != 0 || (sigstruct->attributes.flags & SGX_FLAGS_DEBUG) != 0) {
        return error_set(err, ERROR_VERIFY, "this is a debug enclave");
    }
    if (sigstruct->misc_select != 0 || sigstruct->misc_mask != UINT32_MAX) {
        return error_set(err, ERROR_VERIFY, "MISCSELECT 0x%x with mask 0x%x: it has to be fixed to 0",
                         sigstruct->misc_select, sigstruct->misc_mask);
    }
    if (sigstruct->cet != 0 || sigstruct->sw_defined != 0 ||
        !bytes_are_zero((Bytes){sigstruct->family_id, 16}) ||
        !bytes_are_zero((Bytes){sigstruct->ext_prod_id, 16})) {
        return error_set(
            err, ERROR_VERIFY,
            "CET attributes, SWDEFINED, family id or extended product id are set, which no enclave of "
            "attestation has");
    }
    return true;
}

bool signers_check_identity(const SignerRole *role, const Sigstruct *sigstruct, Error *err) {
    if (!fixed_fields_check(sigstruct, err)) {
        return false;
    }
    if (sigstruct->prod_id != role->prod_id) {
        return error_set(err, ERROR_VERIFY, "ISVPRODID %u: the role %s has %u", sigstruct->prod_id,
                         role->role, role->prod_id);
    }
    if (sigstruct->attributes.flags != role->flags) {
        return error_set(err, ERROR_VERIFY, "attributes 0x%llx: the role %s has 0x%llx",
                         (unsigned long long)sigstruct->attributes.flags, role->role,
                         (unsigned long long)role->flags);
    }
    uint64_t loose = role->fixed_flags & ~sigstruct->attributes_mask.flags;
    if (loose != 0) {
        return error_set(err, ERROR_VERIFY,
                         "the attribute mask leaves 0x%llx to the loader, which the role %s forbids",
                         (unsigned long long)loose, role->role);
    }
    if (!role->any_vendor && sigstruct->vendor != role->vendor) {
        return error_set(err, ERROR_VERIFY, "vendor 0x%x: the role %s has 0x%x", sigstruct->vendor,
                         role->role, role->vendor);
    }
    return true;
}
