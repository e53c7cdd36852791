/* SPDX-License-Identifier: Apache-2.0
 *
 * EpcFacts: how much enclave page cache there is: by CPUID (every section that the firmware made) and by the
 * kernel (what it uses of them, for each NUMA node).
 *
 * Intel SDM volume 3D, "CPUID leaf 12H, sub-leaves 2 and on"; Documentation/ABI/stable/sysfs-devices-node.
 */
#ifndef MANAGER_CHECKS_EPC_FACTS_H
#define MANAGER_CHECKS_EPC_FACTS_H

#include "manager/checks/host.h"

enum { EPC_NODES_MAX = 64, EPC_SECTIONS_MAX = 32 };

typedef struct EpcFacts {
    bool cpuid_known;
    size_t sections;
    uint64_t cpuid_kib;
    bool kernel_known;
    uint64_t kernel_kib;
    size_t nodes;         /* NUMA nodes with processors */
    size_t nodes_without; /* of those, how many have no EPC */
    uint64_t kib;         /* the kernel's number where it is known, else CPUID's; 0: not known */
} EpcFacts;

void epc_facts_read(const Host *host, EpcFacts *ret_facts);

#endif
