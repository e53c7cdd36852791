/* SPDX-License-Identifier: Apache-2.0
 *
 * Pck: what a PCK certificate says about the platform it was issued for.
 *
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, "SGX extensions" (OID
 * 1.2.840.113741.1.13.1). The TCB in the certificate, not the raw CPUSVN of a report, is what TCB levels are
 * compared with. Values borrow nothing.
 */
#ifndef BUNDLES_DCAP_PCK_H
#define BUNDLES_DCAP_PCK_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/error.h"

enum { PCK_COMPONENTS_COUNT = 16, PCK_FMSPC_SIZE = 6, PCK_PCE_ID_SIZE = 2 };

typedef enum PckType { PCK_STANDARD, PCK_SCALABLE, PCK_SCALABLE_WITH_INTEGRITY, PCK_TYPES_COUNT } PckType;

typedef struct PckTcb {
    uint8_t components[PCK_COMPONENTS_COUNT]; /* SVNs of microcode, BIOS and other firmware */
    uint16_t pce_svn;
} PckTcb;

typedef struct Pck {
    uint8_t ppid[16];
    PckTcb tcb;
    uint8_t cpu_svn[16];
    uint8_t pce_id[PCK_PCE_ID_SIZE];
    uint8_t fmspc[PCK_FMSPC_SIZE];
    PckType type;
    bool is_multi_package; /* issued by a Platform CA: what follows is there */
    uint8_t platform_instance[16];
    bool dynamic_platform;
    bool cached_keys;
    bool smt_enabled;
} Pck;

/* From the extension's value. ERROR_INPUT says which part is wrong. */
bool pck_parse(Bytes extension, Pck *ret_pck, Error *err) __attribute__((warn_unused_result));

/* From the certificate that carries it. */
bool pck_read(const X509 *certificate, Pck *ret_pck, Error *err) __attribute__((warn_unused_result));

/* True if the certificate has an SGX extension at all. */
bool pck_is_in(const X509 *certificate);

const char *pck_type_name(PckType type);

#endif
