/* SPDX-License-Identifier: Apache-2.0
 *
 * Requirements: whether this host has what a bundle's manifest asks for, as far as it shows without loading
 * it. The checks bundle.simulated, bundle.driver, bundle.kernel and bundle.epc say the same one by one.
 */
#ifndef MANAGER_CHECKS_REQUIREMENTS_H
#define MANAGER_CHECKS_REQUIREMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"
#include "bundles/manifest.h"
#include "manager/checks/host.h"

typedef struct RequirementsHost {
    char kernel[HOST_RELEASE_SIZE]; /* the dotted numbers at the start of the release: "6.1.0" */
    bool in_kernel, dcap, legacy;   /* drivers, by their device nodes */
    char module[32];                /* version of a driver from outside the kernel; "": none, or not known */
    uint64_t epc_kib;               /* 0: not known */
    bool simulated_allowed;
} RequirementsHost;

void requirements_host_read(const Host *host, RequirementsHost *ret_host);
/* Of the running system; what cannot be read is not known. */
void requirements_host_live(RequirementsHost *ret_host);

/* All of them: ERROR_PERMISSION: a policy says no; ERROR_VERIFY: the host lacks something. */
bool requirements_check(const Manifest *manifest, const RequirementsHost *host, Error *err)
    __attribute__((warn_unused_result));

/* One by one. */
typedef bool (*RequirementFn)(const Manifest *manifest, const RequirementsHost *host, Error *err);
bool requirements_simulated(const Manifest *manifest, const RequirementsHost *host, Error *err);
bool requirements_driver(const Manifest *manifest, const RequirementsHost *host, Error *err);
bool requirements_kernel(const Manifest *manifest, const RequirementsHost *host, Error *err);
bool requirements_epc(const Manifest *manifest, const RequirementsHost *host, Error *err);

/* Whether both sets fit at the same time. A set or host of unknown size fits. */
bool requirements_fit(uint64_t serving_kib, uint64_t next_kib, uint64_t host_kib);

#endif
