/* SPDX-License-Identifier: Apache-2.0
 *
 * Requirements: whether this host has what a bundle's manifest asks for, as far as it shows without loading
 * it.
 */
#ifndef MANAGER_REQUIREMENTS_H
#define MANAGER_REQUIREMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/manifest.h"

enum { REQUIREMENTS_RELEASE_MAX = 64 };

typedef struct RequirementsHost {
    char kernel[REQUIREMENTS_RELEASE_MAX]; /* the dotted numbers at the start of the release: "6.1.0" */
    bool in_kernel, dcap, legacy;          /* drivers, by their device nodes */
    uint64_t epc_kib;                      /* 0: not known */
    bool simulated_allowed;
} RequirementsHost;

/* Looks beneath root ("" for the running system). */
void requirements_host_read(const char *root, RequirementsHost *ret_host);

/* ERROR_PERMISSION: a policy says no; ERROR_VERIFY: the host lacks something. */
bool requirements_check(const Manifest *manifest, const RequirementsHost *host, Error *err)
    __attribute__((warn_unused_result));

/* Whether both sets fit at the same time. A set or host of unknown size fits. */
bool requirements_fit(uint64_t serving_kib, uint64_t next_kib, uint64_t host_kib);

#endif
