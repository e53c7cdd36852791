/* SPDX-License-Identifier: Apache-2.0
 *
 * QeIdentity: which enclave may sign quotes as Intel's QE, and the grades of its ISVSVNs.
 *
 * Source: Intel PCS API v4, enclave identity version 2. Nothing here checks a signature: see
 * bundles/dcap/trusted_collateral.h.
 */
#ifndef BUNDLES_DCAP_QE_IDENTITY_H
#define BUNDLES_DCAP_QE_IDENTITY_H

#include <jansson.h>
#include <stdint.h>

#include "bundles/base/cleanup.h"
#include "bundles/base/error.h"
#include "bundles/dcap/tcb.h"
#include "bundles/sgx/report.h"

typedef struct QeLevel {
    uint16_t isv_svn;
    TcbGrade grade;
} QeLevel;

typedef struct QeIdentity {
    json_t *json;
    int64_t issue_date;
    int64_t next_update;
    uint32_t evaluation_number;
    uint8_t misc_select[4];
    uint8_t misc_select_mask[4];
    uint8_t attributes[16];
    uint8_t attributes_mask[16];
    uint8_t mr_signer[SGX_HASH_SIZE];
    uint16_t isv_prod_id;
    QeLevel *levels; /* highest first */
    size_t levels_count;
} QeIdentity;

/* Keeps a reference to the object. NULL: ERROR_INPUT for what is no identity of the SGX QE. */
QeIdentity *qe_identity_new(json_t *object, Error *err) __attribute__((warn_unused_result));
void qe_identity_free(QeIdentity *identity);
CLEANUP_DEFINE(QeIdentity, qe_identity_free)

/* Is the report one of this enclave, whatever its ISVSVN? ERROR_VERIFY says in what it differs. */
bool qe_identity_check(const QeIdentity *identity, const SgxReportBody *report, Error *err)
    __attribute__((warn_unused_result));

/* The highest level that this ISVSVN reaches; NULL if none. */
const QeLevel *qe_identity_match(const QeIdentity *identity, uint16_t isv_svn);

/* The lowest level that demands no update; NULL if there is none. */
const QeLevel *qe_identity_wanted(const QeIdentity *identity);

#endif
