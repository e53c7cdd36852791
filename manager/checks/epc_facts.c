/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/checks/epc_facts.h"

#include <stdio.h>
#include <string.h>

#include "bundles/base/text.h"

#define NODES "/sys/devices/system/node"

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

static bool has_processors(const Host *host, unsigned node) {
    char path[96], list[64];
    (void)snprintf(path, sizeof path, NODES "/node%u/cpulist", node);
    return host_read_line(host, path, list, sizeof list) && list[0] != '\0';
}

static void add_node(const Host *host, unsigned node, EpcFacts *facts) {
    char path[96];
    uint64_t bytes = 0;
    (void)snprintf(path, sizeof path, NODES "/node%u/x86/sgx_total_bytes", node);
    bool known = host_read_u64(host, path, &bytes);
    facts->kernel_known = facts->kernel_known || known;
    facts->kernel_kib += bytes / 1024;
    if (has_processors(host, node)) {
        facts->nodes++;
        facts->nodes_without += bytes == 0 ? 1 : 0;
    }
}

/* Those that there are: to ask for each that there could be takes a hundred calls, before every update. */
static void read_nodes(const Host *host, EpcFacts *facts) {
    HostNames names;
    uint64_t node = 0;
    host_names(host, NODES, &names);
    for (size_t i = 0; i < names.count; i++) {
        if (strncmp(names.names[i], "node", 4) == 0 &&
            text_parse_u64(names.names[i] + 4, 0, EPC_NODES_MAX - 1, &node)) {
            add_node(host, (unsigned)node, facts);
        }
    }
    host_names_done(&names);
}

void epc_facts_read(const Host *host, EpcFacts *ret_facts) {
    EpcFacts facts = {0};
    read_cpuid(host, &facts);
    read_nodes(host, &facts);
    facts.kib = facts.kernel_known ? facts.kernel_kib : facts.cpuid_kib;
    *ret_facts = facts;
}
