/* SPDX-License-Identifier: Apache-2.0
 *
 * DriverNodes: which SGX driver is here, by its device nodes and modules.
 *
 * Flavours: the kernel's own (5.11 and later), Intel's DCAP driver out of the tree (whose last version, 1.41,
 * uses the kernel's node names), and the legacy driver isgx, which cannot run DCAP. Names:
 * https://docs.kernel.org/arch/x86/sgx.html and https://github.com/intel/SGXDataCenterAttestationPrimitives
 * (driver/linux/README.md).
 */
#ifndef MANAGER_CHECKS_DRIVER_NODES_H
#define MANAGER_CHECKS_DRIVER_NODES_H

#include "manager/checks/host.h"

typedef struct DriverNodes {
    const char *enclave;   /* the node that a quote library would use; NULL: none is a device */
    const char *provision; /* NULL: none is a device */
    bool in_kernel;        /* /dev/sgx_enclave is a device */
    bool dcap;             /* /dev/sgx/enclave is one, or a link to one */
    bool legacy;           /* /dev/isgx is one */
    bool module;           /* intel_sgx is loaded from outside the kernel's tree */
    bool legacy_module;    /* isgx is loaded */
    char version[32];      /* of the module; "": not known */
} DriverNodes;

void driver_nodes_read(const Host *host, DriverNodes *ret_nodes);

#endif
