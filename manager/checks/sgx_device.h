/* SPDX-License-Identifier: Apache-2.0
 *
 * SgxDevice: an enclave under construction in an SGX driver, behind one set of steps for every driver there
 * is.
 *
 * Four generations of drivers exist, in two styles. Those of one style build the enclave that belongs to the
 * descriptor and take offsets; the others look it up by an address inside it and want it mapped beforehand.
 * Every step returns 0 or an errno, for the caller to judge; which driver may not know a step is not decided
 * here. Invariant: closing the device destroys the enclave and unmaps its range, whatever was done.
 *
 * Layouts and numbers (magic 0xa4): Linux, arch/x86/include/uapi/asm/sgx.h, for the kernel's driver and
 * Intel's out-of-tree ones from 1.32 on; intel/SGXDataCenterAttestationPrimitives,
 * driver/linux/include/uapi/asm/sgx.h at LD_1.22 and before for /dev/sgx; intel/linux-sgx-driver, sgx_user.h,
 * for /dev/isgx.
 */
#ifndef MANAGER_CHECKS_SGX_DEVICE_H
#define MANAGER_CHECKS_SGX_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bundles/sgx/report.h"

typedef enum SgxFlavour {
    SGX_FLAVOUR_IN_KERNEL,  /* Linux 5.11 and later, and Intel's driver 1.41 */
    SGX_FLAVOUR_DCAP,       /* Intel's out-of-tree driver 1.32 to 1.36 */
    SGX_FLAVOUR_DCAP_EARLY, /* 1.22 and before */
    SGX_FLAVOUR_LEGACY,     /* isgx: launch tokens, no provisioning device */
    SGX_FLAVOURS_COUNT
} SgxFlavour;

const char *sgx_flavour_name(SgxFlavour flavour);           /* "in-kernel", "dcap", "dcap-early", "legacy" */
const char *sgx_flavour_node(SgxFlavour flavour);           /* "/dev/sgx_enclave" */
const char *sgx_flavour_provision_node(SgxFlavour flavour); /* NULL: the driver has none */

/* The driver to take, by the device nodes beneath root ("" for the running system); false: there is none. */
bool sgx_flavour_find(const char *root, SgxFlavour *ret_flavour);

typedef struct SgxDevice {
    SgxFlavour flavour;
    int fd;
    void *mapped; /* the range that holds the enclave's */
    size_t mapped_size;
    uint64_t base; /* of the enclave */
    uint64_t size;
} SgxDevice;

/* What ECREATE is told (Intel SDM vol. 3D, "SGX Enclave Control Structure"). */
typedef struct SgxSecs {
    uint64_t size; /* a power of two */
    uint32_t ssa_frame_size;
    uint32_t misc_select;
    SgxAttributes attributes;
} SgxSecs;

/* ENOTTY: another driver is behind the node. Close it whatever the result. */
int sgx_device_open(const char *root, SgxFlavour flavour, SgxDevice *ret_device);
void sgx_device_close(SgxDevice *device);

/* Finds addresses for an enclave of that size, which is also their alignment. ERANGE: what the driver gave is
 * not aligned. EPERM: the file system of the device forbids execution. */
int sgx_device_reserve(SgxDevice *device, uint64_t size);
int sgx_device_create(SgxDevice *device, const SgxSecs *secs);
/* `page` is one page, page aligned. *ret_code as for sgx_device_init. */
int sgx_device_add(SgxDevice *device, uint64_t offset, uint64_t si_flags, bool measured, const void *page,
                   uint32_t *ret_code);
/* provision_fd: the provisioning device's. Drivers that go by the descriptor also take it before there is an
 * enclave; the others are not asked then. */
int sgx_device_allow_provisioning(SgxDevice *device, int provision_fd);
/* EINIT. A driver that tells the processor's verdict puts it into *ret_code (SGX_EINIT_…) and returns EPERM.
 */
int sgx_device_init(SgxDevice *device, const void *sigstruct, uint32_t *ret_code);
/* Maps pages of the finished enclave with the protection (PROT_…) that they are used with. */
int sgx_device_map(SgxDevice *device, uint64_t offset, uint64_t size, int protection);

/* EINIT's verdicts (Intel SDM vol. 3D, "EINIT", table of error codes) and what drivers add to them. */
enum {
    SGX_EINIT_INVALID_SIG_STRUCT = 1,
    SGX_EINIT_INVALID_ATTRIBUTE = 2,
    SGX_EINIT_INVALID_MEASUREMENT = 4,
    SGX_EINIT_INVALID_SIGNATURE = 8,
    SGX_EINIT_INVALID_EINITTOKEN = 16,
    SGX_EINIT_INVALID_CPUSVN = 32,
    SGX_EINIT_INVALID_ISVSVN = 64,
    SGX_EINIT_UNMASKED_EVENT = 128,
    SGX_EINIT_POWER_LOST = 0x40000000,
    SGX_EINIT_INVALID_PRIVILEGE = 0x40000002
};

#endif
