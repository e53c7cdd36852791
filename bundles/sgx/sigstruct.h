/* SPDX-License-Identifier: Apache-2.0
 *
 * Sigstruct: the 1808 bytes by which a signer vouches for an enclave, and what EINIT demands of them.
 *
 * Source: Intel SDM vol. 3D, "SIGSTRUCT". A Sigstruct borrows the bytes it was read from. Who the signer may
 * be is decided in signers, whether the enclave is the one signed for in measure.
 */
#ifndef BUNDLES_SGX_SIGSTRUCT_H
#define BUNDLES_SGX_SIGSTRUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "bundles/base/bytes.h"
#include "bundles/base/digest.h"
#include "bundles/base/error.h"
#include "bundles/sgx/report.h"

enum {
    SIGSTRUCT_SIZE = 1808,
    SIGSTRUCT_KEY_SIZE = 384,
    SIGSTRUCT_DATE_SIZE = 11,
    /* where the parts that a signing tool fills in are */
    SIGSTRUCT_MODULUS = 128,
    SIGSTRUCT_EXPONENT = 512,
    SIGSTRUCT_SIGNATURE = 516,
    SIGSTRUCT_BODY = 900, /* to 1028: with the first 128 bytes what is signed */
    SIGSTRUCT_BODY_SIZE = 128,
    SIGSTRUCT_Q1 = 1040,
    SIGSTRUCT_Q2 = 1424
};

typedef struct Sigstruct {
    Bytes bytes;
    Digest mr_signer;    /* SHA-256 of the modulus as stored */
    uint32_t type;       /* bit 31: a debug enclave's */
    uint32_t vendor;     /* 0x8086 claims Intel and proves nothing */
    uint32_t date;       /* BCD 0xYYYYMMDD */
    uint32_t sw_defined; /* 0 in the enclaves of attestation */
    uint32_t misc_select;
    uint32_t misc_mask;
    uint32_t cet; /* CET attributes, their mask and two reserved bytes */
    SgxAttributes attributes;
    SgxAttributes attributes_mask;
    const uint8_t *mr_enclave;  /* 32 bytes */
    const uint8_t *family_id;   /* 16 */
    const uint8_t *ext_prod_id; /* 16 */
    uint16_t prod_id;
    uint16_t svn;
} Sigstruct;

/* Reads the fields; ERROR_INPUT only for a wrong size. */
bool sigstruct_parse(Bytes bytes, Sigstruct *ret_sigstruct, Error *err) __attribute__((warn_unused_result));

/* Fixed headers, reserved bytes zero, exponent 3, no attribute that only EINIT sets. ERROR_INPUT. */
bool sigstruct_check_form(const Sigstruct *sigstruct, Error *err) __attribute__((warn_unused_result));

/* RSA-3072 signature over the two signed parts, and Q1 and Q2, which nobody signs but EINIT compares.
 * ERROR_VERIFY. */
bool sigstruct_check_signature(const Sigstruct *sigstruct, Error *err) __attribute__((warn_unused_result));

/* A date of the calendar, not later than a day after now (seconds since 1970). ERROR_VERIFY. */
bool sigstruct_check_date(const Sigstruct *sigstruct, int64_t now, Error *err)
    __attribute__((warn_unused_result));

/* "2023-02-03"; digits of a malformed date come out as they are, in hexadecimal. */
void sigstruct_format_date(const Sigstruct *sigstruct, char text[SIGSTRUCT_DATE_SIZE]);

#endif
