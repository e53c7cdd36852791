/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks of the processor: what CPUID, the feature control register and the kernel's view of them say.
 *
 * Leaves: Intel SDM volume 3D, chapters 35 ("Introduction to Intel SGX", leaves 7 and 12H) and 36.
 */
#include <stdio.h>
#include <string.h>

#include "bundles/base/text.h"
#include "manager/checks/families.h"

#define SDM "https://www.intel.com/content/www/us/en/developer/articles/technical/intel-sdm.html"

enum {
    LEAF_FEATURES = 7,
    LEAF_SGX = 0x12,
    MSR_FEATURE_CONTROL = 0x3a,
    CPUS_MAX = 1024,
    ENCLAVE_BITS_WANTED = 25 /* 32 MiB: the largest of Intel's quoting enclaves has an ELRANGE below */
};

static bool read_leaf(const CheckSubject *subject, CheckResult *result, uint32_t leaf, uint32_t subleaf,
                      HostCpuid *ret_registers) {
    HostCpuid most, features;
    const Host *host = subject->host;
    if (!host->cpuid(host, 0, 0, &most)) {
        check_skip(result, "the processor behind this root is not known");
        return false;
    }
    if (leaf == LEAF_SGX && host->cpuid(host, LEAF_FEATURES, 0, &features) && (features.ebx & 4) == 0) {
        check_skip(result, "the processor has no SGX: see cpu.sgx");
        return false;
    }
    if (most.eax < leaf || !host->cpuid(host, leaf, subleaf, ret_registers)) {
        *ret_registers = (HostCpuid){0};
    }
    return true;
}

static void check_vendor(const CheckSubject *subject, CheckResult *result) {
    char vendor[64];
    if (!host_cpu_field(subject->host, "vendor_id", vendor, sizeof vendor)) {
        check_skip(result, "/proc/cpuinfo does not name the vendor");
    } else if (strcmp(vendor, "GenuineIntel") != 0) {
        check_bad(result, "the processor is made by '%.32s'", vendor);
    } else {
        check_pass(result, "GenuineIntel");
    }
}

/* CPUID where it can be asked, else the kernel's list of flags. */
static void check_feature(const CheckSubject *subject, CheckResult *result, bool in_ecx, unsigned bit,
                          const char *flag, const char *name) {
    HostCpuid most, leaf = {0};
    const Host *host = subject->host;
    bool has = false;
    if (host->cpuid(host, 0, 0, &most)) {
        has = most.eax >= LEAF_FEATURES && host->cpuid(host, LEAF_FEATURES, 0, &leaf) &&
              (((in_ecx ? leaf.ecx : leaf.ebx) >> bit) & 1) != 0;
    } else if (host_has(host, "/proc/cpuinfo")) {
        has = host_has_cpu_flag(host, flag);
    } else {
        check_skip(result, "the processor behind this root is not known");
        return;
    }
    if (has) {
        check_pass(result, "the processor has %s", name);
    } else {
        check_bad(result, "the processor does not offer %s, or the firmware has it switched off", name);
    }
}

static void check_sgx(const CheckSubject *subject, CheckResult *result) {
    check_feature(subject, result, false, 2, "sgx", "SGX");
}

static void check_flc(const CheckSubject *subject, CheckResult *result) {
    check_feature(subject, result, true, 30, "sgx_lc", "flexible launch control");
}

static void check_kernel_flag(const CheckSubject *subject, CheckResult *result) {
    HostCpuid leaf;
    if (!host_has(subject->host, "/proc/cpuinfo")) {
        check_skip(result, "there is no /proc/cpuinfo");
    } else if (!read_leaf(subject, result, LEAF_FEATURES, 0, &leaf)) {
        return;
    } else if ((leaf.ebx & 4) == 0) {
        check_skip(result, "the processor has no SGX: see cpu.sgx");
    } else if (host_has_cpu_flag(subject->host, "sgx")) {
        check_pass(result, "the kernel lists the flag sgx");
    } else {
        check_bad(result,
                  "the processor has SGX and the kernel does not use it: no flag sgx in /proc/cpuinfo");
    }
}

static void check_sgx1(const CheckSubject *subject, CheckResult *result) {
    HostCpuid leaf;
    if (!read_leaf(subject, result, LEAF_SGX, 0, &leaf)) {
        return;
    }
    if ((leaf.eax & 1) != 0) {
        check_pass(result, "SGX1 instructions are enabled");
    } else {
        check_bad(result, "the SGX1 instructions are not enabled (CPUID 12H.0 EAX is 0x%x)", leaf.eax);
    }
}

static void check_sgx2(const CheckSubject *subject, CheckResult *result) {
    HostCpuid leaf;
    if (!read_leaf(subject, result, LEAF_SGX, 0, &leaf)) {
        return;
    }
    if ((leaf.eax & 2) != 0) {
        check_pass(result, "SGX2 (dynamic memory) is there");
    } else {
        check_bad(result, "no SGX2: enclaves cannot grow. Intel's quoting enclaves do not need it");
    }
}

static void check_attributes(const CheckSubject *subject, CheckResult *result) {
    HostCpuid leaf;
    enum { MODE64 = 4, PROVISION = 16 };
    if (!read_leaf(subject, result, LEAF_SGX, 1, &leaf)) {
        return;
    }
    if ((leaf.eax & (MODE64 | PROVISION)) == (MODE64 | PROVISION)) {
        check_pass(result, "enclaves may have MODE64 and PROVISIONKEY");
    } else {
        check_bad(result, "enclaves may not have %s here (CPUID 12H.1 EAX is 0x%x)",
                  (leaf.eax & PROVISION) != 0 ? "MODE64" : "PROVISIONKEY", leaf.eax);
    }
}

static void check_kss(const CheckSubject *subject, CheckResult *result) {
    HostCpuid leaf;
    if (!read_leaf(subject, result, LEAF_SGX, 1, &leaf)) {
        return;
    }
    if ((leaf.eax & 128) != 0) {
        check_pass(result, "key separation and sharing is there");
    } else {
        check_bad(result, "no key separation and sharing: applications that use CONFIGID or family ids fail");
    }
}

static void check_enclave_size(const CheckSubject *subject, CheckResult *result) {
    HostCpuid leaf;
    if (!read_leaf(subject, result, LEAF_SGX, 0, &leaf)) {
        return;
    }
    unsigned bits = (leaf.edx >> 8) & 0xff;
    if (bits >= ENCLAVE_BITS_WANTED) {
        check_pass(result, "enclaves may take 2^%u bytes", bits);
    } else {
        check_bad(result, "enclaves may take 2^%u bytes; the quoting enclaves need up to 2^%u", bits,
                  ENCLAVE_BITS_WANTED);
    }
}

static void check_feature_control(const CheckSubject *subject, CheckResult *result) {
    uint64_t value = 0;
    enum { LOCKED = 1, LAUNCH_CONTROL = 1 << 17, ENABLED = 1 << 18 };
    if (!host_read_at(subject->host, "/dev/cpu/0/msr", MSR_FEATURE_CONTROL, &value, sizeof value)) {
        check_skip(result, "/dev/cpu/0/msr cannot be read (modprobe msr)");
    } else if ((value & LOCKED) == 0) {
        check_bad(result, "the firmware left the feature control register unlocked: SGX is off");
    } else if ((value & ENABLED) == 0) {
        check_bad(result, "the firmware locked SGX off (feature control is 0x%llx)",
                  (unsigned long long)value);
    } else if ((value & LAUNCH_CONTROL) == 0) {
        check_bad(result, "the firmware locked launch control: only enclaves of its own choice start");
    } else {
        check_pass(result, "SGX and launch control are enabled and locked");
    }
}

static void check_microcode(const CheckSubject *subject, CheckResult *result) {
    char first[32] = "", path[96], version[32];
    unsigned seen = 0;
    for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
        (void)snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/microcode/version", cpu);
        if (!host_read_line(subject->host, path, version, sizeof version)) {
            break;
        }
        if (seen++ == 0) {
            (void)text_copy(first, sizeof first, version);
        } else if (strcmp(first, version) != 0) {
            check_bad(result, "processor 0 runs microcode %s, processor %u runs %s", first, cpu, version);
            return;
        }
    }
    if (seen == 0) {
        check_skip(result, "the kernel does not tell the microcode's revision");
    } else if (seen == 1) {
        check_pass(result, "the only processor runs microcode %s", first);
    } else {
        check_pass(result, "all %u processors run microcode %s", seen, first);
    }
}

static void check_microcode_late(const CheckSubject *subject, CheckResult *result) {
    uint64_t tainted = 0;
    if (!host_read_u64(subject->host, "/proc/sys/kernel/tainted", &tainted)) {
        check_skip(result, "/proc/sys/kernel/tainted cannot be read");
    } else if ((tainted & 4) != 0) {
        check_bad(result, "the kernel was changed out of specification while it ran (taint 4), as by loading "
                          "microcode late: CPUSVN of reports and certificates may part");
    } else {
        check_pass(result, "microcode was loaded early, if at all");
    }
}

static void check_hypervisor(const CheckSubject *subject, CheckResult *result) {
    HostCpuid leaf;
    if (!read_leaf(subject, result, 1, 0, &leaf)) {
        return;
    }
    if ((leaf.ecx >> 31) != 0) {
        check_bad(result,
                  "this is a virtual machine: enclaves are lost when it migrates or is suspended, and "
                  "its EPC is what the host gives it");
    } else {
        check_pass(result, "this is no virtual machine");
    }
}

static const Check checks[] = {
    {"cpu.vendor", "the processor is Intel's", "looking for SGX where there cannot be any", SDM,
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_vendor,
     "use a node with an Intel processor that has SGX; to try things out, a simulated platform "
     "(docs/simulation.md)"},
    {"cpu.sgx", "the processor has SGX",
     "libraries that fail with 'no device' after everything else was set up",
     "https://github.com/intel/linux-sgx/issues/1083", CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_sgx,
     "enable SGX in the firmware's setup (also: Total Memory Encryption on servers), or use another node"},
    {"cpu.flc", "the processor has flexible launch control",
     "enclave loads that end in 0x4001 or SGX_QL_ENCLAVE_LOAD_ERROR: DCAP cannot run without it",
     "https://github.com/intel/linux-sgx/issues/934", CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_flc,
     "enable launch control ('SGX launch control: unlocked') in the firmware, or use a newer processor"},
    {"cpu.kernel-flag", "the kernel uses the processor's SGX",
     "a driver that is not built in or gave up at boot", "https://docs.kernel.org/arch/x86/sgx.html",
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_kernel_flag,
     "boot a kernel with CONFIG_X86_SGX and without 'nosgx'; look for 'sgx:' in its messages"},
    {"cpu.sgx1", "SGX1 instructions are enabled", "firmware that announces SGX and locks it off", SDM,
     CHECK_NEEDS_HARDWARE, CHECK_FAIL, check_sgx1,
     "set SGX to 'enabled' in the firmware's setup and cold-boot"},
    {"cpu.sgx2", "SGX2 instructions are there", "applications that need dynamic enclave memory",
     "https://docs.kernel.org/arch/x86/sgx.html", CHECK_NEEDS_HARDWARE, CHECK_INFO, check_sgx2,
     "nothing to do for quoting"},
    {"cpu.attributes", "enclaves may have MODE64 and PROVISIONKEY",
     "a hypervisor that withholds the provisioning key: QE and PCE then do not start",
     "https://docs.kernel.org/virt/kvm/api.html#kvm-cap-sgx-attribute", CHECK_NEEDS_HARDWARE, CHECK_FAIL,
     check_attributes,
     "give the virtual machine the provisioning attribute (QEMU: -cpu host,+sgx-provisionkey)"},
    {"cpu.kss", "key separation and sharing is there",
     "applications with CONFIGID that get reports without it", SDM, CHECK_NEEDS_HARDWARE, CHECK_INFO,
     check_kss, "nothing to do for quoting"},
    {"cpu.enclave-size", "enclaves may be as large as the quoting enclaves are",
     "loads that end in an invalid parameter on crippled virtual processors", SDM, CHECK_NEEDS_HARDWARE,
     CHECK_FAIL, check_enclave_size, "give the virtual machine the host's CPUID leaf 12H"},
    {"cpu.feature-control", "the firmware enabled and locked SGX with launch control",
     "firmware that locks SGX or the launch key: EINIT then refuses Intel's own enclaves",
     "https://docs.kernel.org/arch/x86/sgx.html#launch-control", CHECK_NEEDS_HARDWARE | CHECK_NEEDS_ROOT,
     CHECK_FAIL, check_feature_control,
     "change SGX and launch control in the firmware's setup, save, and cold-boot"},
    {"cpu.microcode", "all processors run the same microcode",
     "quotes whose CPUSVN depends on the processor that makes them: certificates are found for some only",
     "https://docs.kernel.org/arch/x86/microcode.html", CHECK_NEEDS_HARDWARE, CHECK_WARN, check_microcode,
     "load microcode early (initramfs or firmware) and reboot"},
    {"cpu.microcode-late", "microcode was not loaded while the system ran",
     "attestation keys that are made again and certificates that do not fit until the next boot",
     "https://docs.kernel.org/arch/x86/microcode.html#why-is-late-loading-dangerous", CHECK_NEEDS_HARDWARE,
     CHECK_WARN, check_microcode_late, "put the microcode into the initramfs and reboot"},
    {"cpu.hypervisor", "this is not a virtual machine", "SGX_QL_ENCLAVE_LOST after a migration or a suspend",
     "https://github.com/apache/incubator-teaclave/issues/175", CHECK_NEEDS_HARDWARE, CHECK_INFO,
     check_hypervisor, "do not migrate or suspend the machine; quoted loads lost enclaves again by itself"},
};

const CheckFamily family_cpu = {"cpu", FAMILY(checks)};
