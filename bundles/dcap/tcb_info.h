/* SPDX-License-Identifier: Apache-2.0
 *
 * TcbInfo: the grades of one kind of platform (FMSPC), by the SVNs in its PCK certificate.
 *
 * Source: Intel PCS API v4, TCB info version 3; version 2 (API v2 and v3) names the same components
 * differently and is read too. Levels are kept highest first, as Intel's Quote Verification Library sorts
 * them. Nothing here checks a signature: see bundles/dcap/trusted_collateral.h.
 */
#ifndef BUNDLES_DCAP_TCB_INFO_H
#define BUNDLES_DCAP_TCB_INFO_H

#include <jansson.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/dcap/pck.h"
#include "bundles/dcap/tcb.h"

typedef struct TcbLevel {
    PckTcb tcb;
    TcbGrade grade;
    const json_t *components; /* the JSON of version 3, which may say what each component is; or NULL */
} TcbLevel;

typedef struct TcbInfo {
    json_t *json; /* what the levels borrow from */
    int64_t issue_date;
    int64_t next_update;
    uint8_t fmspc[PCK_FMSPC_SIZE];
    uint8_t pce_id[PCK_PCE_ID_SIZE];
    uint32_t evaluation_number; /* 0 in version 2 if it is not there */
    TcbLevel *levels;
    size_t levels_count;
} TcbInfo;

/* Keeps a reference to the object. NULL: ERROR_INPUT for what is no TCB info of an SGX platform. */
TcbInfo *tcb_info_new(json_t *object, Error *err) __attribute__((warn_unused_result));
void tcb_info_free(TcbInfo *info);
CLEANUP_DEFINE(TcbInfo, tcb_info_free)

/* The highest level that these SVNs reach in every component; NULL if none. */
const TcbLevel *tcb_info_match(const TcbInfo *info, const PckTcb *tcb);

/* The lowest level that demands no update; NULL if there is none. */
const TcbLevel *tcb_info_wanted(const TcbInfo *info);

/* What component `at` is ("BIOS, Early Microcode Update") as printable text; "" if it is not said. At least
 * 160 bytes. */
const char *tcb_level_component_name(const TcbLevel *level, size_t at, char *buffer, size_t size);

#endif
