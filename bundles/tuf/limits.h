/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits of the TUF client: the one table. TufLimits holds those that a caller may tighten; the constants
 * bound what one metadata file may contain whatever the caller says.
 */
#ifndef BUNDLES_TUF_LIMITS_H
#define BUNDLES_TUF_LIMITS_H

#include <stdint.h>

typedef struct TufLimits {
    uint64_t root_size;      /* bytes of a root file */
    uint64_t timestamp_size; /* bytes of timestamp.json */
    uint64_t snapshot_size;  /* bytes; a smaller listed length wins, a larger one does not */
    uint64_t targets_size;   /* bytes of targets.json and of each delegated role; as above */
    uint64_t target_size;    /* bytes of a target file */
    uint32_t root_rotations; /* new root versions accepted in one run */
    uint32_t delegations;    /* delegated roles visited in one search */
} TufLimits;

#define TUF_LIMITS_DEFAULT                                                                                   \
    ((TufLimits){.root_size = 512000,                                                                        \
                 .timestamp_size = 16384,                                                                    \
                 .snapshot_size = 2000000,                                                                   \
                 .targets_size = 5000000,                                                                    \
                 .target_size = UINT64_C(2) * 1024 * 1024 * 1024,                                            \
                 .root_rotations = 256,                                                                      \
                 .delegations = 32})

#define TUF_INTEGER_MAX INT64_C(9007199254740991) /* 2^53 - 1: what every JSON reader keeps exactly */

enum {
    TUF_VALUES_MAX = 250000,    /* JSON values in one file: bounds memory where the file size does not */
    TUF_SIGNATURES_MAX = 256,   /* in one file */
    TUF_KEYS_MAX = 1024,        /* in one file */
    TUF_KEYIDS_MAX = 256,       /* of one role */
    TUF_ROLES_MAX = 16384,      /* delegated roles in one file */
    TUF_NAME_ENCODED_MAX = 200, /* a role's name, percent-encoded: fits a file name with room to spare */
    TUF_PATH_MAX = 1024,        /* a target's path */
    TUF_PEM_MAX = 16384,        /* a public key as text */
    TUF_SIGNATURE_BYTES_MAX = 2048,
    TUF_RSA_BITS_MIN = 2048,
    TUF_RSA_BITS_MAX = 16384
};

#endif
