/* SPDX-License-Identifier: Apache-2.0
 *
 * Tcb: the grades that Intel's collateral gives to platforms and quoting enclaves, and how two become one.
 *
 * Source: Intel PCS API v4, "TCB info" and "enclave identity"; the merging is that of Intel's Quote
 * Verification Library. A TcbGrade borrows from the JSON that it was read from.
 */
#ifndef BUNDLES_DCAP_TCB_H
#define BUNDLES_DCAP_TCB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/error.h"

typedef enum TcbStatus {
    TCB_UNKNOWN, /* no collateral says */
    TCB_UP_TO_DATE,
    TCB_SW_HARDENING_NEEDED,
    TCB_CONFIGURATION_NEEDED,
    TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    TCB_OUT_OF_DATE,
    TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    TCB_REVOKED,
    TCB_NOT_SUPPORTED, /* below every level */
    TCB_STATUSES_COUNT
} TcbStatus;

enum { TCB_LEVELS_MAX = 256, TCB_ADVISORIES_MAX = 64, TCB_ADVISORY_SIZE_MAX = 64 };

typedef struct TcbGrade {
    TcbStatus status;
    int64_t date;             /* the day up to which fixes are in, seconds since 1970 */
    const json_t *advisories; /* array of printable strings, or NULL */
} TcbGrade;

/* Intel's names; "Unknown" and "NotSupported" are ours. */
const char *tcb_status_name(TcbStatus status);
bool tcb_status_parse(const char *name, TcbStatus *ret_status);

/* True if no update of enclaves, microcode or BIOS is demanded. */
bool tcb_status_is_current(TcbStatus status);

/* What a relying party makes of the platform's status and the QE's. */
TcbStatus tcb_status_merge(TcbStatus platform, TcbStatus qe);

/* tcbDate, tcbStatus and advisoryIDs of one element of "tcbLevels". ERROR_INPUT. */
bool tcb_grade_parse(const json_t *level, TcbGrade *ret_grade, Error *err)
    __attribute__((warn_unused_result));

/* A date member of collateral. ERROR_INPUT. */
bool tcb_date_parse(const json_t *object, const char *key, int64_t *ret_seconds, Error *err)
    __attribute__((warn_unused_result));

/* A member of exactly 2 * size hex digits. ERROR_INPUT. */
bool tcb_hex_parse(const json_t *object, const char *key, uint8_t *bytes, size_t size, Error *err)
    __attribute__((warn_unused_result));

/* A member of 0 to max. ERROR_INPUT. */
bool tcb_number_parse(const json_t *object, const char *key, uint32_t max, uint32_t *ret_number, Error *err)
    __attribute__((warn_unused_result));

#endif
