/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/epc_facts.h"

#include <stdio.h>

enum { LEAF_FEATURES = 7, LEAF_SGX = 0x12, SUBLEAF_SECTIONS = 2 };

static void read_cpuid(const Host *host, EpcFacts *facts) {
    HostCpuid most, leaf;
    if (!host->cpuid(host, 0, 0, &most)) {
        return;
    }
    facts->cpuid_known = true;
    if (most.eax < LEAF_SGX || !host->cpuid(host, LEAF_FEATURES, 0, &leaf) || (leaf.ebx & 4) == 0) {
        return;
    }
    for (uint32_t i = 0; i < EPC_SECTIONS_MAX; i++) {
        if (!host->cpuid(host, LEAF_SGX, SUBLEAF_SECTIONS + i, &leaf) || (leaf.eax & 0xf) != 1) {
            break;
        }
        facts->sections++;
        facts->cpuid_kib += ((leaf.ecx & 0xfffff000U) | (uint64_t)(leaf.edx & 0xfffffU) << 32) / 1024;
    }
}

static bool has_processors(const Host *host, int node) {
    char path[96], list[64];
    (void)snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node);
    return host_read_line(host, path, list, sizeof list) && list[0] != '\0';
}

void epc_facts_read(const Host *host, EpcFacts *ret_facts) {
    EpcFacts facts = {0};
    char path[96];
    read_cpuid(host, &facts);
    for (int node = 0; node < EPC_NODES_MAX; node++) {
        uint64_t bytes = 0;
        (void)snprintf(path, sizeof path, "/sys/devices/system/node/node%d/x86/sgx_total_bytes", node);
        bool known = host_read_u64(host, path, &bytes);
        facts.kernel_known = facts.kernel_known || known;
        facts.kernel_kib += bytes / 1024;
        if (has_processors(host, node)) {
            facts.nodes++;
            facts.nodes_without += bytes == 0 ? 1 : 0;
        }
    }
    facts.kib = facts.kernel_known ? facts.kernel_kib : facts.cpuid_kib;
    *ret_facts = facts;
}
