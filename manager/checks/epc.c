/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the enclave page cache: is there any, is it enough for a swap, who limits it.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/text.h"
#include "manager/checks/epc_facts.h"
#include "manager/checks/families.h"
#include "manager/checks/requirements.h"

#define KERNEL_SGX "https://docs.kernel.org/arch/x86/sgx.html"

enum { USUAL_SET_KIB = 4608, CGROUP_PATH_MAX = 512 };

static void check_sections(const CheckSubject *subject, CheckResult *result) {
    EpcFacts facts;
    epc_facts_read(subject->host, &facts);
    if (facts.kib > 0) {
        check_pass(result, "%llu KiB in %zu %s", (unsigned long long)facts.kib, facts.sections,
                   text_plural(facts.sections, "section", "sections"));
    } else if (facts.cpuid_known || facts.kernel_known) {
        check_bad(result, "the firmware has set no memory aside for enclaves");
    } else {
        check_skip(result, "neither CPUID nor the kernel tells how much EPC there is");
    }
}

static void check_agree(const CheckSubject *subject, CheckResult *result) {
    EpcFacts facts;
    epc_facts_read(subject->host, &facts);
    if (!facts.cpuid_known || !facts.kernel_known) {
        check_skip(result, "%s does not tell how much EPC there is",
                   facts.cpuid_known ? "the kernel" : "the processor");
    } else if (facts.kernel_kib < facts.cpuid_kib) {
        check_bad(result, "the processor has %llu KiB of EPC, the kernel uses %llu",
                  (unsigned long long)facts.cpuid_kib, (unsigned long long)facts.kernel_kib);
    } else {
        check_pass(result, "the kernel uses all %llu KiB", (unsigned long long)facts.cpuid_kib);
    }
}

static uint64_t usable_kib(const CheckSubject *subject) {
    EpcFacts facts;
    if (subject->settings->epc_kib != 0) {
        return subject->settings->epc_kib;
    }
    epc_facts_read(subject->host, &facts);
    return facts.kib;
}

static void check_spare(const CheckSubject *subject, CheckResult *result) {
    uint64_t kib = usable_kib(subject);
    if (kib == 0) {
        check_skip(result, "how much EPC there is is not known");
    } else if (kib < 2 * (uint64_t)USUAL_SET_KIB) {
        check_bad(result, "%llu KiB of EPC: two sets of Intel's enclaves, as a swap has them, take up to %u",
                  (unsigned long long)kib, 2 * USUAL_SET_KIB);
    } else {
        check_pass(result, "%llu KiB: room for two sets of Intel's enclaves", (unsigned long long)kib);
    }
}

static void check_headroom(const CheckSubject *subject, CheckResult *result) {
    const uint64_t now = subject->serving->epc_kib, next = subject->bundle->epc_kib, both = now + next;
    const uint64_t kib = usable_kib(subject);
    if (kib == 0 || next == 0) {
        check_skip(result, "how much EPC %s is not known", kib == 0 ? "there is" : "the bundle takes");
    } else if (requirements_fit(now, next, kib)) {
        check_pass(result, "the serving set (%llu KiB) and the new one (%llu) fit into %llu KiB",
                   (unsigned long long)now, (unsigned long long)next, (unsigned long long)kib);
    } else if (subject->settings->epc_sequential) {
        check_warn(result,
                   "%llu and %llu KiB do not fit into %llu: clients wait while the sets are exchanged",
                   (unsigned long long)now, (unsigned long long)next, (unsigned long long)kib);
    } else {
        check_bad(result, "two sets of enclaves need %llu KiB of EPC, there are %llu",
                  (unsigned long long)both, (unsigned long long)kib);
    }
}

static void check_numa(const CheckSubject *subject, CheckResult *result) {
    EpcFacts facts;
    epc_facts_read(subject->host, &facts);
    if (!facts.kernel_known || facts.nodes == 0) {
        check_skip(result, "the kernel does not tell the EPC of each NUMA node");
    } else if (facts.nodes_without > 0) {
        check_bad(result, "%zu of %zu NUMA nodes have no EPC: their enclaves use another node's",
                  facts.nodes_without, facts.nodes);
    } else {
        check_pass(result, "each of the %zu NUMA nodes has EPC", facts.nodes);
    }
}

/* "0::/system.slice/x.service" in /proc/self/cgroup. */
static bool own_cgroup(const Host *host, char *buffer, size_t size) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    if (!host_read(host, "/proc/self/cgroup", &text, &ignored)) {
        return false;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strncmp(line, "0::/", 4) == 0) {
            return text_copy(buffer, size, line + 3);
        }
    }
    return false;
}

/* The number after "sgx_epc " in misc.max; "max" is no limit. */
static bool read_limit(const Host *host, const char *path, uint64_t *ret_bytes) {
    CLEANUP(buffer_done) Buffer text = BUFFER_INIT(HOST_FILE_MAX);
    Error ignored = ERROR_INIT;
    if (!host_read(host, path, &text, &ignored)) {
        return false;
    }
    char *rest = (char *)text.data, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (strncmp(line, "sgx_epc ", 8) == 0) {
            return text_parse_u64(line + 8, 0, UINT64_MAX, ret_bytes);
        }
    }
    return false;
}

static void check_cgroup(const CheckSubject *subject, CheckResult *result) {
    char group[CGROUP_PATH_MAX], path[CGROUP_PATH_MAX + 64];
    uint64_t least = UINT64_MAX, bytes = 0;
    if (!own_cgroup(subject->host, group, sizeof group)) {
        check_skip(result, "/proc/self/cgroup names no control group of the second version");
        return;
    }
    while (group[0] != '\0') {
        (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/misc.max", group);
        if (read_limit(subject->host, path, &bytes) && bytes < least) {
            least = bytes;
        }
        *strrchr(group, '/') = '\0';
    }
    uint64_t wanted = 2 * (subject->bundle != NULL && subject->bundle->epc_kib != 0 ? subject->bundle->epc_kib
                                                                                    : USUAL_SET_KIB);
    if (least == UINT64_MAX) {
        check_pass(result, "no control group limits our EPC");
    } else if (least / 1024 < wanted) {
        check_bad(result, "a control group limits us to %llu KiB of EPC; a swap takes %llu",
                  (unsigned long long)least / 1024, (unsigned long long)wanted);
    } else {
        check_pass(result, "a control group limits us to %llu KiB of EPC, which is enough",
                   (unsigned long long)least / 1024);
    }
}

static void check_setting(const CheckSubject *subject, CheckResult *result) {
    EpcFacts facts;
    epc_facts_read(subject->host, &facts);
    if (subject->settings->epc_kib == 0) {
        check_pass(result, "swap.epc_size is not set: the platform's number counts");
    } else if (facts.kib == 0) {
        check_skip(result, "how much EPC there is is not known");
    } else if (subject->settings->epc_kib > facts.kib) {
        check_bad(result, "swap.epc_size says %llu KiB, there are %llu",
                  (unsigned long long)subject->settings->epc_kib, (unsigned long long)facts.kib);
    } else {
        check_pass(result, "swap.epc_size says %llu of %llu KiB",
                   (unsigned long long)subject->settings->epc_kib, (unsigned long long)facts.kib);
    }
}

static const Check checks[] = {
    {"epc.sections", "the firmware has set memory aside for enclaves",
     "'zero EPC sections' in the kernel's messages", "https://github.com/intel/linux-sgx/issues/1083",
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_sections,
     "set the size of the PRM (processor reserved memory) in the firmware's setup; on two sockets, populate "
     "both"},
    {"epc.agree", "the kernel uses all the EPC that the processor has",
     "sections that the kernel threw away at boot", KERNEL_SGX, CHECK_NEEDS_HARDWARE, CHECK_WARN, check_agree,
     "look for 'sgx:' in the kernel's messages; update the firmware"},
    {"epc.spare", "two sets of Intel's enclaves fit",
     "a swap that is refused, or clients that wait during it",
     "https://github.com/intel/linux-sgx/blob/master/README.md", CHECK_NEEDS_HARDWARE, CHECK_WARN,
     check_spare,
     "set a larger PRM in the firmware's setup, raise swap.epc_size, or allow swap.epc: sequential"},
    {"epc.headroom", "the serving set and the new one fit together",
     "SGX_QL_OUT_OF_EPC in the middle of a swap", "https://github.com/intel/linux-sgx-driver/issues/134",
     CHECK_NEEDS_BUNDLE | CHECK_NEEDS_SERVING, CHECK_FAIL, check_headroom,
     "allow swap.epc: sequential (clients wait while the sets are exchanged), or set a larger PRM"},
    {"epc.numa", "every NUMA node has EPC", "enclaves that are slow on one half of the processors",
     "https://docs.kernel.org/admin-guide/abi-stable.html", CHECK_NEEDS_HARDWARE, CHECK_INFO, check_numa,
     "populate memory of all sockets and enable SGX for each"},
    {"epc.cgroup", "no control group limits our EPC below a swap's need",
     "enclaves killed for memory that the node has", "https://docs.kernel.org/admin-guide/cgroup-v2.html",
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_cgroup,
     "raise sgx_epc in misc.max of the manager's control group"},
    {"epc.setting", "swap.epc_size is not more than there is", "a swap that begins and cannot end",
     KERNEL_SGX, CHECK_NEEDS_HARDWARE, CHECK_WARN, check_setting,
     "correct swap.epc_size in manager.yaml, or leave it out"},
};

const CheckFamily family_epc = {"epc", FAMILY(checks)};
