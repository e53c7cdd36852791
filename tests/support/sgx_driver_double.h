/* SPDX-License-Identifier: Apache-2.0
 *
 * SgxDriverDouble: an SGX driver and the processor's enclave instructions, for machines without either.
 *
 * It stands at the border to the kernel: open, stat, mmap, munmap, ioctl and close of the process that it is
 * linked into or preloaded into (build/<preset>/tests/libsgx-driver-double.so) are answered as the kernel
 * does when they are about an SGX device, and handed on when they are not. It judges as ECREATE, EADD,
 * EEXTEND and EINIT do and keeps the order of calls, alignment, SECINFO, MRENCLAVE, signature, attributes and
 * the EPC. Nothing is shared with bundles/sgx or manager/checks, so that each proves the other. It does not
 * stand in for a run of the enclave: mapped pages cannot be read.
 *
 * PSW_SGX_DOUBLE describes the machine, as words behind commas; without it there is no device:
 *   flavour=in-kernel|dcap|dcap-early|legacy  whose device nodes there are
 *   ioctls=FLAVOUR       the driver behind them is another one's
 *   node=denied|dead     open of the enclave device fails with EACCES or ENODEV
 *   provision=absent|denied|stale  the provisioning device; stale: the driver does not know it
 *   epc=PAGES            (default 8192)
 *   max_bits=N           log2 of the largest enclave (default 36)
 *   xfrm=HEX             register states that the processor allows (default e7)
 *   launch=HEX           launch control is locked to this MRSIGNER (default: follows the enclave's)
 *   noexec               /dev forbids execution
 *   fault=hang|crash|measure|interrupts|lost|strange  in adding a page: hang for ever, die, measure wrongly,
 * be interrupted once, lose the EPC, fail with an error that means nothing fault=unaligned      a range that
 * is not aligned to its size, from drivers that choose it fault=busy           EINIT says SGX_UNMASKED_EVENT
 */
#ifndef TESTS_SUPPORT_SGX_DRIVER_DOUBLE_H
#define TESTS_SUPPORT_SGX_DRIVER_DOUBLE_H

#include <stddef.h>

#define SGX_DOUBLE_VARIABLE "PSW_SGX_DOUBLE"

/* Pages of EPC that enclaves of this process hold: SECS, pages and version arrays. */
size_t sgx_double_epc_used(void);

#endif
