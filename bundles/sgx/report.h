/* SPDX-License-Identifier: Apache-2.0
 *
 * Report: the structures of local attestation, as the processor and Intel's libraries lay them out.
 *
 * All are packed, little endian and free of padding (Intel SDM vol. 3D, "SGX data structures"; AESM and the
 * quote library's ABI pass them as byte strings of exactly these sizes).
 */
#ifndef BUNDLES_SGX_REPORT_H
#define BUNDLES_SGX_REPORT_H

#include <assert.h>
#include <stdint.h>

enum {
    SGX_HASH_SIZE = 32,
    SGX_REPORT_DATA_SIZE = 64,
    SGX_TARGET_INFO_SIZE = 512,
    SGX_REPORT_BODY_SIZE = 384,
    SGX_REPORT_SIZE = 432,
    SGX_QE_REPORT_INFO_SIZE = 960
};

/* ATTRIBUTES flags */
#define SGX_FLAGS_INIT UINT64_C(0x1)
#define SGX_FLAGS_DEBUG UINT64_C(0x2)
#define SGX_FLAGS_MODE64BIT UINT64_C(0x4)
#define SGX_FLAGS_PROVISION_KEY UINT64_C(0x10)
#define SGX_FLAGS_EINITTOKEN_KEY UINT64_C(0x20)
#define SGX_FLAGS_KSS UINT64_C(0x80)

typedef struct __attribute__((packed)) SgxAttributes {
    uint64_t flags;
    uint64_t xfrm;
} SgxAttributes;

/* What a report is made for: the QE that shall be able to check its MAC. */
typedef struct __attribute__((packed)) SgxTargetInfo {
    uint8_t mr_enclave[SGX_HASH_SIZE];
    SgxAttributes attributes;
    uint8_t reserved1[2];
    uint16_t config_svn;
    uint32_t misc_select;
    uint8_t reserved2[8];
    uint8_t config_id[64];
    uint8_t reserved3[384];
} SgxTargetInfo;
static_assert(sizeof(SgxTargetInfo) == SGX_TARGET_INFO_SIZE, "target info");

typedef struct __attribute__((packed)) SgxReportBody {
    uint8_t cpu_svn[16];
    uint32_t misc_select;
    uint8_t reserved1[12];
    uint8_t isv_ext_prod_id[16];
    SgxAttributes attributes;
    uint8_t mr_enclave[SGX_HASH_SIZE];
    uint8_t reserved2[32];
    uint8_t mr_signer[SGX_HASH_SIZE];
    uint8_t reserved3[32];
    uint8_t config_id[64];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint16_t config_svn;
    uint8_t reserved4[42];
    uint8_t isv_family_id[16];
    uint8_t report_data[SGX_REPORT_DATA_SIZE];
} SgxReportBody;
static_assert(sizeof(SgxReportBody) == SGX_REPORT_BODY_SIZE, "report body");

/* The MAC covers the body; it is made with a key that only the target enclave on this processor can get.
 * The report does not name its target. */
typedef struct __attribute__((packed)) SgxReport {
    SgxReportBody body;
    uint8_t key_id[32];
    uint8_t mac[16];
} SgxReport;
static_assert(sizeof(SgxReport) == SGX_REPORT_SIZE, "report");

/* In: nonce and the caller's target info. Out: also the QE's report over SHA-256(nonce, quote). */
typedef struct __attribute__((packed)) SgxQeReportInfo {
    uint8_t nonce[16];
    SgxTargetInfo app_target_info;
    SgxReport qe_report;
} SgxQeReportInfo;
static_assert(sizeof(SgxQeReportInfo) == SGX_QE_REPORT_INFO_SIZE, "QE report info");

#endif
