/* SPDX-License-Identifier: Apache-2.0
 *
 * TufDelegations: to whom a targets role hands on trust, and for which paths.
 *
 * Either a list of roles in order of preference, or succinct hash bins (TAP 15), never both. Everything
 * borrows from the metadata that it was parsed from.
 */
#ifndef BUNDLES_TUF_DELEGATIONS_H
#define BUNDLES_TUF_DELEGATIONS_H

#include "bundles/tuf/key.h"
#include "bundles/tuf/role.h"

typedef struct TufDelegation {
    TufRole role;
    bool terminating;
    const json_t *paths;    /* array of patterns; NULL: prefixes */
    const json_t *prefixes; /* array of hex prefixes of the path's SHA-256 */
} TufDelegation;

typedef struct TufDelegations {
    TufKeyring keyring;
    TufDelegation *roles;
    size_t roles_count;
    TufRole bins;        /* succinct: keys and threshold of every bin; its name is the prefix of theirs */
    unsigned bit_length; /* 0: not succinct */
} TufDelegations;

/* The `delegations` object of a targets file. */
bool tuf_delegations_parse(const json_t *value, TufDelegations *ret_delegations, Error *err)
    __attribute__((warn_unused_result));
void tuf_delegations_done(TufDelegations *delegations);

bool tuf_delegation_matches(const TufDelegation *delegation, const char *path);

/* Whether it may match a path directly in the directory; NULL: any path at all. */
bool tuf_delegation_may_match_in(const TufDelegation *delegation, const char *directory);

/* Name of the bin that a path falls into; only for succinct delegations. The caller frees; NULL when out of
 * memory. */
char *tuf_delegations_bin(const TufDelegations *delegations, const char *path);

/* The name of a bin by its number, below 2^bit_length; as above. */
char *tuf_delegations_bin_name(const TufDelegations *delegations, unsigned long bin);
bool tuf_delegations_is_bin(const TufDelegations *delegations, const char *role);

/* Whether a name may be that of a delegated role: not empty, not one of the four, short when encoded. */
bool tuf_delegation_name_is_fit(const char *name);

#endif
